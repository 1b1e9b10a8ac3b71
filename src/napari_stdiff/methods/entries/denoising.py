"""How much a measured value counts beside what is expected of it from everything else."""

from __future__ import annotations

import numpy as np

from ...data.visible import Visible


def own_weights(visible: Visible, expected: np.ndarray, seed: int) -> np.ndarray:
    """Return (genes,) float32 weights of a measured value when it is denoised, 0 to 1.

    Counts are split into two halves at random (binomial thinning; both are independent
    measurements of the same expression where counts are Poisson). How far one half's distance
    from what is expected tells the other's, w, is v / (v + 2 n), with v the variance of what is
    really there around the expectation and n the noise of the whole measurement; so the whole
    one counts 2 w / (1 + w). Values that are not counts hold no measure of their own noise: they
    count nothing, and what is expected from all others stands.

    Parameters
    ----------
    visible
        The table.
    expected
        (cells, genes) standardised, each visible entry predicted while it was hidden.
    seed
        Of the split.
    """
    if visible.values != "counts":
        return np.zeros(visible.n_genes, dtype=np.float32)
    rng = np.random.default_rng([seed, 41])
    raw = np.rint(np.maximum(visible.raw, 0)).astype(np.int64)
    one = rng.binomial(raw, 0.5)
    halves = [visible.scaled((2 * half).astype(np.float32)) for half in (one, raw - one)]
    seen = visible.seen
    guess = expected * visible.deviation + visible.mean
    apart = []
    for half in halves:
        off = np.where(seen, half - guess, 0).astype(np.float64)
        off -= off.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        apart.append(np.where(seen, off, 0))
    variance = np.maximum((apart[0] ** 2).sum(axis=0), 1e-12)
    w = np.clip((apart[0] * apart[1]).sum(axis=0) / variance, 0, 1)
    return np.asarray(2 * w / (1 + w), dtype=np.float32)
