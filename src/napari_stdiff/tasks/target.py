"""What a virtual section is asked for: what is visible, what is hidden, and how far away it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..compute.errors import StdiffError
from ..data.checks import listing, need_sections
from ..data.copies import without_copies
from ..data.prediction import Query
from ..data.read_config import ReadConfig
from ..data.tissue import Tissue
from ..methods.flanks import flanking_sections
from .config import InterpolateConfig
from .layers import Laminar, laminar, layer_names
from .placement import parents, place, spacing_of

TIERS = {
    "A": "The positions and cell types of the hidden section were given (tier A).",
    "B": "The positions of the hidden section were given, its cell types not (tier B).",
    "C": (
        "Nothing of the hidden section was given but its depth (tier C): binned maps, density and "
        "distributions are compared, not cells."
    ),
}


@dataclass(frozen=True)
class Target:
    """A prediction to make, in the frame that methods work in.

    Attributes
    ----------
    visible
        What a method may see.
    hidden
        The section (or layer) that was hidden, or None.
    z
        Depth asked for, in this frame.
    laminar
        The layers laid out as a stack, where a layer is predicted; None between sections, whose
        frame is the tissue's own.
    extrapolated
        Whether the target lies beyond what was measured.
    copies
        A sentence about visible cells that were copies of hidden ones and are hidden, too.
    """

    visible: Tissue
    hidden: Tissue | None
    z: float
    laminar: Laminar | None = None
    extrapolated: bool = False
    copies: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about where the target lies."""
        said = () if self.laminar is None else self.laminar.notes
        copies = (self.copies,) if self.copies else ()
        return (*said, *copies, *((self.warning,) if self.extrapolated else ()))

    @property
    def warning(self) -> str:
        """One sentence for a target beyond what was measured."""
        unit = self.visible.unit
        if self.laminar is not None:
            where = f"layer beyond '{self.laminar.low}'"
        else:
            depth = self.visible.section_z
            nearest = min(depth, key=lambda s: abs(depth[s] - self.z))
            away = abs(depth[nearest] - self.z)
            where = f"section {away:g} {unit} beyond '{nearest}', the last one there is"
        return (
            f"Extrapolated: a {where}; nothing was measured on its other side, so trust it less "
            "than a section between two measured ones (confidence says how much less)."
        )

    def place(self, config: InterpolateConfig) -> Query:
        """Make up cells from the parents."""
        return self.accept(place(self.visible, self.z, config))

    def accept(self, query: Query) -> Query:
        """Return given cells in the frame that methods work in."""
        if self.laminar is None:
            return query
        yx = np.asarray(query.coords, dtype=np.float64)[:, 1:]
        return Query(np.column_stack([self.laminar.depth(yx), yx]), query.cell_type)

    def describe(self, hide: str) -> dict[str, Any]:
        """Return what a record says about the target."""
        out: dict[str, Any] = {
            "z": self.z if self.laminar is None else self.laminar.z,
            "hidden": hide,
            "extrapolated": self.extrapolated,
        }
        if self.laminar is not None:
            lam = self.laminar
            out |= {"between": "layers", "section": lam.section, "parents": [lam.low, lam.high]}
        return out

    def geometric(self, query: Query) -> float:
        """Return the mean lambda of cells, from their distances to the two parents."""
        depth = self.visible.section_z
        below, above = flanking_sections(depth, self.z) if not self.extrapolated else ("", "")
        if not above:
            return 1.0 if self.z > max(depth.values()) else 0.0
        share = (query.coords[:, 0] - depth[below]) / (depth[above] - depth[below])
        return float(share.mean())

    def restore(self, query: Query) -> Query:
        """Return the cells in the tissue's own frame."""
        if self.laminar is None:
            return query
        coords = np.array(query.coords, dtype=np.float64)
        coords[:, 0] = self.laminar.z
        return Query(coords, query.cell_type)

    def trust(self, query: Query) -> tuple[np.ndarray, np.ndarray]:
        """Return how far cells are from measured ones, and how far to trust them.

        Confidence is 1 between measured sections (or layers); beyond them it is exp(-d / s) with
        d the distance to the nearest measured cell and s the spacing of the sections (or the
        thickness of the outermost layer).

        Returns
        -------
        distance, confidence
            (cells,) each.
        """
        if self.laminar is None:
            measured, at, scale = self.visible.coords, query.coords, spacing_of(self.visible)
        else:
            measured, at = self.laminar.measured, query.coords[:, 1:]
            scale = self.laminar.thickness
        distance = np.asarray(cKDTree(measured).query(at)[0], dtype=np.float64)
        if self.laminar is not None:
            outside = np.full(len(at), self.extrapolated)
        else:
            depth = list(self.visible.section_z.values())
            outside = (at[:, 0] < min(depth)) | (at[:, 0] > max(depth))
        return distance, np.where(outside, np.exp(-distance / scale), 1.0)


def target_of(tissue: Tissue, config: InterpolateConfig, read: ReadConfig | None = None) -> Target:
    """Split what a method may see from what is hidden, between sections or between layers.

    Parameters
    ----------
    tissue
        Everything measured.
    config
        Its `at`, `hide`, `between`, `section`, `parents` and `extrapolate`.
    read
        How the tissue was read: whether a layer column was named.

    Raises
    ------
    StdiffError
        One sentence: no such section or layer, a depth that is not between two measured sections
        or too far beyond them, too few sections or layers.
    """
    if config.hide and config.at != "middle":
        raise StdiffError("Say either a depth (at) or a section to hide (hide), not both.")
    if between_layers(tissue, config, read):
        out = laminar(
            tissue,
            config.hide,
            config.section,
            config.parents,
            config.extrapolate,
            config.match,
        )
        return Target(out.tissue, out.hidden, out.middle, out, not out.high)
    if config.parents or config.section != "auto":
        raise StdiffError(
            "Parents and section are said of a hidden layer; leave them away between sections."
        )
    visible, hidden, copies = tissue, None, ""
    if config.hide:
        visible, hidden = tissue.split(config.hide)
        visible, copies = without_copies(visible, hidden)
    need_sections(tissue, 3 if config.hide else 2)
    if hidden is not None:
        z = float(hidden.coords[:, 0].mean())
    elif isinstance(config.at, str):
        depths = np.sort(list(visible.section_z.values()))
        widest = int(np.argmax(np.diff(depths)))
        z = float(depths[widest : widest + 2].mean())
    else:
        z = float(config.at)
    weight = parents(visible, z, config.extrapolate)[2]
    return Target(visible, hidden, z, extrapolated=not 0 <= weight <= 1, copies=copies)


def between_layers(tissue: Tissue, config: InterpolateConfig, read: ReadConfig | None) -> bool:
    """Tell whether a layer is meant, or say why neither a layer nor a section can be."""
    if config.between == "layers":
        if not config.hide:
            raise StdiffError("Between layers, name the layer to hide and predict (hide).")
        return True
    if config.between == "sections" or not config.hide:
        return False
    layers = layer_names(tissue)
    if config.hide in layers and read is not None and read.layer_key not in ("auto", "none"):
        return True
    if config.hide in tissue.sections:
        return False
    if config.hide not in layers and layers:
        raise StdiffError(
            f"There is no section '{config.hide}', and no layer of that name; the sections are: "
            f"{listing(tissue.sections)}; the layers are: {listing(layers)}."
        )
    return bool(layers)
