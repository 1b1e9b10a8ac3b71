"""One box for everything that sections can be coloured by: type, arrows, Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QPoint, QRect, Qt, Signal
from qtpy.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QAbstractItemView, QLineEdit, QListView, QWidget

from ..cover import two_digits
from ..gene_entries import Hit, Pasted
from ..gene_index import GeneIndex
from ..recents import Recents
from .badges import badge_icon, badge_words, glass_icon
from .status_row import STATUS, StatusRow

SHOWN = 100  # rows of a search
_OFFERED = 2000  # rows before anything is typed
_ROWS = 12  # in sight
_NARROWEST = 270
_WORDS = {"measured": "measured", "virtual": "in virtual sections", "column": "annotation"}
_TIPS = {
    "measured": "Measured in this tissue",
    "virtual": "Not measured in this tissue; virtual sections have it",
    "column": "A column of the table (obs): one colour a value, or a scale of numbers",
    "plain": "No colours: only where the cells are",
}


class _Found(QAbstractListModel):
    """What a search found, each with where it comes from."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.hits: Sequence[Hit] = ()

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.hits = hits
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return how many there are."""
        return 0 if parent is not None and parent.isValid() else len(self.hits)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return name, origin, badge or tooltip of a row."""
        if not 0 <= index.row() < len(self.hits):
            return None
        entry = self.hits[index.row()].entry
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.name
        guessed = entry.badge is not None and entry.kind != "measured"
        if role == Qt.ItemDataRole.DecorationRole and entry.badge is not None and guessed:
            return badge_icon(entry.badge)
        if role == STATUS:
            if guessed:
                return f"{entry.table or entry.kind} · r {two_digits(entry.expected)}"
            if entry.badge is not None:
                return "measured, also predicted"
            return f"in {entry.table}" if entry.table else _WORDS.get(entry.kind, "")
        if role == Qt.ItemDataRole.ToolTipRole:
            held = f"In the table '{entry.table}' about the same cells" if entry.table else ""
            if entry.badge is not None:
                how = {
                    "imputed": "Measured, and filled in; its hidden values reached",
                    "measured": "Measured, which is what is shown; also predicted (Maps side by "
                    "side shows both), expected Pearson with the truth",
                }.get(entry.kind, "Predicted, not measured; expected Pearson with the truth")
                trust = f"{how}: {badge_words(entry.badge, entry.expected)}"
                return f"{held}. {trust}" if held else trust
            return (held or _TIPS[entry.kind]) + (f"; {entry.other}" if entry.other else "")
        return None


class SearchBox(QLineEdit):
    """A line with a list below it while something is looked for.

    Signals
    -------
    picked
        An entry was chosen: the :class:`Hit`, and what was typed.
    pasted
        A list of names was pasted, or typed and entered: the :class:`Pasted`.
    missed
        Enter was pressed on what fits nothing; the text.
    stepped
        Page down (1) or up (-1) was pressed while nothing was looked for.
    """

    picked = Signal(object, str)
    pasted = Signal(object)
    missed = Signal(str)
    stepped = Signal(int)

    def __init__(self, recents: Recents) -> None:
        super().__init__()
        self._recents = recents
        self._make: Callable[[], GeneIndex] = GeneIndex
        self._index: GeneIndex | None = None
        self._shown = ""
        self._before = ""
        self._watched: list[QWidget] = []
        self.setPlaceholderText("Gene or annotation")
        self.addAction(glass_icon(), QLineEdit.ActionPosition.LeadingPosition)
        self.setToolTip(
            "<p>Type a few letters of a gene or an annotation, choose with the arrows, press "
            "Enter. Typing errors are forgiven.</p><p>Paste a list of genes (commas, spaces or "
            "lines) to walk through them with Page down and Page up.</p>"
        )
        self.setMaxLength(10_000_000)  # a pasted list must not be cut off unsaid
        self.found = _Found(self)
        self.list = QListView(self)
        self.list.setModel(self.found)
        self.list.setItemDelegate(StatusRow(self.list))
        self.list.setUniformItemSizes(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the line keeps the keys
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setObjectName("stdiff_found")
        self.list.hide()
        self.textEdited.connect(self._edited)
        self.list.clicked.connect(lambda index: self._choose(index.row()))

    @property
    def index(self) -> GeneIndex:
        """What is searched; made when it is first asked for."""
        if self._index is None:
            self._index = self._make()
        return self._index

    def offer(self, make: Callable[[], GeneIndex]) -> None:
        """Search in what `make` returns, from the next key on; what is shown stays."""
        self._make, self._index = make, None

    def show_name(self, name: str) -> None:
        """Show what sections are coloured by, unless the user is typing."""
        self._shown = name
        if not self.list.isVisible():
            self.setText(name)
            self.setCursorPosition(0)

    def ask(self) -> None:
        """Wait for what is typed, and offer what was recent."""
        self.setFocus()
        self.selectAll()
        self._search("")

    def leave(self) -> None:
        """Stop searching: show what sections are coloured by."""
        self._close()
        self.show_name(self._shown)

    # -- keys and mouse -----------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Walk through the list, choose, or leave it."""
        if event is None:
            return
        key = event.key()
        steps: dict[int, int] = {
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_PageDown: _ROWS - 1,
            Qt.Key.Key_PageUp: 1 - _ROWS,
        }
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._enter()
        elif key == Qt.Key.Key_Escape and self.list.isVisible():
            self.leave()
            self.selectAll()
        elif key in steps and self.list.isVisible():
            row = self.list.currentIndex().row() + steps[key]
            self._go_to(min(max(row, 0), len(self.found.hits) - 1))
        elif key in (Qt.Key.Key_PageDown, Qt.Key.Key_PageUp):
            self.stepped.emit(1 if key == Qt.Key.Key_PageDown else -1)
        elif key == Qt.Key.Key_Down:
            self._search("" if self.text() == self._shown else self.text())
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Offer what was recent when the line is entered."""
        entering = not self.list.isVisible() and self.text() == self._shown
        super().mousePressEvent(event)
        if entering:
            self.ask()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        """Keep the whole name selected where the line was just entered."""
        super().mouseReleaseEvent(event)
        if self.list.isVisible() and self.text() == self._shown and not self.hasSelectedText():
            self.selectAll()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:  # noqa: N802
        """Stop searching when the user turns to something else."""
        super().focusOutEvent(event)
        reason = None if event is None else event.reason()
        if reason not in (
            Qt.FocusReason.PopupFocusReason,  # the menu of the line itself
            Qt.FocusReason.ActiveWindowFocusReason,
        ):
            self.leave()

    # -- searching ------------------------------------------------------------------------------

    def _edited(self, text: str) -> None:
        more, self._before = len(text) - len(self._before), text
        if more > 1 and len(text) > 3:  # not typed: pasted or dropped
            pasted = self.index.pasted(text)
            if pasted is not None:
                self._walk(pasted)
                return
        self._search(text)

    def _search(self, text: str) -> None:
        self._before = text
        n = SHOWN if text.strip() else _OFFERED
        self.found.show_hits(self.index.search(text, n, self._recents.keys))
        if not self.found.hits:
            self._close()
            return
        self._open()
        self._go_to(0)

    def _enter(self) -> None:
        text = self.text()
        if self.list.isVisible():
            pasted = self.index.pasted(text)
            if pasted is None:
                self._choose(self.list.currentIndex().row())
            else:
                self._walk(pasted)
            return
        if not text.strip():
            self.leave()
            return
        pasted = self.index.pasted(text)
        hits = self.index.search(text, 1, self._recents.keys)
        if pasted is not None:
            self._walk(pasted)
        elif hits:
            self._emit(hits[0])
        else:
            self.missed.emit(text)

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self.found.hits):
            self._emit(self.found.hits[row])

    def _emit(self, hit: Hit) -> None:
        text = self.text()
        self._close()
        self.setText(hit.entry.called)
        self.selectAll()
        self.picked.emit(hit, text)

    def _walk(self, pasted: Pasted) -> None:
        self.leave()
        self.pasted.emit(pasted)

    # -- the list ---------------------------------------------------------------------------------

    def _go_to(self, row: int) -> None:
        at = self.found.index(row)
        self.list.setCurrentIndex(at)
        self.list.scrollTo(at)

    def _open(self) -> None:
        """Show the list below the line, over whatever is there."""
        window = self.window()
        if window is None:
            return
        if self.list.parent() is not window:  # docks move from window to window
            self.list.setParent(window)
        self._place()
        self.list.show()
        self.list.raise_()
        if not self._watched:
            widget: QWidget | None = self
            while widget is not None:
                widget.installEventFilter(self)
                self._watched.append(widget)
                widget = None if widget is window else widget.parentWidget()

    def _close(self) -> None:
        self.list.hide()
        self._before = ""
        for widget in self._watched:
            widget.removeEventFilter(self)
        self._watched = []

    def _place(self) -> None:
        window = self.window()
        if window is None:
            return
        line = QRect(self.mapTo(window, QPoint(0, 0)), self.size())
        rows = min(len(self.found.hits), _ROWS)
        step = max(self.list.sizeHintForRow(0), self.list.fontMetrics().height())
        wanted = rows * step + 2 * self.list.frameWidth() + 4
        below, above = window.height() - line.bottom() - 4, line.top() - 4
        height = min(wanted, max(below, above))
        top = line.bottom() + 1 if below >= min(wanted, above) else line.top() - height
        width = min(max(line.width(), _NARROWEST), window.width())
        left = max(0, min(line.left(), window.width() - width))
        self.list.setGeometry(left, top, width, height)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Keep the list at the line, whatever moves; go with it when it is hidden."""
        kind = None if event is None else event.type()
        if kind in (QEvent.Type.Move, QEvent.Type.Resize) and self.list.isVisible():
            self._place()
        elif kind == QEvent.Type.Hide and watched is not self.list:
            self._close()
        return super().eventFilter(watched, event)
