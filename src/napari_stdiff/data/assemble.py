"""From a table and its coordinates to a Tissue: roles, depth, checks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from ..compute.errors import StdiffError
from . import checks, detect
from .by_gene import ByGene, has_nan, is_elsewhere
from .checks import in_memory
from .depth import Depth, depth_of_section, from_order, in_unit, is_micron, raw_depth
from .gaps import without_nan
from .gene_names import other_names
from .read_config import ReadConfig
from .tissue import Origin, Tissue

_UNIT_HINTS = ("unit", "spatial_unit", "coordinate_unit")


def refuse_result(table: AnnData, what: str) -> None:
    """Refuse a table that holds our own predictions: they are never read as measurements."""
    if "stdiff" in table.uns:
        raise StdiffError(
            f"{what} holds a result of napari-stdiff (predictions), not measured tissue; name "
            "the table with the measurements."
        )


def assemble(
    table: AnnData,
    coordinates: np.ndarray,
    config: ReadConfig,
    origin: Origin,
    *,
    where: str,
    region: np.ndarray | None = None,
    region_key: str = "",
    exclude: Collection[str] = (),
    libraries: Sequence[str] = (),
    unit: str = "",
    lone: str = "section",
    gaps: bool = False,
) -> Tissue:
    """Build the tissue, without its histology.

    Parameters
    ----------
    table
        Expression and obs; never changed.
    coordinates
        (cells, 2 or 3) float64, columns x, y(, z).
    config
        What the user said.
    origin
        Where it comes from; keys and notes are added.
    where
        What the coordinates are called, for the record.
    region
        (cells,) name of the SpatialData element of each row, where there are several.
    region_key
        Obs column with those names.
    exclude
        Obs columns that mean something else.
    libraries
        Library ids of ``uns["spatial"]``.
    unit
        "um" when that is known of x and y.
    lone
        Name of the section when nothing tells sections apart.
    gaps
        Whether NaN are missing values (``Tissue.missing``); otherwise they are refused.

    Raises
    ------
    StdiffError
        One sentence on what is unusable or not there.
    """
    checks.check_names(table.var_names, table.obs_names)
    expression, looked_at, nan = _expression(table.X, gaps)
    values, said = checks.values_of(looked_at, table.uns)
    notes, keys = [said], {"coordinates": where}
    if isinstance(expression, ByGene):
        notes.append("Expression: read a gene at a time, and as a whole once a run needs it.")
    if nan is not None:
        notes.append(f"Expression: {int(nan.sum()):,} NaN, which are missing values.")
    obs = pd.DataFrame(table.obs).copy()
    xy = coordinates[:, :2]
    if not unit and any(is_micron(table.uns.get(hint)) for hint in _UNIT_HINTS):
        unit = "um"
    if config.z_unit in ("um", "mm", "nm"):  # said of z, and x and y are in um then
        unit = "um"
    unit = unit or "unit"

    taken = set(exclude)
    section_key = detect.find_section(obs, config.section_key, taken, libraries)
    if region is not None and config.section_key == "auto":
        section_key = _column_or_region(obs, section_key, region, region_key)
    if config.section_key == "auto" and detect.depth_divides(obs, section_key, taken):
        section_key = ""
    section = detect.section_names(obs[section_key], section_key) if section_key else None
    raw = raw_depth(obs, section, coordinates, config, taken)
    taken.add(section_key)
    if raw is None and section_key and config.z_key == "auto":
        raw = depth_of_section(obs, section_key)
    if section is None and raw is not None and config.section_key == "auto":
        if detect.has_levels(raw.values):
            section = detect.section_names(pd.Series(raw.values), raw.key)
            section_key = raw.key
            notes.append(f"Sections: made of the levels of '{raw.key}'.")
    elif section is not None:
        notes.append(f"Sections: obs column '{section_key}'.")
    if section is None:
        section = np.full(table.n_obs, lone, dtype=object)
        notes.append(f"Sections: no column tells sections apart, all is one ('{lone}').")
    else:
        keys["section"] = section_key

    column = obs.get(section_key)
    order = detect.section_order(column, section)
    if raw is None:
        depth: Depth = from_order(order, section, xy, config, unit)
    else:
        depth = in_unit(raw, order, section, xy, config, unit)
        if config.spacing > 0 and not any("as said" in n for n in depth.notes):
            depth = Depth(
                depth.z,
                depth.unit,
                depth.key,
                (*depth.notes, "The spacing is not used, since z is known."),
            )
        taken.add(raw.key)
    keys["z"] = depth.key
    notes += depth.notes
    notes.append(
        "Coordinates: in um."
        if depth.unit == "um"
        else "Coordinates: in a unit that the data does not tell (pixels or spot positions)."
    )

    labels: dict[str, np.ndarray | None] = {"cell_type": None, "layer": None}
    for role, choice in (("cell_type", config.cell_type_key), ("layer", config.layer_key)):
        key = detect.find_labels(obs, role, choice, taken)  # type: ignore[arg-type]
        if not key:
            continue
        labels[role], missing = detect.labels_of(obs[key])
        keys[role] = key
        taken.add(key)
        gap = f" ({missing} without one are '{detect.UNKNOWN}')" if missing else ""
        title = "Cell types" if role == "cell_type" else "Layers"
        notes.append(f"{title}: obs column '{key}'{gap}.")

    coords = np.column_stack([depth.z, xy[:, 1], xy[:, 0]])
    checks.check_reach(coords)
    tissue = Tissue(
        expression=expression,
        values=values,
        genes=table.var_names.astype(str).to_numpy(dtype=object),
        names=table.obs_names.astype(str).to_numpy(dtype=object),
        coords=coords,
        unit=depth.unit,
        section=section,
        cell_type=labels["cell_type"],
        layer=labels["layer"],
        colors=detect.colors_of(table.uns, obs),
        obs=obs,
        origin=origin,
        gene_ids=other_names(pd.DataFrame(table.var), table.var_names),
        missing=nan,
    )
    notes += _same_depth(tissue)
    return with_origin(tissue, keys=keys, notes=notes)


def with_origin(
    tissue: Tissue,
    *,
    keys: dict[str, str] | None = None,
    notes: Sequence[str] = (),
    elements: dict[str, str] | None = None,
) -> Tissue:
    """Return the tissue with more said about where it comes from."""
    origin = tissue.origin
    origin = replace(
        origin,
        keys={**origin.keys, **(keys or {})},
        notes=(*origin.notes, *notes),
        elements={**origin.elements, **(elements or {})},
    )
    return tissue.but(origin=origin)


def _expression(
    x: Any, gaps: bool
) -> tuple[Any, sparse.csr_matrix | np.ndarray, sparse.csr_matrix | np.ndarray | None]:
    """Return the expression, what of it says which values these are, and where NaN are."""
    if is_elsewhere(x):
        held = ByGene(x)
        if not (gaps and has_nan(in_memory(x[:1000]))):
            return held, held.sample(), None
    x, nan = without_nan(x) if gaps else (x, None)
    whole = checks.as_expression(x)
    return whole, whole, nan


def _column_or_region(obs: pd.DataFrame, key: str, region: np.ndarray, region_key: str) -> str:
    """Choose between the detected section column and the annotated elements.

    Several elements are sections of their own unless a column divides them further.
    """
    if len(pd.unique(region)) < 2:
        return key
    if key and int(pd.Series(region).groupby(obs[key].to_numpy()).nunique().max()) == 1:
        return key
    return region_key


def _same_depth(tissue: Tissue) -> list[str]:
    depth = tissue.section_z
    names = tissue.sections
    span = max(depth.values()) - min(depth.values())
    same = [
        f"'{a}' and '{b}'"
        for a, b in pairwise(names)
        if abs(depth[a] - depth[b]) <= 1e-9 * max(span, 1.0)
    ]
    return [f"Sections at the same z: {checks.listing(same)}."] if same else []
