"""From results of units to one account of each case: averages over seeds, tests, intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_stdiff.scoring.enrichment import enrichment_agreement, neighbourhood_enrichment
from napari_stdiff.scoring.moran import neighbour_graph

from .cases import ALL, Case
from .significance import Comparison, bootstrap_interval, compare, verdict
from .unit import SCORES, Unit, done

OURS, QUICK, PAPER = "stdiffusion", "stdiffusion-quick", "stdiffusion-paper"
DONOR = "typed-donor"
LOWER = {"nmse", "crps", "energy_distance", "moran_error"}
_NEAREST = {"coverage80": 0.8, "variance_ratio": 1.0}


@dataclass
class Row:
    """One method on one case, averaged over seeds.

    Attributes
    ----------
    method
        Id.
    scores
        Score -> mean over the seeds that have it, or None.
    seconds, memory
        CPU seconds of fit and draws, all cores together, and MiB above the loaded data.
    full_seconds
        What the full configuration takes; `seconds` where it was run in full.
    clock
        Seconds by the clock, longer where something else ran beside it.
    scaled
        Whether it was a scaled run.
    seeds
        Seeds that were run.
    arrays
        Of each seed, as its ``npz`` holds them.
    """

    method: str
    scores: dict[str, float | None]
    seconds: float
    memory: float
    full_seconds: float
    scaled: bool
    seeds: list[int]
    clock: float
    arrays: list[dict[str, np.ndarray]] = field(repr=False, default_factory=list)

    def genes(self) -> np.ndarray | None:
        """Return (genes,) Pearson correlations, averaged over seeds; None in tier C."""
        held = [a["pcc_genes"] for a in self.arrays if "pcc_genes" in a]
        return np.mean(held, axis=0) if held else None


@dataclass
class Account:
    """Everything about one case.

    Attributes
    ----------
    case
        What is hidden.
    tier, cells, n_genes
        What is given; the size of the hidden section.
    rows
        Method -> its row.
    errors
        Method and seed -> what went wrong.
    best
        Best baseline by mean per-gene Pearson, or "".
    comparisons
        Of stDiffusion with each baseline.
    interval
        Bootstrap interval of the copied donor's energy distance.
    """

    case: Case
    tier: str
    cells: int
    n_genes: int
    rows: dict[str, Row]
    errors: dict[str, str]
    best: str = ""
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    interval: tuple[float, float] | None = None

    @property
    def title(self) -> str:
        """The data set, section and distance."""
        return f"{ALL[self.case.dataset].title}, {self.case.hidden}, {self.case.distance}"

    @property
    def verdict(self) -> str:
        """How stDiffusion stands to the best baseline; "" where one of them is missing."""
        return verdict(self.comparisons[self.best]) if self.best in self.comparisons else ""

    def score(self, method: str, name: str) -> float | None:
        """Return a score of a method, or None."""
        return self.rows[method].scores.get(name) if method in self.rows else None

    def baselines(self) -> list[str]:
        """Return the methods that are neither ours nor the paper's."""
        return [m for m in self.rows if m not in (OURS, QUICK, PAPER)]


def better(score: str, a: float, b: float) -> float:
    """Return by how much `a` is better than `b`; below 0 where it is worse."""
    if score in _NEAREST:
        return abs(b - _NEAREST[score]) - abs(a - _NEAREST[score])
    return b - a if score in LOWER else a - b


def best_of(account: Account, score: str, methods: Sequence[str]) -> tuple[str, float] | None:
    """Return the best of `methods` by `score` and its value, or None."""
    held = {m: v for m in methods if (v := account.score(m, score)) is not None}
    if not held:
        return None
    first = next(iter(held))
    for method, value in held.items():
        if better(score, value, held[first]) > 0:
            first = method
    return first, held[first]


def gather(units: Sequence[Unit], work: Path) -> list[Account]:
    """Return an account of every case of which something was run."""
    accounts = []
    for case in dict.fromkeys(unit.case for unit in units):
        own = [unit for unit in units if unit.case == case]
        account = _account(case, own, work)
        if account is not None:
            accounts.append(account)
    return accounts


def _account(case: Case, units: Sequence[Unit], work: Path) -> Account | None:
    rows: dict[str, Row] = {}
    errors: dict[str, str] = {}
    seen: dict[str, Any] = {}
    truths: dict[bytes, np.ndarray] = {}
    for method in dict.fromkeys(unit.method for unit in units):
        held = []
        for unit in (u for u in units if u.method == method):
            result = done(unit, work)
            if result is None:
                continue
            if "error" in result:
                errors[f"{method}, seed {unit.seed}"] = result["error"]
                continue
            arrays = _arrays(unit, work, truths)
            if "z_truth" in arrays:
                found = enrichment_agreement(arrays["z_truth"], arrays["z_draw"])
                result["scores"]["enrichment_agreement"] = found
            held.append((result, arrays))
        if held:
            rows[method] = _row(method, held)
            seen = held[0][0]
    if not rows and not errors:
        return None
    account = Account(
        case, seen.get("tier", ""), seen.get("cells", 0), seen.get("genes", 0), rows, errors
    )
    _tests(account)
    return account


def _row(method: str, held: list[tuple[dict[str, Any], dict[str, np.ndarray]]]) -> Row:
    results = [result for result, _ in held]
    scores: dict[str, float | None] = {}
    for name in SCORES:
        known = [v for r in results if (v := r["scores"].get(name)) is not None]
        scores[name] = float(np.mean(known)) if known else None
    clock = [r["fit_seconds"] + r["sample_seconds"] for r in results]
    cpu = [r["fit_cpu_seconds"] + r["sample_cpu_seconds"] for r in results]
    # the full time is estimated by the clock; brought to CPU seconds as the scaled run's are
    known_full = [
        r["facts"]["full_seconds_estimated"] * own / by
        for r, own, by in zip(results, cpu, clock, strict=True)
        if _scaled(r["facts"])
    ]
    seconds = float(np.mean(cpu))
    return Row(
        method,
        scores,
        seconds,
        float(np.mean([r["peak_mib"] for r in results])),
        float(np.mean(known_full)) if known_full else seconds,
        bool(known_full),
        [r["seed"] for r in results],
        float(np.mean(clock)),
        [arrays for _, arrays in held],
    )


def _scaled(facts: Mapping[str, Any]) -> bool:
    """Tell whether a paper's configuration was run smaller than it is printed."""
    full = facts.get("full_configuration", {})
    return any(facts.get(name) != size for name, size in full.items())


def _arrays(unit: Unit, work: Path, truths: dict[bytes, np.ndarray]) -> dict[str, np.ndarray]:
    """Read what a unit left, and add the neighbourhood enrichment, which is kept beside it."""
    place = work / f"{unit.key}.npz"
    if not place.exists():
        return {}
    arrays = dict(np.load(place))
    if "labels" not in arrays:
        return arrays
    kept = place.with_suffix(".enrichment.npz")
    if kept.exists() and kept.stat().st_mtime >= place.stat().st_mtime:
        return arrays | dict(np.load(kept))
    n = len(arrays["label_names"])
    key = arrays["truth_labels"].tobytes() + arrays["truth_coords"].tobytes()
    if key not in truths:
        graph = neighbour_graph(arrays["truth_coords"])
        truths[key] = neighbourhood_enrichment(arrays["truth_labels"], n, graph)
    graph = neighbour_graph(arrays["coords"])
    found = {
        "z_truth": truths[key],
        "z_draw": neighbourhood_enrichment(arrays["labels"], n, graph),
    }
    np.savez_compressed(kept, **found)  # type: ignore[arg-type]
    return arrays | found


def _tests(account: Account) -> None:
    """Fill in the best baseline, the tests over genes and the copied donor's interval."""
    found = best_of(account, "pcc", account.baselines())
    account.best = found[0] if found else ""
    ours = account.rows[OURS].genes() if OURS in account.rows else None
    if ours is not None:
        others = {m: g for m in account.baselines() if (g := account.rows[m].genes()) is not None}
        account.comparisons = {c.other: c for c in compare(ours, others)}
    if DONOR in account.rows:
        held = [a for a in account.rows[DONOR].arrays if a.get("energy", np.zeros(0)).size]
        if held:
            values = np.concatenate([a["energy"] for a in held])
            account.interval = bootstrap_interval(values, held[0]["energy_cells"])
