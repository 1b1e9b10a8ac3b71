"""The table of what each part of the default gene model is worth: rows, kept scores, the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import napari_stdiff as st
from napari_stdiff.methods.genes import spadit, stack_network
from napari_stdiff.methods.genes.settings import GeneSettings

parts = pytest.importorskip("gene_parts", reason="the benchmarks are not here")

from genes.cases import ALL, DATA, open_pair  # noqa: E402


def table(pcc: float, n: int = 3) -> pd.DataFrame:
    scores = {"pcc": pcc, "ssim": pcc, "rmse": 1 - pcc, "js": 1 - pcc, "crps": 1 - pcc}
    return pd.DataFrame({name: [value] * n for name, value in scores.items()})


def test_scores_are_kept_and_of_one_protocol(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    kept = parts.Kept(path, {"seed": 0})
    kept.add("quick/0/stack", table(0.4), 1.23)
    again = parts.Kept(path, {"seed": 0})
    assert again.get("quick/0/stack")["seconds"] == 1.2
    assert again.get("quick/1/stack") is None
    with pytest.raises(SystemExit, match="another protocol"):
        parts.Kept(path, {"seed": 1})


def test_folds_are_one_table_and_the_best_single_is_named() -> None:
    kept = parts.Kept(None, {})
    for name, pcc in (("spadit", 0.5), ("ridge", 0.3), ("knn", 0.4)):
        kept.add(f"quick/0/{name}", table(pcc, 3), 2.0)
        kept.add(f"quick/1/{name}", table(pcc + 0.1, 1), 4.0)
    found = parts.summed("quick", [0, 1], ["spadit", "ridge", "knn"], kept)
    assert list(found) == ["spadit", "best single (`knn`)"]
    assert found["spadit"]["pcc"] == pytest.approx(0.525)  # genes count, not folds
    assert found["spadit"]["seconds"] == 3.0
    assert found["spadit"]["accuracy_score"] == 1.0
    shown = parts.table_of(found).splitlines()
    assert len(shown) == 4
    assert len({line.count("|") for line in shown}) == 1


def test_every_row_is_fitted_without_the_hidden_genes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_network, "_STEPS", 3)
    monkeypatch.setattr(spadit, "_STEPS", 3)
    config = GeneSettings.of(draws=16, inner_folds=2, width=8, device="cpu")
    fold = parts.Fold.of(open_pair("quick", DATA), "quick", 0, config)
    assert not set(fold.hidden) & set(fold.panel.genes)
    full = None
    for name in parts.ROWS:
        method = fold.fit(name)
        scores = fold.scores(method)
        assert len(scores) == len(fold.hidden)
        assert np.isfinite(scores["crps"]).all()
        if name == "spadit":
            full = method
        said: dict[str, Any] = method.facts()
        if name == "equal weights":
            assert np.ptp(list(said["weights"].values())) < 1e-4
        if name == "without network":
            assert said["correction_strength"] == 0
        if name.startswith("without averages"):
            assert not any(guess.startswith("average") for guess in said["weights"])
        if name == "without shared noise":
            assert said["shared_error"] == 0
            ours, theirs = (m.sample(fold.hidden, 0, st.Monitor()).mean for m in (full, method))
            assert np.array_equal(ours, theirs)
    assert ALL["quick"].title.startswith("Simulated")
