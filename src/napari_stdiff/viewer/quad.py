"""Maps of one gene side by side: each stands beside the stack, and one camera sees them all."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points
from psygnal import Signal

from ..compute.errors import StdiffError
from . import layers as build
from .colors import rgba
from .compare import KINDS, SPREAD_MAP, Kind, Map, difference_map, limits_of, maps_of
from .heat import follow, make_heat, put
from .placing import removing, transform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.utils.colormaps import Colormap

    from .arrange import Section
    from .cameras import Cameras
    from .session import Session
    from .stack import Stack

_GAP = 0.16  # between maps, of their size
_ABOVE = 0.06  # how far their names stand above them in 2D, of their height
_OVER = 0.1  # and in 3D, of their width
_ROLE = "compare"


class Quad:
    """Puts the other maps of the gene that is shown to the right of the stack.

    What the stack shows is the first map; the others are layers of their own, shifted to its
    right (and below it in 2D), so that the canvas keeps its one camera. A virtual section that a
    map shows is out of sight in the stack meanwhile. Main thread only.

    Parameters
    ----------
    session
        Whose stack it stands beside.
    cameras
        Has the camera of the stack's viewer.

    Attributes
    ----------
    is_on
        Whether maps are asked for.
    maps
        Those that are shown, what the stack shows first; empty where there is nothing to compare.
    note
        What is left out and why, in a sentence; "" for nothing.

    Signals
    -------
    changed
        Other maps are shown, or none.
    """

    changed = Signal()

    def __init__(self, session: Session, cameras: Cameras) -> None:
        self._session, self._cameras = session, cameras
        self._layers: dict[tuple[Kind, str, str], Layer] = {}  # map, section, what -> layer
        self._captions: Points | None = None
        self._words: list[str] = []
        self._busy = False
        self._moved_aside: list[Section] = []
        session.opened.connect(self._leave)
        self.is_on = False
        self.maps: list[Map] = []
        self.note = ""

    @property
    def _stack(self) -> Stack:
        return self._session.stack

    def show(self, on: bool) -> None:
        """Show the maps of the gene that is shown, or the stack alone.

        Raises
        ------
        StdiffError
            Where nothing can be compared, saying why.
        """
        if on == self.is_on:
            return
        stack = self._stack
        if on:
            maps, note = maps_of(self._session)
            if len(maps) < 2:
                raise StdiffError(note or "There is nothing to compare this gene with.")
            if stack.shows_imputed and stack.view != "raw":
                stack.set_view("raw")
            if stack.quantity == "std":
                stack.set_quantity("mean")
        self.is_on = on
        self._listen(on)
        if on:
            self._cameras.keep(_ROLE)
            self._on_colours()
            self._cameras.widen()
            return
        self._clear()
        self._move_aside([])
        self.maps, self.note = [], ""
        self._cameras.put_back(_ROLE)
        self.changed.emit()

    def _listen(self, on: bool) -> None:
        viewer, stack = self._session.viewer, self._stack
        slots: tuple[tuple[Any, Any], ...] = (
            (stack.colours_changed, self._on_colours),
            (stack.view_changed, self._place),
            (stack.sections_changed, self._on_sections),
            (viewer.layers.events.removed, self._on_removed),
            (viewer.dims.events.ndisplay, self._on_ndisplay),
            (build.camera_of(viewer).events.angles, self._on_angles),
        )
        for signal, slot in slots:
            (signal.connect if on else signal.disconnect)(slot)

    def colormap_of(self, shown: Map) -> Colormap:
        """Return the colours of a map."""
        if shown.kind == "difference":
            return difference_map()
        name = SPREAD_MAP if shown.kind == "uncertainty" else self._stack.colormap
        return build.scale_map(name)

    def limits_of(self, shown: Map) -> tuple[float, float]:
        """Return the ends of the colours of a map."""
        return limits_of(shown, self._stack.limits)

    @property
    def shown_by_stack(self) -> Kind:
        """Which of the maps the stack itself shows."""
        stack = self._stack
        if not stack.colouring.result:
            return "measured"
        return "uncertainty" if stack.quantity == "std" else "predicted"

    # -- in step with the stack -----------------------------------------------------------------

    def _leave(self) -> None:
        """Other data is opened."""
        if self.is_on:
            self.show(False)

    def _on_colours(self) -> None:
        """Draw the maps of what the stack shows now."""
        if self._busy:
            return
        stack, first = self._stack, self.shown_by_stack
        maps, self.note = maps_of(self._session)
        if stack.view == "both" and stack.shows_imputed:
            maps, self.note = [], "Measured and imputed stand side by side already."
        elif len(maps) < 2:
            maps = []
        self.maps = sorted(maps, key=lambda m: (m.kind != first, KINDS.index(m.kind)))
        self._busy = True
        try:
            self._draw()
            named = {name for shown in self.maps[1:] for name in shown.virtual.values()}
            self._move_aside([s for s in stack.sections if s.virtual and s.name in named])
        finally:
            self._busy = False
        self._place()
        self.changed.emit()

    def _move_aside(self, sections: list[Section]) -> None:
        """Take these virtual sections out of the stack's sight, and bring others back."""
        stack, before = self._stack, self._moved_aside
        self._moved_aside = [s for s in sections if s in before or s.visible]
        for section in self._moved_aside:
            if section not in before:
                stack.set_visible(section, False)
        for section in before:
            if section not in sections and section in stack.sections:
                stack.set_visible(section, True)

    def _on_sections(self) -> None:
        """Show and hide what belongs to sections that were shown or hidden."""
        if self._busy:
            return
        for (_, name, _), layer in self._layers.items():
            layer.visible = self._section(name).visible

    def _on_ndisplay(self, _: object = None) -> None:
        """Words above maps lie in the plane in 2D, and stand over the maps in 3D."""
        self._place()

    def _on_angles(self, _: object = None) -> None:
        """Keep the words above the maps, however these are turned."""
        if not self._busy and self.maps and self._session.viewer.dims.ndisplay == 3:
            box = _extent(self._stack.sections)
            shifts = self._slots(box)
            at = {m.kind: shift for m, shift in zip(self.maps, shifts, strict=True)}
            self._caption(box, at)

    def _section(self, name: str, virtual: bool = False) -> Section:
        return self._stack.section(name, virtual)

    def _draw(self) -> None:
        """Bring the layers that are missing, paint them, and take away what is not wanted."""
        viewer = self._session.viewer
        heat = self._stack.heat.drawn
        wanted: set[tuple[Kind, str, str]] = set()
        selected = set(viewer.layers.selection)
        for shown in self.maps[1:]:
            for name, values in shown.values.items():
                below = self._section(name)
                cells = self._section(shown.virtual.get(name, name), name in shown.virtual)
                if below.points is None or cells.points is None:
                    continue
                key: tuple[Kind, str, str] = (shown.kind, name, "heat" if heat else "points")
                if below.image is not None:
                    glass: tuple[Kind, str, str] = (shown.kind, name, "histology")
                    wanted.add(glass)
                    self._picture(glass, below, shown)
                wanted.add(key)
                self._cells(key, cells, shown, values)
        for key in [key for key in self._layers if key not in wanted]:
            layer = self._layers.pop(key)
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        viewer.layers.selection = {x for x in selected if x in viewer.layers}
        for (_, name, _), layer in self._layers.items():
            layer.visible = self._section(name).visible

    def _picture(self, key: tuple[Kind, str, str], section: Section, shown: Map) -> None:
        """Bring the histology below a map."""
        if key in self._layers or section.histology is None:
            return
        name = f"{section.name} histology · {shown.title}"
        layer = build.make_histology(section.histology, section.z, name, section.name)
        self._add(key, layer, section)

    def _cells(
        self, key: tuple[Kind, str, str], section: Section, shown: Map, values: np.ndarray
    ) -> None:
        """Bring and paint the cells of a map."""
        stack, layer = self._stack, self._layers.get(key)
        name = f"{key[1]} · {shown.title}"
        limits, colormap = self.limits_of(shown), self.colormap_of(shown)
        seen = stack.in_sight(section)
        if key[2] == "heat":
            grid = stack.heat.grid(section)
            if layer is None or layer.data.shape[1:3] != grid.shape:
                if layer is not None:
                    self._session.viewer.layers.remove(layer)
                layer = make_heat(grid, name, section, _ROLE)
                self._add(key, layer, section)
            mean, evidence = grid.smooth(values, seen)
            colours = build.mapped(mean.ravel(), limits, colormap)
            assert isinstance(layer, Image)
            put(layer, grid, colours, evidence, shown.confidence.get(key[1]))
            return
        if layer is None:
            assert section.points is not None
            layer = build.make_points(
                section.coords, name, key[1], section.look, stack.point_diameter
            )
            self._add(key, layer, section)
        assert isinstance(layer, Points)
        build.show_cells(layer, seen)
        layer.features["value"] = np.asarray(values, np.float32)
        build.paint_colours(layer, build.mapped(values, limits, colormap))

    def _add(self, key: tuple[Kind, str, str], layer: Layer, section: Section) -> None:
        state = build.State(role=_ROLE, section=section.name, virtual=section.virtual)
        layer.metadata[build.KEY] = state
        self._layers[key] = layer
        self._session.viewer.add_layer(layer)

    # -- where they stand -----------------------------------------------------------------------

    def _place(self) -> None:
        """Put each map to the right of the one before, as its sections stand in the stack."""
        if self._busy or not self.is_on:
            return
        stack = self._stack
        box = _extent(stack.sections)
        at = {m.kind: shift for m, shift in zip(self.maps, self._slots(box), strict=True)}
        by_kind = {shown.kind: shown for shown in self.maps}
        for (kind, name, what), layer in self._layers.items():
            below, right = self._section(name), np.eye(4)
            right[1:3, 3] = at[kind]
            virtual = by_kind[kind].virtual.get(name)
            if what == "histology" and below.image is not None:
                transform(layer, right @ below.image.affine.affine_matrix)
                layer.opacity = below.image.opacity
            elif below.points is None:
                continue
            elif what == "heat":
                cells = below if virtual is None else self._section(virtual, True)
                assert isinstance(layer, Image)
                follow(layer, below, stack.heat.grid(cells), at[kind])
            else:
                shift = np.eye(4)
                shift[:3, 3] = below.points.translate
                transform(layer, right @ below.points.affine.affine_matrix @ shift)
                layer.opacity = below.points.opacity
                size = stack.point_diameter * (build.VIRTUAL.scale if virtual else 1.0)
                assert isinstance(layer, Points)
                if not np.isclose(layer.current_size, size):
                    build.set_size(layer, size)
        self._caption(box, at)

    def _slots(self, box: np.ndarray) -> np.ndarray:
        """Return (maps, 2) shifts y, x: two rows, or one in 3D, where two hide each other."""
        in_row = 2 if self._session.viewer.dims.ndisplay == 2 else len(KINDS)
        row, column = np.divmod(np.arange(len(self.maps)), in_row)
        size = (1 + _GAP) * (box[1] - box[0])[1:]
        return np.asarray(np.column_stack([row, column]) * size)

    def _caption(self, box: np.ndarray, at: Mapping[Kind, np.ndarray]) -> None:
        """Write above each map what it is: in every section of a 2D view, over all in 3D."""
        viewer, held = self._session.viewer, self._captions
        flat = viewer.dims.ndisplay == 2
        words = [self.words(shown, ", " if flat else "\n") for shown in self.maps]
        (_, top, left), (_, bottom, right) = box
        if flat:
            over = np.array([top - _ABOVE * (bottom - top), (left + right) / 2])
            places = np.array([over + at[shown.kind] for shown in self.maps])
        else:
            camera = build.camera_of(viewer)
            up, eye = np.array(camera.up_direction), np.array(camera.view_direction)
            boxes = [self._box_of(shown, box, at[shown.kind]) for shown in self.maps]
            places = np.array([above(b, up, eye, _OVER * (right - left)) for b in boxes])
        if held is not None and held.ndim == places.shape[-1] and words == self._words:
            if not np.array_equal(held.data, places):
                # heard of new data, napari cuts all layers anew: at each turn of the camera
                with held.events.data.blocker():
                    held.data = places
            return
        selected = set(viewer.layers.selection)
        self._captions, self._words = None, words
        if held is not None and held in viewer.layers:
            viewer.layers.remove(held)
        if words:
            self._captions = _labels(places, words, _ink(viewer))
            viewer.add_layer(self._captions)
        viewer.layers.selection = {x for x in selected if x in viewer.layers}

    def _box_of(self, shown: Map, stack: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Return the (2, 3) corners of what shows of a map, the `stack` itself being the first."""
        if shown is self.maps[0]:
            return stack
        sections = [self._section(name) for name in shown.values]
        return _extent(sections) + np.array([0.0, *shift])

    def words(self, shown: Map, parting: str = ", ") -> str:
        """Say what a map is and what its colours go from and to."""
        low, high = self.limits_of(shown)
        ends = f"±{high:.2g}" if shown.kind == "difference" else f"{low:.2g} to {high:.2g}"
        return f"{shown.title}{parting}{ends}"

    def _clear(self) -> None:
        viewer = self._session.viewer
        every = [*self._layers.values(), self._captions]
        self._layers, self._captions = {}, None
        there = [layer for layer in every if layer is not None and layer in viewer.layers]
        with removing(viewer) if there else nullcontext():
            for layer in there:
                viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """Forget a layer that the user removed, until the maps are painted again."""
        if not self._busy:
            gone = event.value
            self._layers = {k: layer for k, layer in self._layers.items() if layer is not gone}
            self._captions = None if self._captions is gone else self._captions


def _extent(sections: Sequence[Section]) -> np.ndarray:
    """Return the (2, 3) lowest and highest z, y, x of what shows of `sections`, or else of all."""
    some = [section for section in sections if section.visible] or sections
    every = [layer for s in some for layer in (s.points, s.image) if layer is not None]
    boxes = np.array([layer.extent.world for layer in every])
    return np.stack([boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)])


def above(box: np.ndarray, up: np.ndarray, eye: np.ndarray, gap: float) -> np.ndarray:
    """Return the place (z, y, x) that is seen above the middle of a box, nearest to the eye.

    Parameters
    ----------
    box
        (2, 3) lowest and highest z, y, x.
    up, eye
        (3,) directions on the canvas: upwards, and into the picture.
    gap
        How far above.

    Examples
    --------
    >>> box = np.array([[0.0, 0.0, 0.0], [2.0, 4.0, 6.0]])
    >>> above(box, np.array([0.0, -1.0, 0.0]), np.array([1.0, 0.0, 0.0]), 1.0).tolist()
    [0.0, -1.0, 3.0]
    """
    middle = box.mean(axis=0)
    corners = np.stack(np.meshgrid(*box.T, indexing="ij"), axis=-1).reshape(-1, 3) - middle
    return np.asarray(middle + (float((corners @ up).max()) + gap) * up
                      + float((corners @ eye).min()) * eye)  # fmt: skip


def _labels(places: np.ndarray, words: list[str], ink: np.ndarray) -> Points:
    """Return a layer of words at (n, 2 or 3) places, and nothing else."""
    layer = Points(
        places,
        name="names of the maps",
        face_color="transparent",
        border_width=0.0,
        text={"string": words, "color": ink, "size": 10, "anchor": "center"},
        axis_labels=("z", "y", "x")[-places.shape[1] :],
        blending="translucent_no_depth",
        canvas_size_limits=(0, 10_000),  # else napari draws a dot into each
        metadata={build.KEY: build.State(role=_ROLE, section="", virtual=False)},
    )
    layer.editable = False
    return layer


def _ink(viewer: Any) -> np.ndarray:
    """Return the colour of words on the canvas of `viewer`."""
    from napari.utils.theme import get_theme

    dark = np.mean(get_theme(viewer.theme).canvas.as_rgb_tuple(alpha=False)) < 128
    return rgba(np.array(["ink"]), {"ink": "#ffffff" if dark else "#000000"})[0]
