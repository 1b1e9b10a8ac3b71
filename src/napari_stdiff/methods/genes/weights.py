"""Non-negative weights for guesses, chosen on visible genes and pulled towards equal ones."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

PULL = 0.1


def positive_weights(gram: np.ndarray, right: np.ndarray, pull: float = PULL) -> np.ndarray:
    """Return the weights that bring the weighted sum of guesses nearest to the truth.

    Least squares with non-negative weights and a penalty ``pull * |w - w0|^2``, where w0 gives
    all guesses the one weight that is best for their sum. Guesses and truth are standardised, so
    that the sum's deviation says how much of the truth is explained.

    Parameters
    ----------
    gram
        (guesses, guesses) mean products of guesses.
    right
        (guesses,) mean products with the truth.
    pull
        Strength of the penalty.

    Returns
    -------
    np.ndarray
        (guesses,) float64.
    """
    n = len(right)
    power = float(gram.sum())
    even = max(float(right.sum()) / power, 0.0) if power > 0 else 0.0
    penalised = gram + (pull + 1e-6) * np.eye(n)
    factor = np.linalg.cholesky(penalised)
    target = np.linalg.solve(factor, right + pull * even)
    return np.asarray(nnls(factor.T, target)[0])
