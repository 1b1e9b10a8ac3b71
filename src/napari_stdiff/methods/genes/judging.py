"""Visible genes judged while they are left out: how well, and how widely, they are told."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ...scoring.gains import surely_gains
from .noise import scores_of
from .residual import between
from .spread import Spread

LEVELS = (np.arange(32) + 0.5) / 32  # of the distributions that are judged


def some_rows(n: int, most: int) -> np.ndarray:
    """Return `most` of `n` rows, evenly spaced; all where there are fewer."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


class Judgement:
    """What is said of visible genes in some cells by what other genes choose.

    Parameters
    ----------
    spread
        Around the expectation.
    raw, truth
        (cells of the tissue, genes) what is expected of each while it is left out of everything
        that is chosen, and what was measured.
    cells
        (some cells,) rows that are judged.
    """

    def __init__(
        self, spread: Spread, raw: np.ndarray, truth: np.ndarray, cells: np.ndarray
    ) -> None:
        self.raw, self.truth, self.cells = raw, truth, cells
        self._spread = spread

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes that are judged."""
        return len(self.cells), self.raw.shape[1]

    def quantiles(
        self, gene: int, nodes: np.ndarray | None = None, widening: float = 1.0
    ) -> np.ndarray:
        """Return (levels, cells) evenly spaced quantiles of a gene's distributions.

        The gene has no say in them. With (nodes, cells) `nodes`, they are those that diffusion
        makes of the spread; these are multiplied by `widening`.
        """
        entries = self._spread.entries(self.raw[:, gene], gene).some(self.cells)
        levels = np.repeat(LEVELS[:, None], len(self.cells), axis=1).astype(np.float32)
        if nodes is not None:
            levels = ndtr(widening * between(nodes, scores_of(levels))).astype(np.float32)
        return np.stack([entries.at(places) for places in levels])

    def loss(self, gene: int, quantiles: np.ndarray) -> float:
        """Return the mean pinball loss of (levels, cells) `quantiles`: half the CRPS."""
        apart, at = self.truth[self.cells, gene] - quantiles, LEVELS[:, None]
        return float(np.maximum(at * apart, (at - 1) * apart).mean())


class Trials:
    """Ways to widen a distribution, and how well each does on genes that it was not learned on.

    Parameters
    ----------
    ways
        Strength and widening of each; a strength of 0 is the distribution as it is.
    judgement
        Of the genes.
    """

    def __init__(self, ways: list[tuple[float, float]], judgement: Judgement) -> None:
        self.ways = ways
        # what was not judged is not chosen
        self._losses = np.full((len(ways), judgement.shape[1]), np.inf)
        self._deviations = np.zeros((len(ways), *judgement.shape), dtype=np.float32)

    def add(self, way: int, gene: int, loss: float, quantiles: np.ndarray) -> None:
        """Note what a way does for a gene: its loss, and (levels, cells) quantiles."""
        self._losses[way, gene] = loss
        self._deviations[way, :, gene] = quantiles.std(axis=0)

    @property
    def hopeful(self) -> bool:
        """Whether some way with diffusion is ahead so far, or none was judged yet."""
        known = np.isfinite(self._losses).any(axis=0)
        total = self._losses[:, known].sum(axis=1)
        with_it = np.array([strength > 0 for strength, _ in self.ways])
        if not known.any() or not with_it.any() or with_it.all():
            return True
        return bool(total[with_it].min() < total[~with_it].min())

    def best(self, genes: np.ndarray | None = None) -> int:
        """Return the way with the lowest loss on some genes; on all for None.

        The distribution stays as it is unless genes gain surely.
        """
        losses = self._losses if genes is None else self._losses[:, genes]
        total = losses.sum(axis=1)
        best = int(np.argmin(total))
        plain = min(
            (way for way, (strength, _) in enumerate(self.ways) if strength == 0),
            key=lambda way: total[way],
            default=best,
        )
        return best if surely_gains(losses[plain] - losses[best]) else plain

    def deviations(self, group: np.ndarray) -> np.ndarray:
        """Return (cells, genes) deviations, each gene's by what genes of other groups choose."""
        out = np.empty(self._deviations.shape[1:], dtype=np.float32)
        for number in np.unique(group):
            mine = group == number
            out[:, mine] = self._deviations[self.best(~mine)][:, mine]
        return out
