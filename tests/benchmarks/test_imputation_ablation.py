"""The ablation tables: rows differ in one part, share their sizes, and are made once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_stdiff.methods.entries.settings import EntrySettings

ablation = pytest.importorskip("entries.ablation", reason="the benchmarks are not here")
stmcdi = pytest.importorskip("entries.stmcdi_tables")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[EntrySettings]:
    """Every fit that is asked for, none of which is done."""
    asked: list[EntrySettings] = []

    def run(case: Any, method: str, config: EntrySettings, seed: int) -> dict[str, Any]:
        asked.append(config)
        sizes = {"epochs": 7, "depth": 2, "width": 32, "sampler_steps": 10}
        scores = {"pcc": len(asked) / 100, "cosine": 0.1, "rmse": 1.0, "mae": 0.5}
        return {**scores, **sizes, "learning_rate": 1e-3, "cpu_seconds": 2.0}

    case = SimpleNamespace(visible=SimpleNamespace(n_cells=5, n_genes=3))
    monkeypatch.setattr(ablation, "run", run)
    monkeypatch.setattr(ablation, "opened", lambda *args, **keys: case)
    return asked


def tables(runs: Any, *names: str, **settings: Any) -> list[str]:
    out: list[str] = ablation.tables_of(
        "simulated",
        [stmcdi.TABLES[name] for name in names],
        runs,
        data=Path(),
        hide=0.3,
        seed=4,
        settings=settings,
        scale_to=20.0,
    )
    return out


def test_rows_differ_in_their_part_alone(made: list[EntrySettings]) -> None:
    out = tables(ablation.Runs(None, {}), "strategy", "phase", "encoder", "ratio", draws=0)
    assert len(made) == 1 + 2 + 3 + 4 + 8
    assert made[0].scale_to == 20
    sized = {"epochs": 7, "depth": 2, "learning_rate": 1e-3, "scale_to": 0.0, "seed": 4}
    own = ("mask_strategy", "mask_phase", "encoder", "mask_ratio")
    base = EntrySettings()
    for config in made[1:]:
        assert {name: getattr(config, name) for name in sized} == sized
        assert sum(getattr(config, name) != getattr(base, name) for name in own) == 1
    assert out[0].startswith("**Simulated tissue** (5 spots, 3 genes): epochs 7")
    assert "| GCN (the paper's) | 0.010 |" in out[3]
    assert "| 0.6 (the paper's) | 0.010 |" in out[4]


def test_what_was_run_is_not_run_again(made: list[EntrySettings], tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    first = tables(ablation.Runs(file, {"seed": 4}), "phase", epochs=3)
    assert len(made) == 4
    assert all(config.scale_to == 0 for config in made)
    assert tables(ablation.Runs(file, {"seed": 4}), "phase", epochs=3) == first
    assert len(made) == 4
    with pytest.raises(SystemExit, match="another protocol"):
        ablation.Runs(file, {"seed": 5})
