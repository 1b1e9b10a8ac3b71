"""Where a section is cut: depths beyond the ends, layers, and what the method is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_stdiff.data.tissue import Tissue
from napari_stdiff.tasks.config import InterpolateConfig
from napari_stdiff.viewer.widgets.where import Where

pytestmark = pytest.mark.viewer


@pytest.fixture
def where(qapp: Any, small_tissue: Tissue) -> Where:
    where = Where()
    where.set_tissue(small_tissue)
    return where


@pytest.fixture
def layered(small_tissue: Tissue) -> Tissue:
    layer = np.where(small_tissue.coords[:, 1] < 70, "L1", "L3").astype(object)
    layer[(small_tissue.coords[:, 1] > 70) & (small_tissue.coords[:, 1] < 120)] = "L2"
    return replace(small_tissue, layer=layer)


def test_the_slider_goes_beyond_the_ends_when_asked(where: Where) -> None:
    where.slider.set_value(500.0)
    assert where.values() == {"at": 130.0}
    assert not where.is_beyond
    where.beyond.click()
    assert where.values() == {"extrapolate": True, "at": 130.0}  # where it was
    where.slider.set_value(170.0)
    assert where.is_beyond
    assert not where.warning.isHidden()
    assert "40 um above third" in where.slider.between.text()
    assert InterpolateConfig(**where.values()).at == 170.0
    where.beyond.click()
    assert where.slider.value() <= 130.0
    assert where.warning.isHidden()


def test_hiding_an_outermost_section_is_beyond(where: Where) -> None:
    where.hiding.setChecked(True)
    where.beyond.setChecked(True)
    where.section.setCurrentIndex(0)
    assert where.values() == {"extrapolate": True, "hide": "first"}
    assert where.is_beyond
    where.section.setCurrentIndex(1)
    assert not where.is_beyond


def test_what_is_told_is_said_in_words(where: Where) -> None:
    where.hiding.setChecked(True)
    assert "tier" not in where.values()
    words = [where.tier.itemText(i) for i in range(where.tier.count())]
    assert "positions (B)" in words
    where.tier.setCurrentIndex(where.tier.findData("B"))
    assert where.values() == {"hide": "second", "tier": "B"}
    where.at_depth.setChecked(True)  # a tier is about what is hidden
    assert "tier" not in where.values()


def test_layers_are_offered_where_there_are_some(where: Where, layered: Tissue) -> None:
    assert "layer" not in where.hiding.text()
    where.set_tissue(layered)
    assert "layer" in where.hiding.text()
    where.hiding.setChecked(True)
    assert where.inside.isHidden()
    where.section.setCurrentText("layer L2")
    assert not where.inside.isHidden()
    assert where.values() == {"hide": "L2", "between": "layers", "section": "auto"}
    where.inside.setCurrentIndex(where.inside.findData("third"))
    where.layers.setText(" L1, L3 ")
    values = where.values()
    assert values["section"] == "third"
    assert InterpolateConfig(**values).parents == "L1, L3"
    again = Where()
    again.set_tissue(layered)
    again.set_values(**values)
    assert again.values() == values
    again.set_tissue(layered)  # moved, say: what was chosen stays
    assert again.values() == values


def test_of_one_section_a_layer_is_hidden(layered: Tissue, qapp: Any) -> None:
    where = Where()
    where.set_tissue(layered.rows(layered.section == "second"))
    kinds = {where.section.itemData(i)[0] for i in range(where.section.count())}
    assert kinds == {"layers"}  # hiding the only section would leave nothing
    assert where.hiding.text() == "Hide a layer and compare"
    labels, counts = np.unique(
        layered.layer[layered.section == "second"].astype(str), return_counts=True
    )
    assert where.values()["hide"] == labels[counts.argmax()]
