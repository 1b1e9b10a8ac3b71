"""Sections moved by hand: what a hand does, shown while it moves, and done when it rests."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from ..compute.errors import StdiffError
from ..data.alignment import Alignment
from ..data.record import RunRecord
from ..registration.frames import about, describe
from .aligned import BY_HAND, Stand, aligned_of
from .arrange import Motion

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from .session import Session

REST_MS = 700  # a hand that rested this long is done: only then do data and other docks follow
_ALL: weakref.WeakKeyDictionary[Session, Adjust] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Hand:
    """How one section was moved by hand: mirrored, then turned about its centre, then shifted.

    Attributes
    ----------
    mirrored
        Whether left and right are swapped first.
    rotation
        Degrees, clockwise on the canvas, -180 (left out) to 180.
    y, x, z
        Shift, in the unit of the tissue.
    """

    mirrored: bool = False
    rotation: float = 0.0
    y: float = 0.0
    x: float = 0.0
    z: float = 0.0

    def matrix(self, centre: np.ndarray) -> np.ndarray:
        """Return the (3, 3) affine on (y, x, 1) for a section with this centre (y, x)."""
        to = centre + np.array([self.y, self.x])
        return about(self.rotation, centre, to, self.mirrored)

    def turned(self, degrees: float) -> Hand:
        """Return the hand after another turn about the centre, clockwise."""
        return replace(self, rotation=_within(self.rotation + degrees))

    def flipped(self, upside_down: bool = False) -> Hand:
        """Return the hand after what is seen is mirrored: left and right, or top and bottom.

        Mirroring what was turned by an angle is turning what was mirrored by its opposite; top
        and bottom are left and right mirrored and turned by 180 degrees.
        """
        turn = 180.0 - self.rotation if upside_down else -self.rotation
        return replace(self, mirrored=not self.mirrored, rotation=_within(turn))

    def shifted(self, y: float = 0.0, x: float = 0.0, z: float = 0.0) -> Hand:
        """Return the hand after another shift."""
        return replace(self, y=float(self.y + y), x=float(self.x + x), z=float(self.z + z))


STILL = Hand()


def centre_of(tissue: Tissue, section: str) -> np.ndarray:
    """Return the mean place (y, x) of a section's cells."""
    return np.asarray(tissue.coords[tissue.section == section, 1:].mean(axis=0))


def by_hand(
    hands: Mapping[str, Hand],
    centres: Mapping[str, np.ndarray],
    start: Alignment | None,
    unit: str,
) -> Alignment:
    """Return the alignment that moves sections as an alignment does, then as hands do.

    Parameters
    ----------
    hands
        Section -> what was done to it; a section that is not named stays.
    centres
        Section -> (2,) its centre y, x after `start`.
    start
        What they were moved from, or None where that is as they were read.
    unit
        Unit of the shifts.
    """
    names = list(centres)
    first = start.transforms if start is not None else {}
    rise = start.depths if start is not None else {}
    moves = {n: hands.get(n, STILL).matrix(centres[n]) for n in names}
    transforms = {n: moves[n] @ first.get(n, np.eye(3)) for n in names}
    depths = {n: rise.get(n, 0.0) + hands.get(n, STILL).z for n in names}
    moved = {n: hands[n] for n in names if hands.get(n, STILL) != STILL}
    chosen: dict[str, Any] = {
        "transforms": {n: m.tolist() for n, m in transforms.items()},
        "depths": depths,
        "hands": {n: vars(hand) for n, hand in moved.items()},
    }
    notes = [f"Moved by hand: {', '.join(moved) or 'nothing'}."]
    if start is not None:
        chosen["start"] = {
            "method": start.record.method,
            "parameters": start.record.parameters,
            "transforms": {n: m.tolist() for n, m in start.transforms.items()},
        }
        notes.append(f"It started from an alignment by {start.record.method}.")
    raised = [n for n, z in depths.items() if z]
    if raised:
        notes.append(f"At another depth than they were read: {', '.join(raised)}.")
    fixed = next((n for n in names if n not in moved), names[0])
    sections = {}
    for name in names:
        own = centres[name] if start is None else _before(centres[name], first[name])
        move = describe(transforms[name], own)
        sections[name] = {
            "rotation": move.rotation,
            "mirrored": move.mirrored,
            "scale": move.scale,
            "shift_y": move.shift[0],
            "shift_x": move.shift[1],
        }
    record = RunRecord(
        task="align",
        method=BY_HAND,
        generated=False,
        chosen=chosen,
        target={"fixed": fixed, "sections": len(names)},
        notes=tuple(notes),
    )
    return Alignment(transforms, fixed, {"sections": sections}, unit, record, depths)


class Adjust:
    """What hands do to the measured sections of one session. Main thread only.

    A move is shown at once through the layers' transforms; when the hand rests, the tissue
    follows as by any alignment (`Aligned`), and results that were made before stay with the
    places they were made in.

    Attributes
    ----------
    hands
        Section -> what was done to it since the start, what is only shown yet included.
    chosen
        The section that is moved, or "".
    """

    changed = Signal()  # hands, the choice, or where all that starts from

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.aligned = aligned_of(session)
        self.hands: dict[str, Hand] = {}
        self.chosen = ""
        self._done: dict[str, Hand] = {}  # what the tissue has followed
        self._past: list[tuple[dict[str, Hand], Stand]] = []
        self._ahead: list[tuple[dict[str, Hand], Stand]] = []
        self._start: Stand | None = None  # None while no hand has moved anything
        self._now: Alignment | None = None
        self._centres: dict[str, np.ndarray] = {}
        self._known: tuple[Tissue | None, dict[str, float]] = (None, {})
        self._busy = False
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self.rest)
        self.aligned.changed.connect(self._on_aligned)
        session.tissue_changed.connect(self._on_aligned)
        session.opened.connect(self._anew)
        session.closed.connect(self._stop)

    @property
    def session(self) -> Session:
        """The session."""
        return self.aligned.session

    @property
    def names(self) -> list[str]:
        """Sections that can be moved, the lowest first."""
        return sorted(self._depths(), key=lambda name: (self._depths()[name], name))

    @property
    def can_move(self) -> bool:
        """Whether the sections are shown where a hand would move them from."""
        before = self.aligned.alignment is not None and not self.aligned.is_after
        return self.session.tissue is not None and not before

    @property
    def can_undo(self) -> bool:
        """Whether there is a move to take back."""
        return bool(self._past) or self.hands != self._done

    @property
    def can_redo(self) -> bool:
        """Whether there is a move to do once more."""
        return bool(self._ahead) and self.hands == self._done

    def hand(self, name: str) -> Hand:
        """Return what was done to a section."""
        return self.hands.get(name, STILL)

    def depth(self, name: str) -> float:
        """Return where a section is shown along z, in the unit of the tissue."""
        return self._depths()[name] + self.hand(name).z - self._done.get(name, STILL).z

    def placed(self, name: str, still: bool = False) -> np.ndarray:
        """Return the (3, 3) map from where a section was read to where it is shown.

        With `still`, to where it would be without what hands did to it.
        """
        start = self.aligned.alignment if self._start is None else self._start.alignment
        first = np.eye(3) if start is None else start.transforms[name]
        if still or name not in self.hands:
            return first
        return self.hands[name].matrix(self._centres[name]) @ first

    def choose(self, name: str) -> None:
        """Say which section is moved; "" for none."""
        if name != self.chosen:
            self.rest()
            self.chosen = name
            self.changed.emit()

    def move(self, changes: Mapping[str, Hand]) -> None:
        """Show sections where hands put them; the tissue follows when they rest.

        Raises
        ------
        StdiffError
            While the sections are shown where they were before an alignment.
        """
        if not self.can_move:
            raise StdiffError(
                "The sections are shown where they were read; press After (dock Align sections) "
                "and move them there."
            )
        changes = {n: h for n, h in changes.items() if h != self.hand(n)}
        if not changes:
            return
        self._begin()
        self.hands = {n: h for n, h in {**self.hands, **changes}.items() if h != STILL}
        self.session.stack.preview({name: self._motion(name) for name in changes})
        self._rest.start()
        self.changed.emit()

    def swap(self, name: str, up: bool) -> None:
        """Exchange the depths of a section and the next above or below it."""
        names = sorted(self.names, key=lambda n: (self.depth(n), n))
        at = names.index(name) + (1 if up else -1)
        if not 0 <= at < len(names):
            raise StdiffError(f"'{name}' is the {'top' if up else 'lowest'} section already.")
        other = names[at]
        gap = self.depth(other) - self.depth(name)
        if not gap:
            raise StdiffError(
                f"'{name}' and '{other}' lie at the same depth; give one of them another z first."
            )
        self.move({name: self.hand(name).shifted(z=gap), other: self.hand(other).shifted(z=-gap)})

    def reverse(self) -> None:
        """Give the sections each other's depths, the first that of the last and so on."""
        names = sorted(self.names, key=lambda n: (self.depth(n), n))
        depths = [self.depth(n) for n in names]
        gaps = {n: new - old for n, old, new in zip(names, depths, depths[::-1], strict=True)}
        self.move({n: self.hand(n).shifted(z=gap) for n, gap in gaps.items()})

    def reset(self, *names: str) -> None:
        """Put sections back to where the hands began; all without a name."""
        self.move(dict.fromkeys(names or self.names, STILL))
        self.rest()

    def rest(self) -> None:
        """Let the tissue follow what is shown."""
        self._rest.stop()
        known = self._session()
        if self.hands == self._done or self._busy or known is None or known.is_closed:
            return
        session, start = known, self._start
        assert start is not None
        made = len(session.results)
        raised = any(self.hand(n).z != self._done.get(n, STILL).z for n in self.names)
        to: Stand | Alignment = start
        if self.hands:
            to = by_hand(self.hands, self._centres, start.alignment, self._unit())
        first = not self._past
        self._past.append((self._done, self._exchange(to)))
        if first:  # with the results that were made there
            self._start = self._past[0][1]
        self._done, self._ahead = dict(self.hands), []
        if made and not session.results:
            session.notice(
                "Results that were made where the sections lay before are off the canvas; Undo "
                "brings both back."
            )
        chosen = self.chosen
        flat = session.viewer.dims.ndisplay == 2 and not session.stack.explosion
        if flat and raised and chosen in self.names:
            session.stack.go_to(session.stack.section(chosen))
        self.changed.emit()

    def undo(self) -> None:
        """Take the last move back, and bring back the results that were made before it."""
        self._rest.stop()
        if self.hands != self._done:  # not done yet
            back = {*self.hands, *self._done}
            self.hands = dict(self._done)
            self.session.stack.preview({name: self._motion(name) for name in back})
            self.changed.emit()
        else:
            self._step(self._past, self._ahead)

    def redo(self) -> None:
        """Do the move once more that was taken back last."""
        if self.can_redo:
            self._step(self._ahead, self._past)

    def _step(
        self,
        source: list[tuple[dict[str, Hand], Stand]],
        target: list[tuple[dict[str, Hand], Stand]],
    ) -> None:
        """Go to where the sections stood, from the end of one list to that of the other."""
        if not source:
            return
        hands, stand = source.pop()
        target.append((self._done, self._exchange(stand)))
        self.hands, self._done = dict(hands), dict(hands)
        self.changed.emit()

    def _exchange(self, to: Stand | Alignment) -> Stand:
        self._busy = True
        try:
            return self.aligned.exchange(to)
        finally:
            self._busy = False
            self._now = self.aligned.alignment

    def _begin(self) -> None:
        """Note where the sections lie before the first move."""
        if self._start is not None:
            return
        session, aligned = self.session, self.aligned
        tissue = session.tissue
        assert tissue is not None
        self._centres = {name: centre_of(tissue, name) for name in tissue.sections}
        self._now = aligned.alignment
        self._start = Stand(self._now, aligned.system, session.store, session.read_config)

    def _depths(self) -> dict[str, float]:
        """Return section -> its depth in the tissue, counted once a tissue."""
        tissue = self.session.tissue
        if tissue is not self._known[0]:
            self._known = (tissue, {} if tissue is None else tissue.section_z)
        return self._known[1]

    def _unit(self) -> str:
        tissue = self.session.tissue
        return "" if tissue is None else tissue.unit

    def _motion(self, name: str) -> Motion:
        """Return how a section moves from where its data lies to where it is shown."""
        centre, hand, done = self._centres[name], self.hand(name), self._done.get(name, STILL)
        matrix = hand.matrix(centre) @ np.linalg.inv(done.matrix(centre))
        return Motion(matrix, hand.z - done.z)

    def _on_aligned(self) -> None:
        """Start anew where something else moved the sections, or other data is open."""
        if self._busy:
            return
        if self._start is not None and self.aligned.alignment is not self._now:
            self._anew()
        elif self.hands != self._done:  # shown as it was before, or aligned anew: data are there
            self._rest.stop()
            self.hands = dict(self._done)
        self.changed.emit()

    def _stop(self) -> None:
        if isalive(self._rest):  # a window that closes takes its timers along
            self._rest.stop()

    def _anew(self) -> None:
        """Forget what hands did: the sections are others, or were moved by something else."""
        self._rest.stop()
        self.hands, self._done, self._past, self._ahead = {}, {}, [], []
        self._start = self._now = None
        self._centres = {}
        if self.chosen not in self.names:
            self.chosen = ""


def adjust_of(session: Session) -> Adjust:
    """Return what hands do in `session`; one a session."""
    if session not in _ALL:
        _ALL[session] = Adjust(session)
    return _ALL[session]


def _before(point: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return where a point (y, x) was before a map."""
    return np.asarray((np.linalg.inv(matrix) @ (*point, 1.0))[:2])


def _within(degrees: float) -> float:
    """Return an angle as one of -180 (left out) to 180."""
    turn = round(float((degrees + 180.0) % 360.0 - 180.0), 9)  # sums of tenths stay tenths
    return 180.0 if turn == -180.0 else turn
