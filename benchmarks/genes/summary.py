"""From results of units to one account of each pair: scores of all genes, ranks, tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stacks.significance import Comparison, compare

from napari_stdiff.methods.genes.held_out import HeldOut
from napari_stdiff.scoring.genes import GeneScores, accuracy_scores, robustness
from napari_stdiff.tasks.reliability import Assessor

from .cases import ALL, open_pair
from .unit import Unit, done, place, scores_of

OURS = "spadit"
STACKS = ("stack", "stack-network")
PAPER = "spadit-paper"
LOWER = {"rmse", "rmse_z", "js", "crps"}


@dataclass
class Row:
    """One method on one pair.

    Attributes
    ----------
    method
        Id.
    scores
        Over the genes of `folds`.
    folds
        Folds that were run.
    fit_seconds, sample_seconds, cpu_seconds, memory
        A fold's mean, and the most MiB above the loaded data.
    parameters
        Trainable.
    facts
        Of the first fold.
    unmoved
        Whether noise in the place of the hidden genes left what the method saw as it was.
    units
        Fold -> its unit.
    """

    method: str
    scores: GeneScores
    folds: list[int]
    fit_seconds: float
    sample_seconds: float
    cpu_seconds: float
    memory: float
    parameters: int
    facts: dict[str, Any]
    unmoved: bool
    units: dict[int, Unit] = field(repr=False, default_factory=dict)

    @property
    def seconds(self) -> float:
        """Of fit and prediction."""
        return self.fit_seconds + self.sample_seconds

    @property
    def pcc(self) -> dict[str, float]:
        """Gene -> Pearson."""
        return {str(g): float(v) for g, v in self.scores.per_gene["pcc"].items()}

    def on(self, folds: Sequence[int], genes: Mapping[int, list[str]]) -> GeneScores:
        """Return the scores over the genes of some folds alone."""
        wanted = [g for fold in folds for g in genes[fold]]
        per_gene = self.scores.per_gene
        counts = self.scores.counts
        return GeneScores(per_gene[per_gene.index.isin(wanted)], counts[counts.index.isin(wanted)])


@dataclass
class Account:
    """Everything about one pair.

    Attributes
    ----------
    pair
        Key in `cases.ALL`.
    sizes
        ``cells``, ``genes``, ``reference_cells``.
    folds
        How many there are.
    genes
        Fold -> its genes.
    rows
        Method -> its row, methods that ran all folds first.
    means
        Method -> score -> mean over all genes of its folds, ``accuracy_score`` for methods that
        ran all folds, ``reliability_spearman``.
    comparisons
        Of ours with each method, over the genes that both have.
    thinned
        Share of counts removed -> method -> mean Pearson and robustness score.
    stepped
        Sampling steps -> Pearson and CRPS of ours.
    errors
        What went wrong.
    """

    pair: str
    sizes: dict[str, int]
    folds: int
    genes: dict[int, list[str]]
    rows: dict[str, Row]
    means: dict[str, dict[str, float | None]]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    thinned: dict[float, dict[str, dict[str, float | None]]] = field(default_factory=dict)
    stepped: dict[int, dict[str, float | None]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """As tables call it."""
        return ALL[self.pair].title

    def whole(self) -> list[str]:
        """Return the methods that ran all folds."""
        return [m for m, row in self.rows.items() if len(row.folds) == self.folds]

    def partial(self) -> list[str]:
        """Return the methods that ran some of the folds."""
        return [m for m in self.rows if m not in self.whole()]

    def score(self, method: str, name: str) -> float | None:
        """Return a score of a method, or None."""
        return self.means.get(method, {}).get(name)

    def best(self, name: str, methods: Sequence[str]) -> tuple[str, float] | None:
        """Return the best of `methods` by a score, or None where none has it."""
        held = {m: v for m in methods if (v := self.score(m, name)) is not None}
        if not held:
            return None
        sign = -1 if name in LOWER else 1
        first = max(held, key=lambda m: sign * held[m])
        return first, held[first]


def gather(
    units: Sequence[Unit],
    fewer: Sequence[Unit],
    steps: Mapping[int, Sequence[Unit]],
    work: Path,
    data: Path,
) -> list[Account]:
    """Return an account of every pair of which something was run.

    Parameters
    ----------
    units, fewer
        Of the comparison, and on thinned counts.
    steps
        Number of sampling steps -> units with it.
    work, data
        Folders of the results and of the pairs.
    """
    accounts = []
    for pair in dict.fromkeys(unit.pair for unit in units):
        rows, errors = _rows([u for u in units if u.pair == pair], work)
        if not rows and not errors:
            continue
        account = _account(pair, rows, errors, work)
        if rows:
            _reliability(account, work, data)
            _thin(account, [u for u in fewer if u.pair == pair], work)
            for n, some in steps.items():
                _step(account, n, [u for u in some if u.pair == pair], work)
        accounts.append(account)
    return accounts


def _rows(units: Sequence[Unit], work: Path) -> tuple[dict[str, Row], dict[str, str]]:
    rows: dict[str, Row] = {}
    errors: dict[str, str] = {}
    for method in dict.fromkeys(unit.method for unit in units):
        held: dict[int, tuple[Unit, dict[str, Any]]] = {}
        for unit in (u for u in units if u.method == method):
            result = done(unit, work)
            if result is None:
                continue
            if "error" in result:
                errors[f"{method}, fold {unit.fold}"] = result["error"]
            else:
                held[unit.fold] = (unit, result)
        if held:
            rows[method] = _row(method, held)
    return rows, errors


def _row(method: str, held: Mapping[int, tuple[Unit, dict[str, Any]]]) -> Row:
    results = [result for _, result in held.values()]

    def mean(name: str) -> float:
        return float(np.mean([r[name] for r in results]))

    return Row(
        method,
        scores_of(results),
        list(held),
        mean("fit_seconds"),
        mean("sample_seconds"),
        mean("fit_cpu_seconds") + mean("sample_cpu_seconds"),
        max(r["peak_mib"] for r in results),
        results[0]["parameters"],
        results[0]["facts"],
        all(r["unmoved_by_hidden"] for r in results),
        {fold: unit for fold, (unit, _) in held.items()},
    )


def _account(pair: str, rows: dict[str, Row], errors: dict[str, str], work: Path) -> Account:
    genes: dict[int, list[str]] = {}
    sizes: dict[str, int] = {}
    folds = 0
    for row in rows.values():
        for fold, unit in row.units.items():
            result = done(unit, work)
            assert result is not None
            genes[fold], folds = result["genes"], unit.folds
            sizes = {k: result[k] for k in ("cells", "reference_cells")}
            sizes["genes"] = result["visible_genes"] + len(result["genes"])
    order = sorted(rows, key=lambda m: len(rows[m].folds) < folds)
    account = Account(pair, sizes, folds, genes, {m: rows[m] for m in order}, {}, errors=errors)
    account.means = {m: row.scores.means for m, row in account.rows.items()}
    ranks = accuracy_scores({m: account.means[m] for m in account.whole()})
    for method, value in ranks.items():
        account.means[method]["accuracy_score"] = value
    account.comparisons = _compared(account)
    return account


def _compared(account: Account) -> dict[str, Comparison]:
    """Test ours against every other, gene by gene; a peer on the genes of its folds."""
    if OURS not in account.rows:
        return {}
    ours = pd.Series(account.rows[OURS].pcc)
    others = {
        method: pd.Series(row.pcc).reindex(ours.index).to_numpy()
        for method, row in account.rows.items()
        if method != OURS
    }
    return {c.other: c for c in compare(ours.to_numpy(), others)}


def _reliability(account: Account, work: Path, data: Path) -> None:
    """Add how well the Pearson that is expected of a gene agrees with the one it reaches."""
    opened = None
    for method in account.whole():
        row = account.rows[method]
        kept = work / f"{next(iter(row.units.values())).key.rsplit('/', 1)[0]}/reliability.json"
        mean, genes, fold = predicted(row, work)
        newest = max(place(u, work, ".npz").stat().st_mtime for u in row.units.values())
        if not kept.exists() or kept.stat().st_mtime < newest:
            opened = opened or open_pair(account.pair, data)
            panel = opened.panel
            order = [genes.index(str(g)) for g in panel.genes]
            found = Assessor.fit(panel, HeldOut(mean[:, order], None, fold[order]))
            kept.write_text(json.dumps(found.scores) + "\n")
        said = json.loads(kept.read_text())
        account.means[method]["reliability_spearman"] = said.get("reliability_spearman")


def _thin(account: Account, units: Sequence[Unit], work: Path) -> None:
    for share in sorted({u.removed for u in units}):
        rows, errors = _rows([u for u in units if u.removed == share], work)
        account.errors |= {f"{who}, {share:.0%} removed": what for who, what in errors.items()}
        found = {}
        for method, row in rows.items():
            whole = account.rows.get(method)
            if whole is None or row.folds != whole.folds:
                continue
            found[method] = {
                "pcc": row.scores.means["pcc"],
                "robustness": robustness(whole.pcc, row.pcc),
            }
        if found:
            account.thinned[share] = found


def _step(account: Account, steps: int, units: Sequence[Unit], work: Path) -> None:
    rows, errors = _rows(units, work)
    account.errors |= {f"{who}, {steps} steps": what for who, what in errors.items()}
    for row in rows.values():
        if len(row.folds) == account.folds:
            means = row.scores.means
            account.stepped[steps] = {k: means[k] for k in ("pcc", "crps")}


def predicted(row: Row, work: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return (cells, genes) what a method predicted, the genes, and the fold of each."""
    parts, genes, folds = [], [], []
    for fold, unit in row.units.items():
        arrays = np.load(place(unit, work, ".npz"))
        parts.append(arrays["mean"].astype(np.float32))
        genes += [str(g) for g in arrays["genes"]]
        folds += [fold] * len(arrays["genes"])
    return np.hstack(parts), genes, np.array(folds)
