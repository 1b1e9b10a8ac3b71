"""Smooth functions of position, and ridge regression on them."""

from __future__ import annotations

import numpy as np
from scipy import linalg


def waves_at(
    coords: np.ndarray, centre: np.ndarray, reach: float, waves: np.ndarray
) -> np.ndarray:
    """Return (cells, 1 + 2 waves) features: 1, cosines and sines.

    Random Fourier features of a Gaussian kernel of width `reach` on all axes (Rahimi and Recht
    2007).

    Parameters
    ----------
    coords
        (cells, 3) z, y, x.
    centre
        (3,) origin.
    reach
        Width of the kernel, in the unit of `coords`.
    waves
        (3, waves) standard normal directions.
    """
    # axis by axis, so that a row does not depend on the other rows to the last bit
    scaled = (coords - centre) / reach
    phase = sum(scaled[:, [axis]] * waves[axis] for axis in range(3))
    size = np.sqrt(1.0 / waves.shape[1])
    return np.hstack([np.ones((len(coords), 1)), np.cos(phase) * size, np.sin(phase) * size])


def solve_ridge(gram: np.ndarray, right: np.ndarray, penalty: float, n_types: int) -> np.ndarray:
    """Return ridge coefficients; the first feature and the last, the types, are hardly penalised.

    Parameters
    ----------
    gram, right
        (features, features) and (features, targets) products of the features.
    penalty
        Of the smooth features.
    n_types
        How many of the last features are types.
    """
    weight = np.full(len(gram), penalty)
    weight[0] = 1e-6
    weight[len(gram) - n_types :] = 1.0
    out: np.ndarray = linalg.solve(gram + np.diag(weight), right, assume_a="pos")
    return out
