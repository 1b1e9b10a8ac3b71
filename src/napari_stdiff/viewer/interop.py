"""Data that other plugins put on the canvas; only ``layer.metadata`` is read, nothing is imported.

napari-spatialdata leaves the SpatialData object of a layer in ``metadata["sdata"]``, the
element's name in ``"name"``, the names of the tables that annotate it in ``"table_names"`` and
the coordinate system in ``"_current_cs"``. Older versions, and people, leave an AnnData in
``"adata"``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.read_config import ReadConfig

if TYPE_CHECKING:
    from napari.layers import Layer


@dataclass(frozen=True)
class LayerSource:
    """Data behind one or several layers.

    Attributes
    ----------
    data
        The SpatialData or AnnData object itself.
    label
        What a user calls it.
    table
        Table that annotates the layer's element, or "".
    coordinate_system
        Coordinate system that the layer is shown in, or "".
    """

    data: Any
    label: str
    table: str = ""
    coordinate_system: str = ""

    @property
    def key(self) -> tuple[int, str, str]:
        """What makes two layers one source."""
        return id(self.data), self.table, self.coordinate_system

    def reading(self, base: ReadConfig) -> ReadConfig:
        """Return `base` with the layer's table and coordinate system where it says "auto"."""
        changes = {}
        if self.table and base.table == "auto":
            changes["table"] = self.table
        if self.coordinate_system and base.coordinate_system == "auto":
            changes["coordinate_system"] = self.coordinate_system
        return base.but(**changes) if changes else base


def source_of(layer: Layer) -> LayerSource | None:
    """Return the data behind `layer`, or None where it carries none.

    A layer of ours has none: its data is open already.
    """
    metadata = layer.metadata
    if "stdiff" in metadata:
        return None
    sdata = metadata.get("sdata")
    if sdata is not None:
        path = getattr(sdata, "path", None)
        label = Path(path).name if path else "SpatialData in memory"
        table = _measured_table(sdata, metadata)
        if table is None:
            return None
        return LayerSource(sdata, label, table, str(metadata.get("_current_cs") or ""))
    adata = metadata.get("adata")
    if adata is not None and adata.n_obs > 0 and len(adata.obsm) > 0:
        return LayerSource(adata, f"table of layer {layer.name}")
    return None


def sources(layers: Iterable[Layer]) -> list[LayerSource]:
    """Return the different data behind `layers`; a picture's layer adds nothing new.

    An image has no table of its own; it only counts where no other layer of its store does.
    """
    found: dict[tuple[int, str, str], LayerSource] = {}
    for layer in layers:
        source = source_of(layer)
        if source is not None:
            found.setdefault(source.key, source)
    told = {(id(s.data), s.coordinate_system) for s in found.values() if s.table}
    return [s for s in found.values() if s.table or (id(s.data), s.coordinate_system) not in told]


def _measured_table(sdata: Any, metadata: dict[str, Any]) -> str | None:
    """Return the first table of measurements of the layer's element, or "" to let `read` choose.

    None where the store has no table at all.
    """
    tables = getattr(sdata, "tables", {})
    measured = [name for name in tables if "stdiff" not in tables[name].uns]
    if not measured:
        return None
    named = metadata.get("table_names") or []
    return next((name for name in named if name in measured), "")
