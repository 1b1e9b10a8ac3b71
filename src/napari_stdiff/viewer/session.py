"""What is open in one viewer: the tissue, the store behind it and the results cut from it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from ..compute.errors import StdiffError
from ..data.read_config import ReadConfig
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from . import context_menu
from .cell_results import CellResults
from .imputations import Imputations
from .lending import Lending
from .predictions import Predictions
from .preferences import follow
from .saving import NO_RESULTS, NO_STORE, NOT_ASKED, Kept, Place
from .table_genes import TableGenes

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from spatialdata import SpatialData

    from .stack import Stack

SHOWN = ("interpolate", "generate")  # tasks whose results are drawn as sections
NOT_ALIGNED = "the alignment it was made on is not saved; save that, and it is saved too"

_SESSIONS: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of `viewer` (a viewer or napari's proxy of one); one a viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        follow()  # what the Preferences say, before anything is fitted or downloaded
        _SESSIONS[viewer] = Session(viewer)
    return _SESSIONS[viewer]


class Session:
    """The tissue that is open in a viewer, and its results. Main thread only.

    Attributes
    ----------
    tissue
        The measured sections, or None while nothing is open.
    store
        Where results go: a path, an object in memory, or None.
    read_config
        How the tissue was read.
    moved
        Whether the sections are shown somewhere else than they were read.
    moved_system
        The coordinate system that the store has for those other places, or "".
    predictions
        Genes that were predicted in the tissue's own cells.
    imputations
        Values of measured genes that were filled in.
    of_cells
        Every kind of result about the tissue's own cells.
    tables
        Genes of other tables about the same cells.
    reference
        A single-cell table that came with the data, or None.
    writing
        Held by whoever writes to the store.
    """

    opened = Signal()  # other data; before tissue_changed
    tissue_changed = Signal()  # other data, or the same cells in other places
    results_changed = Signal()
    saved = Signal(str)  # a result's name, when it is known whether its store took it
    closed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._windows: weakref.WeakSet[QMainWindow] = weakref.WeakSet()
        self._stack: Stack | None = None
        self.is_closed = False
        self.tissue: Tissue | None = None
        self.store: str | SpatialData | AnnData | None = None
        self.read_config = ReadConfig()
        self.moved = False
        self.moved_system = ""
        self.writing = threading.Lock()
        self._kept = {False: self._keep(), True: self._keep()}
        self.predictions = Predictions(self)
        self.imputations = Imputations(self)
        self.of_cells: tuple[CellResults[Any], ...] = (self.predictions, self.imputations)
        self.tables = TableGenes(self)
        self.reference: AnnData | None = None
        weakref.finalize(viewer, self._close).atexit = False  # Qt is gone by then

    @property
    def viewer(self) -> Any:
        """The viewer.

        Raises
        ------
        StdiffError
            When it is gone.
        """
        viewer = self._viewer()
        if viewer is None:
            raise StdiffError("The napari window of this session is closed; open a new one.")
        return viewer

    @property
    def stack(self) -> Stack:
        """What draws this session on the canvas; made when it is first asked for."""
        if self._stack is None:
            from .stack import Stack

            self._stack = Stack(self)
            context_menu.serve(self)
            self._lending = Lending(self)
        return self._stack

    @property
    def kept(self) -> Kept[VirtualSection]:
        """The results that belong to where the sections are now."""
        return self._kept[self.moved]

    @property
    def results(self) -> dict[str, VirtualSection]:
        """Name -> virtual or generated section, in the order they came."""
        return self.kept.results

    @property
    def notes(self) -> dict[str, str]:
        """Results that live in memory alone, name -> why."""
        return self.kept.notes

    @property
    def saved_names(self) -> list[str]:
        """Results that the store has."""
        return list(self.kept.stored_as)

    def set_tissue(
        self,
        tissue: Tissue,
        store: str | Path | SpatialData | AnnData | None,
        read_config: ReadConfig | None = None,
        reference: AnnData | None = None,
        in_turns: bool = False,
    ) -> None:
        """Open `tissue`, with the results that its store holds already, and draw them.

        Parameters
        ----------
        tissue
            The measured sections.
        store
            Where results go; None keeps them in memory.
        read_config
            How it was read; the defaults if None.
        reference
            A single-cell table that came with it.
        in_turns
            Whether the first section is shown at once and each other one in the next turns of
            the event loop; whoever asks the stack for its sections finds all of them drawn.
        """
        stack = self.stack  # made first, so that it draws once: when it hears the signal
        stack.in_turns = in_turns
        for kept in self._kept.values():
            kept.forget()
        with self.writing:  # what is still being saved may be in the store that is opened
            self._kept = {False: self._keep(), True: self._keep()}
        self.moved, self.moved_system = False, ""
        self.tissue = tissue
        self.store = str(store) if isinstance(store, Path) else store
        self.read_config = read_config or ReadConfig()
        self.reference = reference
        self.tables.forget()
        for results in self.of_cells:
            results.open([])
        self._kept[False] = self._keep(self._stored(tissue))
        self.opened.emit()
        self.tissue_changed.emit()
        if self.results:
            self.results_changed.emit()
        stack.frame()

    def move_tissue(self, tissue: Tissue, moved: bool) -> None:
        """Show the cells of the open tissue in other places, or back in their own.

        Results belong to where the sections were when they were made: they go off the canvas
        with those places, and come back with them.

        Parameters
        ----------
        tissue
            The open tissue with other coordinates.
        moved
            Whether these are other places than those that were read.
        """
        self.moved = moved
        self.tissue = tissue
        self.tissue_changed.emit()
        self.results_changed.emit()

    def forget_moved(self) -> None:
        """Drop the results that belong to other places than those that were read."""
        self._kept[True].forget()
        with self.writing:
            self._kept[True] = self._keep()
        self.moved_system = ""

    def lend_moved(self, kept: Kept[VirtualSection] | None = None) -> Kept[VirtualSection]:
        """Put the results aside that belong to other places than those that were read.

        Parameters
        ----------
        kept
            What this function returned for the places that are shown next; None for new ones.
        """
        before, self._kept[True] = self._kept[True], kept or self._keep()
        return before

    def save_results(self) -> None:
        """Save, in the background, what is in memory alone; for a store that came later."""
        for name in list(self.notes):
            self._write(name)
        for results in self.of_cells:
            results.write_again()

    def add_result(self, section: VirtualSection, persist: bool = True) -> str:
        """Draw `section` and, with `persist`, add it to the store.

        Where the store cannot take it, it stays in memory and the user is told.

        Returns
        -------
        str
            The name it goes by, made unique where it was taken.
        """
        name = self._show(section)
        if persist:
            self._write(name, wait=True)
        else:
            self.notes[name] = NOT_ASKED
        return name

    def keep_result(self, section: VirtualSection) -> str:
        """Draw `section` at once and save it in the background: a store takes seconds.

        Returns
        -------
        str
            As `add_result` does; `saved` tells when the store has it, or cannot take it.
        """
        name = self._show(section)
        self._write(name)
        return name

    def _write(self, name: str, wait: bool = False) -> None:
        """Save the result called `name`, in the background or at once."""
        place, section = self._place(), self.results[name]
        if self.moved and place.store is not None:
            # it lies where the alignment says, not where the data was read
            record, system = section.record, {"coordinate_system": self.moved_system}
            record = record.model_copy(update={"input": {**record.input, **system}})
            self.results[name] = replace(section, record=record)
        self.kept.write(name, place, wait)

    def remove_result(self, name: str) -> None:
        """Remove the result called `name` from the canvas and from the store."""
        if name not in self.results:
            return
        self.kept.remove(name, self._place())
        self.results_changed.emit()

    def notice(self, sentence: str) -> None:
        """Show the user one sentence."""
        show_info(sentence)

    def watch(self, widget: QWidget) -> None:
        """Emit `closed` when the main window that `widget` is docked in goes away."""
        parent: Any = widget
        while parent is not None and not isinstance(parent, QMainWindow):
            parent = parent.parent()
        if parent is not None and parent not in self._windows:
            self._windows.add(parent)
            parent.destroyed.connect(self._close)

    def _close(self, *_: object) -> None:
        if not self.is_closed:
            self.is_closed = True
            self.closed.emit()
            if self.writing.acquire(timeout=10):  # a store is not left half-written
                self.writing.release()

    def place(self) -> Place:
        """Return where results about the tissue's own cells are saved."""
        from anndata import AnnData

        if self.store is None:
            return Place(None, NO_STORE)
        if isinstance(self.store, AnnData):
            return Place(None, NO_RESULTS)
        if isinstance(self.store, str) and Path(self.store).is_file():
            return Place(None, NO_RESULTS)
        return Place(self.store)

    def _place(self) -> Place:
        """Return where sections are saved: a store that knows where the tissue is shown."""
        if self.moved and not self.moved_system:
            return Place(None, NOT_ALIGNED)
        return self.place()

    def _keep(self, found: Sequence[VirtualSection] = ()) -> Kept[VirtualSection]:
        return Kept(self, self.saved.emit, found)

    def _stored(self, tissue: Tissue) -> Sequence[VirtualSection]:
        """Return the results of the store that fit `tissue`; what is unreadable is named."""
        store = self._place().store
        if store is None or (isinstance(store, str) and not Path(store).exists()):
            return []
        from ..data.results import list_results, load_result

        found, elsewhere = [], set()
        of_cells: dict[str, list[Any]] = {results.task: [] for results in self.of_cells}
        load = {results.task: results.load for results in self.of_cells}
        here = tissue.origin.coordinate_system
        try:
            infos = list_results(store)
        except (StdiffError, OSError) as error:
            self.notice(f"Results that are already in the store could not be listed: {error}")
            return []
        for info in sorted(infos, key=lambda info: info.record.created):
            task = info.record.task
            if task not in SHOWN and task not in load:
                continue
            try:
                if task in load:
                    of_cells[task].append(load[task](store, info.name))
                    continue
                section = load_result(store, info.name)
            except (StdiffError, OSError) as error:
                self.notice(f"The result '{info.name}' could not be read: {error}")
                continue
            system = str(info.record.input.get("coordinate_system") or here)
            if system != here:
                elsewhere.add(system)
                continue
            found.append(section)
        for results in self.of_cells:
            results.open(of_cells[results.task])
        if elsewhere:
            self.notice(
                f"The store has more results, in the coordinate system '{min(elsewhere)}'; choose "
                "it under Reading to see them."
            )
        return found

    def _show(self, section: VirtualSection) -> str:
        """Draw `section` under a free name, and return that."""
        _ = self.stack
        name = self.kept.add(section)
        self.results_changed.emit()
        return name
