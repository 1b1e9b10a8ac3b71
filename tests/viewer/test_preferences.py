"""The Preferences page: what it says counts, is kept by napari, and is not needed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from napari_stdiff.compute.cache import cache_root, choose_cache_root
from napari_stdiff.viewer import preferences as module
from napari_stdiff.viewer.preferences import (
    Preferences,
    data_folder,
    follow,
    form_defaults,
    preferences,
)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that says something else on the page."""
    heard: list[Any] = []
    folders = SimpleNamespace(data_folder="", cache_folder="")
    folders.events = SimpleNamespace(cache_folder=SimpleNamespace(connect=heard.append))
    page = SimpleNamespace(
        computing=SimpleNamespace(device="auto", effort="full"),
        folders=folders,
        drawing=SimpleNamespace(most_drawn=250_000),
    )
    monkeypatch.setattr(module, "_settings", lambda: page)
    monkeypatch.setattr(module, "_heard", [])

    def change(part: str, name: str, value: Any) -> None:
        setattr(getattr(page, part), name, value)
        if name == "cache_folder":
            for slot in heard:
                slot(None)

    yield change
    choose_cache_root("")


def test_nothing_said_is_the_defaults_of_the_manifest(say: Any) -> None:
    assert preferences() == Preferences()
    assert form_defaults() == {}
    assert data_folder() == ""


def test_without_a_page_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_settings", lambda: None)
    follow()
    assert preferences() == Preferences()


def test_forms_begin_with_what_is_preferred(say: Any) -> None:
    say("computing", "device", "cpu")
    say("computing", "effort", "quick")
    assert form_defaults() == {"device": "cpu", "effort": "quick"}


def test_a_folder_that_is_gone_is_not_begun_with(say: Any, tmp_path: Path) -> None:
    say("folders", "data_folder", str(tmp_path))
    assert data_folder() == str(tmp_path)
    say("folders", "data_folder", str(tmp_path / "gone"))
    assert data_folder() == ""


class _Asked:
    """Stands for Qt's file dialogs: notes where each begins, and is called off."""

    def __init__(self) -> None:
        self.starts: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any, **_: Any) -> Any:
            self.starts.append(args[2])
            return "" if name == "getExistingDirectory" else ("", "")

        return ask


def test_dialogs_begin_in_the_preferred_folder(
    say: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: Any
) -> None:
    from napari_stdiff.viewer import fields
    from napari_stdiff.viewer.widgets import adjust_panel, align

    asked = _Asked()
    say("folders", "data_folder", str(tmp_path))
    for part in (fields, adjust_panel, align):
        monkeypatch.setattr(part, "QFileDialog", asked)
    field = fields.PathField()
    qtbot.addWidget(field.native)
    field._pick()
    field.value = "/elsewhere/a.csv"
    field._pick()
    adjust_panel.AdjustPanel._save_as(SimpleNamespace())  # type: ignore[arg-type]
    align.AlignWidget.save_as(SimpleNamespace())  # type: ignore[arg-type]
    stores = [str(tmp_path / name) for name in ("moved.zarr", "aligned.zarr")]
    assert asked.starts == [str(tmp_path), "/elsewhere/a.csv", *stores]


def test_no_dialog_begins_somewhere_else() -> None:
    """Every call of a file dialog is handed a start that the preferences make."""
    found = 0
    for path in Path(module.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        made = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _asks_preferences(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or "QFileDialog.get" not in ast.unparse(node.func):
                continue
            start = node.args[2]
            named = isinstance(start, ast.Name) and start.id in made
            assert named or _asks_preferences(start), f"{path.name}, line {node.lineno}"
            found += 1
    assert found > 5


def _asks_preferences(node: ast.expr) -> bool:
    return any(f"{name}(" in ast.unparse(node) for name in ("data_folder", "begin_at"))


def test_models_and_samples_move_at_once(say: Any, tmp_path: Path) -> None:
    from napari_stdiff.data import samples
    from napari_stdiff.tasks import fitted

    follow()
    before = cache_root()
    say("folders", "cache_folder", str(tmp_path / "kept"))
    assert fitted.cache_folder() == tmp_path / "kept" / "models"
    assert samples.cache_folder() == tmp_path / "kept" / "samples"
    say("folders", "cache_folder", " ")
    assert cache_root() == before


def test_the_environment_names_the_folder_where_nothing_is_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_STDIFF_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    choose_cache_root(tmp_path / "other")
    assert cache_root() == tmp_path / "other"
    choose_cache_root("")
    assert cache_root() == tmp_path


_WRITE = """
from napari.settings import get_plugin_settings
page = get_plugin_settings("napari-stdiff")
page.computing.device = "cpu"
page.folders.data_folder = FOLDER
"""
_READ = """
from napari_stdiff.viewer.preferences import data_folder, form_defaults
assert form_defaults() == {"device": "cpu"}, form_defaults()
assert data_folder() == FOLDER
"""


def test_napari_keeps_what_was_said(tmp_path: Path) -> None:
    pytest.importorskip("napari.settings", reason="napari")
    import napari.settings

    if not hasattr(napari.settings, "get_plugin_settings"):
        pytest.skip("before napari 0.9 plugins have no page")
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    for code in (_WRITE, _READ):
        subprocess.run(
            [sys.executable, "-c", f"FOLDER = {str(tmp_path)!r}\n{code}"],
            check=True,
            timeout=120,
            env=environment,
        )
    assert (tmp_path / "napari-stdiff.yaml").is_file()


def test_the_page_offers_what_the_forms_know() -> None:
    from typing import get_args

    from npe2 import PluginManifest

    from napari_stdiff.compute.device import DeviceName
    from napari_stdiff.methods.settings import InterpolationSettings

    manifest = PluginManifest.from_distribution("napari-stdiff")
    pages = manifest.contributions.configurations
    known = pages["computing"].properties
    assert tuple(known["device"].enum) == get_args(DeviceName)
    effort = InterpolationSettings.model_fields["effort"]
    assert tuple(known["effort"].enum) == get_args(effort.annotation)
    plain = Preferences()
    for page in pages.values():
        for name, said in page.properties.items():
            assert said.default == getattr(plain, name)


def test_how_many_cells_are_drawn_is_said_there(say: Any) -> None:
    assert preferences().most_drawn == 250_000
    say("drawing", "most_drawn", 50_000)
    assert preferences().most_drawn == 50_000
    say("drawing", "most_drawn", -3)  # written by hand
    assert preferences().most_drawn == 1
