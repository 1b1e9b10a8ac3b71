"""How cells that stand for hidden ones are scored, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.normalise import Normaliser
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from ..scoring.bins import N_BINS
from ..scoring.enrichment import LabelTransfer, enrichment_agreement, neighbourhood_enrichment
from ..scoring.moran import moran_error, neighbour_graph
from ..scoring.section import score_section

Scores = dict[str, float | None]

_PER_BIN = 25  # hidden cells that a bin should hold, for its mean to mean something
# what real cells can be asked in the place of generated ones; the rest needs a mean or draws
_OF_CELLS = (
    "variance_ratio",
    "coexpression",
    "density_pcc",
    "moran_error",
    "enrichment",
    "type_difference",
)


@dataclass(frozen=True)
class HiddenCells:
    """The hidden cells, section by section, and how what stands for them is scored.

    Attributes
    ----------
    normaliser
        Brings the truth to the scale of the visible cells.
    scale
        (genes,) standard deviations of the visible cells.
    """

    normaliser: Normaliser
    scale: np.ndarray
    _visible: Tissue
    _parts: tuple[_Part, ...]
    _labels: LabelTransfer | None
    _seed: int

    @classmethod
    def of(
        cls, visible: Tissue, hidden: Tissue, *, enrichment: bool = True, seed: int = 0
    ) -> HiddenCells:
        """Take the hidden cells; `enrichment` scores neighbourhoods of types or clusters too."""
        normaliser = Normaliser.fit(visible)
        seen, truth = normaliser(visible), normaliser(hidden)
        labels = None
        if enrichment:
            try:
                labels = LabelTransfer.fit(seen, visible.cell_type, seed=seed)
            except StdiffError:  # one kind of cell alone: it has no neighbourhoods to compare
                labels = None
        parts = []
        for name in hidden.sections:
            mine = np.flatnonzero(hidden.section == name)
            types = None if hidden.cell_type is None else hidden.cell_type[mine]
            n_bins = int(np.clip(np.sqrt(len(mine) / _PER_BIN), 3, N_BINS))
            coords = hidden.coords[mine]
            expected = None if labels is None else _enrichment(labels, truth[mine], coords)
            parts.append(_Part(name, truth[mine], coords, types, n_bins, expected))
        return cls(normaliser, seen.std(axis=0), visible, tuple(parts), labels, seed)

    @property
    def bins(self) -> dict[str, int]:
        """Section -> bins a side of its grid."""
        return {part.name: part.bins for part in self._parts}

    def score(
        self,
        prediction: Prediction,
        query: Query,
        section: np.ndarray,
        monitor: Monitor,
        *,
        paired: bool = True,
    ) -> Scores:
        """Return every score, averaged over the sections by their hidden cells.

        Parameters
        ----------
        prediction, query
            The cells that stand for the hidden ones.
        section
            (cells,) section of each of them.
        monitor
            Progress and cancel.
        paired
            They are the hidden cells themselves, in each section in the same order.
        """
        found = []
        for i, part in enumerate(self._parts):
            monitor.step(i, len(self._parts), f"scoring {part.name}")
            rows = np.flatnonzero(section == part.name)
            draws = None if prediction.draws is None else prediction.draws[:, rows]
            mine = replace(prediction, mean=prediction.mean[rows], std=None, draws=draws)
            kind = None if query.cell_type is None else query.cell_type[rows]
            cells = None if paired else Query(query.coords[rows], kind)
            found.append(part.scores(mine, cells, self.scale, self._labels))
        monitor.step(1, 1)
        weights = np.array([len(part.truth) for part in self._parts], dtype=np.float64)
        return {name: _average([row[name] for row in found], weights) for name in found[0]}

    def reference(self, monitor: Monitor) -> Scores:
        """Return what as many measured cells, drawn at random, would score: what can be had."""
        rng = np.random.default_rng([self._seed, 37])
        visible = self._visible
        rows = np.concatenate(
            [
                rng.choice(there, len(part.truth), replace=len(part.truth) > len(there))
                for part in self._parts
                for there in [np.flatnonzero(visible.section == part.name)]
            ]
        )
        cells = visible.rows(rows)
        values = self.normaliser(cells)
        prediction = Prediction(cells.genes, values, None, values[None])
        query = Query(cells.coords, cells.cell_type)
        scores = self.score(prediction, query, cells.section, monitor, paired=False)
        return {name: scores[name] for name in _OF_CELLS}


@dataclass(frozen=True)
class _Part:
    """The hidden cells of one section."""

    name: str
    truth: np.ndarray
    coords: np.ndarray
    types: np.ndarray | None
    bins: int
    enrichment: np.ndarray | None

    def scores(
        self,
        prediction: Prediction,
        query: Query | None,
        scale: np.ndarray,
        labels: LabelTransfer | None,
    ) -> Scores:
        out = score_section(
            self.truth,
            self.coords,
            self.types,
            prediction,
            query=query,
            scale=scale,
            n_bins=self.bins,
        )
        out |= dict.fromkeys(("moran_error", "enrichment", "type_difference"))
        draws = prediction.draws
        coords = self.coords if query is None else query.coords
        if draws is not None and len(draws) and np.isfinite(draws[0]).all():
            out["moran_error"] = moran_error(self.truth, self.coords, draws[0], coords)
            if labels is not None and self.enrichment is not None:
                drawn = _enrichment(labels, draws[0], coords)
                out["enrichment"] = enrichment_agreement(self.enrichment, drawn)
        if query is not None:
            out["type_difference"] = type_difference(self.types, query.cell_type)
        return out


def _enrichment(labels: LabelTransfer, values: np.ndarray, coords: np.ndarray) -> np.ndarray:
    codes = labels(values)
    return neighbourhood_enrichment(codes, len(labels.labels), neighbour_graph(coords))


def type_difference(truth: np.ndarray | None, drawn: np.ndarray | None) -> float | None:
    """Return the total variation distance between two compositions of (cells,) types.

    0 for the same shares, 1 for no type in common; None where either has no types.

    Examples
    --------
    >>> import numpy as np
    >>> type_difference(np.array(["a", "a", "b", "b"]), np.array(["a", "b", "b", "b"]))
    0.25
    """
    if truth is None or drawn is None:
        return None
    shares = [pd.Series(x, dtype=object).value_counts(normalize=True) for x in (truth, drawn)]
    both = pd.concat(shares, axis=1).fillna(0.0).to_numpy()
    return float(np.abs(both[:, 0] - both[:, 1]).sum() / 2) if len(both) else None


def _average(values: Sequence[float | None], weights: np.ndarray) -> float | None:
    known = [i for i, value in enumerate(values) if value is not None]
    if not known:
        return None
    return float(np.average([values[i] or 0.0 for i in known], weights=weights[known]))
