"""Where the sections of a stack stand on the canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from napari.layers import Image, Layer, Points, Vectors

from ..data.tissue import Histology
from ..data.virtual import VirtualSection
from .layers import (
    GENERATED,
    IMPUTED,
    MEASURED,
    VIRTUAL,
    Look,
    make_frame,
    make_histology,
    make_points,
    plane_affine,
    set_size,
)
from .placing import place, transform

_NICE = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)


@dataclass(frozen=True)
class Motion:
    """How a section moves from where its data lies.

    Attributes
    ----------
    matrix
        (3, 3) affine on (y, x, 1).
    z
        How far along z, in the unit of the tissue.
    """

    matrix: np.ndarray
    z: float = 0.0

    def matrix4(self, stretch: float) -> np.ndarray:
        """Return the (4, 4) affine on (z, y, x, 1), where depths are stretched."""
        out = np.eye(4)
        out[1:, 1:] = self.matrix
        out[0, 3] = self.z * stretch
        return out


@dataclass(eq=False)
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
    cover
        The layer that stands in for `points` while a gene is shown that was predicted, not
        measured, in its cells, or imputed; None otherwise.
    cover_look
        How that layer is drawn; None where the measured cells are shown.
    paired
        Whether `points` show what was measured beside the cover, each in a half of the canvas.
    twin
        The picture below the cover, in its half; None otherwise. Cover and twin of an imputed
        gene stay, hidden, while what was measured of it is shown.
    cells, heat
        Its cells in their own outlines, or a heat map, which stand in for the points; None where
        those show.
    generated
        Whether its cells were made up within a measured section; it is then virtual as well.
    trust
        (cells,) in 0 to 1, how far to trust each cell; None where all are drawn in full.
    facts
        Name -> (cells,) what is told of the cell under the mouse.
    drawn
        (cells,) bool, which cells are drawn while too many are in sight; None for all.
    beside
        How many widths to the right it stands, because its depth is taken.
    slot
        How far (y, x) it stands from the middle where all sections lie side by side.
    at
        How far its layers are shifted on the canvas (z, y, x), its pictures by their own depth.
    moving
        Where a hand just moves it, before its data follows; None otherwise.
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
    cover: Points | None = None
    cover_look: Look | None = None
    paired: bool = False
    twin: Image | None = None
    cells: Image | None = None
    heat: Image | None = None
    visible: bool = True
    beside: int = 0
    slot: tuple[float, float] = (0.0, 0.0)
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    moving: Motion | None = None
    generated: bool = False
    trust: np.ndarray | None = None
    facts: Mapping[str, np.ndarray] = field(default_factory=dict)
    drawn: np.ndarray | None = None

    @classmethod
    def of(cls, result: VirtualSection, name: str) -> Section:
        """Return the section of a result."""
        trust = result.confidence
        return cls(
            name,
            True,
            result.z,
            result.query.coords,
            np.zeros(0, dtype=int),
            generated=result.record.task == "generate",
            trust=None if trust is None or trust.min() > 0.99 else trust,
            facts={
                name: np.round(values, 3)
                for name, values in (
                    ("distance", result.distance),
                    ("confidence", result.confidence),
                )
                if values is not None
            },
        )

    @property
    def look(self) -> Look:
        """How its cells are drawn."""
        return GENERATED if self.generated else VIRTUAL if self.virtual else MEASURED

    @property
    def layers(self) -> list[Layer]:
        """Its layers that are on the canvas."""
        cells = (self.points, self.twin, self.cover, self.cells, self.heat)
        return [layer for layer in (self.image, self.frame, *cells) if layer is not None]

    @property
    def covered(self) -> bool:
        """Whether another layer stands in for its points."""
        return self.cover_look is not None

    @property
    def right(self) -> list[Layer]:
        """Those that stand beside the others in a half of their own."""
        return [layer for layer in (self.twin, self.cover) if layer is not None and self.paired]

    @property
    def painted(self) -> Points | None:
        """The layer that shows its cells now."""
        return self.cover if self.covered else self.points

    @property
    def outlined(self) -> bool:
        """Whether its cells show in their own outlines rather than as points."""
        return self.cells is not None and not self.paired and not self.heated

    @property
    def heated(self) -> bool:
        """Whether a heat map shows rather than its cells."""
        return self.heat is not None and not self.paired

    @property
    def front(self) -> Layer | None:
        """The layer that shows its cells, whichever way."""
        return self.heat if self.heated else self.cells if self.outlined else self.painted

    def hides(self, layer: Layer) -> bool:
        """Whether a layer is kept out of sight although the section is shown."""
        return (
            ((self.outlined or self.heated) and layer in (self.points, self.cover))
            or (layer is self.cells and not self.outlined)
            or (layer is self.heat and not self.heated)
            or (layer is self.points and self.covered and not self.paired)
            or (layer is self.cover and not self.covered)
            or (layer is self.twin and not self.paired)
        )

    def set_visible(self, visible: bool) -> None:
        """Show or hide its layers; of its cells only the layer that shows them now."""
        for layer in self.layers:
            layer.visible = visible and not self.hides(layer)

    def lose(self, layer: Layer) -> bool:
        """Forget a layer that was removed; return whether it was what showed the cells."""
        shown = layer in (self.cells, self.heat) or layer is self.painted
        for name in ("points", "image", "frame", "cover", "twin", "cells", "heat"):
            if getattr(self, name) is layer:
                setattr(self, name, None)
        self.visible = self.visible and not shown
        return shown

    def set_opacity(self, points: float, histology: float) -> None:
        """Set how much shows of its cells, and of its pictures, 0 to 1."""
        for layer in self.layers:
            if layer is not self.frame:
                layer.opacity = histology if layer in (self.image, self.twin) else points

    def set_size(self, diameter: float) -> None:
        """Draw its cells as large as measured ones of this diameter."""
        for layer, look in ((self.points, self.look), (self.cover, self.cover_look or IMPUTED)):
            if layer is not None:
                set_size(layer, diameter * look.scale)

    @property
    def title(self) -> str:
        """Name of its points layer."""
        if not self.virtual:
            return self.name
        return f"{self.look.word} · {self.name.removeprefix(f'{self.look.word}_')}"


def make_layers(section: Section, size: float, diameter: float) -> list[Layer]:
    """Make the layers that `section` lacks, from the lowest to the topmost.

    Parameters
    ----------
    section
        The section; it gets them.
    size, diameter
        Distance between cells, and diameter of a measured cell, in the unit of the coordinates.
    """
    made: list[Layer] = []
    name, title = section.name, section.title
    if section.histology is not None and section.image is None:
        section.image = make_histology(section.histology, section.z, f"{name} histology", name)
        made.append(section.image)
    if section.points is None and len(section.coords):
        if section.virtual:
            colour = section.look.colour
            section.frame = make_frame(section.coords, f"{title} frame", name, 2 * size, colour)
            made.append(section.frame)
        section.points = make_points(
            section.coords, title, name, section.look, diameter, section.facts
        )
        made.append(section.points)
    if section.paired and section.histology is not None and section.twin is None:
        title = f"{name} histology, right"
        section.twin = make_histology(section.histology, section.z, title, name)
        made.append(section.twin)
    over = section.cover_look
    if over is not None and section.cover is None and len(section.coords):
        section.cover = make_points(section.coords, f"{over.word} · {name}", name, over, diameter)
        made.append(section.cover)
    for layer in made:
        layer.visible = section.visible
    if section.covered or section.front is not section.points:  # points give way again
        for layer in (section.points, section.cover, section.twin):
            if layer is not None:
                layer.visible = section.visible and not section.hides(layer)
    return made


def place_section(
    section: Section,
    stretch: float,
    offset: float,
    aside: float,
    apart: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> None:
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
    apart
        Where an exploded stack puts it: how flat the stack is (0 to 1), at which depth on the
        canvas it lies then, and the section's shift along y and x.
    """
    flat, level, y, x = apart
    share = 1.0 - flat
    x += section.beside * aside * share
    z = section.z * (stretch * share - 1.0) + flat * level
    on_picture = section.image is not None or (section.beside > 0 and not aside)
    above = z + (offset if on_picture else 0.0)
    section.at = (above, y, x)
    motion = section.moving
    move = np.eye(4) if motion is None else motion.matrix4(stretch * share)
    there, back = np.eye(4), np.eye(4)
    there[:3, 3], back[:3, 3] = section.at, -np.array(section.at)
    for layer in (section.points, section.cover):
        if layer is not None:
            place(layer, above, x, y=y)
            transform(layer, np.eye(4) if motion is None else there @ move @ back)
    if section.frame is not None:
        place(section.frame, above, x, y=y)
    for picture in (section.image, section.twin):
        if picture is not None and section.histology is not None:
            place(picture, z, x, move @ plane_affine(section.histology, section.z), y=y)


def reach(section: Section, margin: float) -> np.ndarray:
    """Return (n, 3) corners z, y, x between which `section` lies on the canvas, once placed.

    They are known before it has layers: those of its cells, a `margin` around them, and of its
    picture.
    """
    shift = np.array(section.at)
    low, high = section.coords.min(axis=0) - margin, section.coords.max(axis=0) + margin
    parts = [np.stack([low, high]) + shift]
    if section.histology is not None:
        height, width = section.histology.image.shape[:2]
        pixels = np.array([[0, y, x, 1] for y in (0, height) for x in (0, width)], dtype=float)
        plane = plane_affine(section.histology, section.z)
        parts.append((pixels @ plane.T)[:, :3] + shift)
    return np.concatenate(parts)


def contact_sheet(n: int, height: float, width: float, shape: float = 1.5) -> np.ndarray:
    """Return (n, 2) shifts y, x that lay `n` sections of a size side by side, row by row.

    Parameters
    ----------
    n
        How many.
    height, width
        Of each.
    shape
        Width over height that the sheet should have, about.

    Examples
    --------
    >>> contact_sheet(3, 10.0, 10.0).round(1).tolist()
    [[-5.5, -5.5], [-5.5, 5.5], [5.5, -5.5]]
    """
    columns = max(1, round(float(np.sqrt(n * shape * height / max(width, 1e-9)))))
    columns = min(columns, max(n, 1))
    row, column = np.divmod(np.arange(n), columns)
    steps = np.column_stack([row * 1.1 * height, column * 1.1 * width])
    middle = np.array([row.max(initial=0) * 1.1 * height, (columns - 1) * 1.1 * width]) / 2
    return np.asarray(steps - middle)


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
