"""Draws a session: every section as points over its histology, measured and virtual, in step."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points
from psygnal import Signal

from ..data.tissue import Histology
from . import layers as build
from .arrange import Section, make_layers, nice_spacing, reach
from .colors import Colouring, Values
from .cover import KEY
from .crowd import Crowd
from .layout import Layout
from .placing import removing, transform, unsliced
from .quad import Quad
from .turns import Turns

if TYPE_CHECKING:
    from .session import Session


HEIGHT = "h"  # the key between the 3D stack and one section in 2D: with height, or without


class Stack(Layout):
    """Keeps the layers of one session in step with it and with each other.

    Signals
    -------
    sections_changed
        A section came, went, or was shown or hidden.
    colours_changed
        What colours mean changed: choice, limits, colormap, palette.
    view_changed
        Spacing, sizes or opacities changed.
    """

    sections_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._unseen: list[Layer] = []
        self.crowd = Crowd(self, session.viewer)
        self._turns = Turns(self._draw, self._on_all_drawn)
        self.in_turns = False  # whether the next tissue is drawn a section at a time
        self._size = 1.0
        self.size_factor = 1.0
        self.points_opacity = 1.0
        self.histology_opacity = 1.0
        viewer = session.viewer
        self.sections_changed.connect(self._tell_crowd)
        self.view_changed.connect(self.crowd.later)
        self.quad = Quad(session, self._cameras)  # before the stack hears of other data
        session.opened.connect(self._on_opened)
        session.tissue_changed.connect(self._on_tissue)
        session.results_changed.connect(self._on_results)
        for known in session.of_cells:
            known.changed.connect(self._on_predictions)
        self.cells.seen.connect(self._on_visible)
        self.heat.seen.connect(self._on_visible)
        viewer.layers.events.removed.connect(self._on_removed)
        self.follow_camera()
        taken = {str(key).lower() for key in viewer.keymap}  # nor is a user's own key taken
        for key, act in ((KEY, self._on_key), (HEIGHT, self.toggle_ndisplay)):
            if key not in taken:
                viewer.bind_key(key, act)
        if session.tissue is not None:
            self._on_opened()
            self._show_drawn()

    # What is there ----------------------------------------------------------------------

    @property
    def sections(self) -> list[Section]:
        """Every section, by depth; a virtual one after a measured one of the same depth.

        Those that wait for their turn are drawn first: whoever asks finds all layers.
        """
        self._turns.finish()
        return sorted(self._sections.values(), key=lambda s: (s.z, s.virtual, s.name))

    @property
    def genes(self) -> list[str]:
        """Genes that can be shown: the measured ones, then those only predicted."""
        known = self._values.genes if self._values else []
        seen = set(known)
        extra: list[str] = []
        for known_of_cells in self._session.of_cells:
            extra += [g for g in known_of_cells.genes if g not in seen]
            seen.update(extra)
        for result in self._session.results.values():
            extra += [g for g in map(str, result.prediction.genes) if g not in seen]
            seen.update(extra)
        return known + extra

    @property
    def cell_diameter(self) -> float:
        """Diameter at which neighbours just touch, in the unit of the tissue."""
        return self._size

    @property
    def point_diameter(self) -> float:
        """Diameter of a measured cell on the canvas, in the unit of the tissue."""
        return self._size * self.size_factor

    def section(self, name: str, virtual: bool = False) -> Section:
        """Return one section by name; KeyError when there is none."""
        self._turns.finish()
        return self._sections[virtual, name]

    # View -------------------------------------------------------------------------------

    def set_size(self, factor: float) -> None:
        """Set the points' size, as a factor of the distance between neighbours."""
        self.size_factor = factor
        for section in self.sections:
            section.set_size(self._size * factor)
        self._arrange()

    def set_opacity(self, *, points: float | None = None, histology: float | None = None) -> None:
        """Set opacities, 0 to 1."""
        self.points_opacity = self.points_opacity if points is None else points
        self.histology_opacity = self.histology_opacity if histology is None else histology
        for section in self.sections:
            section.set_opacity(self.points_opacity, self.histology_opacity)
        self.view_changed.emit()

    def set_side_by_side(self, apart: bool) -> None:
        """Put a virtual section beside a measured one of the same depth, or onto it."""
        self.side_by_side = apart
        self._arrange()

    def set_visible(self, section: Section, visible: bool) -> None:
        """Show or hide a section; layers that the user removed come back."""
        section.visible = visible
        lost = section.heat is None and self.heat.drawn
        if visible and (section.painted is None or lost):
            self._draw(section)
            self._arrange()
            self._paint()
        self._busy = True
        try:
            section.set_visible(visible)
        finally:
            self._busy = False
        self._on_visible()

    def set_ndisplay(self, ndisplay: int) -> None:
        """Switch between the 3D stack and one section in 2D, each with its own camera."""
        self._cameras.switch(ndisplay)
        if self.explosion or self.quad.maps:
            self._cameras.widen()

    def toggle_ndisplay(self, viewer: Any = None) -> None:
        """Switch between the 3D stack and one section in 2D."""
        if self._sections:
            self.set_ndisplay(5 - self._session.viewer.dims.ndisplay)
        elif viewer is not None:
            viewer.status = f"Key {HEIGHT} switches between 2D and 3D once a tissue is open."

    def go_to(self, place: Section | float) -> None:
        """Show a section, or what lies at a depth, in 2D."""
        z = place.z if isinstance(place, Section) else place
        if self._session.viewer.dims.ndisplay == 2:
            self.set_explosion(0.0)  # one section is asked for, not all
        self._scrubber.go_to(z * self.spacing)

    def frame(self) -> None:
        """Set the camera well, as is done once when a tissue is opened."""
        if not self._sections:
            return
        viewer = self._session.viewer
        if all(build.state_of(layer) for layer in viewer.layers):
            depths = {round(s.z, 6) for s in self._sections.values()}
            viewer.dims.ndisplay = 3 if len(depths) > 1 else 2
        self._scrubber.go_to(self.sections[0].z * self.spacing)
        self._cameras.forget()
        self.look()
        self._show_drawn()
        self._turns.begin()

    def _show_drawn(self) -> None:
        """Show the layers that were put on the canvas hidden."""
        self._busy, drawn, self._unseen = True, self._unseen, []
        try:
            for layer in drawn:
                layer.visible = True
        finally:
            self._busy = False
        self._on_visible()

    def look(self) -> None:
        """Look at the stack from above, or at a section straight."""
        coming = None
        if self._turns.waiting:
            half = 0.5 * self.point_diameter
            coming = np.concatenate([reach(s, half) for s in self._sections.values()])
        self._cameras.look(coming)

    def make_room(self, coords: np.ndarray) -> None:
        """Look from so far that (cells, 3) `coords` of the measured sections fit as well."""
        self._cameras.make_room(coords * (self.spacing, 1.0, 1.0))

    def reveal(self, name: str) -> None:
        """Bring a new result into sight: go to its depth in 2D, look wider where it is aside."""
        viewer, section = self._session.viewer, self._sections.get((True, name))
        if section is None:
            return
        flat = viewer.dims.ndisplay == 2
        if flat:
            self.go_to(section)
        depth = [s.z for s in self._sections.values() if not s.virtual]
        aside = section.beside and self.side_by_side
        if aside or not (flat or min(depth) <= section.z <= max(depth)):
            self._cameras.widen()

    def _on_key(self, viewer: Any) -> None:
        """Flip between measured and imputed, where that can be seen."""
        if self.shows_imputed:
            self.flip()
        else:
            viewer.status = f"Key {KEY} flips a gene that was imputed; none is shown."

    # In step with the session and the viewer ----------------------------------------------

    def _on_opened(self) -> None:
        """Draw a new tissue from nothing."""
        self._tissue = tissue = self._session.tissue
        viewer = self._session.viewer
        self._turns.forget()
        old = list(self._sections.values())
        with removing(viewer) if any(s.layers for s in old) else nullcontext():
            for section in old:
                self._drop(section)
        self._side = self._side_shown()  # nothing has turned the camera of a new viewer yet
        self._values = None if tissue is None else Values(tissue)
        self.colouring, self.manual_limits = Colouring(), False
        self.cells.forget()
        self.heat.forget()
        self.second.forget()
        self.filter.forget()
        self._beside.leave()
        self.explosion = 0.0
        self.view, self.only_filled = "raw", False  # nothing stands for what was measured
        if tissue is None:
            self.sections_changed.emit()
            return
        depth = tissue.section_z
        pictures = {
            name: build.crop(picture, tissue.coords[tissue.section == name])
            for name, picture in tissue.histology.items()
        }
        for name, rows in tissue.rows_of_sections.items():
            self._sections[False, name] = Section(
                name, False, depth[name], tissue.coords[rows], rows, pictures.get(name)
            )
        self._size = build.point_size([s.coords for s in self._sections.values()])
        self.spacing = nice_spacing(list(depth.values()), tissue.coords)
        first = self._values.first() if self._values is not None else Colouring()
        if first.choice != "gene" or first.name in self.genes:
            self.colouring = self._look_up(first.choice, first.name)
            if self.colouring.continuous:
                self.limits = self.colouring.span(self.percentiles)
        selected = set(viewer.layers.selection)
        every = self.sections
        self.crowd.begin(every)
        at_once = 1 if self.in_turns and self._cameras.foresees else len(every)
        for section in every[:at_once]:
            self._draw(section, hidden=True)  # napari cuts all that is seen at each step
        self._turns.wait(*every[at_once:])
        viewer.layers.selection = selected or set(self.sections[0].layers[-1:])
        self._on_results(anew=True)

    def _on_tissue(self) -> None:
        """Show the same cells where they are now; colours and camera stay."""
        tissue, before = self._session.tissue, self._tissue
        if tissue is before or tissue is None or before is None:
            return
        self._turns.finish()
        self._tissue = tissue
        depth = tissue.section_z
        for section in [s for s in self._sections.values() if not s.virtual]:
            cells = [x for x in (section.points, section.cover) if x is not None]
            if section.moving is not None:  # the data comes to where they are shown
                with unsliced(self._session.viewer, cells):
                    for layer in cells:
                        transform(layer, np.eye(4))
            section.moving, section.z = None, depth[section.name]
            coords = tissue.coords[section.rows]
            if not np.array_equal(coords, section.coords):
                section.coords = coords
                for layer in cells:
                    layer.data = coords
            if section.histology is not None:  # cropped: it moves as the whole picture does
                old, new = (t.histology[section.name].to_tissue for t in (before, tissue))
                move = new @ np.linalg.inv(old) @ section.histology.to_tissue
                section.histology = Histology(section.histology.image, move)
        self._arrange()  # the session says next which results belong there

    def _on_results(self, anew: bool = False) -> None:
        """Bring virtual sections that are new, drop those that are gone."""
        self._turns.finish()
        results, before = self._session.results, list(self._sections.values())
        for section in [s for s in self._sections.values() if s.virtual]:
            result = results.get(section.name)
            if result is None or result.query.coords is not section.coords:
                self._drop(section)
        for name, result in results.items():
            if (True, name) not in self._sections:
                self._sections[True, name] = section = Section.of(result, name)
                if self._turns.waiting:  # after those of the tissue
                    self._turns.wait(section)
                else:
                    self._draw(section)
        self._arrange()
        if anew or before != list(self._sections.values()):
            self._recolour()
        self.sections_changed.emit()

    def _on_predictions(self) -> None:
        """Show what predicted genes say now, or no longer."""
        self._recolour()
        self.sections_changed.emit()  # other genes can be looked for

    def _draw(self, section: Section, hidden: bool = False) -> None:
        """Put the layers of `section` on the canvas, keeping the user's camera.

        Those that are `hidden` for now are shown by `frame`.
        """
        viewer = self._session.viewer
        selected = set(viewer.layers.selection)
        made = make_layers(section, self._size, self.point_diameter)
        self.crowd.thin(section)
        if section.points in made and not section.virtual:
            self._place(section)  # now: on the canvas each move and each colour is drawn
            self.paint(section.points, self._values_of(section))
        # napari selects what is added, and shows its controls: a third of the time it takes
        quiet = (
            viewer.layers.selection.events.blocker_all() if hidden or selected else nullcontext()
        )
        with quiet:
            for layer in made:
                if hidden and layer.visible:
                    layer.visible = False
                    self._unseen.append(layer)
                if isinstance(layer, Points | Image):  # now: on the canvas it is drawn anew
                    seen = self.points_opacity, self.histology_opacity
                    layer.opacity = seen[isinstance(layer, Image)]
                viewer.add_layer(layer)
                if isinstance(layer, Points):
                    layer.events.visible.connect(self._on_visible)
            if hidden or selected:
                viewer.layers.selection = selected

    def _tell_crowd(self) -> None:
        self.crowd.follow(self._sections.values())

    def _on_all_drawn(self) -> None:
        """Place and paint what was drawn in turns as all of a stack is."""
        self._arrange()
        if any(section.virtual for section in self._sections.values()):
            self._paint()
        self._on_visible()

    def _drop(self, section: Section) -> None:
        self._sections.pop((section.virtual, section.name), None)
        viewer = self._session.viewer
        for layer in section.layers:
            if layer in viewer.layers:
                viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        """Forget a layer that the user removed."""
        for section in self._sections.values():
            stood_in = event.value in (section.cells, section.heat)
            if section.lose(event.value):
                if stood_in:
                    self.cells.changed.emit()  # its points were not painted
                self.sections_changed.emit()

    def _on_visible(self, _: object = None) -> None:
        if self._busy:
            return
        bar_shown = False
        for section in self.sections:
            layer = section.front
            if layer is None:
                continue
            section.visible = layer.visible
            wanted = layer.visible and self.has_bar(section) and not bar_shown
            wanted = wanted and not self._turns.waiting  # the cells first
            build.show_bar(layer, wanted)
            bar_shown = bar_shown or wanted
        self.sections_changed.emit()
