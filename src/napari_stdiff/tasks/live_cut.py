"""A virtual section that follows a slider: coarse in milliseconds, refined where it rests.

Coarse values are averages of near cells of the same type in the two parent sections, mixed by
lambda; refined ones are the means of stDiffusion without its network (effort quick). Spreads are
those of the near cells, and of its draws. All are at the same cells, and a section that is kept
has its cells there, too (``cells="lines"``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from scipy.spatial import cKDTree

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.checks import need_sections
from ..data.prediction import Quantity, Query
from ..data.tissue import Tissue
from ..methods.base import Method
from ..methods.files import known_labels
from ..methods.flanks import SectionTrees, average_rows, label_codes
from ..methods.neighbours import fading
from ..methods.registry import method_class
from .config import InterpolateConfig
from .fitted import fitted, is_kept
from .lines import Lines
from .placement import parents, side_of

NEAR = 30  # cells of each parent that are averaged
LONGEST = 120.0  # seconds of a fit that is done without being asked
_CHUNK = 512  # cells between two looks at whether somebody still wants the answer
_GENES_KEPT = 16
_VALUES_KEPT = 20_000_000
_OVER = 0.5  # share of a section's cells over the other one, below which they are not aligned
_REACH = 0.03  # of the sections' extent, within which a cell counts as over the other section


@dataclass
class Pair:
    """Two neighbouring sections, made ready to be cut between.

    Attributes
    ----------
    low, high
        Their names.
    z
        Their depths.
    lines
        Where cells go from one to the other.
    rows
        Of each section, (cells,) row numbers in the tissue.
    near
        Of each section, (lines, k) row numbers in the tissue of the cells around the line's end,
        and their weights, which sum to 1 or are all 0.
    aligned
        Whether the two lie over each other.
    """

    low: str
    high: str
    z: tuple[float, float]
    lines: Lines
    rows: tuple[np.ndarray, np.ndarray]
    near: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    aligned: bool
    means: OrderedDict[Hashable, tuple[np.ndarray, np.ndarray]] = field(
        default_factory=OrderedDict
    )

    def weight(self, z: float) -> float:
        """Return lambda, 0 at the lower section and 1 at the upper one."""
        return (z - self.z[0]) / (self.z[1] - self.z[0])


class LiveCut:
    """Cuts one tissue at any depth; what can be prepared is prepared once a pair of sections.

    Coarse cuts and refined ones may be asked for from one thread each.

    Parameters
    ----------
    tissue
        At least two sections at different depths.

    Raises
    ------
    StdiffError
        When there are fewer.
    """

    def __init__(self, tissue: Tissue) -> None:
        need_sections(tissue, 2)
        self.tissue = tissue
        depth = tissue.section_z
        self.depths = {name: float(depth[name]) for name in tissue.sections}
        parents(tissue, sum(self.ends) / 2)  # says what is wrong where all are at one depth
        self.config = InterpolateConfig(effort="quick", draws=0, cells="lines")
        self.types = tuple(known_labels(tissue.cell_type))
        self._code = label_codes(tissue.cell_type, self.types, tissue.n_cells)
        self._trees = SectionTrees(tissue.coords, tissue.section, self._code)
        self._pairs: dict[tuple[str, str], Pair] = {}
        # quantity -> z, genes, values
        self._refined: dict[Quantity, tuple[float, np.ndarray, np.ndarray]] = {}
        self._model: Method | None = None
        self._lock = Lock()

    @property
    def ends(self) -> tuple[float, float]:
        """Depths of the first and the last section."""
        return min(self.depths.values()), max(self.depths.values())

    def pair(self, z: float) -> Pair:
        """Return the two sections around depth `z`, made ready.

        Raises
        ------
        StdiffError
            When `z` is not between two measured sections.
        """
        low, high, _ = parents(self.tissue, z)
        found = self._pairs.get((low, high))  # without waiting for another pair to be ready
        if found is not None:
            return found
        with self._lock:
            if (low, high) not in self._pairs:
                self._pairs[low, high] = self._prepared(low, high)
            return self._pairs[low, high]

    def prepare(self, monitor: Monitor, around: float) -> None:
        """Make all pairs ready, the one at depth `around` first."""
        z = np.unique(list(self.depths.values()))
        middles = sorted((z[:-1] + z[1:]) / 2, key=lambda at: abs(at - around))
        for i, at in enumerate(middles):
            self.pair(float(at))
            monitor.step(i + 1, len(middles))

    def query(self, z: float) -> Query:
        """Return the cells at depth `z`: those that a section kept there has."""
        pair = self.pair(z)
        return self._cells(pair, z, pair.lines.there(pair.weight(z)))

    def coarse(self, z: float, values: np.ndarray, key: Hashable = None) -> np.ndarray:
        """Return (lines,) float32 values at depth `z` from near cells of both parents.

        Parameters
        ----------
        z
            Depth, in the tissue's unit.
        values
            (cells,) of the tissue's cells; NaN where nothing is known.
        key
            Names `values`, whose averages are then kept for other depths; None keeps nothing.

        Returns
        -------
        np.ndarray
            One value a line of :meth:`pair`; NaN where no near cell has one.
        """
        pair = self.pair(z)
        found = pair.means.get(key) if key is not None else None
        if found is None:
            first, second = (_average(index, weights, values) for index, weights in pair.near)
            # where one parent knows nothing, the other is asked alone
            found = (
                np.where(np.isnan(first), second, first),
                np.where(np.isnan(second), first, second),
            )
            if key is not None:
                pair.means[key] = found
                while len(pair.means) > _GENES_KEPT:
                    pair.means.popitem(last=False)
        share = np.float32(pair.weight(z))
        return np.asarray((1 - share) * found[0] + share * found[1], dtype=np.float32)

    def spread(self, z: float, values: np.ndarray, key: Hashable = None) -> np.ndarray:
        """Return (lines,) float32 standard deviation of the near cells of both parents.

        Of the mixture that :meth:`coarse` is the mean of.

        Parameters
        ----------
        z, values, key
            As :meth:`coarse` takes them.
        """
        values = np.asarray(values, np.float64)
        mean = self.coarse(z, values, None if key is None else (key, "mean"))
        square = self.coarse(z, values**2, None if key is None else (key, "square"))
        return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)), np.float32)

    def labels(self, z: float, labels: np.ndarray) -> np.ndarray:
        """Return (lines,) labels at depth `z`: that of the cell at the nearer end of each line.

        Parameters
        ----------
        z
            Depth, in the tissue's unit.
        labels
            (cells,) of the tissue's cells.
        """
        pair = self.pair(z)
        lines = pair.lines
        low = (pair.weight(z) < 0.5) | (lines.second < 0)
        from_low = low & (lines.first >= 0)
        rows = np.where(from_low, pair.rows[0][lines.first], pair.rows[1][lines.second])
        return np.asarray(labels)[rows]

    def refused(self) -> str:
        """Say in one sentence why cuts are not refined by themselves; "" where they are."""
        if self._model is not None or is_kept(self.tissue, self.config):
            return ""
        cells = self.tissue.n_cells // len(self.depths)
        cost = method_class(self.config.method).cost(self.tissue, self.config, cells)
        if cost.seconds <= LONGEST:
            return ""
        return (
            f"Cuts of this tissue are not refined while you look: it would take about "
            f"{cost.seconds / 60:.0f} min; keep a cut to have it predicted in full."
        )

    def fit(self, monitor: Monitor) -> Method:
        """Return the quick model of this tissue, fitted now, earlier, or by another run."""
        if self._model is None:
            self._model = fitted(self.tissue, self.config, monitor)[0]
        return self._model

    def refined(
        self, z: float, gene: str, monitor: Monitor, quantity: Quantity = "mean"
    ) -> np.ndarray:
        """Return (lines,) float32 expected expression of `gene` at depth `z`, or its spread.

        What :func:`napari_stdiff.interpolate` predicts there with ``effort="quick"``; the spread
        is that of as many draws as it makes unless it is told otherwise.

        Parameters
        ----------
        z
            Depth, in the tissue's unit.
        gene
            A gene of the tissue.
        monitor
            Asked, some hundred times a section, whether to go on.
        quantity
            "mean" or "std".

        Returns
        -------
        np.ndarray
            One value a line of :meth:`pair`; NaN where there is no cell at this depth.

        Raises
        ------
        StdiffError
            When the tissue does not measure the gene, or `z` is not between two sections.
        """
        column = np.flatnonzero(self.tissue.genes == gene)
        if not len(column):
            raise StdiffError(f"The tissue has no gene '{gene}'; pick one that was measured.")
        pair = self.pair(z)
        there = pair.lines.there(pair.weight(z))
        out = np.full(len(pair.lines), np.nan, np.float32)
        kept = self._refined.get(quantity)
        if kept is None or kept[0] != z or int(column[0]) not in kept[1]:
            kept = self._predict(pair, z, there, int(column[0]), monitor, quantity)
            self._refined[quantity] = kept
        out[there] = kept[2][:, int(np.flatnonzero(kept[1] == column[0])[0])]
        return out

    def _predict(
        self,
        pair: Pair,
        z: float,
        there: np.ndarray,
        gene: int,
        monitor: Monitor,
        quantity: Quantity,
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Predict all genes, so that another one costs nothing; where they are many only one."""
        with monitor.stage("Learning the tissue", 0.7):
            model = self.fit(monitor)
        query = self._cells(pair, z, there)
        draws = InterpolateConfig().draws if quantity == "std" else 0
        model.configure(self.config)
        n, genes = query.n_cells, np.arange(self.tissue.n_genes)
        if n * len(genes) > _VALUES_KEPT:
            genes = np.array([gene])
        out = np.empty((n, len(genes)), dtype=np.float32)
        with monitor.stage("Refining"):
            for start in range(0, n, _CHUNK):
                monitor.step(start, n)
                some = slice(start, start + _CHUNK)
                types = None if query.cell_type is None else query.cell_type[some]
                part = model.sample(Query(query.coords[some], types), draws, Monitor())
                held = part.std if quantity == "std" else part.mean
                assert held is not None  # of several draws
                out[some] = held[:, genes]
        return z, genes, out

    def _cells(self, pair: Pair, z: float, there: np.ndarray) -> Query:
        yx = pair.lines.at(pair.weight(z))[there]
        coords = np.column_stack([np.full(len(yx), z), yx])
        if not self.types:
            return Query(coords)
        names = np.array([*self.types, ""], dtype=object)
        return Query(coords, names[pair.lines.code[there]])

    def _prepared(self, low: str, high: str) -> Pair:
        tissue = self.tissue
        sides = [side_of(tissue, name, self.types) for name in (low, high)]
        lines = Lines.between(sides[0], sides[1], self.config.seed)
        rows = tuple(np.flatnonzero(tissue.section == name) for name in (low, high))
        near = tuple(
            self._near(name, yx, lines.code)
            for name, yx in ((low, lines.start), (high, lines.end))
        )
        z = self.depths[low], self.depths[high]
        aligned = lie_over(sides[0][0], sides[1][0])
        return Pair(low, high, z, lines, (rows[0], rows[1]), (near[0], near[1]), aligned)

    def _near(
        self, section: str, yx: np.ndarray, code: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return near cells of the same type in a section, (lines, k), and their weights."""
        coords = np.column_stack([np.zeros(len(yx)), yx])
        index, far = self._trees.near(coords, code, [section], NEAR)
        weights = fading(far, np.zeros((len(yx), 1)))[:, 0]
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
        return index[:, 0], weights


def _average(index: np.ndarray, weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return (lines,) averages of the (cells,) values that are known; NaN where none is."""
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    both = np.column_stack([np.where(known, values, 0.0), known])
    total, share = average_rows(index, weights, both).T
    return np.where(share > 1e-6, total / np.maximum(share, 1e-6), np.nan).astype(np.float32)


def lie_over(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two sections lie over each other, going by (cells, 2) y, x alone.

    Sections that were never brought into one frame often lie side by side. Sections of one
    outline that are turned to each other are not told apart this way.
    """
    reach = _REACH * float(max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max(), 1e-9))
    small, large = sorted((a, b), key=len)
    some = small[:: max(len(small) // 2000, 1)]
    # the reach must bridge the gaps between sparse cells of one section
    apart = np.asarray(cKDTree(large).query(large[:: max(len(large) // 500, 1)], k=2)[0])[:, -1]
    far = np.asarray(cKDTree(large).query(some)[0])
    return bool(np.mean(far <= max(reach, 2 * float(np.median(apart)))) >= _OVER)


def keep_config(tissue: Tissue, config: InterpolateConfig) -> InterpolateConfig:
    """Return how a cut is kept: as `config` says where that model was fitted already, or quickly.

    Parameters
    ----------
    tissue
        What is cut.
    config
        Where it is cut, and how it would be predicted in full.
    """
    return config if is_kept(tissue, config) else config.but(effort="quick")
