"""The depth of every cell, and the unit it is in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from .checks import listing
from .detect import find_z, named, plain, split_unit
from .read_config import ReadConfig

SECTION_ORDER = "section order"
_FACTORS = {"um": 1.0, "mm": 1000.0, "nm": 0.001}
_MICRONS = {"um", "µm", "μm", "micron", "microns", "micrometer", "micrometers", "micrometre"}


@dataclass(frozen=True)
class RawDepth:
    """Depth as the data holds it.

    Attributes
    ----------
    values
        (cells,) float64.
    key
        Obs column, or "coordinates" for their third column.
    from_coordinates
        Whether it is the third column of the coordinates.
    """

    values: np.ndarray
    key: str
    from_coordinates: bool


@dataclass(frozen=True)
class Depth:
    """Depth in the unit of the tissue.

    Attributes
    ----------
    z
        (cells,) float64 in `unit`.
    unit
        "um", or "unit" when nobody knows.
    key
        What it was made from.
    notes
        What was assumed.
    """

    z: np.ndarray
    unit: str
    key: str
    notes: tuple[str, ...]


def is_micron(name: object) -> bool:
    """Tell whether `name` means micrometres."""
    return isinstance(name, str) and name.strip().lower() in _MICRONS


def raw_depth(
    obs: pd.DataFrame,
    section: np.ndarray | None,
    coordinates: np.ndarray,
    config: ReadConfig,
    exclude: set[str],
) -> RawDepth | None:
    """Return the depth that the data holds, or None when sections must stand in for it.

    Parameters
    ----------
    obs
        The table's obs.
    section
        (cells,) section names, or None when no column tells them.
    coordinates
        (cells, 2 or 3), columns x, y(, z).
    config
        What the user said.
    exclude
        Obs columns with another meaning.

    Raises
    ------
    StdiffError
        When a named column is missing, is no number, or has gaps.
    """
    if config.z_key == "none":
        return None
    if config.z_key != "auto":
        key = named(obs, "z", config.z_key)
        try:
            values = obs[key].astype(float).to_numpy()
        except (TypeError, ValueError) as error:
            raise StdiffError(f"The z column '{key}' does not hold numbers.") from error
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise StdiffError(
                f"The z column '{key}' is empty or infinite for {bad} cells or spots; fill it in."
            )
        return RawDepth(values, key, False)
    key = find_z(obs, section, exclude)
    if coordinates.shape[1] == 3 and np.ptp(coordinates[:, 2]) > 0:
        z = coordinates[:, 2].copy()
        # the same numbers under a telling name ("bregma") also tell the unit
        same = bool(key) and np.allclose(obs[key].to_numpy(dtype=float), z)
        return RawDepth(z, key if same else "coordinates", True)
    if not key and coordinates.shape[1] == 3 and section is None:
        return RawDepth(coordinates[:, 2].copy(), "coordinates", True)
    return RawDepth(obs[key].to_numpy(dtype=float), key, False) if key else None


def depth_of_section(obs: pd.DataFrame, key: str) -> RawDepth | None:
    """Return the depth that a section column of numbers with a fraction holds, or None."""
    if not pd.api.types.is_float_dtype(obs[key]):
        return None
    values = obs[key].to_numpy(dtype=float)
    if not np.isfinite(values).all() or bool(np.all(values == np.rint(values))):
        return None
    return RawDepth(values, key, False)


def from_order(
    order: list[str],
    section: np.ndarray,
    xy: np.ndarray,
    config: ReadConfig,
    unit: str,
    why: str = "No z is known",
) -> Depth:
    """Return the depth made of section order times a spacing.

    Parameters
    ----------
    order
        Section names, first to last.
    section
        (cells,) section names.
    xy
        (cells, 2).
    config
        Its `spacing`; 0 assumes the median distance between neighbouring cells or spots.
    unit
        Unit of x and y.
    why
        How the note begins.
    """
    place = {name: i for i, name in enumerate(order)}
    rank = np.array([place[s] for s in section], dtype=np.float64)
    if len(order) == 1:
        return Depth(rank, unit, SECTION_ORDER, ())
    if config.spacing > 0:
        note = f"{why}: the sections stand in the order {listing(order)}, {config.spacing:g} apart"
        return Depth(rank * config.spacing, unit, SECTION_ORDER, (f"{note} (as said).",))
    spacing = neighbour_distance(xy, section)
    note = (
        f"{why}: the sections stand in the order {listing(order)}; a spacing of {spacing:.4g} "
        f"{_word(unit)} is assumed (the median distance between neighbouring cells or spots); say "
        "the spacing when you know it."
    )
    return Depth(rank * spacing, unit, SECTION_ORDER, (note,))


def in_unit(
    raw: RawDepth,
    order: list[str],
    section: np.ndarray,
    xy: np.ndarray,
    config: ReadConfig,
    unit: str,
) -> Depth:
    """Bring the depth to the unit of x and y, and say what was assumed.

    Parameters
    ----------
    raw
        Depth as the data holds it.
    order, section
        Sections, for depths that turn out to be section numbers.
    xy
        (cells, 2).
    config
        Its `z_unit` and `spacing`.
    unit
        "um" when x and y are known to be in um, otherwise "unit".
    """
    levels = np.unique(raw.values)
    step = float(np.median(np.diff(levels))) if len(levels) > 1 else 0.0
    extent = float(np.ptp(xy, axis=0).max())
    name = f"z is '{raw.key}'" if raw.key != "coordinates" else "z is the third coordinate"
    if config.z_unit == "same":
        return Depth(raw.values, unit, raw.key, (f"{name}, in the unit of x and y (as said).",))
    if config.z_unit != "auto":
        note = f"{name}, in {config.z_unit} (as said); x and y are taken to be in um."
        return Depth(raw.values * _FACTORS[config.z_unit], "um", raw.key, (note,))
    if not raw.from_coordinates and plain(raw.key) in ("z", "sectionz", "zsection"):
        numbers = len(levels) > 1 and np.array_equal(np.diff(levels), np.ones(len(levels) - 1))
        if numbers and len(levels) == len(order):
            depth = from_order(
                sorted(order, key=lambda s: raw.values[section == s][0]),
                section,
                xy,
                config,
                unit,
                why=f"'{raw.key}' holds section numbers, not distances",
            )
            return Depth(depth.z, depth.unit, raw.key, depth.notes)
    named_unit = split_unit(raw.key)[1]
    if named_unit:
        note = f"{name}, in {named_unit} by its name; x and y are taken to be in um."
        return Depth(raw.values * _FACTORS[named_unit], "um", raw.key, (note,))
    if "bregma" in plain(raw.key):
        factor, held = _bregma(levels, step, extent)
        if not held:
            note = f"{name}, taken to be in the unit of x and y (both look like mm)."
            return Depth(raw.values, unit, raw.key, (note,))
        note = f"{name}, taken to be in {held} and brought to um; x and y are taken to be in um."
        return Depth(raw.values * factor, "um", raw.key, (note,))
    if not raw.from_coordinates and 0 < step < 1 and extent > 100:
        note = (
            f"{name}, taken to be in mm (steps of {step:.3g} where x and y span {extent:.4g}) and "
            "brought to um; x and y are taken to be in um."
        )
        return Depth(raw.values * 1000.0, "um", raw.key, (note,))
    notes = [f"{name}, taken to be in the unit of x and y."]
    if step > 2 * extent > 0:
        notes.append(
            f"The sections stand {step:.4g} apart but span only {extent:.4g}; if z and x, y are "
            "in different units, say the z unit, or z key 'none' and a spacing."
        )
    return Depth(raw.values, unit, raw.key, tuple(notes))


def neighbour_distance(xy: np.ndarray, section: np.ndarray, most: int = 20_000) -> float:
    """Return the median distance of a cell to its nearest neighbour in the same section."""
    from scipy.spatial import cKDTree

    found = []
    for name in np.unique(section):
        points = np.unique(xy[section == name], axis=0)
        if len(points) > 1:
            distance, _ = cKDTree(points).query(points[:: max(1, len(points) // most)], k=2)
            found.append(np.asarray(distance)[:, 1])
    return float(np.median(np.concatenate(found))) if found else 1.0


def _bregma(levels: np.ndarray, step: float, extent: float) -> tuple[float, str]:
    """Return the factor to um and the unit that distances from bregma are held in.

    No atlas reaches 20 mm from bregma, and serial sections are not cut closer than 10 um.
    """
    reach = float(np.abs(levels).max())
    if extent < 30 and reach < 20:
        return 1.0, ""
    if step == 0.0:
        return (1000.0, "mm") if reach < 20 else (1.0, "um")
    if step >= 10:
        return 1.0, "um"
    return (10.0, "hundredths of a mm") if step >= 1 else (1000.0, "mm")


def _word(unit: str) -> str:
    return "um" if unit == "um" else "units"
