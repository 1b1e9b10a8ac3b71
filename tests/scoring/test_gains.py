"""Gains that are sure."""

import numpy as np

from napari_stdiff.scoring.gains import surely_gains


def test_gains_are_sure_beyond_their_standard_error() -> None:
    spread = np.array([-1.0, 0.0, 1.0])
    error = 1 / np.sqrt(3)
    assert surely_gains(spread + 1.01 * error)
    assert not surely_gains(spread + 0.99 * error)


def test_losses_and_single_gains_are_not_sure() -> None:
    assert not surely_gains(-np.ones(5))
    assert not surely_gains(np.zeros(5))
    assert not surely_gains(np.ones(1))
    assert not surely_gains(np.ones(0))
