"""What a run will take is said on stderr before it starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from napari_stdiff.cli.bar import say_cost
from napari_stdiff.cli.text import of_cost
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.data.tissue import Tissue
from napari_stdiff.methods.base import Cost
from napari_stdiff.tasks.config import GenerateConfig, InterpolateConfig

Make = Callable[..., Tissue]


def test_parameters_time_and_memory_are_said() -> None:
    said = of_cost("stdiffusion-paper", Cost(520_000, 720, 920))
    assert said == "stdiffusion-paper: 0.52 million parameters, about 12 min, 920 MB of memory."
    assert "58,108 parameters, 6 s, 2.0 GB" in of_cost("m", Cost(58_108, 6, 2048))


def test_a_scaled_run_says_that_it_will_be_smaller() -> None:
    assert "smaller" in of_cost("m", Cost(1, 60, 1), scale_to=60)
    assert "smaller" not in of_cost("m", Cost(1, 30, 1), scale_to=60)
    assert "smaller" not in of_cost("m", Cost(1, 60, 1))


@pytest.mark.parametrize("config", [InterpolateConfig(), GenerateConfig()])
def test_networks_are_said_and_nothing_else(
    config: InterpolateConfig | GenerateConfig,
    make_tissue: Make,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tissue = make_tissue(sections=3, n=40)
    say_cost(tissue, config.but(method="stdiffusion-paper"), ReadConfig())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("stdiffusion-paper: ")
    assert err.count("\n") == 1
    say_cost(tissue, config.but(method="typed-knn"), ReadConfig())
    assert capsys.readouterr().err == ""


def test_what_cannot_start_is_left_to_the_run(
    make_tissue: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    config = InterpolateConfig(method="stdiffusion-paper", hide="nowhere")
    say_cost(make_tissue(sections=3, n=40), config, ReadConfig())
    assert capsys.readouterr().err == ""
