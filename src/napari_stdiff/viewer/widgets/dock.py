"""What a dock that runs something in the background needs: it scrolls, and it ends cleanly."""

from __future__ import annotations

from qtpy.compat import isalive
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QDockWidget,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)


class Dock(QWidget):
    """A scrolling column of widgets that learns when it is opened and closed.

    Subclasses fill `column`, and override `opened` and `closed`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(300)
        self.body = QWidget()
        self.column = QVBoxLayout(self.body)
        self.column.setContentsMargins(6, 6, 6, 6)
        self.column.setSpacing(5)
        self._area = scroll = QScrollArea()
        scroll.setWidget(self.body)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self._is_open = False
        self._stands = False

    @property
    def is_open(self) -> bool:
        """Whether the dock is in a window; hiding it does not close it."""
        return self._is_open

    def bring_into_sight(self, widget: QWidget) -> None:
        """Scroll to a part of the column, once it is laid out."""

        def scroll() -> None:
            if isalive(self) and isalive(widget) and widget.isVisible():
                self._area.ensureWidgetVisible(widget, 0, 10)

        QTimer.singleShot(0, scroll)

    def opened(self) -> None:
        """Start listening; called when the dock comes into a window."""

    def closed(self) -> None:
        """Stop listening and end what runs; called when the dock or its window is closed."""

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Learn that the dock is in a window."""
        super().showEvent(event)
        self._set_open(True)
        if not self._stands:  # once: later it is where the user put it
            self._stands = True
            QTimer.singleShot(0, self._share)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802
        """Learn that napari's window was closed; a dock that is only hidden runs on."""
        super().hideEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow) and window.isHidden():
            self._set_open(False)

    def event(self, event: QEvent | None) -> bool:
        """Learn that the dock was closed: napari then takes its parent away."""
        kind = event.type() if event is not None else None
        if kind in (QEvent.Type.ParentChange, QEvent.Type.Close) and self.parent() is None:
            self._set_open(False)
        return super().event(event)

    def _share(self) -> None:
        """Stand before our other docks, as tabs: one above the other, none has the height."""
        if not isalive(self):
            return
        window, mine = self.window(), frame_of(self)
        if mine is None or not isinstance(window, QMainWindow):
            return
        area = window.dockWidgetArea(mine)
        for other in window.findChildren(Dock):
            frame = frame_of(other)
            if frame is None or frame is mine or frame.isFloating() or not frame.isVisible():
                continue
            if window.dockWidgetArea(frame) == area:
                window.tabifyDockWidget(frame, mine)
                mine.raise_()
                return

    def _set_open(self, is_open: bool) -> None:
        if is_open != self._is_open:
            self._is_open = is_open
            (self.opened if is_open else self.closed)()


def frame_of(widget: QWidget) -> QDockWidget | None:
    """Return the dock widget that `widget` is in."""
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent


def heading(text: str) -> QLabel:
    """Return the title of a part of a dock."""
    label = QLabel(f"<b>{text}</b>")
    label.setContentsMargins(0, 4, 0, 0)
    return label


def paragraph() -> QLabel:
    """Return a label that wraps and can be copied from."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
