"""One section at several lambdas: a button, what came out in words, and a way to be rid of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ..forms import Folded
from ..session import Session
from ..strip import Strip
from .dock import paragraph

if TYPE_CHECKING:
    from ...tasks.sweep import Sweep


class SweepPanel(Folded):
    """Emits `run`; draws a sweep as a strip on the canvas and says what it shows."""

    run = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._strip: Strip | None = None
        inside = QWidget()
        super().__init__("Compare lambdas", inside)
        self.about = paragraph()
        self.about.setText(
            "Lambda is the weight of the two neighbouring sections: near 0 a cell starts from the "
            "one below, near 1 from the one above."
        )
        self.go = QPushButton("Draw at 0.1 to 0.9")
        self.go.setToolTip("<p>Nine small sections below the stack, from one fit.</p>")
        self.words = paragraph()
        self.remove = QPushButton("Remove the strip")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.about, self.go, self.words, self.remove):
            column.addWidget(widget)
        self.go.clicked.connect(self.run.emit)
        self.remove.clicked.connect(self.clear)
        self.clear()

    def show_sweep(self, sweep: Sweep) -> str:
        """Draw `sweep`, and say in a sentence that it is there."""
        if self._strip is None:
            self._strip = Strip(self._session)
        labels = [f"{value:g}" for value in sweep.values]
        self._strip.show(sweep.sections, labels)
        lines = [
            "Below the stack, from left to right: lambda "
            f"{labels[0]} to {labels[-1]}, coloured as everything else.",
            f"The distances to the two neighbours say {sweep.geometric:.2f} (the default).",
        ]
        if sweep.chosen is None:
            lines.append("There are too few sections to tell which is best.")
        else:
            lines.append(f"A section left out on purpose is predicted best at {sweep.chosen:g}.")
        self.words.setText("\n".join(lines))
        self.about.setVisible(False)
        self.words.setVisible(True)
        self.remove.setVisible(True)
        self.unfold()
        return "Done: a strip of small sections below the stack."

    def clear(self) -> None:
        """Take the strip off the canvas."""
        if self._strip is not None:
            self._strip.clear()
        self.about.setVisible(True)
        self.words.setVisible(False)
        self.remove.setVisible(False)
