"""Draws the first section at once, and the others each in a turn of the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QTimer

from .arrange import Section


class Turns:
    """Sections that are still to be drawn. Main thread only.

    A layer takes napari a tenth of a second, so that the first picture of a stack would wait for
    the last section; the window answers between any two.

    Parameters
    ----------
    draw
        Draws a section.
    done
        Called when all that waited are drawn.
    """

    def __init__(self, draw: Callable[[Section], None], done: Callable[[], None]) -> None:
        self._draw, self._done = draw, done
        self._waiting: list[Section] = []
        self._round = 0  # what waited before is forgotten, and so are its turns
        self.begun = False

    @property
    def waiting(self) -> Sequence[Section]:
        """Sections that are not drawn yet, in their order."""
        return tuple(self._waiting)

    def wait(self, *sections: Section) -> None:
        """Let sections wait, after those that do."""
        self._waiting += sections

    def forget(self) -> None:
        """Draw nothing more: something else is shown."""
        self._waiting, self.begun = [], False
        self._round += 1

    def begin(self) -> None:
        """Draw a section in each turn of the event loop from now on."""
        self.begun = bool(self._waiting)
        if self.begun:
            self._next_turn()

    def finish(self) -> None:
        """Draw, now, all that wait for their turn."""
        if not self.begun:
            return
        self.begun = False
        sections, self._waiting = self._waiting, []
        for section in sections:
            self._draw(section)
        self._done()

    def _next_turn(self) -> None:
        here = self._round
        QTimer.singleShot(0, lambda: self._turn(here))

    def _turn(self, planned_in: int) -> None:
        if planned_in != self._round or not self.begun:
            return
        if len(self._waiting) > 1:
            self._draw(self._waiting.pop(0))
            self._next_turn()
        else:
            self.finish()
