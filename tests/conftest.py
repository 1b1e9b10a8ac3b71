"""What every test shares: few threads, real data where it is there, a display or a reason."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
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


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _opens_window(item: pytest.Item) -> bool:
    opens = set(getattr(item, "fixturenames", ())) & _WINDOW_FIXTURES
    return bool(opens) or item.get_closest_marker("viewer") is not None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Share out files over processes, and skip what opens a window where none can be opened.

    Tests with a window stay in one process, so that they do not take the focus from each other.
    Without a display Qt would abort the whole run.
    """
    for item in items:
        item.add_marker(
            pytest.mark.xdist_group("window" if _opens_window(item) else item.path.name)
        )
    if _has_display():
        return
    skip = pytest.mark.skip(reason="there is no display; `make test` provides one with xvfb-run")
    for item in items:
        if _opens_window(item):
            item.add_marker(skip)


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
