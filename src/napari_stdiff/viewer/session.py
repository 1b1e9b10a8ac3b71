"""What is open in one viewer: the tissue, the store behind it and the results cut from it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info
from psygnal import Signal
from qtpy.QtWidgets import QMainWindow, QWidget

from ..compute.errors import StdiffError
from ..data.read_config import ReadConfig
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection
from .predictions import TASK, Predictions
from .worker import Job, Problem

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from spatialdata import SpatialData

    from .stack import Stack

SHOWN = ("interpolate", "generate")  # tasks whose results are drawn as sections

_SESSIONS: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of `viewer` (a viewer or napari's proxy of one); one a viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
        _SESSIONS[viewer] = Session(viewer)
    return _SESSIONS[viewer]


@dataclass
class Kept:
    """Results that belong together, because they were cut from sections in the same places.

    Attributes
    ----------
    results
        Name -> section, in the order they came.
    notes
        Those that live in memory alone, name -> why.
    stored_as
        Result -> its name in the store.
    """

    results: dict[str, VirtualSection] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    stored_as: dict[str, str] = field(default_factory=dict)


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
        self._kept = {False: Kept(), True: Kept()}
        self.writing = threading.Lock()
        self.predictions = Predictions(self)
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
        return self._stack

    @property
    def kept(self) -> Kept:
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
        """
        stack = self.stack  # made first, so that it draws once: when it hears the signal
        with self.writing:  # what is still being saved may be in the store that is opened
            self._kept = {False: Kept(), True: Kept()}
        self.moved, self.moved_system = False, ""
        self.tissue = tissue
        self.store = str(store) if isinstance(store, Path) else store
        self.read_config = read_config or ReadConfig()
        self.reference = reference
        self.predictions.open([])
        found = {section.name: section for section in self._stored(tissue)}
        self._kept[False] = Kept(found, {}, {name: name for name in found})
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
        with self.writing:
            self._kept[True] = Kept()
        self.moved_system = ""

    def save_results(self) -> None:
        """Save, in the background, what is in memory alone; for a store that came later."""
        for name in [n for n in self.results if n in self.notes]:
            del self.notes[name]
            self._write(name)
        for name in [n for n in self.predictions.results if n in self.predictions.notes]:
            del self.predictions.notes[name]
            self.predictions.write(name)

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
            self._told(name, self._writer(name)())
        else:
            self.notes[name] = "it was not to be saved"
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

    def _write(self, name: str) -> None:
        """Save the result called `name`, in the background."""
        kept, write = self.kept, self._writer(name)
        if self._results_store() is None:
            self._told(name, write())
            return

        def done(why: str) -> None:
            if self.kept is kept and name in kept.results and not self.is_closed:
                self._told(name, why)

        job = Job(lambda monitor: write())
        job.deliver(done, lambda error: done(Problem.of(error).sentence), lambda: None)
        job.start()

    def remove_result(self, name: str) -> None:
        """Remove the result called `name` from the canvas and from the store."""
        if name not in self.results:
            return
        del self.results[name]
        self.notes.pop(name, None)
        store = self._results_store()
        with self.writing:  # it may just be on its way into the store
            stored = self.kept.stored_as.pop(name, "")
            if stored and store is not None:
                from ..data.results import remove_result

                try:
                    remove_result(store, stored)
                except (StdiffError, OSError) as error:
                    self.notice(f"'{name}' is off the canvas but still in its store: {error}")
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

    def store_of_results(self) -> str | SpatialData | None:
        """Return the store if it is of the kind that can hold results."""
        from anndata import AnnData

        if self.store is None or isinstance(self.store, AnnData):
            return None
        if isinstance(self.store, str) and Path(self.store).is_file():
            return None
        return self.store

    def _results_store(self) -> str | SpatialData | None:
        """Return the store if it knows where the sections are shown, and so the results."""
        return None if self.moved and not self.moved_system else self.store_of_results()

    def _stored(self, tissue: Tissue) -> Sequence[VirtualSection]:
        """Return the results of the store that fit `tissue`; what is unreadable is named."""
        store = self._results_store()
        if store is None or (isinstance(store, str) and not Path(store).exists()):
            return []
        from ..data.results import list_results, load_predicted, load_result

        found, elsewhere, predicted = [], set(), []
        here = tissue.origin.coordinate_system
        try:
            infos = list_results(store)
        except (StdiffError, OSError) as error:
            self.notice(f"Results that are already in the store could not be listed: {error}")
            return []
        for info in sorted(infos, key=lambda info: info.record.created):
            if info.record.task not in (*SHOWN, TASK):
                continue
            try:
                if info.record.task == TASK:
                    predicted.append(load_predicted(store, info.name))
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
        self.predictions.open(predicted)
        if elsewhere:
            self.notice(
                f"The store has more results, in the coordinate system '{min(elsewhere)}'; choose "
                "it under Reading to see them."
            )
        return found

    def _show(self, section: VirtualSection) -> str:
        """Draw `section` under a free name, and return that."""
        name = _free_name(section.name, self.results)
        _ = self.stack
        self.results[name] = replace(section, name=name)
        self.results_changed.emit()
        return name

    def _writer(self, name: str) -> Callable[[], str]:
        """Return a function that saves the result called `name`, from any thread.

        It returns why the store did not take it, or "". A result that is gone by then is left.
        """
        section, results, tissue = self.results[name], self.results, self.tissue
        store, stored_as = self._results_store(), self.kept.stored_as
        if store is None:
            why = "no store was given"
            if self.moved and not self.moved_system:
                why = "the alignment it was made on is not saved; save that, and it is saved too"
            elif self.store is not None:
                why = "an .h5ad file or AnnData takes no results; give a SpatialData store"
            return lambda: why
        if self.moved:  # it lies where the alignment says, not where the data was read
            system = {"coordinate_system": self.moved_system}
            record = section.record
            record = record.model_copy(update={"input": {**record.input, **system}})
            section = results[name] = replace(section, record=record)

        def write() -> str:
            from ..data.results import save

            with self.writing:
                if results.get(name) is not section:
                    return ""
                try:
                    stored_as[name] = save(section, store, tissue).table
                except (StdiffError, OSError) as error:
                    return str(error)
            return ""

        return write

    def _told(self, name: str, why: str) -> None:
        """Say how saving ended: not at all if `why` is given."""
        if why:
            self.notes[name] = why.rstrip(".")
            self.notice(f"'{name}' is kept in memory: {why.rstrip('.')}.")
        self.saved.emit(name)


def _free_name(name: str, taken: dict[str, VirtualSection]) -> str:
    free, n = name, 2
    while free in taken:
        free, n = f"{name}_{n}", n + 1
    return free
