"""The widget of one field of a config: magicgui's where it serves, ours where it does not."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from magicgui.widgets import create_widget
from psygnal import Signal
from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QLocale, QObject, Qt
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from .preferences import data_folder


class Field(Protocol):
    """What a form needs of a widget; magicgui's value widgets are like this."""

    value: Any
    changed: Any  # a psygnal signal

    @property
    def native(self) -> QWidget:
        """The Qt widget."""


class PlainSpinBox(QDoubleSpinBox):
    """A number as people write it (3e-05, 0.5, 60), stepped by a tenth of its magnitude."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())
        self.setDecimals(15)
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:  # noqa: N802
        """Write `value` without trailing zeros."""
        return f"{value:.7g}"

    def valueFromText(self, text: str | None) -> float:  # noqa: N802
        """Read what was typed, with or without the unit."""
        try:
            return float((text or "").removesuffix(self.suffix()).strip())
        except ValueError:
            return self.value()

    def validate(self, text: str | None, pos: int) -> tuple[QValidator.State, str, int]:
        """Let through numbers, and what may become one."""
        text = text or ""
        core = text.removesuffix(self.suffix()).strip()
        try:
            inside = self.minimum() <= float(core) <= self.maximum()
        except ValueError:
            typing = all(c in "0123456789.eE+-" for c in core)
            state = QValidator.State.Intermediate if typing else QValidator.State.Invalid
            return state, text, pos
        return (
            QValidator.State.Acceptable if inside else QValidator.State.Intermediate,
            text,
            pos,
        )

    def stepBy(self, steps: int) -> None:  # noqa: N802
        """Step by a tenth of the value's magnitude; by 0.1 from zero."""
        size = abs(self.value())
        step = 10.0 ** (math.floor(math.log10(size)) - 1) if size > 0 else 0.1
        self.setValue(float(f"{self.value() + steps * step:.12g}"))


class FloatField:
    """A float. Keeps to the bit what it was given until the user changes it."""

    changed = Signal(float)

    def __init__(self, value: float, low: float, high: float, unit: str = "") -> None:
        self.native = PlainSpinBox()
        self.native.setRange(low, high)
        if unit:
            self.native.setSuffix(f" {unit}")
        self._exact = value
        self.value = value
        self.native.valueChanged.connect(self._typed)

    @property
    def value(self) -> float:
        """The number."""
        return self._exact

    @value.setter
    def value(self, value: float) -> None:
        self.native.setValue(value)
        inside = min(max(value, self.native.minimum()), self.native.maximum())
        changed = inside != self._exact
        self._exact = inside
        if changed:
            self.changed.emit(inside)

    def _typed(self, value: float) -> None:
        self._exact = value
        self.changed.emit(value)


class WordOrNumberField:
    """A line that takes one of some words, or a number."""

    changed = Signal(object)

    def __init__(self, value: float | str, words: Sequence[str]) -> None:
        self.native = QLineEdit()
        self.native.setPlaceholderText(f"a number, or: {', '.join(words)}")
        self.value = value
        self.native.editingFinished.connect(lambda: self.changed.emit(self.value))

    @property
    def value(self) -> float | str:
        """The number, or what was typed where it is none (the config says what it takes)."""
        text = self.native.text().strip()
        try:
            return float(text)
        except ValueError:
            return text

    @value.setter
    def value(self, value: float | str) -> None:
        self.native.setText(value if isinstance(value, str) else repr(float(value)))
        self.native.setCursorPosition(0)


class ChoiceField:
    """A combo box of names that also takes a name that is typed."""

    changed = Signal(str)

    def __init__(self, value: str, choices: Sequence[str] = ()) -> None:
        self.native = QComboBox()
        self.native.setEditable(True)
        self.native.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.set_choices(choices)
        self.value = value
        self.native.currentTextChanged.connect(self.changed.emit)

    @property
    def value(self) -> str:
        """The name."""
        return self.native.currentText().strip()

    @value.setter
    def value(self, value: str) -> None:
        self.native.setCurrentText(value)
        edit = self.native.lineEdit()
        if edit is not None:
            edit.setCursorPosition(0)

    def set_choices(self, choices: Sequence[str]) -> None:
        """Offer other names; what is typed or chosen stays."""
        kept = self.native.currentText()
        self.native.blockSignals(True)
        self.native.clear()
        self.native.addItems(list(choices))
        self.native.setCurrentText(kept)
        self.native.blockSignals(False)


class WordsField:
    """A combo box that says each of its values in words.

    Parameters
    ----------
    words
        Value -> what is shown for it; the first is the one to begin with.
    """

    changed = Signal(str)

    def __init__(self, words: Mapping[str, str]) -> None:
        self.native = QComboBox()
        for value, said in words.items():
            self.native.addItem(said, value)
        self.native.currentIndexChanged.connect(lambda _: self.changed.emit(self.value))

    @property
    def value(self) -> str:
        """The value, not its words."""
        return str(self.native.currentData())

    @value.setter
    def value(self, value: str) -> None:
        row = self.native.findData(value)
        if row < 0:
            raise ValueError(f"'{value}' is none of the choices")
        self.native.setCurrentIndex(row)


class PathField:
    """A file, typed or picked; empty for none."""

    changed = Signal(str)

    def __init__(
        self, value: str = "", title: str = "Open", pattern: str = "All files (*)"
    ) -> None:
        self.native = QWidget()
        self._title, self._pattern = title, pattern
        self.edit = QLineEdit(value)
        button = QPushButton("…")
        button.setToolTip("Choose a file")
        button.clicked.connect(self._pick)
        row = QHBoxLayout(self.native)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.edit, 1)
        row.addWidget(button)
        self.edit.editingFinished.connect(lambda: self.changed.emit(self.value))

    @property
    def value(self) -> str:
        """The path."""
        return self.edit.text().strip()

    @value.setter
    def value(self, value: str) -> None:
        self.edit.setText(value)

    def _pick(self) -> None:
        start = self.value or data_folder()  # where the last one was
        path, _ = QFileDialog.getOpenFileName(self.native, self._title, start, self._pattern)
        if path:
            self.value = path
            self.changed.emit(path)


class NoWheel(QObject):
    """Lets the wheel scroll the dock instead of changing a value that is only passed over."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Ignore the wheel over a widget without the focus."""
        if (
            event is not None
            and event.type() == QEvent.Type.Wheel
            and isinstance(watched, QWidget)
            and not watched.hasFocus()
        ):
            event.ignore()
            return True
        return super().eventFilter(watched, event)


def tame(widget: QWidget, wheel: NoWheel) -> None:
    """Let `widget` be narrow, and let the wheel pass over it."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(wheel)
    if isinstance(widget, QComboBox):
        widget.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        widget.setMinimumContentsLength(6)


def bounds_of(info: FieldInfo) -> tuple[float, float]:
    """Return the smallest and largest value that `info` allows."""
    low, high = -1e12, 1e12
    for item in info.metadata:
        low = getattr(item, "ge", low)
        high = getattr(item, "le", high)
        if hasattr(item, "gt"):
            low = item.gt + 1e-12
        if hasattr(item, "lt"):
            high = item.lt - 1e-12
    return low, high


def field_of(name: str, info: FieldInfo) -> Field:
    """Make the widget of one field from its annotation and bounds."""
    annotation, default = info.annotation, info.default
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    if annotation is float:
        low, high = bounds_of(info)
        return FloatField(default, low, high, str(extra.get("unit", "")))
    if get_origin(annotation) in (Union, types.UnionType):
        words = [
            w
            for part in get_args(annotation)
            if get_origin(part) is Literal
            for w in get_args(part)
        ]
        return WordOrNumberField(default, words)
    options: dict[str, Any] = {}
    if annotation is int:
        low, high = bounds_of(info)
        options = {"min": int(low), "max": int(high)}
    widget: Any = create_widget(value=default, annotation=annotation, name=name, options=options)
    return widget  # type: ignore[no-any-return]
