"""What stDiffusion has to reach, whether it does, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .summary import OURS, PAPER, QUICK, Account, best_of, better

LARGE = "merfish"
SMALL = ("breast", "breast-aligned", "heart", "synovium", "olfactory-aligned", "starmap")
_NAMES = {"pcc": "per-gene Pearson", "pcc_binned": "binned Pearson", "crps": "CRPS"}
_SHARE = 20


@dataclass(frozen=True)
class Bar:
    """One thing to reach.

    Attributes
    ----------
    title
        What.
    met
        Whether; None where it was not measured.
    summary
        How many of how many, in a sentence.
    lines
        Each case, with the margin.
    """

    title: str
    met: bool | None
    summary: str
    lines: tuple[str, ...]


def bars(accounts: Sequence[Account]) -> list[Bar]:
    """Return every bar, measured on what is there."""
    return [_first(accounts), _small(accounts), _energy(accounts), _quick(accounts)]


def _first(accounts: Sequence[Account]) -> Bar:
    title = "First in binned and per-gene Pearson and in CRPS on every section of MERFISH"
    lines, reached = [], []
    for account in (a for a in accounts if a.case.dataset == LARGE and OURS in a.rows):
        for score, name in _NAMES.items():
            own = account.score(OURS, score)
            rest = best_of(account, score, [*account.baselines(), PAPER])
            if own is None or rest is None:
                continue
            margin = better(score, own, rest[1])
            reached.append(margin >= 0)
            place = "first" if margin >= 0 else "missed"
            lines.append(
                f"{account.case.hidden} {account.case.distance}, {name}: {place} "
                f"({own:.4f}; {rest[0]} {rest[1]:.4f}; {margin:+.4f} better)"
            )
    return _bar(title, reached, lines, "first in")


def _small(accounts: Sequence[Account]) -> Bar:
    title = "On the small stacks not significantly below the best baseline anywhere, first on most"
    lines, verdicts = [], []
    for account in (a for a in accounts if a.case.dataset in SMALL and a.verdict):
        found = account.comparisons[account.best]
        verdicts.append(account.verdict)
        lines.append(
            f"{account.title}: {account.verdict} (best baseline {found.other}; mean difference "
            f"{found.difference:+.4f} over {found.genes} genes, p = {found.p:.2g})"
        )
    if not verdicts:
        return Bar(title, None, "Not measured.", ())
    first, below = verdicts.count("first"), verdicts.count("below")
    met = below == 0 and first > len(verdicts) / 2
    text = f"First on {first} of {len(verdicts)}, significantly below on {below}."
    return Bar(title, met, text, tuple(lines))


def _energy(accounts: Sequence[Account]) -> Bar:
    title = "Energy distance of the draws not above the bootstrap interval of a copied donor's"
    lines, reached = [], []
    for account in accounts:
        own = account.score(OURS, "energy_distance")
        if own is None or account.interval is None:
            continue
        low, high = account.interval
        reached.append(own <= high)
        lines.append(
            f"{account.title}: {own:.4f} against {low:.4f} to {high:.4f} ({high - own:+.4f} left)"
        )
    return _bar(title, reached, lines, "not above in")


def _quick(accounts: Sequence[Account]) -> Bar:
    """Judge the fastest setting of stDiffusion that scores no less, in CPU seconds on both sides.

    Both are counted with the fit and with all draws.
    """
    title = f"The score of the paper's configuration in at most 1/{_SHARE} of its time"
    lines, reached = [], []
    for account in (a for a in accounts if PAPER in a.rows):
        paper = account.rows[PAPER]
        theirs = paper.scores["pcc"]
        own = {m: s for m in (OURS, QUICK) if (s := account.score(m, "pcc")) is not None}
        if not own or theirs is None:
            continue
        enough = [m for m, score in own.items() if score >= theirs]
        name = min(enough or own, key=lambda m: account.rows[m].seconds)
        ours = account.rows[name].seconds
        times = paper.full_seconds / max(ours, 1e-9)
        reached.append(bool(enough) and times >= _SHARE)
        scaled = " of a scaled run, full time extrapolated" if paper.scaled else ""
        lines.append(
            f"{account.title}: {name}, per-gene Pearson {own[name]:.4f} in {ours:.1f} CPU s; "
            f"paper {theirs:.4f}{scaled} in {paper.full_seconds:.0f} CPU s "
            f"({times:.1f} times as long)"
        )
    return _bar(title, reached, lines, "reached in")


def _bar(title: str, reached: Sequence[bool], lines: Sequence[str], word: str) -> Bar:
    if not reached:
        return Bar(title, None, "Not measured.", ())
    text = f"{word[0].upper()}{word[1:]} {sum(reached)} of {len(reached)}."
    return Bar(title, all(reached), text, tuple(lines))


def spoken(found: Sequence[Bar]) -> list[str]:
    """Return the bars as lines of Markdown."""
    lines = []
    for bar in found:
        word = {True: "met", False: "missed", None: "not measured"}[bar.met]
        lines.append(f"- {bar.title}: **{word}**. {bar.summary}")
        lines += [f"  - {line}" for line in bar.lines]
    return lines
