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
    used = {w.command for w in manifest.contributions.widgets or []}
    used |= {s.command for s in manifest.contributions.sample_data or []}
    assert used == {c.id for c in manifest.contributions.commands or []}
