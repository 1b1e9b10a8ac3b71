"""Progress, ETA and cancel."""

from __future__ import annotations

import time

import pytest

from napari_stdiff.compute.monitor import Cancelled, Monitor, Progress


def test_stages_share_the_whole() -> None:
    seen: list[Progress] = []
    monitor = Monitor(seen.append, interval=0)
    with monitor.stage("one", 0.25):
        monitor.step(1, 2)
        monitor.step(2, 2)
    with monitor.stage("two"):
        with monitor.stage("inner", 0.5):
            monitor.step(1, 1, "loss 3")
        monitor.step(1, 1)
    assert [p.fraction for p in seen] == pytest.approx([0.125, 0.25, 0.625, 1.0])
    assert [p.stage for p in seen] == ["one", "one", "inner", "two"]
    assert seen[2].message == "loss 3"


def test_progress_never_goes_back() -> None:
    seen: list[Progress] = []
    monitor = Monitor(seen.append, interval=0)
    for share in (0.3, 0.9, 1.0):
        with monitor.stage("s", share):
            for i in range(3):
                monitor.step(i + 1, 3)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)


def test_the_listener_is_not_called_too_often() -> None:
    seen: list[Progress] = []
    monitor = Monitor(seen.append, interval=60)
    for i in range(100):
        monitor.step(i + 1, 100)
    assert [p.done for p in seen] == [1, 100]


def test_cancel_stops_the_next_step_and_stage() -> None:
    monitor = Monitor()
    monitor.step(1, 2)
    monitor.cancel()
    assert monitor.cancelled
    with pytest.raises(Cancelled):
        monitor.step(2, 2)
    with pytest.raises(Cancelled), monitor.stage("next"):
        pass


def test_cancelled_is_caught_by_workers_that_catch_exception() -> None:
    assert issubclass(Cancelled, Exception)


def test_time_left_follows_from_time_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seen: list[Progress] = []
    monitor = Monitor(seen.append, interval=0)
    now[0] = 110.0
    monitor.step(1, 4)
    assert seen[-1].eta_seconds == pytest.approx(30.0)
