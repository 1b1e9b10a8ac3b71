"""The dock of cells: a table in step with the canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    Qt,
    QTimer,
)
from qtpy.QtWidgets import QAbstractItemView, QHBoxLayout, QLabel, QPushButton, QTableView

from ..cell_pick import CellPick, same
from ..cells import NAME, SECTION, Cells, order_of
from ..colors import Colouring
from .dock import heading
from .tissue_dock import TissueDock

if TYPE_CHECKING:
    import napari

_HELP = "Click a cell on the canvas, or a row; with Shift, several."
_WAIT = 40  # ms after the last change of the selection, before cells are ringed
_WIDE, _WIDEST = 12, 24  # letters of a column to begin with


class CellModel(QAbstractTableModel):
    """Cells, what their colours show, and their obs columns; sorted without moving the data."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.cells: Cells | None = None
        self._colouring = Colouring()
        self.columns: list[str] = []
        self._shown: np.ndarray | None = None
        self._held: dict[str, np.ndarray] = {}
        self.order = np.zeros(0, np.int64)
        self._rank = np.zeros(0, np.int64)
        self._by: tuple[str, bool] | None = None  # a column, and whether from its top

    def set_cells(self, cells: Cells | None, colouring: Colouring) -> None:
        """Show other cells."""
        self.beginResetModel()
        self.cells, self._held = cells, {}
        self._take(colouring)
        self._arrange()
        self.endResetModel()

    def set_colouring(self, colouring: Colouring) -> None:
        """Show what the colours show now."""
        self.beginResetModel()
        self._take(colouring)
        self._arrange()
        self.endResetModel()

    def _take(self, colouring: Colouring) -> None:
        self._colouring = colouring
        self._shown = None
        self.columns = []
        if self.cells is None:
            return
        self.columns = [NAME, SECTION, *self.cells.columns]
        if colouring.kind != "none":
            self._shown = self.cells.shown(colouring)
            self.columns = [c for c in self.columns if c != colouring.name or c in (NAME, SECTION)]
            self.columns.insert(2, colouring.name)

    def values(self, column: int) -> np.ndarray:
        """Return (cells,) what a column says, in the order of the cells."""
        assert self.cells is not None
        if column == 2 and self._shown is not None:
            return self._shown
        name = self.columns[column]
        if name not in self._held:
            self._held[name] = self.cells.column(name)
        return self._held[name]

    def _key(self, column: int) -> str:
        """Return what a column goes by from one colouring to the next."""
        return "" if column == 2 and self._shown is not None else self.columns[column]

    def _arrange(self) -> None:
        """Order the rows as they were asked for last."""
        n = 0 if self.cells is None else self.cells.n
        keys = {self._key(i): i for i in range(len(self.columns))}
        self.order = np.arange(n)
        if self._by is not None and self._by[0] in keys:
            name, descending = self._by
            self.order = order_of(self.values(keys[name]), descending)
        self._rank = np.empty(n, np.int64)
        self._rank[self.order] = np.arange(n)

    def rows_of(self, cells: np.ndarray) -> np.ndarray:
        """Return the rows that cells stand in."""
        return self._rank[cells]

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; -1 as the tissue has them."""
        self.layoutAboutToBeChanged.emit()
        self._by = None
        if 0 <= column < len(self.columns):
            self._by = (self._key(column), order == Qt.SortOrder.DescendingOrder)
        self._arrange()
        self.layoutChanged.emit()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of cells."""
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell's column says."""
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.TextAlignmentRole):
            return None
        value = self.values(index.column())[self.order[index.row()]]
        number = isinstance(value, (float, np.floating))
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        if number:
            return "" if np.isnan(value) else f"{value:.4g}"
        return str(value)

    def headerData(  # noqa: N802
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return the name of a column."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.columns[section]
        return None


class CellsWidget(TissueDock):
    """Lists cells; a row that is selected is ringed on the canvas, a cell clicked there selected.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        self.pick = CellPick(self.session)
        self.model = CellModel(self)
        self._quiet = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_WAIT)
        self._soon.timeout.connect(self._rows_chosen)
        self.table = QTableView()
        self.table.setModel(self.model)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # cells differ at the end
        self.table.setMinimumHeight(200)
        self.table.setToolTip(
            "<p>Select rows to ring their cells on the canvas; click a column's name to sort by "
            "it. Double-click goes to the cell's section in the 2D view.</p>"
        )
        self._letter = self.table.fontMetrics().averageCharWidth()
        self._fitted: np.ndarray | None = None  # names of the cells that columns are as wide as
        across, down = self.table.horizontalHeader(), self.table.verticalHeader()
        if across is not None and down is not None:
            across.setDefaultSectionSize(_WIDE * self._letter)
            across.setResizeContentsPrecision(0)  # the rows in sight, not a million
            across.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            down.setDefaultSectionSize(self.table.fontMetrics().height() + 4)
            down.hide()
        self.table.setSortingEnabled(True)
        self.told = QLabel(_HELP)
        self.told.setWordWrap(True)
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Pick no cell")
        row = QHBoxLayout()
        row.addWidget(self.told, 1)
        row.addWidget(self.clear, 0, Qt.AlignmentFlag.AlignTop)
        self.title = heading("Cells")
        self.column.addWidget(self.title)
        self.column.addLayout(row)
        self.column.addWidget(self.table, 1000)
        self.column.addStretch(1)  # while there is no table
        self.clear.clicked.connect(lambda: self.pick.pick(np.zeros(0, np.int64)))
        self.table.doubleClicked.connect(self._go_to)
        chosen = self.table.selectionModel()
        if chosen is not None:
            chosen.selectionChanged.connect(self._selected)
        self.model.layoutChanged.connect(self._show_picked)
        self.pick.changed.connect(self._on_picked)
        self.pick.cells_changed.connect(self._on_cells)
        self.begin()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to the colours."""
        return [(self.session.stack.colours_changed, self._on_colours)]

    def show_tissue(self) -> None:
        """Show the cells of the tissue that was opened."""
        here = self.session.tissue is not None
        for widget in (self.title, self.told, self.table):
            widget.setVisible(here)
        self.clear.setVisible(here and len(self.pick.rows) > 0)

    def opened(self) -> None:
        """Follow clicks on the canvas."""
        super().opened()
        self.pick.listen(True)

    def end(self) -> None:
        """Follow them no longer."""
        super().end()
        if not self.session.is_closed:
            self.pick.listen(False)

    def _on_cells(self) -> None:
        self._anew(lambda: self.model.set_cells(self.pick.cells, self.session.stack.colouring))
        self._fit()
        self._tell()

    def _fit(self) -> None:
        """Make the first columns as wide as their words, once: then they are the user's."""
        tissue = self.session.tissue
        if tissue is None or tissue.names is self._fitted:
            return
        self._fitted = tissue.names
        for column in range(min(3, self.model.columnCount())):
            self.table.resizeColumnToContents(column)
            width = self.table.columnWidth(column) + 3 * self._letter  # later ones are longer
            self.table.setColumnWidth(column, min(width, _WIDEST * self._letter))

    def _on_colours(self) -> None:
        stack, cells = self.session.stack, self.pick.cells
        if cells is None or not same(cells.sections, stack.sections):
            return  # its sections are told of next
        self._anew(lambda: self.model.set_colouring(stack.colouring))

    def _anew(self, change: Callable[[], None]) -> None:
        """Fill the table anew, scrolled and selected as it was."""
        bar = self.table.verticalScrollBar()
        at = 0 if bar is None else bar.value()
        self._quiet = True
        try:
            change()
        finally:
            self._quiet = False
        self._show_picked()
        if bar is not None:
            bar.setValue(at)

    # -- rows and cells -----------------------------------------------------------------------

    def _selected(self, *_: object) -> None:
        if not self._quiet:
            self._soon.start()

    def _rows_chosen(self) -> None:
        """Pick the cells of the selected rows."""
        chosen = self.table.selectionModel()
        if chosen is None:
            return
        picked: Any = chosen.selection()
        at = getattr(picked, "at", None) or picked.__getitem__  # PySide's, or PyQt's
        ranges = [at(i) for i in range(picked.count())]
        spans = [np.arange(span.top(), span.bottom() + 1) for span in ranges]
        rows = np.unique(np.concatenate(spans)) if spans else np.zeros(0, np.int64)
        self._quiet = True
        try:
            self.pick.pick(self.model.order[rows])
        finally:
            self._quiet = False

    def _on_picked(self) -> None:
        self._tell()
        if self._quiet:
            return  # it comes from the table
        self._show_picked()
        if len(self.pick.rows):
            row = int(self.model.rows_of(self.pick.rows[-1:])[0])
            middle = QAbstractItemView.ScrollHint.PositionAtCenter
            self.table.scrollTo(self.model.index(row, 0), middle)

    def _show_picked(self) -> None:
        """Select the rows of the picked cells."""
        chosen = self.table.selectionModel()
        if chosen is None:
            return
        rows = np.sort(self.model.rows_of(self.pick.rows))
        selection, last = QItemSelection(), self.model.columnCount() - 1
        for span in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):
            if not len(span):
                continue
            top, bottom = int(span[0]), int(span[-1])
            selection.select(self.model.index(top, 0), self.model.index(bottom, last))
        self._quiet = True
        try:
            chosen.select(selection, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        finally:
            self._quiet = False

    def _go_to(self, index: QModelIndex) -> None:
        """Show the section of a row, where one section is shown at a time."""
        cells, viewer = self.pick.cells, self._viewer()
        if cells is None or viewer is None or viewer.dims.ndisplay != 2:
            return
        section = cells.section_of(int(self.model.order[index.row()]))
        if section is not None:
            self.session.stack.go_to(section)

    def _tell(self) -> None:
        n = len(self.pick.rows)
        self.told.setText(f"{n:,} cell{'s' * (n != 1)} picked." if n else _HELP)
        self.clear.setVisible(n > 0)
