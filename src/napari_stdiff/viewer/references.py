"""What can be taken for a single-cell reference: files, tables of the open store, layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .session import Session

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.layers import Layer


@dataclass(frozen=True)
class Source:
    """Where a reference comes from.

    Attributes
    ----------
    label
        What a user calls it.
    data
        Path of a file, a table in memory, or the path of a store with `table` in it.
    table
        Name of the table in a store, or "".
    """

    label: str
    data: str | AnnData
    table: str = ""

    @property
    def path(self) -> str:
        """The file, where it is one; what can be remembered."""
        return self.data if isinstance(self.data, str) and not self.table else ""

    @property
    def readable(self) -> str | AnnData:
        """What the task can read."""
        if self.table and isinstance(self.data, str):
            return str(Path(self.data) / "tables" / self.table)
        return self.data

    def same(self, other: Source | None) -> bool:
        """Say whether two sources are one."""
        if other is None:
            return False
        same = self.data is other.data or (
            isinstance(self.data, str) and isinstance(other.data, str) and self.data == other.data
        )
        return same and self.table == other.table


def of_file(path: str) -> Source:
    """Return the source of an ``.h5ad`` file."""
    return Source(Path(path).name, path)


def candidates(session: Session, layers: Iterable[Layer]) -> list[Source]:
    """Return what is at hand: the sample's own, a file beside the data, tables, layers' tables.

    The file is called like the data with ``_reference`` behind it.
    """
    found: list[Source] = []
    if session.reference is not None:
        found.append(Source("reference of the sample", session.reference))
    tissue, store = session.tissue, session.store
    measured = tissue.origin.table if tissue is not None else ""
    if isinstance(store, str):
        beside = Path(store).with_name(f"{Path(store).stem}_reference.h5ad")
        if beside.is_file():  # as the command that writes the sample leaves it
            found.append(of_file(str(beside)))
        found += [
            Source(f"table {name} of the open store", store, name)
            for name in tables_on_disk(Path(store))
            if name != measured
        ]
    elif store is not None and hasattr(store, "tables"):
        found += _of_tables(store.tables, "of the open store", measured)
    for layer in layers:
        adata, sdata = layer.metadata.get("adata"), layer.metadata.get("sdata")
        if adata is not None and adata is not store and adata.n_obs:
            found.append(Source(f"table of layer {layer.name}", adata))
        if sdata is not None and sdata is not store:
            found += _of_tables(sdata.tables, f"of layer {layer.name}", "")
    once: list[Source] = []
    for source in found:
        if not any(source.same(other) for other in once):
            once.append(source)
    return once


def tables_on_disk(store: Path) -> list[str]:
    """Return the names of a store's tables that are no results of ours."""
    if not store.is_dir():
        return []
    import zarr

    tables = zarr.open_group(store, mode="r", use_consolidated=False).get("tables")
    if not isinstance(tables, zarr.Group):
        return []
    return sorted(name for name, group in tables.groups() if "uns/stdiff" not in group)


def _of_tables(tables: Any, where: str, measured: str) -> list[Source]:
    return [
        Source(f"table {name} {where}", table)
        for name, table in tables.items()
        if name != measured and "stdiff" not in table.uns
    ]
