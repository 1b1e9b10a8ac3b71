"""The closed forms as methods: what every method that predicts genes promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.closed_form import ClosedForm, RidgeMethod
from napari_stdiff.methods.genes.registry import gene_method_class, load_gene_method
from napari_stdiff.methods.genes.settings import GeneSettings
from napari_stdiff.methods.genes.singles import SINGLES
from napari_stdiff.scoring.correlation import column_pearson

MakePanel = Callable[..., Panel]
HIDDEN = ["G3", "G8", "G11", "G20"]


def _fitted(name: str, panel: Panel, **settings: object) -> ClosedForm:
    method = gene_method_class(name)().fit(panel, GeneSettings.of(**settings), Monitor())
    assert isinstance(method, ClosedForm)
    return method


@pytest.fixture(scope="module")
def full(make_panel: MakePanel) -> Panel:
    return make_panel()


@pytest.fixture(scope="module")
def fits(full: Panel) -> dict[str, ClosedForm]:
    return {name: _fitted(name, full.without(HIDDEN)) for name in SINGLES}


@pytest.mark.parametrize("name", SINGLES)
def test_hidden_genes_are_found_with_a_spread(
    name: str, full: Panel, fits: dict[str, ClosedForm]
) -> None:
    answer = fits[name].sample(HIDDEN, 16, Monitor())
    columns = [list(full.genes).index(gene) for gene in HIDDEN]
    truth = full.tissue[:, columns]
    assert list(answer.genes) == HIDDEN
    assert answer.complete
    assert answer.mean.dtype == np.float32
    assert answer.mean.min() >= 0
    assert column_pearson(truth, answer.mean).mean() > 0.4
    assert answer.draws is not None
    assert answer.std is not None
    assert answer.draws.shape == (16, full.n_cells, 4)
    assert answer.draws.min() >= 0
    assert np.allclose(answer.std, answer.draws.std(axis=0))


@pytest.mark.parametrize("name", SINGLES)
def test_values_of_hidden_genes_change_nothing(
    name: str, full: Panel, fits: dict[str, ClosedForm]
) -> None:
    noise = full.tissue_raw.copy()
    columns = np.isin(full.genes, HIDDEN)
    shape = noise[:, columns].shape
    noise[:, columns] = np.random.default_rng(9).poisson(50, shape)
    guarded = _fitted(name, replace(full, tissue_raw=noise).without(HIDDEN))
    first, second = (m.sample(HIDDEN, 4, Monitor()) for m in (fits[name], guarded))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)


@pytest.mark.parametrize("name", SINGLES)
def test_a_gene_does_not_depend_on_what_else_is_asked_for(
    name: str, fits: dict[str, ClosedForm]
) -> None:
    together = fits[name].sample([*HIDDEN, "W0"], 4, Monitor())
    alone = fits[name].sample(["G11"], 4, Monitor())
    assert together.draws is not None
    assert alone.draws is not None
    assert np.allclose(together.mean[:, [2]], alone.mean, atol=1e-5)
    # equal but for what rounding of the mean does to cells at one place
    assert (np.abs(together.draws[:, :, 2] - alone.draws[:, :, 0]) < 1e-2).mean() > 0.99


@pytest.mark.parametrize("name", SINGLES)
def test_a_saved_model_answers_the_same(
    name: str, full: Panel, fits: dict[str, ClosedForm], tmp_path: Path
) -> None:
    fits[name].save(tmp_path)
    again = load_gene_method(name, tmp_path, full.without(HIDDEN))
    first, second = (m.sample(HIDDEN, 3, Monitor()) for m in (fits[name], again))
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.draws, second.draws)
    assert again.facts() == fits[name].facts()


def test_a_model_is_refused_for_another_tissue_or_reference_by_name(
    full: Panel, make_panel: MakePanel, fits: dict[str, ClosedForm], tmp_path: Path
) -> None:
    seen = full.without(HIDDEN)
    fits["ridge"].save(tmp_path)
    other = make_panel(seed=5).without(HIDDEN)
    with pytest.raises(StdiffError, match="'bands', not 'else'"):
        RidgeMethod.load(tmp_path, replace(seen, tissue_raw=other.tissue_raw, tissue_name="else"))
    with pytest.raises(StdiffError, match="reference 'donors', not 'mice'"):
        RidgeMethod.load(
            tmp_path, replace(seen, reference_raw=other.reference_raw, reference_name="mice")
        )
    with pytest.raises(StdiffError, match="'bands' holds other values or cells"):
        RidgeMethod.load(tmp_path, replace(seen, coords=seen.coords + 1))
    with pytest.raises(StdiffError, match="differing: 'G11', 'G20', 'G3', 'G8'"):
        RidgeMethod.load(tmp_path, full)
    with pytest.raises(StdiffError, match="is a 'ridge', not a 'knn'"):
        load_gene_method("knn", tmp_path, seen)
    renamed = replace(seen, tissue_name="bands-copy")
    assert RidgeMethod.load(tmp_path, renamed).id == "ridge"


def test_a_damaged_model_is_said_to_be(
    full: Panel, fits: dict[str, ClosedForm], tmp_path: Path
) -> None:
    fits["ridge"].save(tmp_path)
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"smoothing"', '"smooth"'))
    with pytest.raises(StdiffError, match="damaged or of another version"):
        load_gene_method("ridge", tmp_path, full.without(HIDDEN))


def test_cancel_between_folds_and_between_draws(full: Panel) -> None:
    monitor = Monitor()

    def at_a_fold(progress: Progress) -> None:
        if progress.message.startswith("fold 2"):
            monitor.cancel()

    monitor = Monitor(at_a_fold, interval=0)
    with pytest.raises(Cancelled):
        RidgeMethod().fit(full, GeneSettings(), monitor)

    method = _fitted("ridge", full)

    def at_a_draw(progress: Progress) -> None:
        if progress.message.startswith("draw 3"):
            drawing.cancel()

    drawing = Monitor(at_a_draw, interval=0)
    answer = method.sample(["W0", "W1"], 16, drawing)
    assert not answer.complete
    assert answer.draws is not None
    assert 2 <= len(answer.draws) <= 3
    assert answer.mean.shape == (full.n_cells, 2)


def test_without_draws_there_is_the_mean_alone(fits: dict[str, ClosedForm]) -> None:
    answer = fits["ridge"].sample(["W2"], 0, Monitor())
    assert answer.complete
    assert answer.draws is None
    assert answer.std is None


def test_an_unknown_gene_is_named(fits: dict[str, ClosedForm]) -> None:
    with pytest.raises(StdiffError, match="no gene 'Nope'"):
        fits["ridge"].sample(["Nope"], 0, Monitor())


def test_smoothing_can_be_turned_off_and_is_used_where_tissue_is_smooth(
    make_panel: MakePanel,
) -> None:
    panel = make_panel(sections=1, cells=500)  # bands: neighbours are of one type
    assert _fitted("knn", panel).smoothing.strength > 0
    assert _fitted("knn", panel, smoothing="off").facts()["smoothing_strength"] == 0


def test_values_below_zero_are_let_be_where_the_tissue_has_them(full: Panel) -> None:
    centred = full.tissue - full.tissue.mean(axis=0)
    panel = replace(full, tissue_raw=centred, tissue_values="log-normalised")
    answer = _fitted("ridge", panel.without(HIDDEN)).sample(HIDDEN, 4, Monitor())
    assert answer.mean.min() < 0


@pytest.mark.parametrize("name", SINGLES)
def test_cost_grows_with_the_work(name: str, full: Panel, make_panel: MakePanel) -> None:
    cls, few = gene_method_class(name), GeneSettings.of(draws=0)
    small = cls.cost(full, few, 4)
    big = cls.cost(make_panel(cells=2600, reference_cells=3000), few, 4)
    drawn = cls.cost(full, GeneSettings.of(draws=64), 4)
    assert 0 < small.seconds < big.seconds
    assert small.seconds < drawn.seconds
    assert 0 < small.memory_mib < big.memory_mib
    assert small.parameters == 0
