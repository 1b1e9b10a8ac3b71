"""Which column is taken for what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_stdiff.data import detect


def frame(**columns):
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    "name", ["slice", "Section", "section_id", "sample", "library_id", "batch", "puck", "Slide ID"]
)
def test_section_names(name):
    assert detect.find_section(frame(**{name: ["a", "a", "b", "b"]}), "auto") == name


def test_the_telling_name_comes_first_and_one_value_last():
    obs = frame(batch=["a"] * 4, sample=["a", "a", "b", "b"], slice=["1", "1", "2", "2"])
    assert detect.find_section(obs, "auto") == "slice"
    assert detect.find_section(obs.assign(slice="1"), "auto") == "sample"
    assert detect.find_section(obs[["batch"]], "auto") == "batch"
    assert detect.find_section(obs, "none") == ""


def test_a_name_for_every_cell_is_no_section():
    assert detect.find_section(frame(sample=list("abcd")), "auto") == ""
    assert detect.find_section(frame(sample=["a", "a", None, "a"]), "auto") == ""


@pytest.mark.parametrize("name", ["cell_type", "celltype", "Cell_class", "cluster", "leiden"])
def test_cell_type_names(name):
    obs = frame(**{name: ["a", "a", "b", "b"]})
    assert detect.find_labels(obs, "cell_type", "auto", ()) == name
    assert detect.find_labels(obs, "layer", "auto", ()) == ""


@pytest.mark.parametrize("name", ["layer", "Region", "domain", "label", "layer_guess"])
def test_layer_names(name):
    obs = frame(**{name: ["a", "a", "b", "b"]})
    assert detect.find_labels(obs, "layer", "auto", ()) == name
    assert detect.find_labels(obs, "layer", "auto", {name}) == ""


def test_measurements_and_constants_are_no_labels():
    obs = frame(cluster=[0.5, 0.5, 1.5, 1.5], leiden=["0"] * 4)
    assert detect.find_labels(obs, "cell_type", "auto", ()) == ""
    assert detect.find_labels(obs.assign(cluster=[1.0, 1, 2, 2]), "cell_type", "auto", ()) == (
        "cluster"
    )


def test_depth_needs_numbers_that_are_one_a_section():
    section = np.repeat(["a", "b"], 4)
    good = frame(z=np.repeat([1.0, 2.0], 4))
    assert detect.find_z(good, section) == "z"
    assert detect.find_z(good.astype(str), section) == ""
    assert detect.find_z(frame(z=np.arange(8.0)), section) == ""
    assert detect.find_z(frame(z=np.ones(8)), section) == ""
    assert detect.find_z(good, None) == "z"
    assert detect.find_z(frame(z=np.arange(8.0)), None) == ""


def test_natural_order():
    names = np.array(["s10", "s9", "s1"], dtype=object)
    assert detect.section_order(None, names) == ["s1", "s9", "s10"]
    alphabetical = pd.Series(pd.Categorical(names))
    assert detect.section_order(alphabetical, names) == ["s1", "s9", "s10"]
    chosen = pd.Series(pd.Categorical(names, categories=["s9", "s10", "s1", "s4"]))
    assert detect.section_order(chosen, names) == ["s9", "s10", "s1"]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("z_um", "um"), ("Bregma (mm)", "mm"), ("z [µm]", "um"), ("stratum", ""), ("z", "")],
)
def test_units_in_names(name, unit):
    assert detect.split_unit(name)[1] == unit
