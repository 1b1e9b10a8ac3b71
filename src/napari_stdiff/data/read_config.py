"""How to read a tissue: which column means what. The same names on every command and dock."""

from __future__ import annotations

from typing import Literal

from ..compute.config import Config, setting

ZUnit = Literal["auto", "um", "mm", "nm", "same"]


class ReadConfig(Config):
    """Which obs column means what; "auto" detects, "none" ignores."""

    section_key: str = setting(
        "auto", "Section column", "Obs column that names the section (slice) of each cell."
    )
    z_key: str = setting(
        "auto",
        "z column",
        "Obs column with the depth of a cell or section; 'none' takes section order and spacing.",
    )
    z_unit: ZUnit = setting(
        "auto",
        "z unit",
        "Unit of the z column; x and y are taken to be in um. 'same': the unit of x and y.",
    )
    spacing: float = setting(
        0.0,
        "Spacing",
        "Distance between sections, used where no z is known; 0 takes what the data says.",
        unit="um",
        ge=0,
    )
    spatial_key: str = setting(
        "auto", "Coordinates", "Key in obsm with the coordinates (x, y) or (x, y, z)."
    )
    cell_type_key: str = setting(
        "auto", "Cell type column", "Obs column with the cell type; 'none' works without types."
    )
    layer_key: str = setting(
        "auto", "Layer column", "Obs column with the layer or region; 'none' ignores it."
    )
    table: str = setting("auto", "Table", "Table of the SpatialData store.")
    coordinate_system: str = setting(
        "auto", "Coordinate system", "Coordinate system of the SpatialData store to work in."
    )
