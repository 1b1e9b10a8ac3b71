"""Where the sections of a stack stand on the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from napari.layers import Image, Layer, Points, Vectors

from ..data.tissue import Histology
from .layers import VIRTUAL_PREFIX, place, plane_affine

_NICE = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)


@dataclass
class Section:
    """One section on the canvas.

    Attributes
    ----------
    name, virtual, z
        Which it is, and its depth in the tissue's unit.
    coords
        (cells, 3) z, y, x.
    rows
        Row numbers in the tissue; empty for a virtual section.
    histology
        Its picture, or None.
    points, image, frame
        Its layers; None while they are not there (nothing to draw, or removed by the user).
    beside
        How many widths to the right it stands, because its depth is taken.
    """

    name: str
    virtual: bool
    z: float
    coords: np.ndarray
    rows: np.ndarray
    histology: Histology | None = None
    points: Points | None = None
    image: Image | None = None
    frame: Vectors | None = None
    visible: bool = True
    beside: int = 0

    @property
    def layers(self) -> list[Layer]:
        """Its layers that are on the canvas."""
        return [layer for layer in (self.image, self.frame, self.points) if layer is not None]

    @property
    def title(self) -> str:
        """Name of its points layer."""
        return VIRTUAL_PREFIX + self.name.removeprefix("virtual_") if self.virtual else self.name


def place_section(section: Section, stretch: float, offset: float, aside: float) -> None:
    """Place the layers of `section`; their data keeps its coordinates.

    Parameters
    ----------
    section
        The section.
    stretch
        Factor on its depth.
    offset
        Shift of points along z that keeps them on the camera's side of their picture.
    aside
        Shift along x for each section that stands at its depth already.
    """
    z, x = section.z * (stretch - 1.0), section.beside * aside
    on_picture = section.image is not None or (section.beside > 0 and not aside)
    above = z + (offset if on_picture else 0.0)
    if section.points is not None:
        place(section.points, above, x)
    if section.frame is not None:
        place(section.frame, above, x)
    if section.image is not None and section.histology is not None:
        place(section.image, z, x, plane_affine(section.histology, section.z))


def stand_apart(sections: Sequence[Section]) -> None:
    """Count, for each virtual section, the sections that stand at its depth already.

    Parameters
    ----------
    sections
        By depth, measured before virtual ones.
    """
    gaps = np.diff(sorted({s.z for s in sections if not s.virtual}))
    near = 0.02 * float(gaps.min()) if len(gaps) else 1e-6
    placed: list[Section] = []
    for section in sections:
        same = [s for s in placed if abs(s.z - section.z) <= near]
        section.beside = len(same) if section.virtual else 0
        placed.append(section)


def nice_spacing(depths: list[float], coords: np.ndarray) -> float:
    """Return a round stretch that lets sections be told apart: gaps over half their width.

    Parameters
    ----------
    depths
        z of each section.
    coords
        (cells, 3) z, y, x.
    """
    gaps = np.diff(np.unique(depths))
    if not len(gaps):
        return 1.0
    width = float(max(np.ptp(coords[:, 1]), np.ptp(coords[:, 2])))
    if width == 0:
        return 1.0
    wanted = 0.6 * width / float(np.median(gaps))
    if 0.5 <= wanted <= 1.5:
        return 1.0
    return min(_NICE, key=lambda f: abs(np.log(f / wanted)))
