"""The predicted genes of a session: what each run says about itself."""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np

from ...data.predicted import BADGE_FROM, BADGES, PredictedGenes
from ..predictions import Predictions
from ..saving import Kept
from .result_list import ResultList, paragraphs, remarks, score_table, taken

SCORES = {
    "held_out_pcc": "Pearson of hidden genes, mean",
    "held_out_pcc_median": "\u2003median",
    "reliability_spearman": "Expected and reached, Spearman",
    "coverage80": "80 % interval covers",
}
HELP = (
    "<p>Before anything is predicted, the genes that tissue and reference share are hidden in "
    "turn and predicted from the others.<br>"
    "<b>Pearson of hidden genes</b>: over cells; what a gene like them can hope for.<br>"
    "<b>Expected and reached</b>: whether the reliability puts genes in the right order; 1 is "
    "perfect.<br>"
    "<b>80 % interval covers</b>: 0.8 is honest.</p>"
)


class GeneResults(ResultList[PredictedGenes]):
    """The runs that predicted genes."""

    def __init__(self, known: Predictions) -> None:
        super().__init__(HELP)
        self._known = known
        known.saved.connect(self.redescribe)
        self.refresh()

    @property
    def kept(self) -> Kept[PredictedGenes]:
        """The runs."""
        return self._known.kept

    def describe(self, result: PredictedGenes) -> str:
        """Put a run into a few lines."""
        return describe(result)

    def discard(self, name: str) -> None:
        """Remove a run."""
        self._known.remove(name)

    def choose(self, name: str) -> None:
        """Show the genes as the selected run has them, where several runs have them."""
        self._known.prefer(name)


def describe(result: PredictedGenes) -> str:
    """Put a run into a few lines of rich text: what it is, how far to trust it, notes."""
    record = result.record
    n = len(result.genes)
    head = (
        f"<b>{escape(result.name)}</b><br>{n:,} gene{'s' * (n != 1)} in {len(result.names):,} "
        f"cells, predicted by {escape(record.method)}"
    )
    reference = Path(str(record.target.get("reference") or "")).name
    if Path(reference).suffix:  # a file or a store; a table in memory has no name
        head += f" from {escape(reference)}"
    badges = result.reliability.badges
    counts = [f"{int(np.sum(badges == badge)):,} {badge}" for badge in BADGES]
    lines = [
        f"{head}{taken(record)}.",
        f"Reliability: {', '.join(counts)} (high: expected Pearson {BADGE_FROM['high']:g} or "
        f"more, medium: {BADGE_FROM['medium']:g} or more).",
    ]
    scores = score_table(record.scores, SCORES)
    return paragraphs(lines) + scores + remarks(record, result.prediction)
