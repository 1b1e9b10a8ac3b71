"""Fitted gene models: what their progress says while they are fitted."""

from __future__ import annotations

import pytest

from napari_stdiff.compute.monitor import Monitor, Progress
from napari_stdiff.data.simulate import simulate
from napari_stdiff.tasks import gene_model as models
from napari_stdiff.tasks.predict_genes import predict_genes


@pytest.mark.parametrize("method", ["ridge", "stack"])
def test_progress_goes_on_to_the_end(method: str) -> None:
    """A method that keeps its own folds has no others to come: its fit is nearly the whole."""
    sample = simulate(
        n_sections=3, cells_per_section=60, n_genes=12, n_extra_genes=4, image_size=60
    )
    models.forget()
    seen: list[Progress] = []
    monitor = Monitor(seen.append, interval=0)
    gene = sample.hidden_genes[0]
    predict_genes(sample.sdata, sample.reference, genes=gene, method=method, monitor=monitor)
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fractions)
    fitted = [p.fraction for p in seen if p.stage.startswith("Hidden genes")]
    if method == "stack":
        assert max(fitted) > 0.5
    assert fractions[-1] > 0.95
