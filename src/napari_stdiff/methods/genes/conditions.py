"""What is known about a wanted gene in a cell: what the networks are conditioned on."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from .smoothing import Neighbourhood
from .stack import Guessed

_LIMIT = 5.0


class Conditions:
    """Makes the condition of each entry (cell and gene).

    No condition names a gene or a cell: what a network learns from visible genes while they are
    hidden holds for genes it never saw. Conditions are the entry's place among the cells, what
    is expected there and around, every guess's distance from that, how far guesses disagree, the
    cell's library, and how the reference has the gene.

    Parameters
    ----------
    near
        Neighbouring cells; None where nothing is averaged over them.
    factor
        (cells,) what counts were multiplied by: high where a cell's library is small.
    scale
        (2, 4) mean and deviation of visible genes' own features; None until :meth:`learn`.
    """

    def __init__(
        self, near: Neighbourhood | None, factor: np.ndarray, scale: np.ndarray | None = None
    ) -> None:
        self._near = near
        library = np.log(factor)
        spread = float(library.std())
        self._library = (library - library.mean()) / (spread if spread > 1e-6 else 1.0)
        self.scale = scale

    def learn(self, guessed: Guessed, expected: np.ndarray) -> None:
        """Take the scale of the genes' own features from visible genes."""
        own = _own(guessed, expected)
        deviation = own.std(axis=0)
        self.scale = np.stack([own.mean(axis=0), np.where(deviation > 1e-6, deviation, 1.0)])

    @staticmethod
    def width(n_guesses: int) -> int:
        """Return the length of a condition."""
        return n_guesses + 9

    def of(self, guessed: Guessed, expected: np.ndarray, genes: np.ndarray) -> np.ndarray:
        """Return (cells, len(genes), width) float32 conditions of the columns `genes`."""
        assert self.scale is not None, "learn first"
        some, wanted = guessed.guesses[:, :, genes], expected[:, genes]
        deviation = np.maximum(wanted.std(axis=0), 1e-6)
        unit = np.asarray(wanted / deviation, dtype=np.float32)
        place = ndtri((rankdata(wanted, axis=0) - 0.5) / len(wanted))
        own = (_own(guessed, expected)[genes] - self.scale[0]) / self.scale[1]
        out = np.empty((*wanted.shape, self.width(len(some))), dtype=np.float32)
        out[..., 0], out[..., 1] = place, unit
        out[..., 2] = unit if self._near is None else self._near.average(unit, 15)
        out[..., 3] = some.std(axis=0)
        out[..., 4] = self._library[:, None]
        out[..., 5:9] = np.clip(own, -3, 3)
        out[..., 9:] = np.moveaxis(some, 0, -1) - unit[..., None]
        return np.clip(out, -_LIMIT, _LIMIT, out=out)


def _own(guessed: Guessed, expected: np.ndarray) -> np.ndarray:
    """Return (genes, 4) features of whole genes: level, deviation, zeros, how much is expected."""
    level = np.log1p(np.maximum(guessed.levels, 0))
    deviation = np.log(guessed.deviations + 1e-3)
    return np.stack([level, deviation, guessed.zeros, expected.std(axis=0)], axis=1)
