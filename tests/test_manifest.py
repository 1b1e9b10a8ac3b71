"""The manifest: valid, and everything it names is there."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest

MANIFEST = Path(import_module("napari_stdiff").__file__ or "").parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_manifest_is_valid(manifest: PluginManifest) -> None:
    assert manifest.name == "napari-stdiff"
    assert [w.display_name for w in manifest.contributions.widgets or []] == [
        "Interpolate sections",
        "Virtual microtome",
        "Generate cells",
        "Predict genes",
        "Impute",
        "Align sections",
        "Stack",
        "Cells",
    ]
    assert [s.key for s in manifest.contributions.sample_data or []] == [
        "simulated",
        "merfish",
        "visium",
    ]


def test_manifest_is_found_by_its_entry_point() -> None:
    points = [p.value for p in entry_points(group="napari.manifest") if p.name == "napari-stdiff"]
    assert set(points) == {"napari_stdiff:napari.yaml"}


def test_every_command_leads_somewhere(manifest: PluginManifest) -> None:
    pytest.importorskip("qtpy.QtWidgets", exc_type=Exception)
    for command in manifest.contributions.commands or []:
        module, _, name = str(command.python_name).partition(":")
        assert callable(getattr(import_module(module), name)), command.id
    shown = manifest.contributions
    known = {c.id for c in shown.commands or []}
    used = {part.command for part in (*(shown.widgets or []), *(shown.sample_data or []))}
    used |= {part.command for part in (*(shown.readers or []), *(shown.writers or []))}
    assert used <= known
    # what is left are acts: of the palette, under titles that say what they do
    acts = [c for c in shown.commands or [] if c.id not in used]
    assert {str(c.python_name).partition(":")[0] for c in acts} == {"napari_stdiff.viewer.actions"}
    titles = [c.title for c in shown.commands or []]
    assert len(set(titles)) == len(titles)
    for entries in (shown.menus or {}).values():
        assert {str(getattr(entry, "command", "")) for entry in entries} <= known | {""}
