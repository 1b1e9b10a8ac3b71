"""Results of one kind: under free names, saved in the background, removed. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, cast

from ..compute.errors import StdiffError
from .worker import Job, Problem

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from .session import Session

NOT_ASKED = "it was not to be saved"
NO_STORE = "no store was given"
NO_RESULTS = "an .h5ad file or AnnData takes no results; give a SpatialData store"


class Result(Protocol):
    """A frozen dataclass with a name, of a kind that `data.results.save` knows."""

    @property
    def name(self) -> str:
        """What it goes by."""


R = TypeVar("R", bound=Result)


class Place(NamedTuple):
    """Where results are saved.

    Attributes
    ----------
    store
        A path or an object in memory; None where results stay in memory.
    why
        Why they do, in words that follow a colon.
    """

    store: str | SpatialData | None
    why: str = NO_STORE


class Kept(Generic[R]):
    """Results that come and go together, and where each is saved.

    Parameters
    ----------
    session
        Whose lock is held while its store is written, and who tells the user.
    told
        Called with a result's name when it is known whether its store took it.
    found
        What the store holds already, under these names.

    Attributes
    ----------
    results
        Name -> result, in the order they came.
    notes
        Those that live in memory alone, name -> why.
    stored_as
        Result -> its name in the store.
    """

    def __init__(
        self, session: Session, told: Callable[[str], None], found: Iterable[R] = ()
    ) -> None:
        self._session = session
        self._heard = told
        self._forgotten = False
        self.results: dict[str, R] = {result.name: result for result in found}
        self.notes: dict[str, str] = {}
        self.stored_as: dict[str, str] = {name: name for name in self.results}

    def forget(self) -> None:
        """Tell no more what became of these: others are open."""
        self._forgotten = True

    def add(self, result: R) -> str:
        """Keep a result under its name, numbered where that is taken; return the name."""
        name, n = result.name, 2
        while name in self.results:
            name, n = f"{result.name}_{n}", n + 1
        self.results[name] = replace(cast(Any, result), name=name)
        return name

    def write(self, name: str, place: Place, wait: bool = False) -> None:
        """Save a result.

        Where the store cannot take it, it stays in memory and the user is told.

        Parameters
        ----------
        name
            Which.
        place
            Where.
        wait
            Whether to return only then; otherwise it is saved in the background, since a store
            takes seconds.
        """
        self.notes.pop(name, None)
        if place.store is None:
            self._tell(name, place.why)
            return
        write = self._writer(name, place.store)
        if wait:
            self._tell(name, write())
            return
        job = Job(lambda monitor: write())
        job.deliver(
            lambda why: self._tell(name, why),
            lambda error: self._tell(name, Problem.of(error).sentence),
            lambda: None,
        )
        job.start()

    def remove(self, name: str, place: Place) -> None:
        """Drop a result, and remove it from the store."""
        del self.results[name]
        self.notes.pop(name, None)
        with self._session.writing:  # it may just be on its way into the store
            stored = self.stored_as.pop(name, "")
            if not stored or place.store is None:
                return
            from ..data.results import remove_result

            try:
                remove_result(place.store, stored)
            except (StdiffError, OSError) as error:
                self._session.notice(f"'{name}' is off the canvas but still in its store: {error}")

    def _writer(self, name: str, store: str | SpatialData) -> Callable[[], str]:
        """Return a function that saves a result, from any thread.

        It returns why the store did not take it, or "". A result that is gone by then is left.
        """
        result, tissue = self.results[name], self._session.tissue

        def write() -> str:
            from ..data.results import save

            with self._session.writing:
                if self.results.get(name) is not result:
                    return ""
                try:
                    self.stored_as[name] = save(cast(Any, result), store, tissue).table
                except (StdiffError, OSError) as error:
                    return str(error)
            return ""

        return write

    def _tell(self, name: str, why: str) -> None:
        """Say how saving ended: not at all if `why` is given."""
        if self._forgotten or name not in self.results or self._session.is_closed:
            return
        if why:
            self.notes[name] = why.rstrip(".")
            self._session.notice(f"'{name}' is kept in memory: {why.rstrip('.')}.")
        self._heard(name)
