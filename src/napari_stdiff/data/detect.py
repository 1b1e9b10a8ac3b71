"""Which obs column means what, told by its name and by what it holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..compute.errors import StdiffError
from .checks import no_such

Role = Literal["section", "z", "cell_type", "layer"]

# Names are compared in lower case without punctuation; the first that fits is taken.
_NAMES: dict[Role, tuple[str, ...]] = {
    "section": (
        *("slice", "sliceid", "slicename", "section", "sectionid", "sectionname"),
        *("brainsectionlabel", "tissuesection", "slide", "slideid", "libraryid", "library"),
        *("puck", "puckid", "sampleid", "samplename", "sample", "captureareaid", "capturearea"),
        *("batch", "batchid"),
    ),
    "z": (
        *("bregma", "anteriorposterior", "ap", "z", "zcoord", "zposition", "zcoordinate", "zpos"),
        *("positionz", "sectionz", "zsection", "slicez", "centerz", "spatialz", "sectiondepth"),
    ),
    "cell_type": (
        *("celltype", "celltypes", "cellclass", "cellsubclass", "celltypename", "celltypelabel"),
        *("majorcelltype", "celltypeannotation", "celltypeannot", "predictedcelltype", "subclass"),
        *("class", "classlabel", "annotation", "annotations", "cluster", "clusters"),
        *("clustername", "clusterid", "leiden", "louvain", "seuratclusters", "neuronclass"),
    ),
    "layer": (
        *("layer", "layers", "layerguess", "corticallayer", "spatiallayer", "region", "regions"),
        *("tissueregion", "brainregion", "brainarea", "domain", "domains", "spatialdomain"),
        *("structure", "compartment", "label", "labels", "groundtruth", "pathology", "zone"),
    ),
}
# A batch or a sample can be a whole animal: a depth that divides it says more.
_LOOSE = {"sampleid", "samplename", "sample", "batch", "batchid", "slide", "slideid"}
_MISSING = {"", "na", "n/a", "nan", "none", "null", "<na>"}
UNKNOWN = "unknown"


def plain(name: str) -> str:
    """Return `name` in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def named(obs: pd.DataFrame, role: Role, key: str) -> str:
    """Return `key` when obs has it.

    Raises
    ------
    StdiffError
        When it has not; the sentence lists the columns.
    """
    if key not in obs:
        raise no_such(f"obs column for the {role.replace('_', ' ')}", key, obs.columns)
    return key


def candidates(obs: pd.DataFrame, role: Role, exclude: Collection[str] = ()) -> list[str]:
    """Return the obs columns whose name suits `role`, best first."""
    rank = {name: i for i, name in enumerate(_NAMES[role])}
    plainly = {c: plain(split_unit(c)[0] if role == "z" else c) for c in map(str, obs.columns)}
    fits = [c for c, name in plainly.items() if name in rank and c not in exclude]
    return sorted(fits, key=lambda c: rank[plainly[c]])


def split_unit(name: str) -> tuple[str, str]:
    """Return a column name without the unit that it ends in, and that unit ("z_um": "z", "um")."""
    match = re.fullmatch(r"(.+?)[\s_.(\[-]+(um|µm|μm|mm|nm)[)\]]?", name.strip(), re.IGNORECASE)
    if not match:
        return name, ""
    unit = match[2].lower()
    return match[1], unit if unit in ("mm", "nm") else "um"


def find_section(
    obs: pd.DataFrame, said: str, exclude: Collection[str] = (), libraries: Sequence[str] = ()
) -> str:
    """Return the obs column that tells sections apart, or "".

    Parameters
    ----------
    obs
        The table's obs.
    said
        "auto", "none" or a column.
    exclude
        Columns with another meaning.
    libraries
        Library ids of ``uns["spatial"]``; a column made of them is preferred.
    """
    if said == "none":
        return ""
    if said != "auto":
        return named(obs, "section", said)
    if len(libraries) > 1:
        for column in map(str, obs.columns):
            if column not in exclude and not pd.api.types.is_numeric_dtype(obs[column]):
                values = {str(v) for v in obs[column].unique()}
                if len(values) > 1 and values <= set(libraries):
                    return column
    fits = [c for c in candidates(obs, "section", exclude) if _tells_apart(obs[c])]
    several = [c for c in fits if obs[c].nunique() > 1]
    return (several or fits or [""])[0]


def find_labels(
    obs: pd.DataFrame, role: Literal["cell_type", "layer"], said: str, exclude: Collection[str]
) -> str:
    """Return the obs column with cell types or layers, or ""."""
    if said == "none":
        return ""
    if said != "auto":
        return named(obs, role, said)
    for column in candidates(obs, role, exclude):
        if _labels(obs[column]):
            return column
    return ""


def find_z(obs: pd.DataFrame, section: np.ndarray | None, exclude: Collection[str] = ()) -> str:
    """Return the obs column with a depth that is constant within each section, or "".

    Without sections, a column with few levels is one that sections can be made of.
    """
    for column in candidates(obs, "z", exclude):
        values = obs[column]
        if not pd.api.types.is_numeric_dtype(values) or values.dtype == bool:
            continue
        if not np.isfinite(values.to_numpy(dtype=float)).all():
            continue
        if section is None:
            if has_levels(values.to_numpy(dtype=float)):
                return column
        elif int(values.groupby(section).nunique().max()) == 1 and (
            values.nunique() > 1 or len(np.unique(section)) == 1
        ):
            return column
    return ""


def depth_divides(obs: pd.DataFrame, section_key: str, exclude: Collection[str] = ()) -> bool:
    """Tell whether a detected batch or sample is cut into sections by a depth column."""
    if not section_key or plain(section_key) not in _LOOSE:
        return False
    section = obs[section_key].astype(str).to_numpy()
    key = find_z(obs, None, exclude)
    return bool(key) and not find_z(obs, section, exclude)


def has_levels(z: np.ndarray) -> bool:
    """Tell whether z takes few enough values to be the depths of sections."""
    levels = len(np.unique(z))
    return levels >= 2 and levels * 4 <= len(z)


def section_names(column: pd.Series, key: str) -> np.ndarray:
    """Return the (cells,) section names of a column.

    Raises
    ------
    StdiffError
        When some cells have none.
    """
    missing = int(column.isna().sum())
    if missing:
        raise StdiffError(
            f"{missing} cells or spots have no section in obs column '{key}'; fill them in, "
            "remove those rows, or name another column."
        )
    if pd.api.types.is_float_dtype(column):
        return np.array([f"{v:.10g}" for v in column], dtype=object)
    return column.astype(str).to_numpy(dtype=object)


def labels_of(column: pd.Series) -> tuple[np.ndarray, int]:
    """Return (cells,) labels, where a missing one is "unknown", and how many are missing."""
    if pd.api.types.is_float_dtype(column):
        text = np.array([f"{v:.10g}" for v in column], dtype=object)
    else:
        text = column.astype(object).map(str).to_numpy(dtype=object)
    gone = np.array([t.strip().lower() in _MISSING for t in text], dtype=bool)
    gone |= column.isna().to_numpy()
    text[gone] = UNKNOWN
    return text, int(gone.sum())


def section_order(column: pd.Series | None, section: np.ndarray) -> list[str]:
    """Return section names in the order of the categories, or in natural order.

    Categories that merely stand in alphabetical order (as files store strings) say nothing, so
    natural order ("s2" before "s10") is taken for them.
    """
    present = set(section)
    if column is not None and isinstance(column.dtype, pd.CategoricalDtype):
        given = [str(c) for c in column.cat.categories]
        if column.cat.ordered or given != sorted(given):
            return [c for c in given if c in present]
    return sorted(present, key=_natural)


def colors_of(uns: Mapping[str, Any], obs: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return obs column -> {label: "#rrggbb"} from ``uns["<column>_colors"]``."""
    from matplotlib.colors import to_hex

    out: dict[str, dict[str, str]] = {}
    for key, colors in uns.items():
        column = str(key).removesuffix("_colors")
        if column == key or column not in obs:
            continue
        if isinstance(colors, Mapping):
            pairs = [(str(k), v) for k, v in colors.items()]
        else:
            values = obs[column].astype("category").cat.categories
            if np.ndim(colors) == 0 or len(colors) < len(values):
                continue
            pairs = list(zip(map(str, values), colors, strict=False))
        try:
            out[column] = {label: to_hex(_plain_color(c)) for label, c in pairs}
        except ValueError:  # not colours: nothing to take over
            continue
        for label in list(out[column]):
            if label.strip().lower() in _MISSING:
                out[column].setdefault(UNKNOWN, out[column][label])
    return out


def _plain_color(color: Any) -> Any:
    return str(color) if isinstance(color, str) else tuple(np.asarray(color, dtype=float))


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part.lower())
        for part in re.split(r"(\d+)", name)
        if part
    ]


def _tells_apart(column: pd.Series) -> bool:
    """Tell whether a column groups cells (no gaps, and not one name a cell)."""
    if column.isna().any():
        return False
    n = column.nunique()
    return n == 1 or n * 2 <= len(column)


def _labels(column: pd.Series) -> bool:
    """Tell whether a column holds labels: a few, repeated, and not measurements."""
    n = column.nunique()
    if n < 2 or n * 2 > len(column) or n > 2000:
        return False
    if pd.api.types.is_float_dtype(column):
        values = column.dropna().to_numpy()
        return n <= 200 and bool(np.all(values == np.rint(values)))
    return True
