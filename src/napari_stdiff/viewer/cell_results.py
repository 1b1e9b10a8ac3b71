"""Results about the cells of the open tissue: found by gene, saved, removed. Main thread only."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import numpy as np
import pandas as pd
from psygnal import Signal

from ..compute.errors import StdiffError
from ..data.predicted import Badge, Reliability, badge_of, confidence_of
from ..data.prediction import Quantity
from .cover import two_digits
from .saving import NOT_ASKED, Kept

if TYPE_CHECKING:
    from spatialdata import SpatialData

    from ..data.prediction import Prediction
    from ..data.record import RunRecord
    from .session import Session


class CellResult(Protocol):
    """A frozen dataclass of values for cells that were measured."""

    @property
    def name(self) -> str:
        """What it goes by."""

    @property
    def names(self) -> np.ndarray:
        """(cells,) obs names, as in the tissue's table."""

    @property
    def prediction(self) -> Prediction:
        """Genes, mean (cells, genes) and spread (cells, genes)."""

    @property
    def reliability(self) -> Reliability:
        """How far to trust each gene."""

    @property
    def record(self) -> RunRecord:
        """How it was made."""


R = TypeVar("R", bound=CellResult)


class CellResults(Generic[R]):
    """Results of one task about the cells of the tissue that is open, and where they are saved.

    They belong to the cells, wherever these are shown: aligned sections keep them. Subclasses
    name their `task` and say how a store hands out one of its results (`load`).

    Attributes
    ----------
    task
        What their records call it.
    what
        What they are, in a sentence about those that do not fit.
    kept
        The results, and where each is saved.
    preferred
        The result that is shown where several have a gene; "" for the newest.
    """

    task: str
    what: str
    changed = Signal()
    saved = Signal(str)  # a result's name, when it is known whether its store took it

    def __init__(self, session: Session) -> None:
        self._session = session
        self.kept: Kept[R] = Kept(session, self.saved.emit)
        self._forget()

    @abstractmethod
    def load(self, store: str | SpatialData, name: str) -> R:
        """Return a result of a store."""

    def _forget(self) -> None:
        self.kept.forget()
        self.kept = Kept(self._session, self.saved.emit)
        self.preferred = ""
        self._rows: dict[str, np.ndarray] = {}
        self._where: dict[str, tuple[str, int]] = {}  # gene -> result, column

    # -- what is there ----------------------------------------------------------------------

    @property
    def results(self) -> dict[str, R]:
        """Name -> result, in the order they came."""
        return self.kept.results

    @property
    def notes(self) -> dict[str, str]:
        """Those that live in memory alone, name -> why."""
        return self.kept.notes

    @property
    def genes(self) -> list[str]:
        """Genes that results have, each once, in the order they came."""
        return list(self._where)

    def of(self, gene: str) -> R | None:
        """Return the result that says what `gene` is: the preferred one, else the newest."""
        name, _ = self._where.get(gene, ("", 0))
        return self.results.get(name)

    def expected(self, gene: str) -> tuple[Badge, float, float, float]:
        """Return badge, expected Pearson and the ends of its 80 % interval of a gene."""
        result, at = self._found(gene)
        trust = result.reliability
        expected = float(trust.expected[at])
        return badge_of(expected), expected, float(trust.low[at]), float(trust.high[at])

    def words(self, gene: str) -> str:
        """Say how far a gene is to be trusted."""
        badge, expected, _, _ = self.expected(gene)
        return f"{badge} reliability, expected r {two_digits(expected)}"

    def values(self, gene: str, quantity: Quantity = "mean") -> np.ndarray:
        """Return (cells,) float32 mean or spread of a gene; NaN for cells that have none."""
        result, at = self._found(gene)
        prediction = result.prediction
        held = prediction.mean if quantity == "mean" else prediction.std
        return self._in_tissue(result, None if held is None else held[:, at])

    def confidence(self, gene: str) -> np.ndarray | None:
        """Return (cells,) in (0, 1], how sure each cell's value is; None without a spread."""
        result, at = self._found(gene)
        mean, std = result.prediction.mean, result.prediction.std
        if std is None:
            return None
        return self._in_tissue(result, confidence_of(mean[:, at], std[:, at]))

    def _found(self, gene: str) -> tuple[R, int]:
        """Return the result that has a gene, and its column there."""
        if gene not in self._where:
            raise StdiffError(f"The gene '{gene}' was not predicted here.")
        name, at = self._where[gene]
        return self.results[name], at

    def _in_tissue(self, result: R, values: np.ndarray | None) -> np.ndarray:
        """Bring (cells of the result,) values to the cells that are shown."""
        rows = self._rows[result.name]
        out = np.full(len(rows), np.nan, np.float32)
        if values is not None:
            out[rows >= 0] = np.asarray(values, np.float32)[rows[rows >= 0]]
        return out

    # -- what comes and goes ------------------------------------------------------------------

    def open(self, found: list[R]) -> None:
        """Take what the store of a tissue that is just opened holds; `changed` is not emitted."""
        self._forget()
        rows = {result.name: self._rows_of(result) for result in found}
        fitting = [result for result in found if (rows[result.name] >= 0).any()]
        self.kept = Kept(self._session, self.saved.emit, fitting)
        self._rows = {result.name: rows[result.name] for result in fitting}
        self._index()

    def prefer(self, name: str) -> None:
        """Show this result's values of the genes that several results have."""
        if name in self.results and name != self.preferred:
            self.preferred = name
            self._index()
            self.changed.emit()

    def keep(self, result: R, persist: bool = True) -> str:
        """Show a result at once and save it in the background; return the name it goes by.

        Parameters
        ----------
        result
            Values for cells of the open tissue.
        persist
            Whether to save it.
        """
        rows = self._rows_of(result)
        if not (rows >= 0).any():
            raise StdiffError(f"{self.what} for other cells than those shown here.")
        name = self.kept.add(result)
        self._rows[name] = rows
        self.preferred = ""
        self._index()
        self.changed.emit()
        if persist:
            self.write(name)
        else:
            self.notes[name] = NOT_ASKED
        return name

    def write(self, name: str) -> None:
        """Save a result, in the background."""
        self.kept.write(name, self._session.place())

    def write_again(self) -> None:
        """Save what is in memory alone; for a store that came later."""
        for name in list(self.notes):
            self.write(name)

    def remove(self, name: str) -> None:
        """Remove a result from the canvas and from the store."""
        if name not in self.results:
            return
        if self.preferred == name:
            self.preferred = ""
        self.kept.remove(name, self._session.place())
        del self._rows[name]
        self._index()
        self.changed.emit()

    def _rows_of(self, result: R) -> np.ndarray:
        """Return (cells that are shown,) the row of each in a result; -1 where it has none."""
        tissue = self._session.tissue
        if tissue is None:
            return np.zeros(0, int)
        return pd.Index(result.names.astype(str)).get_indexer(tissue.names.astype(str))

    def _index(self) -> None:
        """Know for every gene which result says what it is."""
        self._where = {}
        for name in sorted(self.results, key=lambda name: name == self.preferred):  # stable
            genes = enumerate(map(str, self.results[name].prediction.genes))
            self._where.update((gene, (name, at)) for at, gene in genes)
