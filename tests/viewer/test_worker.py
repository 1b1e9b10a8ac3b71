"""The worker: results, progress, cancel, and every error, memory included, reach the user."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest
from superqt.utils import WorkerBase

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.viewer.worker import Job, Problem, end


class Heard:
    """What a job told."""

    def __init__(self, job: Job) -> None:
        self.said: list[tuple[str, Any]] = []
        for name in ("returned", "errored", "progressed"):
            getattr(job, name).connect(lambda value, name=name: self.said.append((name, value)))
        for name in ("cancelled", "finished"):
            getattr(job, name).connect(lambda name=name: self.said.append((name, None)))

    def names(self) -> list[str]:
        return [name for name, _ in self.said if name != "progressed"]


def run(qtbot: Any, job: Job, after_start: Any = None) -> Heard:
    heard = Heard(job)
    job.start()
    if after_start is not None:
        after_start()
    qtbot.waitUntil(lambda: "finished" in heard.names(), timeout=10_000)
    return heard


def test_result_arrives_from_another_thread(qtbot: Any) -> None:
    heard = run(qtbot, Job(lambda _: threading.get_ident()))
    assert heard.names() == ["returned", "finished"]
    assert heard.said[0][1] != threading.get_ident()


def test_progress_arrives_throttled(qtbot: Any) -> None:
    def work(monitor: Monitor) -> None:
        for i in range(5000):
            monitor.step(i + 1, 5000, "loss 1.0")

    heard = run(qtbot, Job(work))
    steps = [value for name, value in heard.said if name == "progressed"]
    assert 1 <= len(steps) < 500
    assert steps[-1].done == 5000


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA out of memory."), RuntimeError("boom"), MemoryError(), KeyError("k")],
)
def test_any_error_arrives(qtbot: Any, error: Exception) -> None:
    def work(_: Monitor) -> None:
        raise error

    heard = run(qtbot, Job(work))
    assert heard.names() == ["errored", "finished"]
    assert heard.said[0][1] is error


def test_error_lets_go_of_what_its_frames_held(qtbot: Any) -> None:
    class Big:
        pass

    import weakref

    refs = []

    def work(_: Monitor) -> None:
        big = Big()
        refs.append(weakref.ref(big))
        raise RuntimeError("out of memory")

    heard = run(qtbot, Job(work))
    assert heard.names() == ["errored", "finished"]
    assert refs[0]() is None


def test_cancel_before_there_is_anything(qtbot: Any) -> None:
    started = threading.Event()

    def work(monitor: Monitor) -> None:
        started.set()
        while True:
            monitor.check()

    job = Job(work)
    heard = run(qtbot, job, lambda: (qtbot.waitUntil(started.is_set), job.cancel()))
    assert heard.names() == ["cancelled", "finished"]


def test_cancelled_run_hands_back_what_it_has(qtbot: Any) -> None:
    started = threading.Event()

    def work(monitor: Monitor) -> str:
        started.set()
        while not monitor.cancelled:
            pass
        return "what was done"

    job = Job(work)
    # quit() is what napari calls on every worker when it closes; the base class drops results
    heard = run(qtbot, job, lambda: (qtbot.waitUntil(started.is_set), job.quit()))
    assert heard.said[0] == ("returned", "what was done")


def test_end_stops_the_thread_and_muted_jobs_call_nobody(qtbot: Any) -> None:
    started, called = threading.Event(), []

    def work(monitor: Monitor) -> None:
        started.set()
        while True:
            monitor.check()

    job = Job(work)
    job.deliver(called.append, called.append, lambda: called.append("ended"))
    job.start()
    qtbot.waitUntil(started.is_set)
    end(job, mute=True)
    assert not job.is_running
    qtbot.wait(50)
    assert called == []
    assert job not in WorkerBase._worker_set


def test_end_of_nothing_and_of_a_queued_job(qtbot: Any) -> None:
    end(None)
    job = Job(lambda monitor: monitor.check())
    end(job)
    assert run(qtbot, job).names() == ["cancelled", "finished"]


def test_deliver_hands_a_refused_result_to_failed(qtbot: Any) -> None:
    def refuse(_: object) -> None:
        raise StdiffError("The store is full.")

    failed: list[Exception] = []
    ended: list[bool] = []
    job = Job(lambda _: 1)
    job.deliver(refuse, failed.append, lambda: ended.append(True))
    job.start()
    qtbot.waitUntil(lambda: bool(ended))
    assert [str(e) for e in failed] == ["The store is full."]


def test_two_jobs_leave_the_warning_hook_alone(qtbot: Any) -> None:
    before = warnings.showwarning
    both = threading.Barrier(2, timeout=5)
    first, second = Job(lambda _: both.wait()), Job(lambda _: both.wait())
    heard = Heard(first)
    first.start()
    run(qtbot, second)
    qtbot.waitUntil(lambda: "finished" in heard.names())
    assert warnings.showwarning is before


def test_out_of_memory_is_one_sentence_with_a_way_out() -> None:
    torch = pytest.importorskip("torch")
    errors = [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"),
        MemoryError("Unable to allocate 80. GiB for an array"),
    ]
    sentences = [Problem.of(error).sentence for error in errors]
    assert sentences[0].startswith("The GPU ran out of memory")
    assert all("batch size" in s and s.count(".") == 1 for s in sentences)


def test_problem_keeps_our_sentence_and_the_traceback() -> None:
    try:
        raise StdiffError("There is no section 'x'; the sections are: a, b.")
    except StdiffError as error:
        problem = Problem.of(error)
    assert problem.sentence == "There is no section 'x'; the sections are: a, b."
    assert "test_problem_keeps" in problem.details


def test_unexpected_error_is_one_line() -> None:
    sentence = Problem.of(ValueError("first line\nsecond line " + "x" * 500)).sentence
    assert "ValueError: first line" in sentence
    assert "second" not in sentence
    assert len(Problem.of(ValueError("y" * 5000)).sentence) < 300
