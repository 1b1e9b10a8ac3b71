"""Forms: every config goes through its form unchanged; what is shown is what is meant."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_stdiff.compute.config import Config, setting
from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.read_config import ReadConfig
from napari_stdiff.tasks.config import AlignConfig, GenerateConfig, InterpolateConfig
from napari_stdiff.viewer import remember as memory
from napari_stdiff.viewer.fields import (
    ChoiceField,
    FloatField,
    PathField,
    WordsField,
    bounds_of,
)
from napari_stdiff.viewer.forms import ConfigForm, Folded

CONFIGS: list[type[Config]] = [InterpolateConfig, GenerateConfig, AlignConfig, ReadConfig]
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789/.", min_size=1, max_size=12)


def values_of(info: Any) -> st.SearchStrategy:
    """Return a strategy for what a field may hold."""

    def simple(annotation: Any) -> st.SearchStrategy:
        if get_origin(annotation) is Literal:
            return st.sampled_from(get_args(annotation))
        low, high = bounds_of(info)
        if annotation is float:
            return st.floats(max(low, -1e6), min(high, 1e6), allow_nan=False)
        if annotation is int:
            return st.integers(int(low), int(high))
        if annotation is bool:
            return st.booleans()
        return NAMES

    if get_origin(info.annotation) in (Union, types.UnionType):
        return st.one_of(*(simple(part) for part in get_args(info.annotation)))
    return simple(info.annotation)


@pytest.mark.parametrize("config_class", CONFIGS)
def test_every_config_round_trips(qapp: Any, config_class: type[Config]) -> None:
    form = ConfigForm(config_class)
    assert set(form.fields) == set(config_class.model_fields)
    configs = st.fixed_dictionaries(
        {k: values_of(v) for k, v in config_class.model_fields.items()}
    )

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(configs)
    def check(values: dict[str, Any]) -> None:
        config = config_class.of(**values)
        form.set_config(config)
        assert form.config() == config

    check()
    form.reset()
    assert form.config() == config_class()


def test_untouched_form_says_nothing(qapp: Any) -> None:
    form = ConfigForm(InterpolateConfig)
    assert form.config().model_fields_set == set()
    form.fields["epochs"].value = 7
    assert form.config().model_fields_set == {"epochs"}  # a method's preset may fill the rest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3e-5, "3e-05"),
        (1e-3, "0.001"),
        (0.0, "0"),
        (0.5, "0.5"),
        (80.0, "80"),
        (-2.5e-7, "-2.5e-07"),
    ],
)
def test_small_numbers_are_shown(qapp: Any, value: float, text: str) -> None:
    field = FloatField(value, -1e12, 1e12)
    assert field.native.text() == text
    assert field.value == value


def test_typing_and_stepping_a_number(qtbot: Any) -> None:
    field = FloatField(1e-3, 0, 1, "um")
    qtbot.addWidget(field.native)
    assert field.native.text() == "0.001 um"
    field.native.selectAll()
    qtbot.keyClicks(field.native, "3e-5")
    field.native.clearFocus()
    field.native.interpretText()
    assert field.value == 3e-5
    field.native.stepBy(1)
    assert field.value == pytest.approx(3.1e-5)
    field.value = 0.0
    field.native.stepBy(1)
    assert field.value == 0.1
    field.value = 7.0  # beyond the bound
    assert field.value == 1.0


def test_titles_tooltips_bounds(qapp: Any) -> None:
    from qtpy.QtWidgets import QLabel

    form = ConfigForm(InterpolateConfig)
    titles = {label.text(): label.toolTip() for label in form.findChildren(QLabel)}
    for info in InterpolateConfig.model_fields.values():
        assert info.description in titles[info.title]
    epochs = form.fields["epochs"]
    assert (epochs.min, epochs.max) == bounds_of(InterpolateConfig.model_fields["epochs"])
    assert form.fields["blend_value"].native.maximum() == 1.0
    assert set(form.fields["device"].choices) == {"auto", "cpu", "cuda", "mps"}


def test_advanced_fields_are_folded_away(qtbot: Any) -> None:
    form = ConfigForm(InterpolateConfig)
    qtbot.addWidget(form)
    form.show()
    assert form.fields["draws"].native.isVisible()
    assert not form.fields["learning_rate"].native.isVisible()
    fold = form.findChild(Folded)
    fold.button.click()
    assert form.fields["learning_rate"].native.isVisible()
    fold.button.click()
    assert not form.fields["learning_rate"].native.isVisible()


def test_own_widgets_and_left_out_fields(qapp: Any) -> None:
    path = PathField()
    form = ConfigForm(InterpolateConfig, exclude=("at", "hide"), fields={"positions": path})
    path.value = "cells.csv"
    config = form.config(hide="section_2")
    assert (config.positions, config.hide) == ("cells.csv", "section_2")


def test_what_cannot_be_is_one_sentence(qapp: Any) -> None:
    form = ConfigForm(InterpolateConfig)
    form.fields["at"].value = "nowhere"
    with pytest.raises(StdiffError, match="at"):
        form.config()
    assert form.dump() == {}


def test_changes_are_told_once_set_is_done(qtbot: Any) -> None:
    form = ConfigForm(ReadConfig)
    told = []
    form.changed.connect(lambda: told.append(form.config()))
    form.set_config(ReadConfig(section_key="slice", spacing=3.0))
    assert told == [ReadConfig(section_key="slice", spacing=3.0)]
    form.fields["spacing"].value = 4.0
    assert told[-1].spacing == 4.0


def test_choices_keep_what_was_typed(qapp: Any) -> None:
    field = ChoiceField("auto", ["auto"])
    field.value = "my_column"
    field.set_choices(["auto", "none", "slice"])
    assert field.value == "my_column"
    assert field.native.count() == 3


def test_wheel_over_a_number_scrolls_the_dock(qtbot: Any) -> None:
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    form = ConfigForm(InterpolateConfig)
    qtbot.addWidget(form)
    box = form.fields["draws"].native
    event = QWheelEvent(
        QPointF(2, 2),
        QPointF(2, 2),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, event)
    assert form.config().draws == InterpolateConfig().draws


class _Older(Config):
    epochs: int = setting(3, "Epochs", "Passes.", ge=1, le=10)


def test_restore_takes_what_still_fits(qapp: Any) -> None:
    form = ConfigForm(_Older)
    form.restore({"epochs": 50, "gone": 1})
    assert form.config() == _Older()
    form.restore({"epochs": 5})
    assert form.config().epochs == 5


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "docks.json"
    monkeypatch.setattr(memory, "remembered_path", lambda: path)
    return path


def test_values_survive_a_session(qapp: Any, file: Path) -> None:
    form = ConfigForm(InterpolateConfig)
    form.fields["learning_rate"].value = 3e-5
    form.fields["method"].value = "knn"
    memory.remember("interpolate", form.dump())
    other = ConfigForm(InterpolateConfig)
    other.restore(memory.recall("interpolate"))
    assert other.config() == InterpolateConfig(learning_rate=3e-5, method="knn")


def test_broken_memory_is_no_error(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("{ not json")
    assert memory.recall("interpolate") == {}
    file.write_text("[1, 2]")
    assert memory.recall("interpolate") == {}
    memory.remember("interpolate", {"epochs": 3})
    assert memory.recall("interpolate") == {"epochs": 3}


def test_memory_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(memory, "remembered_path", lambda: tmp_path / "file" / "docks.json")
    memory.remember("interpolate", {"epochs": 3})
    assert memory.recall("interpolate") == {}


def test_only_the_latest_data_is_remembered(file: Path) -> None:
    memory.remember("interpolate", {"epochs": 3})
    for i in range(60):
        memory.remember_about_data(f"{i}.h5ad", reading={"z_key": str(i)})
    memory.remember_about_data("59.h5ad", where={"hide": "a"})
    assert memory.about_data("0.h5ad") == {}
    assert memory.about_data("59.h5ad") == {"reading": {"z_key": "59"}, "where": {"hide": "a"}}
    assert memory.recall("interpolate") == {"epochs": 3}


def test_a_field_in_words_has_values_behind_them(qapp: Any) -> None:
    field = WordsField({"hvg": "most variable ones", "all": "all of them"})
    heard: list[str] = []
    field.changed.connect(heard.append)
    assert field.value == "hvg"
    field.native.setCurrentIndex(field.native.findText("all of them"))
    assert field.value == "all"
    field.value = "hvg"
    assert field.native.currentText() == "most variable ones"
    assert heard == ["all", "hvg"]
    with pytest.raises(ValueError, match="none of the choices"):
        field.value = "none"
