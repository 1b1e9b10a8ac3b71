"""How far off predictions are expected to be at each depth of a stack, by leaving out sections.

Each inner section is hidden in turn and predicted from the others by stDiffusion without its
network, at the places of its own cells; that is the error one section away from what was measured.
The error next to what was measured is that of cells left out at random within their sections.
Between the two it is taken to grow with the distance to the nearest measured section.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ..compute.monitor import Monitor
from ..data.copies import without_copies
from ..data.normalise import Normaliser
from ..data.prediction import Query
from ..data.tissue import Tissue
from ..methods.registry import method_class
from .config import GenerateConfig, InterpolateConfig
from .recent import Recent

_CELLS = 2000  # of a section that errors are taken of
_FOLD = 5  # one cell in so many is left out within sections
_METHOD = "stdiffusion"


@dataclass(frozen=True)
class LeftOut:
    """Errors of one prediction of what was left out.

    Attributes
    ----------
    section
        What was hidden; "" for cells of all sections.
    away
        Distance from it to the nearest section that was seen; 0 within sections.
    error
        (values,) root mean squared error of each gene, log-normalised; of labels, the share that
        is wrong.
    """

    section: str
    away: float
    error: np.ndarray


_seen: Recent[LeftOut] = Recent(200)


@dataclass(frozen=True)
class DepthError:
    """Expected error of one gene, or of labels, at every depth.

    Attributes
    ----------
    depths
        Name -> depth of the measured sections.
    inner
        Section -> (distance to the nearest other section, error when it was hidden).
    within
        Error of cells that were left out within their sections.
    worst
        What an error is compared with: the spread of the gene over all cells, which is the error
        of always answering with its mean; for labels 1.
    """

    depths: dict[str, float]
    inner: dict[str, tuple[float, float]]
    within: float
    worst: float

    @property
    def known(self) -> bool:
        """Whether there was an inner section to leave out."""
        return bool(self.inner)

    def at(self, z: np.ndarray | float) -> np.ndarray:
        """Return the expected error at depths `z`; 0 at measured sections, NaN if not known.

        In a gap, the sections at both of its sides speak for it, the nearer one louder; where one
        is an end of the stack, which cannot be left out, the other speaks alone.
        """
        z = np.atleast_1d(np.asarray(z, dtype=float))
        names = sorted(self.depths, key=lambda s: self.depths[s])
        levels = np.array([self.depths[s] for s in names])
        away = np.abs(z[:, None] - levels).min(axis=1)
        if not self.known:
            return np.full(len(z), np.nan)
        top = np.clip(np.searchsorted(levels, z, side="right"), 1, len(levels) - 1)
        share = np.clip((z - levels[top - 1]) / np.maximum(np.diff(levels)[top - 1], 1e-12), 0, 1)
        total, weight = np.zeros(len(z)), np.zeros(len(z))
        nearest = np.array([self._slope(name, levels, names) for name in names])
        for side, loud in ((top - 1, 1 - share), (top, share)):
            slope = nearest[side]
            known = np.isfinite(slope)
            loud = np.where(known, np.maximum(loud, 1e-6), 0.0)
            total += loud * np.where(known, slope, 0.0)
            weight += loud
        mean = np.nanmean(nearest)  # of a gap between two ends
        slope = np.where(weight > 0, total / np.maximum(weight, 1e-12), mean)
        return np.where(away > 1e-9, self.within + slope * away, 0.0)

    def _slope(self, name: str, levels: np.ndarray, names: list[str]) -> float:
        """Return how fast the error grows around a section; NaN where it was not hidden."""
        if name not in self.inner:
            return np.nan
        away, error = self.inner[name]
        return max(error - self.within, 0.0) / max(away, 1e-12)


def left_out(tissue: Tissue, monitor: Monitor) -> Iterator[LeftOut]:
    """Leave out cells within sections, then each inner section, and yield the errors of each.

    What was left out before in this session is not computed again, so that a run that was
    cancelled goes on where it stopped.

    Parameters
    ----------
    tissue
        At least two sections.
    monitor
        Progress and cancel.
    """
    seen = tissue.fingerprint()
    names = ["", *inner_sections(tissue)]
    for i, name in enumerate(names):

        def hide(name: str = name) -> LeftOut:
            return _hidden(tissue, name, monitor) if name else _scattered(tissue, monitor)

        with monitor.stage(f"Leaving out {name or 'cells'}", 1 / (len(names) - i)):
            found = _seen.get(f"{seen} {name}", hide)[0]
        yield found


def inner_sections(tissue: Tissue) -> list[str]:
    """Return the sections that lie between two others."""
    depth = tissue.section_z
    low, high = min(depth.values()), max(depth.values())
    return [name for name in tissue.sections if low < depth[name] < high]


def of_gene(tissue: Tissue, gene: str, found: list[LeftOut], spread: float) -> DepthError:
    """Return the expected error of one gene.

    Parameters
    ----------
    tissue
        What was left out of.
    gene
        One of its genes.
    found
        What :func:`left_out` yielded, or a part of it.
    spread
        Standard deviation of the gene over the tissue's cells, log-normalised.
    """
    column = int(np.flatnonzero(tissue.genes == gene)[0])
    inner = {f.section: (f.away, float(f.error[column])) for f in found if f.section}
    within = next((float(f.error[column]) for f in found if not f.section), 0.0)
    return DepthError(tissue.section_z, inner, within, spread)


def of_labels(tissue: Tissue, labels: np.ndarray) -> DepthError:
    """Return the expected share of wrong labels, where each cell takes that of the nearest one.

    Parameters
    ----------
    tissue
        At least two sections.
    labels
        (cells,); "" where there is none, which is not asked about.
    """
    labels = np.asarray(labels)
    depth, known = tissue.section_z, labels != ""
    yx, section = tissue.coords[:, 1:], tissue.section
    within, inner = [], {}
    for name in tissue.sections:
        own = np.flatnonzero((section == name) & known)
        if len(own) > 1:
            near = np.asarray(cKDTree(yx[own]).query(yx[own], k=2)[1])[:, -1]
            within.append(labels[own] != labels[own[near]])
    for name in inner_sections(tissue):
        own = np.flatnonzero((section == name) & known)
        away, other = min((abs(z - depth[name]), s) for s, z in depth.items() if s != name)
        theirs = np.flatnonzero((section == other) & known)
        if len(own) and len(theirs):
            near = np.asarray(cKDTree(yx[theirs]).query(yx[own])[1])
            inner[name] = (float(away), float(np.mean(labels[own] != labels[theirs[near]])))
    share = float(np.concatenate(within).mean()) if within else 0.0
    return DepthError(depth, inner, share, 1.0)


def _hidden(tissue: Tissue, name: str, monitor: Monitor) -> LeftOut:
    """Hide a section, and predict some of its cells from the others."""
    visible, hidden = tissue.split(name)
    depth = tissue.section_z
    away = float(min(abs(z - depth[name]) for z in visible.section_z.values()))
    error = _errors(visible, hidden, InterpolateConfig(effort="quick", draws=0), monitor)
    return LeftOut(name, away, error)


def _scattered(tissue: Tissue, monitor: Monitor) -> LeftOut:
    """Leave out cells of all sections at random, and predict them from those around them."""
    out = np.random.default_rng(5).permutation(tissue.n_cells) % _FOLD == 0
    config = GenerateConfig(effort="quick", draws=0)
    return LeftOut("", 0.0, _errors(tissue.rows(~out), tissue.rows(out), config, monitor))


def _errors(
    visible: Tissue,
    hidden: Tissue,
    config: InterpolateConfig | GenerateConfig,
    monitor: Monitor,
) -> np.ndarray:
    """Return (genes,) root mean squared errors at hidden cells, on the scale of visible ones."""
    visible, _ = without_copies(visible, hidden)
    if hidden.n_cells > _CELLS:
        rng = np.random.default_rng(7)
        hidden = hidden.rows(np.sort(rng.choice(hidden.n_cells, _CELLS, replace=False)))
    method = method_class(_METHOD)().fit(visible, None, config, monitor)
    truth = Normaliser.fit(visible)(hidden)
    total = np.zeros(truth.shape[1])
    for start in range(0, hidden.n_cells, 500):
        monitor.check()
        some = slice(start, start + 500)
        types = None if hidden.cell_type is None else hidden.cell_type[some]
        mean = method.sample(Query(hidden.coords[some], types), 0, Monitor()).mean
        total += np.square(mean - truth[some], dtype=np.float64).sum(axis=0)
    return np.asarray(np.sqrt(total / max(hidden.n_cells, 1)))
