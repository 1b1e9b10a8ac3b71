"""What is open in one viewer: the tissue, the store behind it and the results cut from it."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from spatialdata import SpatialData

    from .stack import Stack

_SESSIONS: weakref.WeakKeyDictionary[ViewerModel, Session] = weakref.WeakKeyDictionary()


def session_of(viewer: ViewerModel) -> Session:
    """Return the session of `viewer` (a viewer or napari's proxy of one); one a viewer."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    if viewer not in _SESSIONS:
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
    results
        Name -> virtual section, in the order they came.
    notes
        Results that live in memory alone, name -> why.
    """

    tissue_changed = Signal()
    results_changed = Signal()
    closed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(viewer)
        self._windows: weakref.WeakSet[QMainWindow] = weakref.WeakSet()
        self._stack: Stack | None = None
        self.is_closed = False
        self.tissue: Tissue | None = None
        self.store: str | SpatialData | AnnData | None = None
        self.read_config = ReadConfig()
        self.results: dict[str, VirtualSection] = {}
        self.notes: dict[str, str] = {}
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

    def set_tissue(
        self,
        tissue: Tissue,
        store: str | Path | SpatialData | AnnData | None,
        read_config: ReadConfig | None = None,
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
        """
        stack = self.stack  # made first, so that it draws once: when it hears the signal
        self.tissue = tissue
        self.store = str(store) if isinstance(store, Path) else store
        self.read_config = read_config or ReadConfig()
        self.notes = {}
        self.results = {section.name: section for section in self._stored()}
        self.tissue_changed.emit()
        if self.results:
            self.results_changed.emit()
        stack.frame()

    def add_result(self, section: VirtualSection, persist: bool = True) -> str:
        """Draw `section` and, with `persist`, add it to the store.

        Where the store cannot take it, it stays in memory and the user is told.

        Returns
        -------
        str
            The name it goes by, made unique where it was taken.
        """
        name = _free_name(section.name, self.results)
        section = replace(section, name=name)
        if not persist:
            self.notes[name] = "it was not to be saved"
        else:
            name = self._save(section)
            section = replace(section, name=name)
        _ = self.stack
        self.results[name] = section
        self.results_changed.emit()
        return name

    def remove_result(self, name: str) -> None:
        """Remove the result called `name` from the canvas and from the store."""
        if name not in self.results:
            return
        in_memory = name in self.notes
        del self.results[name]
        self.notes.pop(name, None)
        store = self._results_store()
        if not in_memory and store is not None:
            from ..data.results import remove_result

            try:
                remove_result(store, name)
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

    def _results_store(self) -> str | SpatialData | None:
        """Return the store if it is of the kind that can hold results."""
        from anndata import AnnData

        if self.store is None or isinstance(self.store, AnnData):
            return None
        if isinstance(self.store, str) and Path(self.store).is_file():
            return None
        return self.store

    def _stored(self) -> Sequence[VirtualSection]:
        """Return the results of the store; what is unreadable is named."""
        store = self._results_store()
        if store is None or (isinstance(store, str) and not Path(store).exists()):
            return []
        from ..data.results import list_results, load_result

        found = []
        try:
            infos = list_results(store)
        except (StdiffError, OSError) as error:
            self.notice(f"Results that are already in the store could not be listed: {error}")
            return []
        for info in sorted(infos, key=lambda info: info.record.created):
            try:
                section = load_result(store, info.name)
            except (StdiffError, OSError) as error:
                self.notice(f"The result '{info.name}' could not be read: {error}")
                continue
            if info.record.task == "interpolate":
                found.append(section)
        return found

    def _save(self, section: VirtualSection) -> str:
        """Add `section` to the store; return its name there, or note why it is in memory."""
        store, why = self._results_store(), ""
        if store is None:
            why = (
                "an .h5ad file or AnnData takes no results; give a SpatialData store to save it"
                if self.store is not None
                else "no store was given"
            )
        else:
            from ..data.results import save

            try:
                return save(section, store, self.tissue).table
            except (StdiffError, OSError) as error:
                why = str(error)
        self.notes[section.name] = why
        self.notice(f"'{section.name}' is kept in memory: {why.rstrip('.')}.")
        return section.name


def _free_name(name: str, taken: dict[str, VirtualSection]) -> str:
    free, n = name, 2
    while free in taken:
        free, n = f"{name}_{n}", n + 1
    return free
