"""How the sections of a tissue move to lie in one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..compute.errors import StdiffError
from .checks import listing
from .record import RunRecord
from .tissue import Histology, Tissue


@dataclass(frozen=True)
class Alignment:
    """How the sections of a tissue move to lie in one frame.

    Attributes
    ----------
    transforms
        Section -> (3, 3) affine that takes (y, x, 1) of the tissue's frame to (y, x, 1) of the
        aligned one.
    fixed
        The section that stays where it is.
    quality
        ``before`` and ``after``: neighbour correlation of the whole stack (see
        ``docs/align.md``); ``pairs``: a list with ``moving``, ``fixed``, ``before``, ``after``,
        ``how`` and ``kept`` for each two neighbouring sections; ``sections``: section ->
        ``before``, ``after``, ``rotation`` (degrees, clockwise on the canvas), ``mirrored``,
        ``scale``, ``shift_y``, ``shift_x``.
    unit
        Unit of the shifts.
    record
        How it was made; task "align".
    depths
        Section -> how far it moves along z, in `unit`; what is not named keeps its depth.
    """

    transforms: Mapping[str, np.ndarray]
    fixed: str
    quality: Mapping[str, Any]
    unit: str
    record: RunRecord
    depths: Mapping[str, float] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """Sections that move."""
        return [
            s
            for s, m in self.transforms.items()
            if self.depths.get(s, 0.0) or not np.allclose(m, np.eye(3), atol=1e-9)
        ]

    @property
    def moves_depth(self) -> bool:
        """Whether any section moves along z."""
        return any(self.depths.values())

    def apply(self, tissue: Tissue) -> Tissue:
        """Return the tissue with coordinates, pictures and outlines moved, and nothing else.

        Raises
        ------
        StdiffError
            When the tissue has a section that was not aligned.
        """
        unknown = [s for s in tissue.sections if s not in self.transforms]
        if unknown:
            raise StdiffError(
                f"The alignment does not know section(s) {listing(unknown)}; align the tissue "
                "that has them."
            )
        coords = tissue.coords.copy()
        for section, matrix in self.transforms.items():
            rows = tissue.section == section
            coords[rows, 1:] = coords[rows, 1:] @ matrix[:2, :2].T + matrix[:2, 2]
            coords[rows, 0] += self.depths.get(section, 0.0)
        pictures = {
            section: Histology(picture.image, self.transforms[section] @ picture.to_tissue)
            for section, picture in tissue.histology.items()
        }
        outlines = {
            section: replace(held, to_tissue=self.transforms[section] @ held.to_tissue)
            for section, held in tissue.segmentation.items()
        }
        return tissue.but(coords=coords, histology=pictures, segmentation=outlines)
