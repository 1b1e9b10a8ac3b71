"""An AnnData in memory becomes a Tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from ..compute.errors import StdiffError
from .assemble import assemble, refuse_result, with_origin
from .checks import as_coordinates, listing, no_such
from .pictures import as_rgb, carry_over, inside
from .read_config import ReadConfig
from .tissue import Histology, Origin, Tissue

_FLAT = ("spatial", "X_spatial", "coordinates", "spatial_coordinates")
_DEEP = ("spatial3d", "spatial_3d", "spatial3D", "X_spatial3d", "spatial_3D")


def read_anndata(adata: AnnData, config: ReadConfig, origin: Origin, gaps: bool = False) -> Tissue:
    """Read an AnnData.

    Parameters
    ----------
    adata
        Coordinates in obsm, x before y before z; pictures in ``uns["spatial"]`` as scanpy and
        squidpy keep them. Never changed.
    config
        What the user said.
    origin
        Path and kind.
    gaps
        Whether NaN are missing values; otherwise they are refused.

    Raises
    ------
    StdiffError
        One sentence on what is unusable or not there.
    """
    refuse_result(adata, "This AnnData")
    key, coordinates = _coordinates(adata, config.spatial_key)
    libraries = _libraries(adata)
    tissue = assemble(
        adata,
        coordinates,
        config,
        origin,
        where=key,
        libraries=list(libraries),
        lone=next(iter(libraries)) if len(libraries) == 1 else "section",
        gaps=gaps,
    )
    return _with_pictures(tissue, adata, key, libraries) if libraries else tissue


def _coordinates(adata: AnnData, said: str) -> tuple[str, np.ndarray]:
    if said not in ("auto", "none"):
        if said not in adata.obsm:
            raise no_such("obsm key", said, adata.obsm.keys())
        where = f"obsm['{said}']"
        return said, as_coordinates(adata.obsm[said], adata.n_obs, where)
    flat = [k for k in _FLAT if k in adata.obsm]
    for key in _DEEP:  # a registered frame with depth says more than a flat one
        if key in adata.obsm:
            try:
                return key, as_coordinates(adata.obsm[key], adata.n_obs, f"obsm['{key}']")
            except StdiffError:
                if not flat:
                    raise
    if not flat:
        raise StdiffError(
            "The data has no coordinates: obsm has no 'spatial' or 'spatial3d' "
            f"(there is: {listing(adata.obsm.keys())}); put x, y into adata.obsm['spatial'] or "
            "name the key (spatial key)."
        )
    key = flat[0]
    return key, as_coordinates(adata.obsm[key], adata.n_obs, f"obsm['{key}']")


def _libraries(adata: AnnData) -> dict[str, Mapping[str, Any]]:
    """Return library id -> entry of ``uns["spatial"]`` for those with a picture."""
    held = adata.uns.get("spatial", {})
    if not isinstance(held, Mapping):
        return {}
    return {
        str(name): entry
        for name, entry in held.items()
        if isinstance(entry, Mapping) and isinstance(entry.get("images"), Mapping)
    }


def _with_pictures(
    tissue: Tissue, adata: AnnData, key: str, libraries: dict[str, Mapping[str, Any]]
) -> Tissue:
    """Give each section the picture of its library."""
    flat = key
    if "spatial" in adata.obsm and key != "spatial":
        flat = "spatial"  # pictures belong to the frame that scanpy and squidpy plot in
    before = np.asarray(adata.obsm[flat], dtype=np.float64)[:, :2]
    found: dict[str, Histology] = {}
    notes = []
    for section, library in _library_of(tissue, libraries).items():
        picture = _picture(libraries[library])
        if picture is None:
            continue
        rows = tissue.section == section
        share = inside(picture, before[rows])
        if share < 0.5:
            notes.append(
                f"Histology: {1 - share:.0%} of section '{section}' lies outside the picture "
                f"'{library}', which is left out."
            )
            continue
        moved = carry_over(picture, before[rows], tissue.coords[rows][:, [2, 1]])
        if moved is None:
            notes.append(
                f"Histology: the picture '{library}' belongs to obsm['{flat}'] and does not "
                f"follow to obsm['{key}']; it is left out."
            )
            continue
        found[section] = moved
    if found:
        notes.append(f"Histology: {len(found)} picture(s) from uns['spatial'].")
    elif not notes:
        notes.append(
            f"Histology: no picture of uns['spatial'] ({listing(libraries)}) fits a section "
            f"({listing(tissue.sections)}) by name."
        )
    return with_origin(tissue.but(histology=found), notes=notes)


def _library_of(tissue: Tissue, libraries: Mapping[str, Any]) -> dict[str, str]:
    """Return section -> library id: by name, by an obs column, or the only one for the only."""
    sections = tissue.sections
    out = {s: s for s in sections if s in libraries}
    if out:
        return out
    if len(sections) == 1 and len(libraries) == 1:
        return {sections[0]: next(iter(libraries))}
    for column in tissue.obs:
        ids = tissue.obs[column].astype(str)
        if set(ids.unique()) <= set(libraries):
            each = ids.groupby(pd.Series(tissue.section, index=ids.index)).agg(
                ["nunique", "first"]
            )
            if int(each["nunique"].max()) == 1:
                return {str(s): str(lib) for s, lib in each["first"].items()}
    return {}


def _picture(entry: Mapping[str, Any]) -> Histology | None:
    """Return the best picture of a library: hires before lowres."""
    images = entry["images"]
    scales = entry.get("scalefactors", {})
    for name in ("hires", "lowres", *images):
        if name not in images or np.ndim(images[name]) not in (2, 3):
            continue
        scale = float(np.asarray(scales.get(f"tissue_{name}_scalef", 1.0)))
        if scale > 0:
            return Histology(as_rgb(images[name]), np.diag([1 / scale, 1 / scale, 1.0]))
    return None
