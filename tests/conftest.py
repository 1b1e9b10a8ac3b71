"""What every test shares: few threads, real data where it is there, a display or a reason."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from napari_stdiff.data.tissue import Tissue

# Before torch and numpy load: small networks are quickest with one thread on a busy machine.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

_ROOT = Path(__file__).resolve().parents[1]

# Nothing a test does may reach the settings and the kept models of the person who runs it.
_HOME = tempfile.TemporaryDirectory(prefix="napari-stdiff-tests-")
for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "NAPARI_STDIFF_CONFIG"):
    os.environ[variable] = f"{_HOME.name}/{variable.lower()}"
os.environ["NAPARI_CONFIG"] = f"{_HOME.name}/napari/settings.yaml"
os.environ["MPLCONFIGDIR"] = str(_ROOT / ".pytest_cache" / "matplotlib")  # slow to make: kept

# No test may fail because the machine was busy; where nobody can look, the examples are the same
# every time, so that what fails can be run again.
settings.register_profile(
    "project",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("project")

_REAL_DATA = _ROOT.parent / "shared" / "data"
_WINDOW_FIXTURES = {"make_napari_viewer", "make_napari_viewer_proxy", "qapp", "qtbot"}

# Whether every process of tests has a display of its own: the one of a desktop is shared.
_OWN_DISPLAYS = "STDIFF_VIRTUAL_DISPLAY" in os.environ

# The number of its display is what the server writes; it goes when `cat` does, that is when the
# process which holds the other end of its input has ended, however it ended.
_DISPLAY_SERVER = """
Xvfb -displayfd 1 -screen 0 1600x1200x24 -nolisten tcp &
exec >/dev/null; cat; kill $!; wait"""
_servers: list[subprocess.Popen[bytes]] = []
_passed_over: dict[str, int] = {}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every process of tests a display of its own, where the display is a virtual one."""
    if not _OWN_DISPLAYS:
        return
    server = subprocess.Popen(
        ["sh", "-c", _DISPLAY_SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    _servers.append(server)
    assert server.stdout is not None
    number = server.stdout.readline().decode().strip()
    if not number:
        raise pytest.UsageError("Xvfb did not start; see what `Xvfb -displayfd 1` says.")
    node.workerinput["display"] = f":{number}"


def pytest_configure(config: pytest.Config) -> None:
    """Use the display that was given to this process: no window is open yet."""
    given: dict[str, str] = getattr(config, "workerinput", {})
    if "display" in given:
        os.environ["DISPLAY"] = given["display"]


def pytest_unconfigure() -> None:
    """End the displays that this process started."""
    while _servers:
        _servers.pop().communicate()


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _opens_window(item: pytest.Item) -> bool:
    opens = set(getattr(item, "fixturenames", ())) & _WINDOW_FIXTURES
    return bool(opens) or item.get_closest_marker("viewer") is not None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share out whole files over processes; what opens a window is one share on one display.

    There tests would take the focus from each other. (`--dist loadgroup` would do it by a mark,
    but xdist 3.8 shares out single tests, without a word, under pytest 9.2.)
    """
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "window" if not _OWN_DISPLAYS and _may_open_window(file) else file

    config.option.loadscopereorder = False  # in the order of the collection, long ones first
    return ByFile(config, log)


@cache
def _may_open_window(file: str) -> bool:
    text = (_ROOT / file).read_text(encoding="utf-8")
    return any(word in text for word in (*_WINDOW_FIXTURES, "mark.viewer"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what opens a window where none can be opened: Qt would abort the whole run.

    In processes that share the tests such files come first: they take longest.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not _may_open_window(item.nodeid.split("::")[0]))
    if _has_display():
        return
    skip = pytest.mark.skip(reason="there is no display; `make test` provides one with xvfb-run")
    for item in items:
        if _opens_window(item):
            item.add_marker(skip)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let the search for garbage pass over what was imported, which never becomes garbage.

    napari searches at every layer that is removed: half a second with torch and scanpy loaded.
    """
    if len(sys.modules) > 50 + _passed_over.get("modules", 0):
        gc.collect()  # what the last test left is not passed over
        gc.freeze()
        _passed_over["modules"] = len(sys.modules)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Return a function from the name of a real data file to its path; skips when it is absent."""

    def path(name: str) -> Path:
        found = _REAL_DATA / name
        if not found.exists():
            pytest.skip(f"real data set {name} is not here (looked in ../shared/data)")
        return found

    return path


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Return the folder of the repository."""
    return _ROOT


@pytest.fixture(scope="session")
def make_tissue() -> Callable[..., Tissue]:
    """Return a maker of tissue: `sections` of `n` cells 10 um apart, 3 types, 8 genes, counts."""
    import numpy as np
    import pandas as pd
    from scipy import sparse

    from napari_stdiff.data.tissue import Tissue

    def make(sections: int = 5, n: int = 150, seed: int = 0, **changes: Any) -> Tissue:
        rng = np.random.default_rng(seed)
        total = sections * n
        z = np.repeat(np.arange(sections) * 10.0, n)
        coords = np.column_stack([z, rng.uniform(0, 100, (total, 2))])
        kind = np.array(["glia", "neuron", "vessel"], dtype=object)[rng.integers(0, 3, total)]
        level = np.column_stack(
            [3 * np.exp(-(((coords[:, 1] + z - 15 * g) / 25) ** 2)) for g in range(5)]
            + [4.0 * (kind == name) for name in ("glia", "neuron", "vessel")]
        )
        counts = rng.poisson(level * rng.lognormal(0.5, 0.2, (total, 1)) + 0.1)
        names = np.array([f"cell{i}" for i in range(total)])
        values: dict[str, Any] = {
            "expression": sparse.csr_matrix(counts.astype(np.float32)),
            "values": "counts",
            "genes": np.array([f"gene{g}" for g in range(8)]),
            "names": names,
            "coords": coords,
            "unit": "um",
            "section": np.repeat([f"s{i}" for i in range(sections)], n),
            "cell_type": kind,
            "obs": pd.DataFrame(index=names),
        }
        return Tissue(**{**values, **changes})

    return make


@pytest.fixture(scope="session")
def run() -> Callable[..., int]:
    """Return what a shell does: run the command with these arguments, return its exit status."""
    from napari_stdiff import cli

    def command(*arguments: object) -> int:
        with pytest.raises(SystemExit) as left_with:
            cli.main([str(a) for a in arguments])
        code = left_with.value.code
        return code if isinstance(code, int) else 0

    return command


@pytest.fixture(scope="session")
def write_store(run: Callable[..., int]) -> Callable[..., Path]:
    """Return a maker of small simulated stores in a folder, written by the command."""

    def write(folder: Path, **sizes: int) -> Path:
        path = folder / "sample.zarr"
        said = {"n-genes": 12, "image-size": 60, **sizes}
        options = [x for k, v in said.items() for x in (f"--{k.replace('_', '-')}", v)]
        assert run("sample", path, *options) == 0
        return path

    return write


@pytest.fixture
def no_kept_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep fitted models from one test out of the next."""
    from napari_stdiff.tasks.fitted import forget

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    forget()
