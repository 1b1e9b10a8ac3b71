"""Where the sections of a stack stand on the canvas: spacing, spread, and which side is seen."""

from __future__ import annotations

from abc import abstractmethod
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from .arrange import Motion, Section, contact_sheet, place_section, stand_apart
from .cameras import Cameras
from .layers import camera_of
from .painting import Painting
from .placing import moving, unsliced
from .scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..data.tissue import Tissue
    from .session import Session


class Layout(Painting):
    """Places the sections of one session; `Stack` says which sections there are.

    Attributes
    ----------
    spacing
        Stretch of the distance between sections.
    side_by_side
        Whether a virtual section stands beside a measured one of the same depth.
    explosion
        How far the sections are spread, 0 to 1.
    """

    view_changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._tissue: Tissue | None = None
        self._sections: dict[tuple[bool, str], Section] = {}
        self._extra_depths: dict[str, list[float]] = {}
        self._guest: float | None = None  # depth of a cut that has a place among the sections
        self._guest_slot = (0.0, 0.0)
        self._side = 1.0
        self._width = 1.0  # of the tissue
        self._sheet_size = (1.0, 1.0)
        self.spacing = 1.0
        self.side_by_side = True
        self.explosion = 0.0
        self._scrubber, self._cameras = Scrubber(session.viewer), Cameras(session.viewer)

    @property
    @abstractmethod
    def point_diameter(self) -> float:
        """Diameter of a measured cell on the canvas, in the unit of the tissue."""

    def follow_camera(self) -> None:
        """Place the sections anew when the camera goes to their other side."""
        viewer = self._session.viewer
        viewer.dims.events.ndisplay.connect(self._on_camera)
        camera_of(viewer).events.angles.connect(self._on_camera)

    def set_spacing(self, factor: float) -> None:
        """Stretch the distance between sections on the canvas; the data stays as it is."""
        self.spacing = factor
        self._arrange()

    def set_explosion(self, part: float) -> None:
        """Spread the sections until all lie side by side, 0 (a stack) to 1, on the canvas alone.

        In 2D all are in sight then. The camera looks wider while they spread, and is as it was
        when they are a stack again.
        """
        before, self.explosion = self.explosion, min(max(part, 0.0), 1.0)
        if self.explosion == before:
            return
        if not before:
            self._cameras.keep()
            if self._tissue is not None:  # the sheet stays while sections are moved on it
                height, width = np.ptp(self._tissue.coords[:, 1:], axis=0)
                self._sheet_size = (float(height), float(width))
        self._arrange()
        if self.explosion:
            self._cameras.widen()
        else:
            self._cameras.put_back()

    def preview(self, motions: Mapping[str, Motion]) -> None:
        """Show measured sections where a hand moves them; their data follows with the tissue."""
        moved = [self._sections[False, n] for n in motions if (False, n) in self._sections]
        with unsliced(self._session.viewer, [x for s in moved for x in s.layers]):
            for section in moved:
                section.moving = motions[section.name]
                self._place(section)

    def set_extra_depths(self, depths: Sequence[float], owner: str = "") -> None:
        """Let the slider of the 2D view also stop at depths of `owner`, where no section is."""
        if self._extra_depths.get(owner, []) != list(depths):
            self._extra_depths[owner] = list(depths)
            self._arrange()

    def make_place(self, z: float | None) -> None:
        """Leave a place among sections that are spread for a cut at depth `z`; None for none."""
        before, self._guest = self._guest, z
        depths = [section.z for section in self._sections.values()]
        at = [None if g is None else sum(depth < g for depth in depths) for g in (before, z)]
        if self.explosion and at[0] != at[1]:
            self._arrange()

    def place_at(self, z: float) -> np.ndarray:
        """Return (3,) where on the canvas a cut at depth `z` lies: its depth, its shift y, x."""
        flat, part = self._flatness, self.explosion
        depth = z * self.spacing * (1.0 - flat) + flat * self._middle
        return np.array([depth, *(part * s for s in self._guest_slot)])

    def _on_camera(self, _: object = None) -> None:
        """Keep points on our side of their plane, whichever side we look from."""
        side = self._side_shown()
        if side != self._side:
            self._side = side
            self._arrange()

    def _side_shown(self) -> float:
        """Return from which side of their planes points are seen: 1 or -1 in 3D, 0 in 2D."""
        viewer = self._session.viewer
        if viewer.dims.ndisplay == 2:
            return 0.0
        return 1.0 if -float(camera_of(viewer).view_direction[0]) >= 0 else -1.0

    def _arrange(self) -> None:
        """Place every layer: stretched depth, offset towards the camera, one beside the other."""
        if self._session.tissue is None:
            return
        sections = self.sections
        stand_apart(sections)
        self._width = float(np.ptp(self._session.tissue.coords[:, 2])) or 1.0
        guest = self._guest
        sheet = contact_sheet(len(sections) + (guest is not None), *self._sheet_size)
        if guest is not None:
            at = sum(section.z < guest for section in sections)
            self._guest_slot = (float(sheet[at, 0]), float(sheet[at, 1]))
            sheet = np.delete(sheet, at, axis=0)
        with moving(self._session.viewer, [x for s in sections for x in s.layers]):
            for section, shift in zip(sections, sheet, strict=True):
                section.slot = (float(shift[0]), float(shift[1]))
                self._place(section)
        depths = [*(s.z for s in sections), *chain(*self._extra_depths.values())]
        flat = self.explosion and self._session.viewer.dims.ndisplay == 2
        levels = [self._middle] if flat else [z * self.spacing for z in depths]
        spread = max((np.ptp(s.coords[:, 0]) for s in sections), default=0.0)
        self._scrubber.set_levels(levels, float(spread))
        self.view_changed.emit()

    def _place(self, section: Section) -> None:
        """Place the layers of one section."""
        part, flat = self.explosion, self._flatness
        y, x = section.slot
        place_section(
            section,
            stretch=self.spacing,
            offset=self._side * 0.5 * self.point_diameter,
            aside=1.15 * self._width if self.side_by_side else 0.0,
            apart=(flat, self._middle, part * y, part * x),
        )

    @property
    def _flatness(self) -> float:
        """How flat an exploded stack lies, 0 to 1: in 2D all of it is at one depth."""
        in_plane = self.explosion > 0 and self._session.viewer.dims.ndisplay == 2
        return 1.0 if in_plane else self.explosion

    @property
    def _middle(self) -> float:
        """The depth on the canvas where an exploded stack lies flat."""
        depths = [s.z for s in self._sections.values()]
        return 0.5 * (min(depths) + max(depths)) * self.spacing
