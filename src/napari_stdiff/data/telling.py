"""Which shared genes tell most, where tissue and reference share thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from .panel import scale_factors
from .reference import Reference
from .tissue import Tissue, Values

MOST = 1500  # eigenvectors of the shared genes take their cube; a fit must not take an hour
_BLOCK = 8_000_000  # values that are dense at a time


def most_telling(
    tissue: Tissue,
    reference: Reference,
    shared: Sequence[tuple[str, str]],
    most: int = MOST,
) -> list[tuple[str, str]]:
    """Return the `most` of the shared genes that vary most in both, in their order.

    By the product of their standard deviations over cells of the tissue and of the reference, on
    the log scale: a gene ties cells to each other when it differs between them in both.

    Parameters
    ----------
    tissue, reference
        Whose genes they are.
    shared
        (tissue name, reference name) of each shared gene. Of genes that are not among them
        nothing is looked at.
    most
        How many to keep; all of them where there are fewer.
    """
    if len(shared) <= most:
        return list(shared)
    told = np.ones(len(shared))
    tables: tuple[Tissue | Reference, ...] = (tissue, reference)
    for side, table in enumerate(tables):
        place = {str(gene): i for i, gene in enumerate(table.genes)}
        x: Any = table.expression
        told *= _deviations(x[:, [place[pair[side]] for pair in shared]], table.values)
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
