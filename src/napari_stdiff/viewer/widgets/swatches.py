"""The labels of an annotation with their colours; a click hides the cells of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qtpy.QtCore import QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QAbstractButton, QApplication, QSizePolicy, QWidget
from superqt import QFlowLayout

UNLABELLED = "no label"
_SQUARE = 11
_WIDEST = 230


class Swatch(QAbstractButton):
    """A square in the colour of a label, and the label; crossed out while it is hidden.

    Signals
    -------
    toggled_label
        It was clicked.
    only_label
        It was double-clicked, or clicked with Alt: only this one is wanted.
    """

    toggled_label = Signal(str)
    only_label = Signal(str)

    def __init__(self, label: str, colour: str) -> None:
        super().__init__()
        self.label, self.colour, self.hidden = label, colour, False
        self.setText(label or UNLABELLED)
        self.setAccessibleName(self.text())
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._clicked)
        self.set_hidden(False)

    def set_hidden(self, hidden: bool) -> None:
        """Show whether the cells of the label are hidden."""
        self.hidden = hidden
        self.setToolTip(
            f"<p><b>{self.text()}</b>: click to {'show' if hidden else 'hide'} these cells. "
            "Double-click, or click with Alt: only these; again: all.</p>"
        )
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the room for square and label."""
        metrics = self.fontMetrics()
        width = _SQUARE + 9 + metrics.horizontalAdvance(self.text())
        return QSize(min(width, _WIDEST), metrics.height() + 3)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw square and label."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = QColor(self.palette().windowText().color())
        if self.underMouse() or self.hasFocus():
            over = QColor(ink)
            over.setAlphaF(0.15)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(over)
            painter.drawRoundedRect(QRectF(self.rect()), 3, 3)
        top = (self.height() - _SQUARE) / 2
        square = QRectF(2.5, top, _SQUARE - 1, _SQUARE - 1)
        painter.setPen(QColor(self.colour))
        painter.setBrush(Qt.BrushStyle.NoBrush if self.hidden else QColor(self.colour))
        painter.drawRect(square)
        font = painter.font()
        font.setStrikeOut(self.hidden)
        painter.setFont(font)
        ink.setAlphaF(0.5 if self.hidden else 1.0)
        painter.setPen(ink)
        room = self.rect().adjusted(_SQUARE + 6, 0, -1, 0)
        text = self.fontMetrics().elidedText(
            self.text(), Qt.TextElideMode.ElideMiddle, room.width() + 1
        )
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        painter.end()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Ask for this label alone; the first click, which hid or showed it, does not count."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self.toggled_label.emit(self.label)
            self.only_label.emit(self.label)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Enter asks for this label alone; Space hides or shows it."""
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.only_label.emit(self.label)
        else:
            super().keyPressEvent(event)

    def _clicked(self) -> None:
        alone = QApplication.keyboardModifiers() & Qt.KeyboardModifier.AltModifier
        (self.only_label if alone else self.toggled_label).emit(self.label)


class Swatches(QWidget):
    """As many swatches side by side as there is room for, in rows.

    Signals
    -------
    toggled
        The cells of a label are to be hidden or shown.
    only
        Only the cells of a label are to be shown.
    """

    toggled = Signal(str)
    only = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._flow = QFlowLayout(self)
        self._flow.setContentsMargins(0, 0, 0, 0)
        self._flow.setHorizontalSpacing(6)
        self._flow.setVerticalSpacing(0)
        self.of: dict[str, Swatch] = {}

    @property
    def colours(self) -> dict[str, str]:
        """Label -> colour, of what is listed."""
        return {label: swatch.colour for label, swatch in self.of.items()}

    def show_labels(self, colours: Mapping[str, str], hidden: Collection[str]) -> None:
        """List labels with their colours, crossing out those that are hidden."""
        if dict(colours) != self.colours:
            for old in self.of.values():
                self._flow.removeWidget(old)
                old.hide()
                old.deleteLater()
            self.of = {}
            for label, colour in colours.items():
                swatch = self.of[label] = Swatch(label, colour)
                swatch.toggled_label.connect(self.toggled.emit)
                swatch.only_label.connect(self.only.emit)
                self._flow.addWidget(swatch)
        for label, swatch in self.of.items():
            if swatch.hidden != (label in hidden):
                swatch.set_hidden(label in hidden)
