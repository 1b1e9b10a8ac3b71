"""What each part of `spadit` is worth: one table, each row with one part exchanged or left out.

python benchmarks/gene_parts.py [--cases osmfish,fly_bdtnp] [--folds 0,1] [--draws 32]
    [--rows NAME,...] [--seed N] [--data FOLDER] [--markdown FILE] [--json FILE]

Genes are hidden in the folds of `gene_prediction.py`, and all rows are asked for the same ones.
Rows that have the same guesses share them within a fold. `map` scores are those of averages over
50 near cells, where errors that hang together over cells show: truth and each draw are averaged,
then scored. "Best single" is the closed form with the highest Pearson on these very genes, so its
row flatters it. With `--json`, scores are kept in FILE as they are made, and those that are there
are not made again. With `--markdown`, the tables replace what stands in FILE between the lines
`<!-- parts -->` and `<!-- end of parts -->`.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from console import placed
from genes.cases import ALL, DATA, Opened, available, open_pair
from genes.unit import Unit, hidden_genes
from torch import Tensor

import napari_stdiff as st
from napari_stdiff.data.panel import Panel
from napari_stdiff.data.prediction import Prediction
from napari_stdiff.methods.genes.base import GeneMethod
from napari_stdiff.methods.genes.guesses import Guesses
from napari_stdiff.methods.genes.noise import SharedNoise
from napari_stdiff.methods.genes.registry import gene_method_class
from napari_stdiff.methods.genes.residual import Residual
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.singles import SINGLES
from napari_stdiff.methods.genes.smoothing import Neighbourhood
from napari_stdiff.methods.genes.spadit import Spadit
from napari_stdiff.methods.genes.stack import Guessed, Stack, weighted
from napari_stdiff.methods.genes.stack_network import StackNetwork
from napari_stdiff.scoring.distribution import coverage80, crps
from napari_stdiff.scoring.genes import accuracy_scores, score_genes

_NEAR = 50
SCORES = ("pcc", "ssim", "rmse", "js", "accuracy_score", "crps", "coverage80")
SHOWN = (*SCORES, "map_crps", "map_coverage80", "seconds")


class RawGuesses(Guesses):
    """Every predictor once, on the tissue as measured."""

    parts = tuple((name, "raw") for name in ("centred-knn", *SINGLES) if name != "spage-like")


class PlainGuesses(Guesses):
    """No averages over neighbours."""

    averages = ()


class Blind(Residual):
    """A denoiser whose conditions are all zero."""

    def prepare(self, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Forget the conditions, then do as always."""
        return super().prepare(cond * 0)

    def forward(self, x: Tensor, level: Tensor, cond: Tensor) -> Tensor:
        """Forget the conditions, then do as always."""
        return super().forward(x, level, cond * 0)


class WithoutViews(Spadit):
    """Predictors see the tissue as measured."""

    guesser = RawGuesses


class WithoutAverages(Spadit):
    """No guess is an average over cells."""

    guesser = PlainGuesses


class EqualWeights(Spadit):
    """All guesses count the same."""

    pull = 1e6


class WithoutNetwork(Spadit):
    """Diffusion around the stack itself."""

    def _learn(
        self, hidden: Guessed, apart: np.ndarray, truth: np.ndarray, monitor: st.Monitor
    ) -> tuple[np.ndarray, np.ndarray]:
        super()._learn(hidden, apart, truth, monitor)  # conditions are made ready there
        self.strength = 0.0
        return weighted(hidden.guesses, self.weights), apart


class WithoutConditions(Spadit):
    """Diffusion that knows nothing of an entry."""

    def _make(self) -> Residual:
        made = super()._make()
        made.__class__ = Blind  # the same weights, drawn from the same random numbers
        return made


ROWS: dict[str, type[Stack]] = {
    "spadit": Spadit,
    "without shared noise": Spadit,
    "diffusion without conditions": WithoutConditions,
    "without diffusion (`stack-network`)": StackNetwork,
    "without network": WithoutNetwork,
    "without both (`stack`)": Stack,
    "equal weights": EqualWeights,
    "without views (tissue as measured)": WithoutViews,
    "without averages over cells": WithoutAverages,
}
_ALONE = "without shared noise"


@dataclass
class Fold:
    """A fold of a pair's genes, and what rows have in common in it.

    Attributes
    ----------
    panel
        In which the genes are hidden.
    hidden, truth
        The genes, and (cells, genes) what was measured of them.
    config
        Settings of every row.
    """

    panel: Panel
    hidden: np.ndarray
    truth: np.ndarray
    config: GeneSettings
    _guessed: dict[type[Guesses], tuple[np.ndarray, Guessed]] = field(default_factory=dict)
    _full: Stack | None = None

    @classmethod
    def of(cls, opened: Opened, pair: str, number: int, config: GeneSettings) -> Fold:
        """Hide the fold with a number."""
        hidden = hidden_genes(opened, Unit(pair, "spadit", number, seed=config.seed))
        panel = opened.panel.without(hidden)
        return cls(panel, hidden, panel.scaled(opened.raw(hidden)), config)

    def fit(self, row: str) -> GeneMethod:
        """Fit a row; where only the draws differ, the full model is taken as it is."""
        if row in SINGLES:
            return gene_method_class(row)().fit(self.panel, self.config, st.Monitor())
        if row == _ALONE and self._full is not None:
            method = copy(self._full)
        else:
            method = self._fitted(ROWS[row])
        if row == "spadit":
            self._full = method
        if row == _ALONE:
            assert isinstance(method, Spadit)
            noise = method._noise
            method._noise = SharedNoise(noise.basis, np.zeros_like(noise.variances))
        return method

    def _fitted(self, kind: type[Stack]) -> Stack:
        shelf = self._guessed

        class Sharing(kind):  # type: ignore[valid-type, misc]
            def _hide(self, monitor: st.Monitor) -> tuple[np.ndarray, Guessed]:
                if self.guesser not in shelf:
                    shelf[self.guesser] = super()._hide(monitor)
                return shelf[self.guesser]

        method: Stack = Sharing().fit(self.panel, self.config, st.Monitor())
        return method

    def scores(self, method: GeneMethod) -> pd.DataFrame:
        """Return the scores of each hidden gene."""
        prediction = method.sample(self.hidden, self.config.draws, st.Monitor())
        table = score_genes(self.truth, prediction, seed=self.config.seed).per_gene
        return table.assign(**self._of_maps(prediction))

    def _of_maps(self, prediction: Prediction) -> dict[str, list[float | None]]:
        near = Neighbourhood(self.panel.coords, self.panel.section)
        truth = near.average(self.truth, _NEAR)
        assert prediction.draws is not None
        draws = np.stack([near.average(draw, _NEAR) for draw in prediction.draws])
        columns = [(truth[:, [j]], draws[:, :, [j]]) for j in range(truth.shape[1])]
        return {
            "map_crps": [crps(*pair) for pair in columns],
            "map_coverage80": [coverage80(*pair) for pair in columns],
        }


class Kept:
    """Scores that were made before, in a file: a run can be stopped and started again."""

    def __init__(self, path: Path | None, protocol: dict[str, Any]) -> None:
        self._path = path
        self._all: dict[str, Any] = {"protocol": protocol, "scores": {}}
        if path is not None and path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["protocol"] != protocol:
                raise SystemExit(f"{path} is of another protocol or code; name another file.")
            self._all = found

    def get(self, key: str) -> dict[str, Any] | None:
        """Return scores by gene and seconds."""
        found: dict[str, Any] | None = self._all["scores"].get(key)
        return found

    def add(self, key: str, table: pd.DataFrame, seconds: float) -> None:
        """Keep scores."""
        plain = table.astype(object).where(table.notna(), None)
        scores = {str(c): list(plain[c]) for c in plain}
        self._all["scores"][key] = {"per_gene": scores, "seconds": round(seconds, 1)}
        if self._path is not None:
            self._path.write_text(json.dumps(self._all, indent=1) + "\n", encoding="utf-8")


def run_rows(
    opened: Opened,
    pair: str,
    numbers: list[int],
    rows: list[str],
    config: GeneSettings,
    kept: Kept,
) -> None:
    """Make the scores of every row on the folds `numbers`, but for those that are kept."""
    for number in numbers:
        fold = Fold.of(opened, pair, number, config)
        for name in rows:
            key = f"{pair}/{number}/{name}"
            if kept.get(key) is None:
                began = process_time()
                table = fold.scores(fold.fit(name))
                kept.add(key, table, process_time() - began)
                print(f"{key}: {table['pcc'].mean():.3f} {table['crps'].mean():.4f}", flush=True)


def summed(
    pair: str, numbers: list[int], rows: list[str], kept: Kept
) -> dict[str, dict[str, Any]]:
    """Return the mean scores of every row over all genes of the folds."""
    found = {}
    for name in rows:
        parts = [kept.get(f"{pair}/{number}/{name}") for number in numbers]
        found[name] = _row([part for part in parts if part is not None])
    singles = {name: found.pop(name) for name in SINGLES if name in found}
    if singles:
        best = max(singles, key=lambda name: singles[name]["pcc"])
        found[f"best single (`{best}`)"] = singles[best]
    for name, score in accuracy_scores(found).items():
        found[name]["accuracy_score"] = score
    return found


def _row(parts: list[dict[str, Any]]) -> dict[str, Any]:
    table = pd.concat([pd.DataFrame(part["per_gene"]).astype(float) for part in parts])
    means = {name: float(np.nanmean(table[name])) for name in table if table[name].notna().any()}
    seconds = float(np.mean([part["seconds"] for part in parts]))
    return means | {"genes": len(table), "seconds": seconds}


def table_of(rows: dict[str, dict[str, Any]]) -> str:
    """Return the rows of a table in markdown."""
    lines = ["|  | " + " | ".join(SHOWN) + " |", "|---" * (len(SHOWN) + 1) + "|"]
    for name, row in rows.items():
        cells = ["-" if row.get(c) is None else _cell(c, row[c]) for c in SHOWN]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(column: str, value: float) -> str:
    return f"{value:.0f}" if column == "seconds" else f"{value:.3f}"


def source_of_genes() -> str:
    """Return a hash of the code of the methods that predict genes."""
    h = hashlib.sha256()
    for file in sorted(Path(inspect.getfile(Guesses)).parent.rglob("*.py")):
        h.update(file.name.encode() + file.read_bytes())
    return h.hexdigest()[:12]


def main() -> None:
    """Run the rows on every pair and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="osmfish,fly_bdtnp")
    parser.add_argument("--folds", default="0,1,2,3,4", help="numbers of the folds, of five")
    parser.add_argument("--rows", default="", help="parts of the names of the rows to run")
    parser.add_argument("--draws", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    wanted = [part.strip() for part in said.rows.split(",") if part.strip()]
    rows = [n for n in (*ROWS, *SINGLES) if not wanted or any(part in n for part in wanted)]
    numbers = [int(number) for number in said.folds.split(",")]
    config = GeneSettings.of(draws=said.draws, seed=said.seed, device="cpu")
    protocol = {"draws": said.draws, "seed": said.seed, "source": source_of_genes()}
    kept, tables = Kept(said.json, protocol), []
    for pair in said.cases.split(","):
        if not available(pair, said.data):
            print(f"{pair}: its files are not in {said.data}; left out.")
            continue
        opened = open_pair(pair, said.data)
        run_rows(opened, pair, numbers, rows, config, kept)
        found = summed(pair, numbers, rows, kept)
        number = next(iter(found.values()))["genes"]
        title = f"**{ALL[pair].title}**, folds {said.folds} of five, {number} hidden genes"
        tables.append(f"{title}\n\n{table_of(found)}")
        print(f"\n{tables[-1]}\n", flush=True)
    if said.markdown:
        text = said.markdown.read_text(encoding="utf-8") if said.markdown.exists() else ""
        said.markdown.write_text(placed(text, "\n\n".join(tables), "parts"), encoding="utf-8")


if __name__ == "__main__":
    main()
