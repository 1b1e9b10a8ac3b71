"""What does not fit into memory is refused before the work."""

from __future__ import annotations

from ..compute.errors import StdiffError


def refuse_too_large(n_cells: int, n_genes: int, each: int = 8) -> None:
    """Refuse a result that does not fit into the memory that is free.

    Parameters
    ----------
    n_cells, n_genes
        Its size.
    each
        Bytes that one of its entries takes (mean and spread: 8).
    """
    import psutil

    wanted, free = each * n_cells * n_genes, int(psutil.virtual_memory().available)
    if wanted > 0.8 * free:
        raise StdiffError(
            f"{n_genes} genes in {n_cells} cells take {wanted / 2**30:.1f} GB of memory and "
            f"{free / 2**30:.1f} GB are free; ask for fewer genes, for example the 2000 most "
            "variable ones."
        )
