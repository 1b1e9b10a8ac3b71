"""A table of a SpatialData store and the elements it annotates become a Tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from .assemble import assemble, refuse_result, with_origin
from .checks import as_coordinates, listing, no_such
from .depth import is_micron
from .elements import axes_of, centroids, systems_of
from .images import section_pictures
from .read_config import ReadConfig
from .segmentation import segmentations
from .tissue import Origin, Tissue

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def read_spatialdata(
    sdata: SpatialData, config: ReadConfig, path: str = "", gaps: bool = False
) -> Tissue:
    """Read a SpatialData; nothing in it is changed.

    Parameters
    ----------
    sdata
        Points, circles, polygons or labels with a table that annotates them.
    config
        What the user said.
    path
        Where it was read from.
    gaps
        Whether NaN are missing values; otherwise they are refused.

    Raises
    ------
    StdiffError
        One sentence on what is unusable or not there.
    """
    name = _choose_table(sdata, config.table)
    table = sdata.tables[name]
    region, instance = _keys(table)
    if not table.n_obs:
        raise StdiffError(f"The table '{name}' is empty; name another one or fill it.")
    regions = table.obs[region].astype(str).to_numpy(dtype=object)
    instances = table.obs[instance].to_numpy()
    there = [r for r in pd.unique(regions) if r in sdata]
    gone = sorted(set(regions) - set(there))
    if not there:
        raise StdiffError(
            f"The table '{name}' annotates nothing: the store has no element named "
            f"{listing(gone)}; there is: {listing(_elements(sdata))}."
        )
    counts = pd.Series(regions).value_counts()
    system, left_out = _choose_system(sdata, there, config.coordinate_system, counts)
    notes = [f"Table: '{name}', coordinate system '{system}'."]
    if gone:
        notes.append(f"Elements that the store does not have: {listing(gone)}.")
    if left_out:
        notes.append(
            f"Elements left out, since they are not in coordinate system '{system}': "
            f"{listing(left_out)}."
        )

    # it reads results, which are read by this module
    from .alignment_store import depths_of, unit_of_depth

    depth_unit = unit_of_depth(sdata, system)
    if depth_unit:  # sections were moved along z there: the elements tell it, not the table
        config = config.but(z_key="auto", z_unit="same")
        notes.append(f"z: from the elements, since sections were moved along it in '{system}'.")

    used = [r for r in there if r not in left_out]
    depths = depths_of(sdata, system)
    rows, coordinates = _placed(sdata, used, system, regions, instances, depths)
    if not len(rows):
        raise StdiffError(
            f"The table '{name}' annotates nothing: no value of its column '{instance}' is an "
            f"instance of {listing(used)}."
        )
    missing = int(np.isin(regions, used).sum()) - len(rows)
    if missing:
        notes.append(f"{missing} row(s) of the table have no instance in their element: left out.")
    if len(rows) < table.n_obs:
        table = table[rows]
    coordinates = as_coordinates(coordinates, len(rows), f"the elements {listing(used)}")
    before = coordinates[:, :2]
    where = "elements"
    if config.spatial_key not in ("auto", "none"):
        where = config.spatial_key
        if where not in table.obsm:
            raise no_such("obsm key", where, table.obsm.keys())
        coordinates = as_coordinates(table.obsm[where], len(rows), f"obsm['{where}']")
        notes.append(f"Coordinates from obsm['{where}'] (as said), not from the elements.")

    tissue = assemble(
        table,
        coordinates,
        config,
        Origin(
            path=path or str(sdata.path or ""),
            kind="spatialdata",
            table=name,
            coordinate_system=system,
            notes=tuple(notes),
        ),
        where=where,
        region=regions[rows],
        region_key=region,
        exclude={region, instance},
        unit="um" if is_micron(system) or depth_unit == "um" else "",
        lone=used[0] if len(used) == 1 else "section",
        gaps=gaps,
    )
    elements = _element_of(tissue.section, regions[rows])
    pictures, said = section_pictures(sdata, system, tissue, elements, before)
    outlines = segmentations(sdata, system, tissue, elements, instances[rows], before)
    tissue = tissue.but(histology=pictures, segmentation=outlines)
    return with_origin(tissue, elements=elements, notes=said)


def _choose_table(sdata: SpatialData, said: str) -> str:
    """Return the said table, or the measured one that annotates the most rows."""
    tables = sdata.tables
    if said not in ("auto", "none"):
        if said not in tables:
            raise no_such("table", said, tables)
        refuse_result(tables[said], f"The table '{said}'")
        if "spatialdata_attrs" not in tables[said].uns:
            raise StdiffError(
                f"The table '{said}' annotates nothing (it names no region); link it to its "
                "element with TableModel.parse(table, region=..., region_key=..., "
                "instance_key=...)."
            )
        return said
    measured = {n: t for n, t in tables.items() if "stdiff" not in t.uns}
    if not measured:
        held = "only results of napari-stdiff" if len(tables) else "none"
        raise StdiffError(f"The store needs a table with measured expression; it has {held}.")
    annotating: dict[str, int] = {}
    for name, table in measured.items():
        if "spatialdata_attrs" in table.uns:
            region, _ = _keys(table)
            annotating[name] = sum(
                int(n)
                for r, n in table.obs[region].astype(str).value_counts().items()
                if str(r) in sdata
            )
    if not annotating:
        raise StdiffError(
            f"No table annotates an element (tables: {listing(measured)}); link one with "
            "TableModel.parse(table, region=..., region_key=..., instance_key=...)."
        )
    return max(annotating, key=lambda n: annotating[n])


def _keys(table: AnnData) -> tuple[str, str]:
    """Return the region key and the instance key."""
    from spatialdata.models import get_table_keys

    _, region, instance = get_table_keys(table)
    for key in (region, instance):
        if key not in table.obs:
            raise no_such("obs column that the table's annotation names,", key, table.obs.columns)
    return str(region), str(instance)


def _elements(sdata: SpatialData) -> list[str]:
    return [str(name) for _, name, _ in sdata.gen_spatial_elements()]


def _choose_system(
    sdata: SpatialData, regions: list[str], said: str, counts: pd.Series
) -> tuple[str, list[str]]:
    """Return the coordinate system and the regions that are not in it.

    "auto" takes the one that holds the most rows, "global" before others.
    """
    held = {r: systems_of(sdata[r]) for r in regions}
    systems = sorted({s for r in regions for s in held[r]}, key=lambda s: (s != "global", s))
    if said not in ("auto", "none"):
        if said not in systems:
            raise no_such(f"coordinate system of {listing(regions)}", said, systems)
        return said, [r for r in regions if said not in held[r]]
    best = max(systems, key=lambda s: sum(int(counts[r]) for r in regions if s in held[r]))
    return best, [r for r in regions if best not in held[r]]


def _placed(
    sdata: SpatialData,
    used: list[str],
    system: str,
    regions: np.ndarray,
    instances: np.ndarray,
    depths: Mapping[str, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the table rows that have an instance, and their coordinates.

    Coordinates are (rows, 2 or 3); three columns when some element has a depth, or `depths` says
    one.
    """
    at = np.full((len(regions), 3), np.nan)
    deep = []
    for name in used:
        frame = centroids(sdata[name], system, name)
        if name in depths:
            frame["z"] = depths[name]
        mine = np.flatnonzero(regions == name)
        where = frame.index.get_indexer(pd.Index(instances[mine]))
        found = where >= 0
        at[mine[found]] = frame[["x", "y", "z"]].to_numpy(dtype=float)[where[found]]
        known = "z" in axes_of(sdata[name]) or name in depths
        deep.append(known or bool(np.any(frame["z"] != 0)))
    rows = np.flatnonzero(~np.isnan(at).all(axis=1))
    return rows, at[rows] if any(deep) else at[rows, :2]


def _element_of(section: np.ndarray, regions: np.ndarray) -> dict[str, str]:
    """Return section -> the element that most of its rows annotate."""
    used = pd.unique(regions)
    if len(used) == 1:  # counting is slow
        return {str(s): str(used[0]) for s in sorted(pd.unique(section))}
    pairs = pd.crosstab(pd.Series(section), pd.Series(regions))
    return {str(s): str(r) for s, r in pairs.idxmax(axis=1).items()}
