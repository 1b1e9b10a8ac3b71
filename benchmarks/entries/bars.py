"""What `stmcdi` and `spotdiff` have to reach, whether they do, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from stacks.bars import Bar, spoken

from .cases import ALL, CASES, FIRST, WITH
from .summary import AVERAGE, OURS, PAPERS, SINGLES, STACKS, Account, best, sign

GAIN, LIMIT, SHARE = 0.10, 180.0, 20.0
LOW, HIGH = 0.76, 0.84
_FEW = 0.01  # share of entries under which zeros or non-zeros are not judged
_NAMES = {"pcc": "Pearson", "rmse": "RMSE", "crps": "CRPS"}
_BASELINES = (*SINGLES, AVERAGE)


def bars(accounts: Sequence[Account]) -> list[Bar]:
    """Return every bar, measured on what is there."""
    measured = [a for a in accounts if any(m in a.first for m in OURS)]
    return [
        _first(measured),
        _gain(measured),
        _floors(measured),
        _singles(measured),
        _reference(measured),
        _apart(measured),
        _thinning(accounts),
        _covers(measured),
        _guard(accounts),
        _starmap(measured),
        _papers(measured),
    ]


def _first(accounts: Sequence[Account]) -> Bar:
    title = (
        "With 30 % of all entries hidden the better of stmcdi and spotdiff is first in Pearson, "
        "RMSE and CRPS of all methods run, on every data set (not below the stacks)"
    )
    reached, lines = [], []
    for account in accounts:
        for score, name in _NAMES.items():
            own = best(account.first, score, OURS)
            rest = best(account.first, score, [m for m in account.first if m not in OURS])
            if own is None or rest is None:
                continue
            margin = sign(score) * (own[1] - rest[1]) + 0.0  # no minus before a zero
            good = margin >= 0 if rest[0] in STACKS else margin > 0
            reached.append(good)
            lines.append(
                f"{account.title}, {name}: {'first' if good else 'missed'} ({own[0]} "
                f"{own[1]:.4f}; {rest[0]} {rest[1]:.4f}; {margin:+.4f} better)"
            )
    return _bar(title, reached, lines, "first in")


def _gain(accounts: Sequence[Account]) -> Bar:
    title = f"Over the data sets at least {GAIN:.0%} more Pearson than the average of three"
    lines, ours, theirs = [], [], []
    tissues: dict[str, Account] = {}  # once each: with its reference, where that was run
    for account in (a for a in accounts if a.case in CASES):
        tissues[account.case.removesuffix(WITH)] = account
    for account in tissues.values():
        own, base = best(account.first, "pcc", OURS), best(account.first, "pcc", [AVERAGE])
        if own is None or base is None:
            continue
        ours.append(own[1])
        theirs.append(base[1])
        lines.append(
            f"{account.title}: {own[0]} {own[1]:.4f} against {base[1]:.4f} "
            f"({own[1] / base[1] - 1:+.1%})"
        )
    if not ours:
        return Bar(title, None, "Not measured.", ())
    gain = mean(ours) / mean(theirs) - 1
    each = mean(a / b - 1 for a, b in zip(ours, theirs, strict=True))
    text = f"{gain:+.1%} of the mean over {len(ours)} data sets; {each:+.1%} on average."
    return Bar(title, gain >= GAIN, text, tuple(lines))


def _floors(accounts: Sequence[Account]) -> Bar:
    named = [a for a in accounts if ALL[a.case].bar]
    title = "Pearson of at least " + ", ".join(
        f"{case.bar:g} on {case.title}" for case in CASES.values() if case.bar
    )
    reached, lines = [], []
    for account in named:
        own = best(account.first, "pcc", OURS)
        if own is None:
            continue
        case = ALL[account.case]
        reached.append(own[1] >= case.bar)
        lines.append(
            f"{account.title}: {own[0]} {own[1]:.4f} against {case.bar:g} "
            f"(average of three in the first try {case.average:g})"
        )
    found = _bar(title, reached, lines, "reached in")
    missing = sum(bool(case.bar) for case in CASES.values()) - len(reached)
    if not reached or not missing or not found.met:
        return found
    return Bar(title, None, f"{found.summary} {missing} not run yet.", found.lines)


def _singles(accounts: Sequence[Account]) -> Bar:
    title = "Each of the two beats every single-method baseline in Pearson"
    reached, lines = [], []
    for account in accounts:
        rest = best(account.first, "pcc", SINGLES)
        for method in OURS:
            own = best(account.first, "pcc", [method])
            if own is None or rest is None:
                continue
            reached.append(own[1] > rest[1])
            lines.append(
                f"{account.title}, {method}: {own[1]:.4f} against {rest[0]} {rest[1]:.4f}"
            )
    return _bar(title, reached, lines, "reached in")


def _reference(accounts: Sequence[Account]) -> Bar:
    title = "spotdiff beats stmcdi where there is a reference"
    reached, lines = [], []
    for account in (a for a in accounts if a.referred):
        own, other = (account.first.get(m) for m in ("spotdiff", "stmcdi"))
        if own is None or other is None:
            continue
        a, b = own.score("pcc"), other.score("pcc")
        if a is None or b is None:
            continue
        test = account.comparisons("spotdiff")["stmcdi"]
        reached.append(a > b)
        lines.append(
            f"{account.title}: {a:.4f} against {b:.4f} ({a - b:+.4f}, better in "
            f"{test.better:.0%} of the genes, p = {test.p:.2g} of all comparisons)"
        )
    return _bar(title, reached, lines, "reached in")


def _apart(accounts: Sequence[Account]) -> Bar:
    title = (
        "Zeros and non-zeros apart: neither of the two loses to a baseline (RMSE and CRPS of "
        "either, Pearson of the non-zeros)"
    )
    reached, lines = [], []
    for account in accounts:
        for score in (
            "zeros.rmse",
            "zeros.crps",
            "nonzeros.pcc",
            "nonzeros.rmse",
            "nonzeros.crps",
        ):
            part = score.partition(".")[0]
            rest = best(account.first, score, _BASELINES)
            for method in OURS:
                row = account.first.get(method)
                own = row.score(score) if row else None
                if own is None or rest is None or row is None or _share(row.result, part) < _FEW:
                    continue
                good = sign(score) * (own - rest[1]) >= 0
                reached.append(good)
                if not good:
                    lines.append(
                        f"{account.title}, {method}, {score.replace('.', ', ')}: {own:.4f} "
                        f"against {rest[0]} {rest[1]:.4f}"
                    )
    return _bar(title, reached, lines, "held in")


def _share(result, part: str) -> float:
    counts = {name: result[name]["entries"] for name in ("zeros", "nonzeros")}
    return counts[part] / max(sum(counts.values()), 1)


def _thinning(accounts: Sequence[Account]) -> Bar:
    title = "On halves of the counts (thinning) neither of the two loses to a baseline"
    reached, lines = [], []
    for account in accounts:
        rows = account.protocols.get("thinning", {})
        for score in ("pcc", "rmse"):
            rest = best(rows, score, _BASELINES)
            for method in OURS:
                own = best(rows, score, [method])
                if own is None or rest is None:
                    continue
                good = sign(score) * (own[1] - rest[1]) >= 0
                reached.append(good)
                lines.append(
                    f"{account.title}, {method}, {_NAMES[score]}: {own[1]:.4f} against {rest[0]} "
                    f"{rest[1]:.4f}"
                )
    return _bar(title, reached, lines, "held in")


def _covers(accounts: Sequence[Account]) -> Bar:
    title = "80 % intervals cover 76 to 84 % by randomised PIT"
    reached, lines = [], []
    for account in accounts:
        for method in OURS:
            row = account.first.get(method)
            share = row.score("coverage80") if row else None
            if row is None or share is None:
                continue
            reached.append(LOW <= share <= HIGH)
            parts = []
            for part in ("zeros", "nonzeros"):
                own = row.score(f"{part}.coverage80")
                perfect = row.score(f"{part}.coverage80_expected")
                if own is not None and perfect is not None:
                    parts.append(f"{part} {own:.1%}, a perfect forecast as wide {perfect:.1%}")
            lines.append(f"{account.title}, {method}: {share:.1%} ({'; '.join(parts)})")
    return _bar(title, reached, lines, "reached in")


def _guard(accounts: Sequence[Account]) -> Bar:
    title = "Hidden entries replaced by noise change nothing that a method sees"
    rows = [
        (a, row)
        for a in accounts
        for some in (
            *a.protocols.values(),
            *({m: r} for m, s in a.swept.items() for r in s.values()),
        )
        for row in some.values()
    ]
    reached = [bool(row.result["unmoved_by_hidden"]) for _, row in rows]
    moved = [
        f"{a.title}, {row.method}, {row.unit.protocol}"
        for a, row in rows
        if not row.result["unmoved_by_hidden"]
    ]
    return _bar(title, reached, moved, "held in")


def _starmap(accounts: Sequence[Account]) -> Bar:
    title = (
        f"STARmap (1549 cells x 1020 genes) under {LIMIT / 60:g} minutes on 2 cores, fit included"
    )
    reached, lines = [], []
    for account in (a for a in accounts if a.case == "starmap"):
        for method in OURS:
            row = account.first.get(method)
            if row is not None:
                reached.append(row.cpu_seconds < LIMIT)
                lines.append(
                    f"{method}: {row.cpu_seconds:.0f} s of one core (on the clock, with what else "
                    f"ran, {row.seconds:.0f} s)"
                )
    return _bar(title, reached, lines, "reached by")


def _papers(accounts: Sequence[Account]) -> Bar:
    title = (
        f"Each default reaches the Pearson of its -paper in at most a {SHARE:g}th of the time "
        "that takes in full (processor seconds; scaled run, extrapolated time)"
    )
    reached, lines = [], []
    for account in accounts:
        for method, paper in zip(OURS, PAPERS, strict=True):
            own, other = account.first.get(method), account.first.get(paper)
            if own is None or other is None:
                continue
            a, b = own.score("pcc"), other.score("pcc")
            if a is None or b is None:
                continue
            full = other.full_seconds or other.cpu_seconds
            times = full / max(own.cpu_seconds, 1e-9)
            reached.append(a >= b and times >= SHARE)
            lines.append(
                f"{account.title}, {method}: {a:.4f} in {own.cpu_seconds:.0f} s; {paper} "
                f"{b:.4f}{' (scaled run)' if other.scaled else ''}, {full:.0f} s in full "
                f"({times:.0f} times)"
            )
    return _bar(title, reached, lines, "reached in")


def _bar(title: str, reached: Sequence[bool], lines: Sequence[str], word: str) -> Bar:
    if not reached:
        return Bar(title, None, "Not measured.", ())
    text = f"{word[0].upper()}{word[1:]} {sum(reached)} of {len(reached)}."
    return Bar(title, all(reached), text, tuple(lines))


__all__ = ["FIRST", "Bar", "bars", "spoken"]
