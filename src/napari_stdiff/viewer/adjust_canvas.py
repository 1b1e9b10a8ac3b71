"""A hand on the canvas: a click chooses a section, dragging and keys move the one chosen."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from .adjust import Adjust, Hand
from .layers import camera_of

if TYPE_CHECKING:
    from .arrange import Section
    from .stack import Stack

# The key, and what it does: (y, x, z, turn) in steps and degrees.
KEYS = {
    "Up": (-1, 0, 0, 0),
    "Down": (1, 0, 0, 0),
    "Left": (0, -1, 0, 0),
    "Right": (0, 1, 0, 0),
    "PageUp": (0, 0, 1, 0),
    "PageDown": (0, 0, -1, 0),
    ",": (0, 0, 0, -1),
    ".": (0, 0, 0, 1),
}
FAST = 10.0  # times a step, with Shift
_REACH = 3.0  # a click this many point diameters from a cell still means its section
_EDGE_ON = 0.05  # a section seen at a flatter angle than this (sine) cannot be dragged


class AdjustCanvas:
    """Listens to the canvas and its keys while it is on, and gives them back.

    Parameters
    ----------
    adjust
        What moves the sections.
    failed
        Called with what went wrong.
    """

    def __init__(self, adjust: Adjust, failed: Callable[[Exception], None]) -> None:
        self._adjust = adjust
        self._failed = failed
        self._viewer: Callable[[], Any] = weakref.ref(adjust.session.viewer)
        self._bound: list[str] = []
        self.is_on = False
        self.step = 1.0

    def set_on(self, on: bool) -> None:
        """Take the mouse and the keys, or give them back."""
        viewer = self._viewer()
        if viewer is None or on == self.is_on:
            return
        self.is_on = on
        if on:
            viewer.mouse_drag_callbacks.append(self._on_mouse)
            taken = {str(key).lower() for key in viewer.keymap}
            for key, move in KEYS.items():
                for name, factor in ((key, 1.0), (f"Shift-{key}", FAST)):
                    if name.lower().replace("-", "+") in taken or name.lower() in taken:
                        continue  # the user's own
                    if factor != 1.0 and move[3]:
                        continue  # with Shift it is another sign
                    viewer.bind_key(name, self._act(move, factor))
                    self._bound.append(name)
            return
        if self._on_mouse in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_mouse)
        for name in self._bound:
            viewer.bind_key(name, None)
        self._bound = []

    def _act(self, move: tuple[int, int, int, int], factor: float) -> Callable[[Any], None]:
        def act(viewer: Any) -> None:
            adjust, step = self._adjust, self.step * factor
            if not adjust.chosen:
                viewer.status = "Click the section on the canvas first; then the keys move it."
                return
            y, x, z, turn = move
            hand = adjust.hand(adjust.chosen).shifted(y * step, x * step, z * step)
            self._move(hand.turned(turn) if turn else hand)

        return act

    def _move(self, hand: Hand) -> None:
        try:
            self._adjust.move({self._adjust.chosen: hand})
        except StdiffError as error:
            self._failed(error)

    def _on_mouse(self, viewer: Any, event: Any) -> Iterator[None]:
        """Choose the section that is clicked; drag the one that is chosen, with Shift turn it."""
        adjust = self._adjust
        if event.button != 1 or not adjust.can_move:
            return
        adjust.rest()
        ray = _ray(viewer, event)
        section = pick(adjust.session.stack, *ray)
        if section is None or section.name != adjust.chosen:
            yield
            clicked = True
            while event.type == "mouse_move":
                clicked = False  # the camera's
                yield
            if clicked and section is not None:
                adjust.choose(section.name)
            return
        start = on_plane(section, adjust.session.stack, *ray)
        if start is None:
            viewer.status = "The section is seen edge-on; turn the view to drag it."
            return
        before, turning = adjust.hand(section.name), "Shift" in event.modifiers
        centre = section.coords[:, 1:].mean(axis=0)
        camera = camera_of(viewer)
        pan, camera.mouse_pan = camera.mouse_pan, False
        try:
            yield
            while event.type == "mouse_move":
                at = on_plane(section, adjust.session.stack, *_ray(viewer, event))
                if at is not None:
                    if turning:
                        self._move(before.turned(round(angle(start - centre, at - centre), 1)))
                    else:  # to a tenth of a step: numbers that can be read
                        y, x = np.round(10 * (at - start) / self.step) * self.step / 10
                        self._move(before.shifted(y, x))
                yield
        finally:
            camera.mouse_pan = pan
        adjust.rest()


def pick(stack: Stack, point: np.ndarray, ray: np.ndarray | None) -> Section | None:
    """Return the measured section that is meant by a place on the canvas, the nearest to the eye.

    Parameters
    ----------
    stack
        What is shown.
    point
        (z, y, x) world coordinates of the place.
    ray
        (z, y, x) direction of the view in 3D; None in 2D.
    """
    found: list[tuple[float, Section]] = []
    for section in stack.sections:
        if section.virtual or not section.visible or section.painted is None:
            continue
        if ray is None and abs(point[0] - level(section, stack)) > 1e-6 * max(abs(point[0]), 1):
            continue
        at = on_plane(section, stack, point, ray)
        if at is None:
            continue
        gap = float(np.sqrt(((section.coords[:, 1:] - at) ** 2).sum(axis=1).min()))
        if gap <= _REACH * max(stack.point_diameter, 1e-9):
            deep = gap if ray is None else (level(section, stack) - point[0]) / ray[0]
            found.append((deep, section))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def on_plane(
    section: Section, stack: Stack, point: np.ndarray, ray: np.ndarray | None
) -> np.ndarray | None:
    """Return the place (y, x) of a section's data that lies below a place on the canvas.

    None where the section is seen edge-on.
    """
    if ray is not None:
        if abs(ray[0]) < _EDGE_ON:
            return None
        point = point + (level(section, stack) - point[0]) / ray[0] * ray
    return np.asarray(point[1:] - section.at[1:])


def level(section: Section, stack: Stack) -> float:
    """Return the depth of a section on the canvas."""
    return section.z + section.at[0]


def angle(start: np.ndarray, end: np.ndarray) -> float:
    """Return the degrees, clockwise on the canvas, from one direction (y, x) to another.

    >>> import numpy as np
    >>> round(angle(np.array([0.0, 1.0]), np.array([1.0, 0.0])))  # from right to down
    90
    """
    turn = np.arctan2(end[0], end[1]) - np.arctan2(start[0], start[1])
    return float(np.rad2deg(np.arctan2(np.sin(turn), np.cos(turn))))


def _ray(viewer: Any, event: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return where the mouse is (z, y, x), and the direction of the view in 3D."""
    point = np.asarray(event.position, dtype=float)[-3:]
    if viewer.dims.ndisplay == 2:
        return point, None
    return point, np.asarray(event.view_direction, dtype=float)[-3:]
