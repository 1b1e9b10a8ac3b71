"""Genes of the other tables that annotate a tissue's cells, read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from .by_gene import ByGene
from .checks import in_memory
from .gene_names import other_names
from .normalise import Normaliser
from .result_list import regions_of
from .tissue import Tissue

if TYPE_CHECKING:
    from spatialdata import SpatialData

_MOST_LOADED = 30_000_000  # stored values of a sparse table up to which it is kept by gene
_LOOKED_AT = 2_000  # rows that say what the values are


class OtherTable:
    """A table beside the tissue's own, with a row for some or all of its cells.

    Parameters
    ----------
    name
        What the store calls it.
    var
        Its genes.
    rows
        (cells of the tissue,) the row of each in the table; -1 where it has none.
    x
        (rows, genes) values: an array, a sparse matrix, or one of a file. It is never made dense.
    """

    def __init__(self, name: str, var: pd.DataFrame, rows: np.ndarray, x: Any) -> None:
        self.name = name
        self.genes = [str(gene) for gene in var.index]
        self.rows = rows
        self._at: dict[str, int] = {}
        for i, gene in enumerate(self.genes):
            self._at.setdefault(gene, i)
        ids = other_names(var, self.genes)
        self.ids = [""] * len(self.genes) if ids is None else [str(v) for v in ids]
        self._expected = (
            np.asarray(var["expected_pearson"], float) if "expected_pearson" in var else None
        )
        self._x = x

    def __contains__(self, gene: object) -> bool:
        return gene in self._at

    def expected(self, gene: str) -> float | None:
        """Return the Pearson that a predicted gene is expected to reach, where the table says."""
        return None if self._expected is None else float(self._expected[self._at[gene]])

    def gene(self, name: str) -> np.ndarray:
        """Return (cells of the tissue,) float32 values of a gene; NaN for cells without a row.

        Counts are log-normalised as the tissue's own are, by the totals of this table; other
        values are as they are.
        """
        column = self._held.column(self._at[name])
        if self._scale is not None:
            column = np.log1p(column * self._scale)
        out = np.full(len(self.rows), np.nan, np.float32)
        there = self.rows >= 0
        out[there] = column[self.rows[there]]
        return out

    @cached_property
    def _held(self) -> ByGene:
        """The values, arranged so that a gene is quickly found where they are not too many."""
        x: Any = self._x
        if hasattr(x, "tocsc"):
            return ByGene(x.tocsc())
        if hasattr(x, "to_memory") and x.group["data"].shape[0] <= _MOST_LOADED:
            return ByGene(x.to_memory().tocsc())
        return ByGene(x)

    @cached_property
    def counts(self) -> bool:
        """Whether the values are counts, by the rule for a tissue's own: whole numbers."""
        some: Any = in_memory(self._held.x[:_LOOKED_AT])
        is_sparse = sparse.issparse(some)
        values = np.asarray(some.data if is_sparse else some, np.float64).ravel()
        values = values[np.isfinite(values)]
        return bool(np.all((values == np.rint(values)) & (values >= 0)))

    @cached_property
    def _scale(self) -> np.ndarray | None:
        """(rows,) what counts of a row are multiplied by; None for values that are none."""
        if not self.counts:
            return None
        totals = np.nan_to_num(self._held.totals())
        target = np.float32(Normaliser.of_totals(totals).target)
        return np.asarray(target / np.where(totals > 0, totals, 1), np.float32)


def other_tables(
    store: str | Path | SpatialData, tissue: Tissue, known: Collection[str] = ()
) -> tuple[list[OtherTable], list[str]]:
    """Return the other tables of a store that annotate cells of a tissue, by name.

    Their genes and links are read, and values when a gene is asked for.

    Parameters
    ----------
    store
        What the tissue was read from: a SpatialData store or object.
    tissue
        The tissue; rows are its cells where they annotate the same instances.
    known
        Tables that are open already.

    Returns
    -------
    tuple
        The tables, and sentences about those that annotate its elements but cannot be used.

    Raises
    ------
    OSError, KeyError, ValueError
        When the store cannot be read.
    """
    tables = _on_disk(Path(store)) if isinstance(store, str | Path) else _in_memory(store)
    own = tables.get(tissue.origin.table)
    if own is None or not {own.region_key, own.instance_key} <= set(tissue.obs.columns):
        return [], []
    elements = set(map(str, tissue.origin.elements.values()))
    cells = _links(tissue.obs[own.region_key], tissue.obs[own.instance_key])
    found, notes = [], []
    for name, table in tables.items():
        if name == tissue.origin.table or name in known or not elements & set(table.regions):
            continue
        try:
            obs, var, x = table.obs(), table.var(), table.x()
            links = _links(obs[table.region_key], obs[table.instance_key])
        except KeyError as error:  # written by half, or by a tool with another notion
            notes.append(f"The table '{name}' cannot be read: it has no {error}.")
            continue
        if not links.is_unique:
            notes.append(
                f"The table '{name}' has several rows for one cell, so its genes are not offered."
            )
            continue
        rows = _rows_of(cells, links)
        if x is not None and (rows >= 0).any():
            found.append(OtherTable(name, var, rows, x))
    return found, notes


@dataclass(frozen=True)
class _Table:
    """What is asked of a table, in memory or on disk, before its values are."""

    regions: list[str]
    region_key: str
    instance_key: str
    obs: Callable[[], pd.DataFrame]
    var: Callable[[], pd.DataFrame]
    x: Callable[[], Any]


def _in_memory(sdata: SpatialData) -> dict[str, _Table]:
    found = {}
    for name, table in sorted(sdata.tables.items()):
        attrs = table.uns.get("spatialdata_attrs")
        if attrs:
            found[str(name)] = _Table(
                regions_of(table),
                attrs["region_key"],
                attrs["instance_key"],
                partial(getattr, table, "obs"),
                partial(getattr, table, "var"),
                partial(getattr, table, "X"),
            )
    return found


def _on_disk(path: Path) -> dict[str, _Table]:
    from anndata.io import read_elem

    return {
        name: _Table(
            [str(region) for region in np.atleast_1d(attrs["region"])],
            str(attrs["region_key"]),
            str(attrs["instance_key"]),
            partial(read_elem, group["obs"]),
            partial(read_elem, group["var"]),
            partial(_stored_x, group),
        )
        for name, group, attrs in _groups(path)
    }


def _stored_x(group: Any) -> Any:
    """Return the values of a stored table, unread; None where it has none."""
    from anndata.io import sparse_dataset

    x = group.get("X")
    if str(getattr(x, "attrs", {}).get("encoding-type", "")) in ("csr_matrix", "csc_matrix"):
        return sparse_dataset(x)
    return x if hasattr(x, "shape") else None


def _groups(path: Path) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """Yield name, group and attributes of the tables that annotate something."""
    import zarr

    tables = zarr.open_group(path, mode="r", use_consolidated=False).get("tables")
    if not isinstance(tables, zarr.Group):
        return
    for name, group in sorted(tables.groups()):
        attrs = dict(group.attrs)
        if all(attrs.get(key) for key in ("region", "region_key", "instance_key")):
            yield name, group, attrs


def _links(region: pd.Series, instance: pd.Series) -> pd.MultiIndex:
    """Return what rows annotate: element and instance.

    Whole numbers stay numbers, which are quickly matched; others are words, since types differ.
    """
    names = pd.Categorical(region).rename_categories(str)
    numbers = pd.api.types.is_integer_dtype(instance.dtype)
    return pd.MultiIndex.from_arrays(
        [names, instance.to_numpy(np.int64) if numbers else instance.astype(str).to_numpy(object)]
    )


def _rows_of(cells: pd.MultiIndex, links: pd.MultiIndex) -> np.ndarray:
    """Return (cells,) the row that annotates the same; -1 where none does."""
    if cells.levels[1].dtype != links.levels[1].dtype:  # numbers here, words there
        cells, links = _in_words(cells), _in_words(links)
    return np.asarray(links.get_indexer(cells))


def _in_words(links: pd.MultiIndex) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays(
        [links.get_level_values(0), links.get_level_values(1).astype(str)]
    )
