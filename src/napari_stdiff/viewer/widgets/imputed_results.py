"""The imputed values of a session: what each run says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np

from ...data.imputed import Imputed
from ...data.predicted import BADGES
from ..imputations import Imputations
from ..saving import Kept
from .result_list import ResultList, paragraphs, remarks, taken

# Methods that every run is compared with -> what they fill in.
SIMPLE = {"mean": "gene's mean", "spatial-knn": "near spots", "soft-svd": "low rank"}
SHOWN = {"pcc": "Pearson", "cosine": "cosine", "rmse": "RMSE", "mae": "MAE"}
HELP = (
    "<p>In every run some measured values are hidden and predicted from all the rest. The table "
    "compares these predictions with what was measured, beside three simple ways to fill in; each "
    "figure is a mean over genes.<br>"
    "<b>Pearson</b>, <b>cosine</b>: how well high and low values are told apart; 1 is perfect, "
    "the gene's mean has a Pearson of 0.<br>"
    "<b>RMSE</b>, <b>MAE</b>: how far off a value is, in standard deviations of the gene; 0 is "
    "perfect.<br>"
    "<b>80 % intervals</b>: mean ± 1.28 spreads; they are honest where they hold 80 % of the "
    "hidden values.</p>"
)


class ImputedResults(ResultList[Imputed]):
    """The runs that filled in values."""

    def __init__(self, known: Imputations) -> None:
        super().__init__(HELP)
        self._known = known
        known.saved.connect(self.redescribe)
        self.refresh()

    @property
    def kept(self) -> Kept[Imputed]:
        """The runs."""
        return self._known.kept

    def describe(self, result: Imputed) -> str:
        """Put a run into a few lines."""
        return describe(result)

    def discard(self, name: str) -> None:
        """Remove a run."""
        self._known.remove(name)

    def choose(self, name: str) -> None:
        """Show the genes as the selected run has them, where several runs have them."""
        self._known.prefer(name)


def describe(result: Imputed) -> str:
    """Put a run into a few lines of rich text: what it is, how good it is, notes."""
    record = result.record
    n, filled = len(result.genes), int(result.filled.sum())
    share = f"{filled:,} of {result.filled.size:,} values ({filled / result.filled.size:.0%})"
    head = (
        f"<b>{escape(result.name)}</b><br>{share} of {n:,} gene{'s' * (n != 1)} filled in by "
        f"{escape(record.method)}"
    )
    reference = Path(str(record.target.get("reference") or "")).name
    if Path(reference).suffix:  # a file or a store; a table in memory has no name
        head += f", with {escape(reference)}"
    badges = result.reliability.badges
    counts = ", ".join(f"{int(np.sum(badges == badge)):,} {badge}" for badge in BADGES)
    lines = [f"{head}{taken(record)}.", *_checked(result), f"Reliability of genes: {counts}."]
    text = paragraphs(lines) + _table(record.method, result.scores) + _clusters(result)
    # what the check came to stands above; of the rest each remark
    notes = tuple(note for note in record.notes if not note.startswith("Held-out check"))
    return text + remarks(record.model_copy(update={"notes": notes}), result.prediction)


def _checked(result: Imputed) -> list[str]:
    """Say in words what came of the values that were hidden."""
    own = result.scores.get(result.record.method, {})
    pcc, n = own.get("pcc"), int(result.checked.sum())
    if pcc is None:
        return ["How good: too few hidden values, or too alike, to say."]
    best = max(
        (
            (score, words)
            for name, words in SIMPLE.items()
            if (score := result.scores.get(name, {}).get("pcc")) is not None
            and name != result.record.method
        ),
        default=None,
    )
    said = f"How good: {n:,} measured values were hidden, and predicted with r {pcc:.2f}"
    if best is not None:
        better = "better than" if pcc > best[0] else "no better than"
        said += f", {better} the best simple way ({best[1]}, {best[0]:.2f})"
    covered = own.get("coverage80")
    holds = "" if covered is None else f" The 80 % intervals hold {covered:.0%} of them."
    return [f"{said}.{holds}"]


def _table(method: str, scores: Mapping[str, Mapping[str, float | None]]) -> str:
    """Return the scores on hidden values, a row a method, as rich text."""
    cell = "<td align='right' style='padding-left:5px'>"
    head = "".join(f"{cell}{title}</td>" for title in SHOWN.values())
    rows = [f"<tr><td></td>{head}</tr>"]
    for name, values in scores.items():
        title = name if name == method else SIMPLE.get(name, name)
        bold = ("<b>", "</b>") if name == method else ("", "")
        cells = "".join(f"{cell}{_number(values.get(key), bold)}</td>" for key in SHOWN)
        named = f"{bold[0]}{escape(title, quote=False)}{bold[1]}"
        rows.append(f"<tr><td style='white-space:nowrap'>{named}</td>{cells}</tr>")
    return f"<table style='margin:3px 0'>{''.join(rows)}</table>" if scores else ""


def _clusters(result: Imputed) -> str:
    """Say how well clusters match the annotated types before and after; "" without any."""
    known = result.clusters
    parts = [
        f"{key.upper()} {before:.2f} → {after:.2f}"
        for key, before in known.get("before", {}).items()
        if before is not None and (after := known.get("after", {}).get(key)) is not None
    ]
    if not parts:
        return ""
    return paragraphs(
        [f"Clusters against the annotated types, before → after: {', '.join(parts)}."]
    )


def _number(value: float | None, around: tuple[str, str]) -> str:
    # adding zero takes the sign off what rounds to it
    return "–" if value is None else f"{around[0]}{round(value, 2) + 0.0:.2f}{around[1]}"
