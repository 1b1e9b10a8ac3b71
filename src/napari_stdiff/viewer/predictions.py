"""The predicted genes of a session: kept, found by gene, saved and removed. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from psygnal import Signal

from ..compute.errors import StdiffError
from ..data.predicted import Badge, PredictedGenes, confidence_of
from .worker import Job, Problem

if TYPE_CHECKING:
    from .colors import Quantity
    from .session import Session

TASK = "predict-genes"


class Predictions:
    """What was predicted for the cells of the tissue that is open, and where it is saved.

    It belongs to the cells, wherever they are shown: aligned sections keep it.

    Attributes
    ----------
    results
        Name -> predicted genes, in the order they came.
    notes
        Those that live in memory alone, name -> why.
    stored_as
        Result -> its name in the store.
    preferred
        The result that is shown where several have a gene; "" for the newest.
    """

    changed = Signal()
    saved = Signal(str)  # a result's name, when it is known whether its store took it

    def __init__(self, session: Session) -> None:
        self._session = session
        self._forget()

    def _forget(self) -> None:
        self.results: dict[str, PredictedGenes] = {}
        self.notes: dict[str, str] = {}
        self.stored_as: dict[str, str] = {}
        self.preferred = ""
        self._rows: dict[str, np.ndarray] = {}
        self._badges: dict[str, np.ndarray] = {}
        self._where: dict[str, tuple[str, int]] = {}  # gene -> result, column

    # -- what is there ----------------------------------------------------------------------

    @property
    def genes(self) -> list[str]:
        """Genes that were predicted, each once, in the order they came."""
        return list(self._where)

    def of(self, gene: str) -> PredictedGenes | None:
        """Return the result that says what `gene` is: the preferred one, else the newest."""
        name, _ = self._where.get(gene, ("", 0))
        return self.results.get(name)

    def expected(self, gene: str) -> tuple[Badge, float, float, float]:
        """Return badge, expected Pearson and the ends of its 80 % interval of a predicted gene."""
        result, at = self._found(gene)
        trust = result.reliability
        return (
            self._badges[result.name][at],
            float(trust.expected[at]),
            float(trust.low[at]),
            float(trust.high[at]),
        )

    def values(self, gene: str, quantity: Quantity = "mean") -> np.ndarray:
        """Return (cells,) float32 mean or spread of a predicted gene; NaN for other cells."""
        result, at = self._found(gene)
        held = result.mean if quantity == "mean" else result.prediction.std
        return self._in_tissue(result, None if held is None else held[:, at])

    def confidence(self, gene: str) -> np.ndarray | None:
        """Return (cells,) in (0, 1], how sure each cell's value is; None without a spread."""
        result, at = self._found(gene)
        std = result.prediction.std
        if std is None:
            return None
        return self._in_tissue(result, confidence_of(result.mean[:, at], std[:, at]))

    def _found(self, gene: str) -> tuple[PredictedGenes, int]:
        """Return the result that has a gene, and its column there."""
        if gene not in self._where:
            raise StdiffError(f"The gene '{gene}' was not predicted here.")
        name, at = self._where[gene]
        return self.results[name], at

    def _in_tissue(self, result: PredictedGenes, values: np.ndarray | None) -> np.ndarray:
        """Bring (cells of the result,) values to the cells that are shown."""
        rows = self._rows[result.name]
        out = np.full(len(rows), np.nan, np.float32)
        if values is not None:
            out[rows >= 0] = np.asarray(values, np.float32)[rows[rows >= 0]]
        return out

    # -- what comes and goes ------------------------------------------------------------------

    def open(self, found: list[PredictedGenes]) -> None:
        """Take what the store of a tissue that is just opened holds; `changed` is not emitted."""
        self._forget()
        for result in found:
            if self._put(result):
                self.stored_as[result.name] = result.name

    def prefer(self, name: str) -> None:
        """Show this result's values of the genes that several results have."""
        if name in self.results and name != self.preferred:
            self.preferred = name
            self._index()
            self.changed.emit()

    def keep(self, result: PredictedGenes, persist: bool = True) -> str:
        """Show a result at once and save it in the background; return the name it goes by.

        Parameters
        ----------
        result
            The genes, for cells of the open tissue.
        persist
            Whether to save it.
        """
        name, n = result.name, 2
        while name in self.results:
            name, n = f"{result.name}_{n}", n + 1
        if not self._put(replace(result, name=name)):
            raise StdiffError("These genes were predicted for other cells than those shown here.")
        self.preferred = ""
        self._index()
        self.changed.emit()
        if persist:
            self.write(name)
        else:
            self.notes[name] = "it was not to be saved"
        return name

    def remove(self, name: str) -> None:
        """Remove a result from the canvas and from the store."""
        if name not in self.results:
            return
        del self.results[name]
        del self._rows[name], self._badges[name]
        self.notes.pop(name, None)
        if self.preferred == name:
            self.preferred = ""
        self._index()
        session = self._session
        with session.writing:  # it may just be on its way into the store
            stored, store = self.stored_as.pop(name, ""), session.store_of_results()
            if stored and store is not None:
                from ..data.results import remove_result

                try:
                    remove_result(store, stored)
                except (StdiffError, OSError) as error:
                    session.notice(f"'{name}' is off the canvas but still in its store: {error}")
        self.changed.emit()

    def write(self, name: str) -> None:
        """Save a result, in the background."""
        results, write = self.results, self._writer(name)
        if self._session.store_of_results() is None:
            self._told(name, write())
            return

        def done(why: str) -> None:
            if self.results is results and name in results and not self._session.is_closed:
                self._told(name, why)

        job = Job(lambda monitor: write())
        job.deliver(done, lambda error: done(Problem.of(error).sentence), lambda: None)
        job.start()

    def _put(self, result: PredictedGenes) -> bool:
        """Take a result, if it is about cells that are shown."""
        tissue = self._session.tissue
        if tissue is None:
            return False
        rows = pd.Index(result.names.astype(str)).get_indexer(tissue.names.astype(str))
        if not (rows >= 0).any():
            return False
        self.results[result.name] = result
        self._rows[result.name] = rows
        self._badges[result.name] = result.reliability.badges
        self._index()
        return True

    def _index(self) -> None:
        """Know for every gene which result says what it is."""
        self._where = {}
        for name in sorted(self.results, key=lambda name: name == self.preferred):  # stable
            genes = enumerate(map(str, self.results[name].genes))
            self._where.update((gene, (name, at)) for at, gene in genes)

    def _writer(self, name: str) -> Callable[[], str]:
        """Return a function that saves a result, from any thread, and says why it could not."""
        result, results, session = self.results[name], self.results, self._session
        tissue, store, stored_as = session.tissue, session.store_of_results(), self.stored_as
        if store is None:
            why = "no store was given"
            if session.store is not None:
                why = "an .h5ad file or AnnData takes no results; give a SpatialData store"
            return lambda: why

        def write() -> str:
            from ..data.results import save

            with session.writing:
                if results.get(name) is not result:
                    return ""
                try:
                    stored_as[name] = save(result, store, tissue).table
                except (StdiffError, OSError) as error:
                    return str(error)
            return ""

        return write

    def _told(self, name: str, why: str) -> None:
        """Say how saving ended: not at all if `why` is given."""
        if why:
            self.notes[name] = why.rstrip(".")
            self._session.notice(f"'{name}' is kept in memory: {why.rstrip('.')}.")
        self.saved.emit(name)
