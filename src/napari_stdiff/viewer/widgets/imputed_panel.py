"""How an imputed gene is looked at: measured, imputed or both, and which of it was filled in."""

from __future__ import annotations

from html import escape

from napari.utils.notifications import show_error
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...compute.errors import StdiffError
from ..colors import View
from ..cover import KEY
from ..layers import IMPUTED
from ..session import Session
from .trust import TrustPanel

VIEWS: dict[View, tuple[str, str]] = {
    "raw": ("Measured", f"As it was measured; key {KEY} flips"),
    "imputed": ("Imputed", f"With what was filled in; key {KEY} flips"),
    "both": ("Side by side", "Measured in the left half, imputed in the right, one camera"),
}


class ImputedPanel(QWidget):
    """The switch between measured and imputed, and how many values of the gene are filled in.

    Parameters
    ----------
    session
        Whose stack is coloured.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.buttons: dict[View, QPushButton] = {}
        self._group = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(3)
        for view, (title, tip) in VIEWS.items():
            button = QPushButton(title)
            button.setCheckable(True)
            button.setToolTip(tip)
            button.clicked.connect(lambda _, view=view: self._show(view))
            self._group.addButton(button)
            self.buttons[view] = button
            row.addWidget(button)
        self.only = QCheckBox("Fade measured values")
        self.only.setToolTip("Show in full only what was filled in")
        self.only.toggled.connect(session.stack.set_only_filled)
        self.trust = TrustPanel(session, session.imputations)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(row)
        for widget in (self.words, self.only, self.trust):
            column.addWidget(widget)
        self.refresh()

    def refresh(self) -> None:
        """Show what the stack shows; nothing where the gene was not imputed."""
        stack, known = self._session.stack, self._session.imputations
        self.setVisible(stack.shows_imputed)
        self.trust.refresh()
        if not stack.shows_imputed:
            return
        gene = stack.colouring.name
        self.buttons[stack.view].setChecked(True)
        square = f"<span style='color:{IMPUTED.colour}'>{IMPUTED.mark}</span>"
        self.words.setText(
            f"<b>{escape(gene)}</b>: of its values, {known.share(gene)}, drawn as squares "
            f"{square}; measured ones are discs."
        )
        self.only.setVisible(stack.colouring.filled is not None)
        self.only.blockSignals(True)
        self.only.setChecked(stack.only_filled)
        self.only.blockSignals(False)

    def _show(self, view: View) -> None:
        try:
            self._session.stack.set_view(view)
        except StdiffError as error:
            show_error(str(error))
