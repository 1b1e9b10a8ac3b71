"""The simulated tissue, small, read once."""

from __future__ import annotations

import pytest

from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods import processes


@pytest.fixture(scope="session")
def tissue() -> Tissue:
    """Return five sections of about 300 cells."""
    made = simulate(
        n_sections=5, cells_per_section=300, n_genes=20, n_extra_genes=0, image_size=60
    )
    return read(made.sdata)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep processes small where no setting does: few steps, few inducing points."""
    monkeypatch.setattr(processes, "_STEPS", 4)
    monkeypatch.setattr(processes, "INDUCING", 200)
