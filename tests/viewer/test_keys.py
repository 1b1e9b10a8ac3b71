"""No key of ours is anybody else's, every binding is known, and the docs list them all."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import napari_stdiff
from napari_stdiff.viewer.keys import Key, as_table, every_key

ROOT = Path(__file__).resolve().parents[2]
# Modules that bind keys, each of which `keys.py` reads; a new one has to be told there.
BINDING = {
    "viewer/stack.py",
    "viewer/held_keys.py",
    "viewer/adjust_canvas.py",
    "viewer/widgets/colour_panel.py",
}


def plain(key: str) -> str:
    """Return a key as all write it: modifiers in one order, small letters."""
    # "Ctrl--" would be Ctrl and minus; nobody binds that here
    *modifiers, last = [part for part in re.split(r"[-+]", key.lower()) if part] or [key]
    names = {"control": "ctrl", "meta": "ctrl"}
    return "+".join([*sorted(names.get(m, m) for m in modifiers), last])


_NAPARIS: set[str] = set()


@pytest.fixture
def theirs(make_napari_viewer: Any) -> set[str]:
    """Return every key that napari binds by default: its shortcuts, layers' and the menus' own."""
    import napari.layers as kinds
    from napari._app_model import get_app_model
    from napari.components import ViewerModel
    from napari.utils.shortcuts import default_shortcuts

    if not _NAPARIS:
        make_napari_viewer()  # the menus' keys come with a window
        found = {str(key) for keys in default_shortcuts.values() for key in keys}
        for name in kinds.NAMES:
            found |= {str(key) for key in getattr(kinds, name.capitalize()).class_keymap}
        found |= {str(key) for key in ViewerModel.class_keymap}
        app: Any = get_app_model()
        found |= {str(known.keybinding) for known in app.keybindings}
        _NAPARIS.update(plain(key) for key in found)
    return _NAPARIS


def spatialdatas() -> set[str]:
    """Return every key that napari-spatialdata binds, as its sources say."""
    spec = find_spec("napari_spatialdata")
    if spec is None or spec.origin is None:
        pytest.skip("napari-spatialdata is not installed")
    folder = Path(spec.origin).parent
    text = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    return {plain(key) for key in re.findall(r"bind_key\(\s*[\"']([^\"']+)", text)}


def test_no_key_is_naparis_own(theirs: set[str]) -> None:
    assert {"ctrl+y", "v", "i"} <= theirs  # the list is not empty, and reaches the layers
    mine = {plain(key.keys): key for key in every_key()}
    both = [key for name, key in mine.items() if name in theirs and not key.yields]
    assert all(key.borrowed and key.when.startswith("while *Move") for key in both)


def test_only_what_clashes_is_called_borrowed(theirs: set[str]) -> None:
    for key in every_key():
        assert (key.borrowed or key.yields) == (plain(key.keys) in theirs), key


def test_no_key_is_napari_spatialdatas() -> None:
    theirs = spatialdatas()
    assert "e+shift" in theirs or "shift+e" in theirs
    assert not {plain(key.keys) for key in every_key()} & theirs


def test_keys_that_are_always_taken_are_taken_once() -> None:
    always = [plain(key.keys) for key in every_key() if not key.when.startswith("while *")]
    assert len(always) == len(set(always))


def test_every_binding_is_known_here() -> None:
    package = Path(napari_stdiff.__file__).parent
    binding = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node, "func", None) if isinstance(node, ast.Call) else None
            name = getattr(called, "attr", getattr(called, "id", ""))
            if name in ("bind_key", "QShortcut", "setShortcut", "HeldKeys"):
                binding.add(path.relative_to(package).as_posix())
    assert binding == BINDING


def test_the_docs_list_every_key() -> None:
    text = (ROOT / "docs" / "shortcuts.md").read_text(encoding="utf-8")
    assert as_table(every_key()) in text
    assert as_table([Key("Q", "Something new")]).splitlines()[-1] not in text


def test_a_key_that_yields_is_a_layers_alone_and_the_layer_has_it(
    make_napari_viewer: Any, qapp: Any
) -> None:
    from napari.components import ViewerModel
    from napari.utils.shortcuts import default_shortcuts

    (key,) = [key for key in every_key() if key.yields]
    viewers = {plain(str(k)) for k in ViewerModel.class_keymap}
    viewers |= {
        plain(str(k))
        for action, keys in default_shortcuts.items()
        for k in keys
        if not any(kind in action for kind in ("shape", "vert", "point", "label", "image"))
    }
    assert plain(key.keys) not in viewers
    viewer = make_napari_viewer()
    ours: list[str] = []
    viewer.bind_key(key.keys, lambda _: ours.append("ours"))
    shapes = viewer.add_shapes()
    viewer.layers.selection.active = shapes
    handler = viewer.window._qt_viewer._key_map_handler
    handler.press_key(key.keys)
    assert not ours
    viewer.layers.selection.active = None
    handler.press_key(key.keys)
    assert ours == ["ours"]
