"""Which shared genes tell most, where tissue and reference share thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from .panel import scale_factors
from .reference import Reference
from .tissue import Values

MOST = 1500  # eigenvectors of the shared genes take their cube; a fit must not take an hour
_BLOCK = 8_000_000  # values that are dense at a time


def most_telling(
    reference: Reference,
    shared: Sequence[tuple[str, str]],
    most: int = MOST,
) -> list[tuple[str, str]]:
    """Return the `most` of the shared genes that vary most in the reference, in their order.

    By their standard deviations over its cells, on the log scale. The tissue has no say: shared
    genes are hidden in turn to see how well they are predicted, and what was measured of a hidden
    gene must not decide that it takes part.

    Parameters
    ----------
    reference
        Whose genes they are.
    shared
        (tissue name, reference name) of each shared gene. Of genes that are not among them
        nothing is looked at.
    most
        How many to keep; all of them where there are fewer.
    """
    if len(shared) <= most:
        return list(shared)
    place = {str(gene): i for i, gene in enumerate(reference.genes)}
    x: Any = reference.expression
    told = _deviations(x[:, [place[theirs] for _, theirs in shared]], reference.values)
    keep = np.sort(np.argsort(-told, kind="stable")[:most])
    return [shared[i] for i in keep]


def _deviations(x: sparse.csr_matrix | np.ndarray, values: Values) -> np.ndarray:
    """Return the (genes,) standard deviations of (cells, genes), counts scaled and log1p'd."""
    n, genes = x.shape
    factor = scale_factors(x)[:, None] if values == "counts" else None
    total, squares = np.zeros((2, genes))
    size = max(_BLOCK // max(genes, 1), 1)
    for start in range(0, n, size):
        part: Any = x[start : start + size]
        part = np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.float32)
        if factor is not None:
            part = np.log1p(part * factor[start : start + size])
        total += part.sum(axis=0, dtype=np.float64)
        squares += np.einsum("cg,cg->g", part, part, dtype=np.float64)
    return np.asarray(np.sqrt(np.maximum(squares / max(n, 1) - (total / max(n, 1)) ** 2, 0)))
