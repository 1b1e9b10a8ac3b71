"""The cost of a run from Python: of either task, from anything that can be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import napari_stdiff as st
from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.tissue import Tissue

Make = Callable[..., Tissue]


def test_the_config_says_which_task(make_tissue: Make) -> None:
    tissue = make_tissue(sections=3, n=60)
    between = st.estimate(tissue, method="stdiffusion-paper")
    within = st.estimate(tissue, config=st.GenerateConfig(method="stdiffusion-paper"))
    assert isinstance(between, st.Cost)
    assert between.parameters == within.parameters > 10_000
    assert within.seconds > between.seconds  # from noise alone: ten times the steps


def test_one_section_is_enough_to_generate_but_not_to_interpolate(make_tissue: Make) -> None:
    tissue = make_tissue(sections=1, n=60)
    assert st.estimate(tissue, config=st.GenerateConfig()).parameters > 0
    with pytest.raises(StdiffError, match="section"):
        st.estimate(tissue)


def test_settings_count(make_tissue: Make) -> None:
    tissue = make_tissue(sections=3, n=60)
    small, large = (st.estimate(tissue, width=width).parameters for width in (32, 512))
    assert large > 10 * small
    with pytest.raises(StdiffError, match="such setting"):
        st.estimate(tissue, widht=3)
