"""The virtual and generated sections of a session: what each says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from ...data.virtual import VirtualSection
from ..saving import Kept
from ..session import Session
from .result_list import ResultList, paragraphs, remarks, score_table, taken
from .where import TIERS
from .z_slider import unit_words

PLACED = {
    "transport": "Its cells were placed between the two neighbouring sections by optimal "
    "transport; nobody measured them.",
    "lines": "Its cells lie on lines between cells of the two neighbouring sections, as the "
    "virtual microtome draws them; nobody measured them.",
    "nearest": "Its cells are copied from the nearer section's positions; nobody measured them.",
    "grid": "Its cells lie on a grid inside the interpolated outline; nobody measured them.",
    "given": "Its cells were given in a file.",
}
SCORES = {
    "pcc": "Correlation per gene",
    "pcc_binned": "\u2003on a 15 × 15 grid",
    "spearman": "Rank correlation per cell",
    "nmse": "Error (1: the gene means)",
    "variance_ratio": "Variance, draw / truth",
    "coexpression": "Co-expression in types",
    "crps": "CRPS (lower is better)",
    "coverage80": "80 % interval covers",
    "energy_distance": "Energy distance",
    "density_pcc": "Cell density",
}
SCORES_HELP = (
    "<p>Against the hidden section, on log-normalised expression.<br>"
    "<b>Correlation per gene</b>: Pearson's r over cells, mean over genes; 1 is perfect.<br>"
    "<b>Rank correlation per cell</b>: about 0.4 even for a constant profile, so never alone.<br>"
    "<b>Error</b>: squared error over the truth's variance.<br>"
    "<b>Variance</b>: 1 is right; below, the draws are too smooth.<br>"
    "<b>CRPS</b>: how good the whole predicted distribution is.<br>"
    "<b>80 % interval covers</b>: 0.8 is honest.</p>"
)


class Results(ResultList[VirtualSection]):
    """The sections that one task made."""

    def __init__(self, session: Session, task: str) -> None:
        super().__init__(SCORES_HELP)
        self._session = session
        self._task = task
        session.saved.connect(self.redescribe)
        self.refresh()

    @property
    def kept(self) -> Kept[VirtualSection]:
        """The sections that belong to where the tissue is shown."""
        return self._session.kept

    def results(self) -> Mapping[str, VirtualSection]:
        """Return the sections of the task."""
        every = self._session.results.items()
        return {name: made for name, made in every if made.record.task == self._task}

    def describe(self, result: VirtualSection) -> str:
        """Put a section into a few lines."""
        return describe(result)

    def discard(self, name: str) -> None:
        """Remove a section."""
        self._session.remove_result(name)


def ended(section: VirtualSection, name: str) -> str:
    """Say how a run ended that made `section`, which goes by `name`."""
    state = "Done" if section.prediction.complete else "Cancelled, with what was done"
    return f"{state}: {name}."


def describe(section: VirtualSection) -> str:
    """Put a result into a few lines of rich text: what it is, how far to trust it, notes."""
    record, prediction = section.record, section.prediction
    target = record.target
    hidden = str(target.get("hidden") or "")
    depth = escape(f"{section.z:.5g}{unit_words(section.unit)}")
    head = (
        f"<b>{escape(section.name)}</b><br>{section.query.n_cells:,} cells, "
        f"{len(prediction.genes):,} genes at z = {depth}, "
        f"{'generated ' * (record.task == 'generate')}by {escape(record.method)}"
    )
    lines = [f"{head}{taken(record)}."]
    if hidden:
        kind = "layer" if target.get("between") == "layers" else "section"
        lines.append(f"In the place of the hidden {kind} '{escape(hidden)}'.")
    placed = PLACED.get(str(target.get("cells") or "")) if record.task == "interpolate" else ""
    if placed:
        lines.append(placed)
    far = _far(section)
    if far:
        lines.append(far)
    if prediction.draws is None and prediction.std is None:
        lines.append("The mean alone, without a spread.")
    text = paragraphs(lines)
    if record.scores:
        tier = TIERS.get(str(target.get("tier") or ""), "")
        if tier:
            text += (
                f"<p style='margin:4px 0 0 0'>Scores, {tier} (tier {escape(str(target['tier']))}):"
                "</p>"
            )
        text += score_table(record.scores, SCORES)
    return text + remarks(record, prediction)


def _far(section: VirtualSection) -> str:
    """Say how far from measured cells a result lies, where that costs trust; "" elsewhere."""
    if section.distance is None or section.confidence is None or section.confidence.min() > 0.99:
        return ""
    typical, least = np.median(section.distance), section.confidence.min()
    away = escape(f"{typical:.4g}{unit_words(section.unit)}")
    return (
        f"The nearest measured cells are {away} away (median); confidence falls to {least:.2f}, "
        "and the cells fade with it."
    )
