"""Run, the bar with stage, time left and loss, Cancel, and errors in one sentence."""

from __future__ import annotations

import time

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...compute.monitor import Progress
from ..worker import Problem

_SCALE = 1000
_RED = {False: "#ff7b72", True: "#b3261e"}  # on dark, on light


class ProblemBox(QWidget):
    """One sentence in red; its details unfold and can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setFixedHeight(120)
        self.show_details = QPushButton("Details")
        self.show_details.setCheckable(True)
        self.copy = QPushButton("Copy")
        self.show_details.toggled.connect(self.details.setVisible)
        self.copy.clicked.connect(self._copy)
        row = QHBoxLayout()
        row.addWidget(self.show_details)
        row.addWidget(self.copy)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.sentence)
        column.addLayout(row)
        column.addWidget(self.details)
        self.show_problem(None)

    def show_problem(self, problem: Problem | None) -> None:
        """Show `problem`, or nothing."""
        self._colour()
        self.setVisible(problem is not None)
        self.show_details.setChecked(False)
        self.details.setVisible(False)
        if problem is not None:
            self.sentence.setText(problem.sentence)
            self.details.setPlainText(problem.details)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Stay readable when napari changes its theme."""
        super().changeEvent(event)
        if event is not None and event.type() in (
            QEvent.Type.StyleChange,
            QEvent.Type.PaletteChange,
        ):
            self._colour()

    def _colour(self) -> None:
        red = _RED[self.palette().color(QPalette.ColorRole.Window).lightness() > 127]
        if red not in self.sentence.styleSheet():
            self.sentence.setStyleSheet(f"color: {red};")

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.sentence.text()}\n\n{self.details.toPlainText()}")


class RunBar(QWidget):
    """Emits `run` and `cancel`; shows what it is told."""

    run = Signal()
    cancel = Signal()

    def __init__(self, title: str = "Run") -> None:
        super().__init__()
        self.run_button = QPushButton(title)
        self.cancel_button = QPushButton("Cancel")
        self.bar = QProgressBar()
        self.bar.setRange(0, _SCALE)
        self.bar.setFormat("%p %")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.words.setMinimumHeight(2 * self.words.fontMetrics().lineSpacing() + 2)
        self.problem = ProblemBox()
        self.run_button.clicked.connect(self.run.emit)
        self.cancel_button.clicked.connect(self._cancel)
        row = QHBoxLayout()
        row.addWidget(self.run_button, 2)
        row.addWidget(self.cancel_button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.words)
        column.addWidget(self.problem)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._tick)
        self.set_running(False)

    @property
    def is_running(self) -> bool:
        """Whether something is shown to run."""
        return self._running

    def set_usable(self, usable: bool) -> None:
        """Show the buttons, or hide them while there is nothing to run on."""
        self.run_button.setVisible(usable)
        self.cancel_button.setVisible(usable)

    def set_running(self, running: bool, words: str = "") -> None:
        """Show that something runs, or that nothing does."""
        self._progress: Progress | None = None
        self._left = TimeLeft()
        if running:
            self._clock.start()
        else:
            self._clock.stop()
        self._running = running
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.bar.setVisible(running)
        self.words.setVisible(bool(words))
        self.words.setText(words)
        if running:
            self.bar.setValue(0)
            self.problem.show_problem(None)

    def clear(self) -> None:
        """Forget how the last run ended."""
        self.set_running(False)
        self.problem.show_problem(None)

    def forgive(self) -> None:
        """Take the error away: what it was about has been changed."""
        self.problem.show_problem(None)

    def show_progress(self, progress: Progress) -> None:
        """Show stage, time left and detail."""
        if not self.cancel_button.isEnabled():
            return  # "Cancelling" stays in sight
        self._left.hear(progress, time.monotonic())
        self._progress = progress
        self.bar.setValue(round(_SCALE * progress.fraction))
        self._tick()

    def show_problem(self, problem: Problem) -> None:
        """Show an error."""
        self.set_running(False)
        self.problem.show_problem(problem)

    def _tick(self) -> None:
        """Count the time left down between two steps."""
        if self._progress is not None and self.cancel_button.isEnabled():
            self.words.setVisible(True)
            self.words.setText(words_of(self._progress, self._left.at(time.monotonic())))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.words.setVisible(True)
        self.words.setText("Cancelling …")
        self.cancel.emit()


class TimeLeft:
    """How long a run will still take.

    The monitor knows the whole run, but only by the shares its stages were given; the pace of
    the present stage corrects it where that stage is slower than its share.
    """

    def __init__(self) -> None:
        self._stage = ""
        self._began = (0.0, 0)
        self._left: float | None = None
        self._heard = 0.0

    def hear(self, progress: Progress, now: float) -> None:
        """Take in what the monitor said at time `now`, in seconds."""
        if progress.stage != self._stage:
            self._stage, self._began = progress.stage, (now, progress.done)
        spent, steps = now - self._began[0], progress.done - self._began[1]
        stage = (progress.total - progress.done) * spent / steps if steps > 0 else 0.0
        known = [eta for eta in (progress.eta_seconds, stage) if eta]
        self._left, self._heard = (max(known) if known else None), now

    def at(self, now: float) -> float | None:
        """Return the seconds left at time `now`; None until known."""
        return None if self._left is None else max(self._left - (now - self._heard), 0.0)


def words_of(progress: Progress, left: float | None) -> str:
    """Put progress into one line: stage, step, seconds left, detail."""
    step = f"{progress.done}/{progress.total}"
    # a stage that ends in a number, as "fold 2 of 5" does, must not run into that of the step
    counted = progress.stage[-1:].isdigit()
    parts = [f"{progress.stage}, step {step}" if counted else f"{progress.stage} {step}"]
    if left is not None:
        parts.append(f"{duration(left)} left")
    if progress.message:
        parts.append(progress.message)
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Put a number of seconds into words that are as precise as anybody needs."""
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
