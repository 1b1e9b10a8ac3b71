"""Draws some of the cells while more are in sight than software can draw in good time.

Nothing else knows of it: tables, colour scales, what is picked or saved go by all cells.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer

from . import layers as build
from .layers import KEY, camera_of
from .preferences import preferences

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from .arrange import Section
    from .painting import Painting

SEED = 0
_REST_MS = 150  # the camera has come to rest
_AROUND = 1.2  # canvases: what is just beside the canvas is drawn as well
_ALIKE = 0.1  # a share that differs by less is not worth drawing anew
_SMOOTH = 3.0  # pixels across: the rim of smaller cells is not seen, and doubles the time
_MANY = 50_000  # cells, from which on that time counts


class Crowd:
    """Which cells are drawn. Main thread only.

    Up to `most` cells in sight are drawn; of more, a share that is the same everywhere, chosen at
    random with a fixed seed. Zooming in adds to those that were drawn before, until all in sight
    are. In 2D every depth is a picture of its own.

    Parameters
    ----------
    stack
        Whose cells they are.
    viewer
        Where they are drawn; held weakly.

    Signals
    -------
    changed
        Another share is drawn.
    """

    changed = Signal()

    def __init__(self, stack: Painting, viewer: ViewerModel) -> None:
        self._stack, self._viewer = stack, weakref.ref(viewer)
        self._sections: list[Section] = []
        self._ranks: weakref.WeakKeyDictionary[Section, np.ndarray] = weakref.WeakKeyDictionary()
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self.fit)
        self._lifted = False
        self._rough = False
        self.most = preferences().most_drawn
        self.share, self.in_sight = 1.0, 0
        camera = camera_of(viewer)
        for event in (camera.events.zoom, camera.events.center, camera.events.angles):
            event.connect(self.later)
        viewer.dims.events.point.connect(self.later)
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    @property
    def words(self) -> str:
        """How many of the cells in sight are drawn, in words; "" where all are."""
        if self.share >= 1:
            return ""
        return f"{self.share:.0%} of {self.in_sight:,} cells drawn; zoom in to see all".replace(
            "%", " %", 1
        )

    @property
    def thinned(self) -> bool:
        """Whether some cell is left out, in sight or not."""
        return any(section.drawn is not None for section in self._sections)

    def begin(self, sections: Iterable[Section]) -> None:
        """Decide what is drawn of a tissue that is opened; its layers are still to be made."""
        self._timer.stop()
        self._sections = list(sections)
        self.most = preferences().most_drawn
        self.in_sight = sum(len(s.coords) for s in self._sections)
        self.share = min(1.0, self.most / max(self.in_sight, 1))
        self._rough = self.in_sight > _MANY  # all of it is seen first, from afar
        for section in self._sections:
            section.drawn = self._drawn(section, np.full(len(section.coords), self.share))

    def follow(self, sections: Iterable[Section]) -> None:
        """Take account of sections that came or went, were moved, shown or hidden."""
        self._sections = list(sections)
        self.later()

    def thin(self, section: Section) -> None:
        """Let the layers of `section` draw what is chosen, from when they are next painted."""
        for layer in (section.points, section.cover):
            if layer is not None:
                layer.metadata[KEY]["drawn"] = section.drawn
                if self._rough and layer.antialiasing:
                    layer.antialiasing = 0

    def later(self, _: object = None) -> None:
        """Choose anew once the camera has come to rest."""
        if not self._lifted and (self.thinned or self._count() > min(self.most, _MANY)):
            self._timer.start()

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Draw all cells in the block, for a picture that is kept."""
        self._timer.stop()
        held = [s for s in self._sections if s.drawn is not None]
        masks = [s.drawn for s in held]
        self._lifted = True
        try:
            for section in held:
                self._draw(section, None)
            yield
        finally:
            self._lifted = False
            for section, mask in zip(held, masks, strict=True):
                self._draw(section, mask)

    def fit(self) -> None:
        """Choose what is drawn by what is in sight now, and draw that."""
        self._timer.stop()
        viewer: Any = self._viewer()
        if viewer is None or self._lifted or not viewer.layers:
            return
        before = self.words
        flat = viewer.dims.ndisplay == 2 and not self._exploded
        rooms: dict[float, list[Section]] = defaultdict(list)
        for section in self._shown():
            rooms[round(section.z + section.at[0], 6) if flat else 0.0].append(section)
        told = (1.0, 0)
        here = float(viewer.dims.point[-3]) if flat and viewer.dims.ndim > 2 else 0.0
        nearest = min(rooms, key=lambda z: abs(z - here), default=0.0)
        for z, sections in rooms.items():
            found = self._fit_room(sections, viewer)
            if z == nearest:
                told = found
        self.share, self.in_sight = told
        if self.words != before:
            self.changed.emit()

    def _fit_room(self, sections: list[Section], viewer: Any) -> tuple[float, int]:
        """Choose for sections that are seen together; return the share, and of how many cells."""
        total = sum(len(s.coords) for s in sections)
        least = min(1.0, self.most / max(total, 1))
        inside = {s: seen_by(viewer, s) for s in sections} if total > self.most else {}
        n = int(sum(np.count_nonzero(seen) for seen in inside.values())) if inside else total
        share = min(1.0, self.most / max(n, 1))
        if share < 1 and abs(share - self.share) < _ALIKE * share:
            share = self.share
        for section in sections:
            near = inside.get(section)
            shares = np.where(near, share, least) if near is not None else np.ones(1)
            self._draw(section, self._drawn(section, shares))
            self._smooth(section, viewer, total)
        return share, n

    def _drawn(self, section: Section, shares: np.ndarray) -> np.ndarray | None:
        """Return (cells,) bool, which are drawn; None for all."""
        if np.all(shares >= 1):
            return None
        if section not in self._ranks:
            n = len(section.coords)
            order = np.random.default_rng([SEED, n]).permutation(n)
            self._ranks[section] = ((order + 0.5) / n).astype(np.float32)
        return np.asarray(self._ranks[section] < shares)

    def _draw(self, section: Section, mask: np.ndarray | None) -> None:
        before = section.drawn
        if before is mask or (
            before is not None and mask is not None and np.array_equal(before, mask)
        ):
            return
        section.drawn = mask
        self.thin(section)
        for layer in (section.points, section.cover):
            if layer is not None:
                build.show_cells(layer, self._stack.in_sight(section))

    def _smooth(self, section: Section, viewer: Any, total: int) -> None:
        """Leave out the smooth rim of cells that are a few pixels across, where there are many."""
        for layer in (section.points, section.cover):
            if layer is None:
                continue
            pixels = float(np.max(layer.size, initial=0.0)) * camera_of(viewer).zoom
            self._rough = total > _MANY and pixels < _SMOOTH
            wanted = 0 if self._rough else 1
            if layer.antialiasing != wanted:
                layer.antialiasing = wanted

    def _shown(self) -> list[Section]:
        """Return the sections whose cells are points on the canvas."""
        return [
            s
            for s in self._sections
            if s.visible and s.painted is not None and not (s.outlined or s.heated)
        ]

    def _count(self) -> int:
        return sum(len(s.coords) for s in self._shown())

    @property
    def _exploded(self) -> bool:
        return bool(getattr(self._stack, "explosion", 0.0))

    def _on_ndisplay(self, _: object = None) -> None:
        """Draw few at once where a stack is about to be seen, rather than all and then few."""
        viewer: Any = self._viewer()
        total = self._count()
        if viewer is not None and viewer.dims.ndisplay == 3 and total > self.most:
            share = self.most / total
            for section in self._shown():
                self._draw(section, self._drawn(section, np.full(len(section.coords), share)))
            self.share, self.in_sight = share, total
            self.changed.emit()
        self.later()


def seen_by(viewer: Any, section: Section) -> np.ndarray:
    """Return (cells,) bool, which cells of `section` are on the canvas, or just beside it.

    All are where this version of napari does not tell how large its canvas is.
    """
    size = getattr(getattr(viewer, "canvas", None), "size", None)
    camera = camera_of(viewer)
    if size is None or getattr(camera, "perspective", False):
        return np.ones(len(section.coords), bool)
    if viewer.dims.ndisplay == 3:
        up = np.array(camera.up_direction)
        right = np.cross(np.array(camera.view_direction), up)
    else:
        up, right = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    center = np.zeros(3)
    center[-len(camera.center) :] = camera.center
    shift = np.array(section.at) - center
    out = np.ones(len(section.coords), bool)
    for axis, pixels in ((up, size[0]), (right, size[1])):
        reach = 0.5 * _AROUND * pixels / camera.zoom
        out &= np.abs(section.coords @ axis + shift @ axis) <= reach
    return out
