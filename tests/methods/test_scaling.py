"""Scaling to a time: what shrinks first, what stays, and what is said about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_stdiff.methods.scaling import Scaled, Sizes, Speed, scale, seconds_each, spelled

PRINTED = Sizes(epochs=300, width=256, depth=2, sampler_steps=100)


def timed(epoch: float = 1.0, step: float = 0.1) -> object:
    """Return a machine whose seconds grow with the network."""

    def speed(width: int, depth: int) -> Speed:
        size = width * depth / (256 * 2)
        return Speed(epoch * size, step * size)

    return speed


def test_what_fits_is_run_in_full() -> None:
    scaled = scale(PRINTED, 311, timed())  # type: ignore[arg-type]
    assert scaled.used == PRINTED
    assert "it was run" in scaled.note()


def test_epochs_shrink_first() -> None:
    scaled = scale(PRINTED, 60, timed())  # type: ignore[arg-type]
    assert scaled.used == Sizes(epochs=49, width=256, depth=2, sampler_steps=100)
    assert scaled.full_seconds == pytest.approx(310)


def test_the_network_shrinks_where_few_epochs_would_be_left() -> None:
    used = scale(PRINTED, 13, timed(step=0.0)).used  # type: ignore[arg-type]
    assert (used.width, used.depth) == (256, 2)  # 12 epochs are still enough
    used = scale(PRINTED, 8, timed(step=0.0)).used  # type: ignore[arg-type]
    assert (used.width, used.depth) == (128, 2)
    assert used.epochs == 15
    used = scale(PRINTED, 4, timed(step=0.0)).used  # type: ignore[arg-type]
    assert (used.width, used.depth) == (128, 1)


def test_sampling_shrinks_only_where_it_dominates() -> None:
    used = scale(PRINTED, 100, timed(step=5.0)).used  # type: ignore[arg-type]
    assert used.sampler_steps in (9, 10)
    assert used.width == 256
    said = scale(PRINTED, 100, timed(step=5.0), steps_said=True).used  # type: ignore[arg-type]
    assert said.sampler_steps == 100


@given(
    st.builds(
        Sizes, st.integers(1, 4000), st.integers(8, 2048), st.integers(1, 64), st.integers(1, 2000)
    ),
    st.floats(0.5, 1e4),
    st.floats(1e-3, 10),
    st.floats(1e-4, 1),
)
def test_it_never_grows_and_ends_near_the_time(
    full: Sizes, seconds: float, epoch: float, step: float
) -> None:
    scaled = scale(full, seconds, timed(epoch, step))  # type: ignore[arg-type]
    used = scaled.used
    for name in ("epochs", "width", "depth", "sampler_steps"):
        assert 1 <= getattr(used, name) <= getattr(full, name)
    least = used.epochs == 1 or used.sampler_steps <= 10
    assert least or scaled.used_speed.seconds(used) <= seconds * 1.001
    assert (used == full) or scaled.full_speed.seconds(full) > seconds - 0.5


def test_measured_epochs_replace_the_trial() -> None:
    scaled = scale(PRINTED, 60, timed()).after(epochs=10, seconds=30.0)  # type: ignore[arg-type]
    assert scaled.full_seconds == pytest.approx(300 * 3 + 10)
    smaller = scale(PRINTED, 8, timed(step=0.0))  # type: ignore[arg-type]
    ratio = 2.0  # epochs took twice what the trial of the smaller network said
    again = smaller.after(10, 10 * ratio * smaller.used_speed.epoch)
    assert again.full_seconds == pytest.approx(ratio * smaller.full_seconds)


def test_it_says_what_became_smaller_and_how_long_the_full_run_would_take() -> None:
    scaled = scale(PRINTED, 60, timed(epoch=20))  # type: ignore[arg-type]
    note = scaled.note()
    assert f"{scaled.used.epochs} of 300 epochs" in note
    assert f"width {scaled.used.width} of 256" in note
    assert "about 1.7 h" in note
    assert note.startswith("Scaled run")
    assert "those of the scaled run" in note
    assert scaled.facts()["full_configuration"]["epochs"] == 300
    assert scaled.facts()["full_seconds_estimated"] == pytest.approx(6010)
    assert Scaled.of(scaled.dump()) == scaled


def test_a_trial_counts_steps() -> None:
    asked: list[int] = []
    assert seconds_each(asked.append, lasts=1e9, at_most=50) >= 0
    assert asked[0] == 1
    assert asked[-1] == 50


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (60, "60 s"),
        (720, "about 12 min"),
        (9000, "about 2.5 h"),
        (72_000, "about 20 h"),
    ],
)
def test_times_are_spelled(seconds: float, text: str) -> None:
    assert spelled(seconds) == text
