"""Before and after an alignment: the session's sections where they were read, or in one frame."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from ..compute.errors import StdiffError
from ..data.alignment import Alignment
from ..data.read_config import ReadConfig
from ..data.tissue import Tissue

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from spatialdata import SpatialData

    from ..data.virtual import VirtualSection
    from .saving import Kept
    from .session import Session

BY_HAND = "by hand"  # method of an alignment that somebody made by moving sections
_ALL: weakref.WeakKeyDictionary[Session, Aligned] = weakref.WeakKeyDictionary()


def aligned_of(session: Session) -> Aligned:
    """Return what is aligned in `session`; one a session."""
    if session not in _ALL:
        _ALL[session] = Aligned(session)
    return _ALL[session]


@dataclass(frozen=True)
class Stand:
    """Where the sections stand, and what belongs to that: handed out and taken back.

    Attributes
    ----------
    alignment
        How they moved from where they were read; None where they did not.
    system, store, read_config
        The coordinate system that the store has for it ("" where it has none), that store, and
        how to read it.
    kept
        The results that were made there; None for none yet.
    """

    alignment: Alignment | None
    system: str
    store: str | SpatialData | AnnData | None
    read_config: ReadConfig
    kept: Kept[VirtualSection] | None = None


class Aligned:
    """The alignment of the tissue that is open, shown, saved and undone.

    Attributes
    ----------
    alignment
        What was found, or None.
    system
        The coordinate system that the store has it as, or "" while it is not saved.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.alignment: Alignment | None = None
        self.system = ""
        self._before: Tissue | None = None
        self._after: Tissue | None = None
        self._opened: tuple[str | SpatialData | AnnData | None, ReadConfig] | None = None
        session.opened.connect(self._forget)

    @property
    def session(self) -> Session:
        """The session."""
        session = self._session()
        if session is None:
            raise StdiffError("The napari window of this session is closed; open a new one.")
        return session

    @property
    def before(self) -> Tissue | None:
        """The tissue as it was read."""
        return self._before if self.alignment is not None else self.session.tissue

    @property
    def is_after(self) -> bool:
        """Whether the aligned sections are shown."""
        return self.alignment is not None and self.session.moved

    @property
    def can_hold(self) -> bool:
        """Whether the open data takes a coordinate system; else a new store is written."""
        store = self.session.store
        if store is None or type(store).__name__ == "AnnData":
            return False
        return not (isinstance(store, str) and not Path(store).is_dir())

    def take(self, alignment: Alignment) -> None:
        """Show the sections as `alignment` moves them, instead of an earlier one."""
        tissue = self.before
        if tissue is None:
            return
        if self.is_after:
            self.show(after=False)
        self.session.forget_moved()
        self._after = alignment.apply(tissue)
        self._opened = self._opened or (self.session.store, self.session.read_config)
        self.session.store, self.session.read_config = self._opened
        self._before, self.alignment, self.system = tissue, alignment, ""
        self.show(after=True)

    def exchange(self, alignment: Alignment | Stand | None) -> Stand:
        """Show the sections as `alignment` moves them, or as they stood; return how they stand.

        Parameters
        ----------
        alignment
            A new alignment, not saved yet; None for where the sections were read; or what an
            earlier call returned: the results that were made there come back with it.
        """
        session, before = self.session, self.before
        if before is None:
            raise StdiffError("There is no tissue open; open one first.")
        now = (session.store, session.read_config)
        opened = self._opened or now
        to = alignment
        if not isinstance(to, Stand):
            to = Stand(to, "", *opened)
        kept = session.lend_moved(to.kept)
        was = Stand(self.alignment, self.system, *now, kept)
        self.alignment, self.system = to.alignment, to.system
        session.store, session.read_config = to.store, to.read_config
        session.moved_system = to.system
        if to.alignment is None:
            self._before = self._after = self._opened = None
            session.move_tissue(before, False)
        else:
            self._before, self._opened = before, opened
            self._after = to.alignment.apply(before)
            if to.system:
                origin = replace(self._after.origin, coordinate_system=to.system)
                self._after = replace(self._after, origin=origin)
            session.move_tissue(self._after, True)
        self.changed.emit()
        return was

    def show(self, after: bool) -> None:
        """Show the sections before or after the alignment."""
        tissue = self._after if after else self._before
        if tissue is None:
            return
        session = self.session
        if tissue is not session.tissue:
            session.move_tissue(tissue, after)
            if self.is_after and self.system:
                session.save_results()  # of the time before it was saved
        self.changed.emit()

    def saver(self, out: str = "") -> Callable[[], str]:
        """Return a function that saves the alignment, from any thread, and returns its system.

        Parameters
        ----------
        out
            A path for a new store, where the open data takes no coordinate system.
        """
        alignment, tissue = self.alignment, self._before
        store = out or self.session.store
        if alignment is None or tissue is None or store is None:
            raise StdiffError("There is no alignment to save; run one first.")

        def save() -> str:
            from ..data.alignment_store import save_alignment
            from ..data.record import describe_input

            if alignment.record.method != BY_HAND:
                return save_alignment(alignment, store, tissue)
            # a hash of the tissue takes too long for every move of a hand
            record = alignment.record.model_copy(update={"input": describe_input(tissue)})
            sealed = replace(alignment, record=record)
            return save_alignment(sealed, store, tissue, "moved_by_hand")

        return save

    def saved(self, system: str, out: str = "") -> None:
        """Note that the store has the alignment as `system`; from now on, results are saved too.

        Parameters
        ----------
        system
            Name of the coordinate system.
        out
            The new store, where one was written; the session works in it from now on.
        """
        session = self.session
        self.system = system
        session.moved_system = system
        base = session.read_config
        if out:  # its columns have names of their own
            session.store, base = out, ReadConfig()
        session.read_config = base.but(coordinate_system=system)
        if self._after is not None:
            origin = replace(self._after.origin, coordinate_system=system)
            shown, self._after = self.is_after, replace(self._after, origin=origin)
            if shown:
                session.tissue = self._after
                session.save_results()
        self.changed.emit()

    def undoer(self) -> Callable[[], None]:
        """Return a function that takes the alignment out of the store, from any thread."""
        system, store = self.system, self.session.store
        if not system or store is None or type(store).__name__ == "AnnData":
            return lambda: None

        def undo() -> None:
            from ..data.alignment_store import remove_alignment

            remove_alignment(store, system)

        return undo

    def undone(self) -> None:
        """Go back to the sections as they were read."""
        session = self.session
        if self._before is None or self._opened is None:
            return
        if session.moved and session.saved_names:
            session.notice(
                "Results that were made on the aligned sections are off the canvas; the store "
                "keeps them, in a coordinate system of their own."
            )
        session.store, session.read_config = self._opened
        session.forget_moved()
        before = self._before
        self._forget()
        if session.tissue is not before:
            session.move_tissue(before, False)

    def _forget(self) -> None:
        """Start anew: other data is open."""
        self.alignment, self.system = None, ""
        self._before = self._after = self._opened = None
        self.changed.emit()
