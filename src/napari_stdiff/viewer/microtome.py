"""The virtual microtome: follows a depth with a live cut, coarse at once and refined at rest."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from ..compute.monitor import Monitor, Progress
from ..data.prediction import Quantity
from ..tasks.placement import measured_at
from .colors import Colouring
from .cutting import (
    NOT_ALIGNED,
    Picture,
    coarse_picture,
    gene_error,
    is_cut,
    label_error,
    leave_out,
    make_cut,
    refined_picture,
    seen_of,
    why_rough,
)
from .live_layer import LiveLayer
from .worker import Job, Problem, end

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from ..tasks.depth_error import DepthError, LeftOut
    from ..tasks.live_cut import LiveCut
    from .session import Session

REST_MS = 200  # without a move, before a cut is refined
LEAVING_OUT = "Measuring how sure this is"
LEAST_MS = 15  # between two cuts of a slider that is dragged: events in between are heard

State = Literal["none", "measured", "kept", "coarse", "refining", "refined", "rough", "failed"]


@dataclass(frozen=True, eq=False)
class Shown:
    """What is asked for, or on the canvas.

    Attributes
    ----------
    z
        Depth.
    colouring
        What the stack shows.
    quantity
        Whether it shows means or spreads.
    """

    z: float
    colouring: Colouring
    quantity: Quantity = "mean"

    def same(self, other: Shown | None) -> bool:
        """Whether both are one; colours are made anew where they change."""
        if other is None or other.colouring is not self.colouring:
            return False
        return (other.z, other.quantity) == (self.z, self.quantity)


class Microtome:
    """Cuts the session's tissue at the depth it is told, in the background. Main thread only.

    Two things run at most: a coarse cut, of which only the newest position is asked for again
    when it is done; and, while nothing is dragged, what takes longer (refining, getting other
    gaps ready, errors by depth), which is cancelled by the next move.

    Attributes
    ----------
    z
        Depth that is looked at, or None.
    state
        What is on the canvas.
    words
        The same in a sentence.
    progress
        What runs in the background, in words; "" for nothing.
    error
        Expected error by depth of what is shown, or None while that is not known.
    """

    told = Signal()  # state, words or progress changed
    drawn = Signal()  # a cut reached the canvas
    error_changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self.layer = LiveLayer(session)
        self.z: float | None = None
        self.state: State = "none"
        self.words = self.progress = ""
        self.error: DepthError | None = None
        self._cut: LiveCut | None = None
        self._found: list[LeftOut] = []
        self._front: Job | None = None
        self._back: Job | None = None
        self._shown: Shown | None = None
        self._picture: Picture | None = None
        self._resting = self._prepared = self._left_out = False
        self._refused: str | None = None
        self._tissue: Tissue | None = None
        self._depths: dict[str, float] = {}
        self._removed = False
        self._rest = QTimer()
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self._on_rest)
        self.layer.removed.connect(self._on_removed)
        session.tissue_changed.connect(self._on_tissue)
        session.results_changed.connect(self._on_results)
        session.stack.colours_changed.connect(self._on_colours)
        self._on_tissue()

    # What is asked for ------------------------------------------------------------------------

    def move(self, z: float) -> None:
        """Look at depth `z`; a position that comes later wins."""
        self.z = z
        self._removed = False
        self._stir()
        self._go()

    def close(self) -> None:
        """Take the live cut away, and end what runs."""
        if isalive(self._rest):  # Qt may be gone already
            self._rest.stop()
        for job in (self._front, self._back):
            end(job, mute=True)
        self._front = self._back = None
        self.layer.close()
        session = self._session()
        if session is None:
            return
        session.tissue_changed.disconnect(self._on_tissue, missing_ok=True)
        session.results_changed.disconnect(self._on_results, missing_ok=True)
        session.stack.colours_changed.disconnect(self._on_colours, missing_ok=True)

    @property
    def busy(self) -> bool:
        """Whether something runs, or will once the slider rests."""
        runs = self._front is not None or self._back is not None or self._rest.isActive()
        return runs or self.state == "coarse"

    @property
    def can_keep(self) -> bool:
        """Whether the cut at this depth can be made a section of its own."""
        return self.state in ("coarse", "refining", "refined", "rough", "failed")

    # In step with the session -----------------------------------------------------------------

    def _on_tissue(self) -> None:
        session = self._session()
        tissue = None if session is None else session.tissue
        if tissue is self._tissue:
            return
        for job in (self._front, self._back):
            end(job, 0, mute=True)
        self._front = self._back = None
        self._tissue, self._cut, self._shown = tissue, None, None
        depths = {} if tissue is None else tissue.section_z
        self._depths = {name: float(z) for name, z in depths.items()}
        self._found, self._prepared, self._left_out = [], False, False
        self._refused = None
        self.z = None
        self.layer.clear()
        self._set_error(None)
        self._say("none", "")

    def _on_results(self) -> None:
        self._shown = None  # a section may have come or gone where the cut is
        self._go()

    def _on_colours(self) -> None:
        session = self._session()
        if session is None or self._shown is None:
            return
        if session.stack.colouring is not self._shown.colouring:
            self._set_error(None)
            self._stir()
            self._go()
        elif self.layer.points is not None and self._picture is not None:
            self.layer.paint(self._picture.values, self._in_sight(self._shown.z))

    def _on_removed(self) -> None:
        self._removed = True
        self._say("none", "The live cut was taken off the canvas; move the slider to cut again.")

    def _stir(self) -> None:
        """Something moves: what takes long gives way."""
        self._resting = False
        if self._back is not None:
            self._back.cancel()
        self._rest.start(REST_MS)

    def _on_rest(self) -> None:
        self._resting = True
        self.layer.settle()
        self._go()

    # What is done next ------------------------------------------------------------------------

    def _go(self) -> None:
        """Draw the newest position; once that is drawn and nothing moves, do what takes long."""
        session, tissue = self._session(), self._tissue
        if session is None or tissue is None or self.z is None or self._removed:
            return
        if self._in_place(session):
            self._rest_work(session, tissue, None)
            return
        wanted = Shown(self.z, session.stack.colouring, session.stack.quantity)
        if wanted.same(self._shown):
            self._rest_work(session, tissue, wanted)
        elif self._front is None:
            self._start_front(tissue, wanted)

    def _in_place(self, session: Session) -> bool:
        """Show what was measured or kept at this depth in place of a cut; whether there is."""
        z = self.z
        assert z is not None
        kept = [name for name, r in session.results.items() if is_cut(r, z)]
        name = kept[-1] if kept else measured_at(self._depths, z)
        if not name:
            return False
        self._shown = None
        self.layer.hide()
        stack = session.stack
        if session.viewer.dims.ndisplay == 2 and not self._resting and not stack.explosion:
            stack.go_to(z if kept else self._depths[name])
        if kept:
            self._say("kept", f"This cut is kept as {name}.")
        else:
            self._say("measured", f"At the measured section {name}: nothing is predicted here.")
        return True

    def _start_front(self, tissue: Tissue, wanted: Shown) -> None:
        """Cut coarsely."""
        colouring, quantity = wanted.colouring, wanted.quantity

        def work(monitor: Monitor) -> tuple[LiveCut, Picture]:
            cut = self._cut or make_cut(tissue)
            return cut, coarse_picture(cut, wanted.z, colouring, quantity)

        def done(found: tuple[LiveCut, Picture]) -> None:
            self._cut = found[0]
            self._draw(wanted, found[1])
            self._tell(wanted, found[1])

        def ended() -> None:
            self._front = None
            QTimer.singleShot(LEAST_MS, self._go)

        def failed(error: Exception) -> None:
            self._shown = wanted
            self.layer.hide()
            self._say("none", Problem.of(error).sentence)

        self._front = job = Job(work)
        job.deliver(done, failed, ended)
        job.start()

    def _draw(self, wanted: Shown, picture: Picture) -> None:
        session = self._session()
        if session is None or self._removed:
            return
        if session.stack.colouring is not wanted.colouring:
            return  # stale: its values mean something else
        self._shown, self._picture = wanted, picture
        self.layer.show(picture.coords, picture.values, self._in_sight(wanted.z))
        self.drawn.emit()

    def _in_sight(self, z: float) -> np.ndarray | None:
        """Return (cells,) bool, which cells the legend leaves in sight; None for all."""
        session = self._session()
        sifted = None if session is None else session.stack.sifted
        if session is None or sifted is None or self._cut is None:
            return None
        return seen_of(self._cut, z, sifted.measured, session.stack.filter)

    def _tell(self, wanted: Shown, picture: Picture) -> None:
        """Say what a coarse cut is, and what will come of it."""
        session = self._session()
        if session is None:
            return
        aside = "" if picture.aligned else NOT_ALIGNED
        tissue, quantity = session.tissue, wanted.quantity
        final = why_rough(wanted.colouring, tissue, picture, quantity) or self._refused
        if final:
            self._say("rough", final + aside)
        else:
            what = "spread" if quantity == "std" else "averages"
            self._say("coarse", f"Coarse: {what} of near cells of the sections around." + aside)

    def _rest_work(self, session: Session, tissue: Tissue, shown: Shown | None) -> None:
        """Start what takes longer, unless something moves or runs."""
        cut = self._cut
        if not self._resting or self._front is not None or self._back is not None:
            return
        if cut is None:
            if shown is None:  # at a measured section: be ready for the next move
                self._start_back(lambda _: make_cut(tissue), self._take_cut, "Getting ready")
            return
        if shown is not None and self._refused is None and self.state == "coarse":
            self._start_back(lambda _: cut.refused(), self._take_refused, "")
        elif shown is not None and self.state == "coarse":
            self._refine(cut, shown)
        elif not self._prepared:
            at = self.z or 0.0
            self._start_back(lambda m: cut.prepare(m, at), self._take_prepared, "")
        elif self.error is None and session.stack.colouring.kind == "label":
            self._start_back(
                lambda _: label_error(tissue, session.stack.colouring), self._set_error, ""
            )
        elif not self._left_out and self._refused == "":
            self._start_back(lambda m: leave_out(tissue, m), self._take_left_out, LEAVING_OUT)
        else:
            self._update_error(session, tissue)

    def _refine(self, cut: LiveCut, shown: Shown) -> None:
        gene, quantity = shown.colouring.name, shown.quantity

        def work(monitor: Monitor) -> Picture:
            return refined_picture(cut, shown.z, gene, monitor, quantity)

        def done(picture: Picture) -> None:
            if shown.same(self._shown):  # else the slider has moved on
                self._draw(shown, picture)
                aside = "" if picture.aligned else NOT_ALIGNED
                what = "spread predicted" if quantity == "std" else "predicted"
                self._say("refined", f"Refined: {what} by stDiffusion, effort quick." + aside)

        def failed(error: Exception) -> None:
            if shown.same(self._shown):
                self._say("failed", Problem.of(error).sentence)

        self._say("refining", self.words)
        self._start_back(work, done, "Refining", failed)

    def _start_back(
        self,
        work: Callable[[Monitor], Any],
        done: Callable[[Any], None],
        words: str,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        def ended() -> None:
            self._back = None
            self._set_progress("")
            if self.state == "refining":  # cancelled: the cut is as coarse as it was
                self.state = "coarse"
            self._go()

        def wrong(error: Exception) -> None:
            self._prepared = self._left_out = True  # not tried again and again
            self._say("failed", Problem.of(error).sentence)

        self._back = job = Job(work)

        def progressed(progress: Progress) -> None:
            if self._back is job and words:  # else closed, or on to something else
                self._set_progress(f"{words}: {progress.fraction:.0%}")

        job.progressed.connect(progressed)
        self._set_progress(f"{words} …" if words else "")
        job.deliver(done, failed or wrong, ended)
        job.start()

    def _take_cut(self, cut: LiveCut) -> None:
        self._cut = cut

    def _take_refused(self, why: str) -> None:
        self._refused = why
        if why and self.state == "coarse":
            self._say("rough", why)

    def _take_prepared(self, _: None) -> None:
        self._prepared = True

    def _take_left_out(self, found: list[LeftOut]) -> None:
        self._found, self._left_out = found, True

    def _update_error(self, session: Session, tissue: Tissue) -> None:
        if self.error is not None or not self._found:
            return
        colouring = session.stack.colouring
        if colouring.kind == "gene" and not colouring.result and colouring.name in tissue.genes:
            self._set_error(gene_error(tissue, colouring, self._found))

    # What is told -----------------------------------------------------------------------------

    def _set_error(self, error: DepthError | None) -> None:
        if error is not self.error:
            self.error = error
            self.error_changed.emit()

    def _set_progress(self, words: str) -> None:
        self.progress = words
        self.told.emit()

    def _say(self, state: State, words: str) -> None:
        if (state, words) != (self.state, self.words):
            self.state, self.words = state, words
            self.told.emit()
