"""Cells that were published twice: found before one of the two is predicted from the other."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from scipy import sparse

from .tissue import Tissue

_TELLING = 10  # non-zero genes; with fewer, two cells may be alike by chance


def without_copies(visible: Tissue, hidden: Tissue) -> tuple[Tissue, str]:
    """Take away visible cells whose expression is, gene by gene, that of a hidden cell.

    Public stacks hold such copies (85 of 94 spots of one section of a heart lie in the next one,
    too); what predicts a hidden cell from its copy scores what it was given.

    Parameters
    ----------
    visible, hidden
        What a method may see, and what it is scored on.

    Returns
    -------
    tissue
        `visible` itself where there is no copy.
    note
        A sentence about what was taken away, or "".
    """
    rough = _rough(visible), _rough(hidden)
    maybe = np.flatnonzero(np.isin(rough[0], rough[1][rough[1] != ""]))
    known = set(_marks(hidden, np.flatnonzero(np.isin(rough[1], rough[0][maybe]))))
    copied = np.zeros(visible.n_cells, dtype=bool)
    copied[maybe] = [mark in known for mark in _marks(visible, maybe)]
    if not copied.any():
        return visible, ""
    where = ", ".join(map(str, np.unique(visible.section[copied])))
    note = (
        f"{int(copied.sum())} cells of {where} have exactly the expression of hidden cells: they "
        "are copies, and were hidden too."
    )
    return visible.rows(~copied), note


def _rough(tissue: Tissue) -> np.ndarray:
    """Return what copies share and few others do: expressed genes and their sum, as text.

    "" for cells with too few expressed genes to tell.
    """
    x: Any = tissue.expression
    number = np.asarray((x != 0).sum(axis=1)).ravel()
    total = np.asarray(x.sum(axis=1), dtype=np.float32).ravel()
    text = np.char.add(np.char.add(number.astype(str), "|"), total.astype(str))
    return np.where(number >= _TELLING, text, "")


def _marks(tissue: Tissue, rows: np.ndarray) -> list[bytes]:
    """Return a hash of the expression of some cells."""
    x = sparse.csr_matrix(tissue.expression[rows])
    ends = zip(x.indptr[:-1], x.indptr[1:], strict=True)
    return [
        hashlib.sha256(x.indices[a:b].astype(np.int64).tobytes() + x.data[a:b].tobytes()).digest()
        for a, b in ends
    ]
