"""Sections brought together by places that a person marked in both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from ..data.checks import listing
from .frames import fit_affine, fit_rigid, sane

_NAMES = ("name", "number", "landmark", "id")


def read_landmarks(path: str | Path) -> dict[str, np.ndarray]:
    """Read landmarks from a CSV file with columns section, x, y and name (or number).

    Parameters
    ----------
    path
        The same name in two sections means the same place. Without a name, the order within
        each section tells.

    Returns
    -------
    dict
        Section -> (n, 2) y, x; row i is the same place everywhere, NaN where it is not marked.

    Raises
    ------
    StdiffError
        When the file cannot be read, lacks a column, or marks a place twice.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise StdiffError(f"There is no file '{file}' with landmarks; check the path.")
    try:
        table = pd.read_csv(file, dtype={"section": str})
    except (OSError, ValueError) as error:
        raise StdiffError(f"The landmarks in '{file.name}' cannot be read as CSV.") from error
    table.columns = [str(c).strip().lower() for c in table.columns]
    missing = [c for c in ("section", "x", "y") if c not in table]
    if missing:
        raise StdiffError(
            f"The landmarks in '{file.name}' need columns section, x, y and name; there is no "
            f"{listing(missing)}."
        )
    try:
        at = table[["y", "x"]].astype(float)
    except ValueError as error:
        raise StdiffError(f"Columns x and y of '{file.name}' must hold numbers.") from error
    key = next((c for c in _NAMES if c in table), None)
    name = table[key].astype(str) if key else table.groupby("section").cumcount().astype(str)
    section = table["section"].astype(str).str.strip()
    if pd.DataFrame({"s": section, "n": name}).duplicated().any():
        raise StdiffError(
            f"A landmark of '{file.name}' occurs twice in one section; name each once."
        )
    order = list(dict.fromkeys(name))
    return {
        str(s): at[section == s].set_axis(name[section == s]).reindex(order).to_numpy()
        for s in dict.fromkeys(section)
    }


def fit_landmarks(
    landmarks: Mapping[str, np.ndarray],
    moving: str,
    fixed: str,
    *,
    affine: bool = False,
    flip: bool = False,
) -> np.ndarray:
    """Return the map that brings the landmarks of one section nearest to those of another.

    Parameters
    ----------
    landmarks
        Section -> (n, 2) y, x, NaN where a place is not marked.
    moving, fixed
        Two sections.
    affine, flip
        Whether it may stretch and shear, and whether it may be mirrored.

    Raises
    ------
    StdiffError
        When the sections have too few landmarks in common, or they lie on one line.
    """
    for name in (moving, fixed):
        if name not in landmarks:
            raise StdiffError(
                f"Section '{name}' has no landmarks; mark at least {3 if affine else 2} places "
                "in it, or leave it out."
            )
    a, b = (np.asarray(landmarks[name], float) for name in (moving, fixed))
    if a.ndim != 2 or a.shape[1] != 2 or a.shape != b.shape:
        raise StdiffError(
            f"The landmarks of '{moving}' and '{fixed}' have shapes {a.shape} and {b.shape}; give "
            "(n, 2) points y, x, the same places in the same order, NaN where one is not marked."
        )
    both = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    a, b = a[both], b[both]
    need = 3 if affine or flip else 2
    kind = "an affine" if affine else "a mirrored" if flip else "a rigid"
    if len(a) < need:
        raise StdiffError(
            f"Sections '{moving}' and '{fixed}' have {len(a)} landmark(s) in common and {kind} "
            f"transformation needs at least {need}; mark more places in both."
        )
    spread = np.linalg.svd(a - a.mean(axis=0), compute_uv=False)
    if spread[0] <= 0 or (need == 3 and spread[1] < 1e-6 * spread[0]):
        raise StdiffError(
            f"The landmarks of '{moving}' lie on one {'line' if spread[0] > 0 else 'spot'}; mark "
            "places that are spread over the section."
        )
    if not affine:
        return fit_rigid(a, b, flip=flip)
    matrix = fit_affine(a, b)
    if not sane(matrix, 10.0):
        raise StdiffError(
            f"The landmarks of '{moving}' and '{fixed}' would squeeze the section flat; check "
            "that the same names mean the same places."
        )
    return matrix
