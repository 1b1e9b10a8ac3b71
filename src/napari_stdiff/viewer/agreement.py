"""How well the section under the hand agrees with its neighbours, told while it moves."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..registration.quality import neighbour_correlation
from .worker import Job, end

if TYPE_CHECKING:
    from ..data.tissue import Tissue
    from ..registration.places import Places
    from .adjust import Adjust

_PLACES = 400  # a section: enough to tell a good fit from a bad one within milliseconds
_COMPONENTS = 15
_MOST_CELLS = 3000  # a section that expression is compared of
_MOST_VALUES = 5e7  # of all sections, dense: 200 MB


class Agreement:
    """Correlation of expression between the chosen section and those next to it.

    Expression is looked at once a tissue, in the background.

    Parameters
    ----------
    adjust
        What moves the sections; held weakly.
    """

    changed = Signal()  # it can be told now

    def __init__(self, adjust: Adjust) -> None:
        self._adjust = weakref.ref(adjust)
        self._tissue: Tissue | None = None
        self._places: dict[str, Places] = {}
        self._job: Job | None = None

    def want(self) -> None:
        """Look at the tissue, unless that was done."""
        adjust = self._adjust()
        tissue = None if adjust is None else adjust.aligned.before
        if tissue is None or tissue is self._tissue or len(tissue.sections) < 2:
            return
        self.end()
        self._tissue, self._places = tissue, {}
        self._job = job = Job(lambda monitor: look(tissue, monitor))
        job.deliver(self._looked, lambda _: None, self._ended)  # without it, nothing is told
        job.start()

    def end(self) -> None:
        """End what runs."""
        end(self._job, mute=True)
        self._job = None

    def words(self, name: str) -> str:
        """Return what to tell of a section; "" while nothing is known."""
        adjust = self._adjust()
        if adjust is None or adjust.aligned.before is not self._tissue:
            return ""
        if name not in self._places:
            return ""
        order = sorted(adjust.names, key=lambda n: (adjust.depth(n), n))
        at = order.index(name)
        beside = [order[i] for i in (at - 1, at + 1) if 0 <= i < len(order)]
        frames = {n: adjust.placed(n) for n in (name, *beside)}
        now = correlation(self._places, name, beside, frames)
        then = correlation(
            self._places, name, beside, {**frames, name: adjust.placed(name, still=True)}
        )
        unmoved = f" ({then:.2f} unmoved)" if now != then else ""
        return f"Agreement with the sections next to it: {now:.2f}{unmoved}."

    def _looked(self, places: dict[str, Places]) -> None:
        self._places = places
        self.changed.emit()

    def _ended(self) -> None:
        self._job = None


def look(tissue: Tissue, monitor: Monitor) -> dict[str, Places]:
    """Return section -> its places, of a part of the cells where they are many."""
    from ..registration.places import places_of

    sections = tissue.sections
    most = int(min(_MOST_CELLS, _MOST_VALUES / (len(sections) * max(tissue.n_genes, 1))))
    rng = np.random.default_rng(0)
    rows = []
    for name in sections:
        own = np.flatnonzero(tissue.section == name)
        rows.append(own if len(own) <= most else np.sort(rng.choice(own, most, replace=False)))
    monitor.check()
    part = tissue.rows(np.concatenate(rows))
    if any(len(own) < 10 for own in rows):
        raise StdiffError("A section has too few cells to compare.")
    return places_of(part, _PLACES, _COMPONENTS)


def correlation(
    places: Mapping[str, Places],
    name: str,
    beside: list[str],
    frames: Mapping[str, np.ndarray],
) -> float:
    """Return the mean neighbour correlation of a section with those beside it.

    Parameters
    ----------
    places
        Section -> its places, where it was read.
    name, beside
        The section, and its neighbours.
    frames
        Section -> (3, 3) map from where it was read to where it is shown.
    """
    return float(
        np.mean(
            [
                neighbour_correlation(
                    places[name], places[n], np.linalg.inv(frames[n]) @ frames[name]
                )
                for n in beside
            ]
        )
    )
