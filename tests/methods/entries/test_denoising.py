"""What a measured value counts when it is denoised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_stdiff.data.visible import Visible
from napari_stdiff.methods.entries.denoising import own_weights

MakeVisible = Callable[..., Visible]


def _table(make_visible: MakeVisible, real: float) -> tuple[Visible, np.ndarray]:
    """Return counts whose expression varies by `real` in a way that nothing else tells of."""
    rng = np.random.default_rng(0)
    visible = make_visible(cells=2000, genes=12)
    rate = 20 * np.exp(real * rng.standard_normal((2000, 12)))
    table = replace(visible, raw=rng.poisson(rate).astype(np.float32))
    return table, np.zeros(table.raw.shape, dtype=np.float32)


def test_noise_alone_counts_little_and_what_is_real_counts_much(
    make_visible: MakeVisible,
) -> None:
    noise = own_weights(*_table(make_visible, 0.02), seed=0)
    real = own_weights(*_table(make_visible, 1.0), seed=0)
    assert noise.mean() < 0.2
    assert real.mean() > 0.8


def test_values_that_are_no_counts_do_not_tell_their_noise(make_visible: MakeVisible) -> None:
    table, expected = _table(make_visible, 1.0)
    assert (own_weights(replace(table, values="log-normalised"), expected, 0) == 0).all()
