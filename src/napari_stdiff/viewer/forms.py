"""A form made from a config: its titles, tooltips, bounds, units and defaults, said once there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Generic, TypeVar

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..compute.config import Config
from .fields import Field, NoWheel, field_of, tame

C = TypeVar("C", bound=Config)


class Folded(QWidget):
    """A part of a dock that is folded away until its title is clicked.

    Not superqt's QCollapsible: that one fixes the height of its content when it unfolds, which
    squashes forms that change afterwards.
    """

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setArrowType(Qt.ArrowType.RightArrow)
        self.button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.button.toggled.connect(self.unfold)
        self.content = content
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(self.button)
        column.addWidget(content)
        content.setVisible(False)

    def unfold(self, unfolded: bool = True) -> None:
        """Show the content, or fold it away."""
        self.button.setChecked(unfolded)
        arrow = Qt.ArrowType.DownArrow if unfolded else Qt.ArrowType.RightArrow
        self.button.setArrowType(arrow)
        self.content.setVisible(unfolded)


class ConfigForm(QWidget, Generic[C]):
    """Shows and edits a config.

    Parameters
    ----------
    config_class
        The config.
    shown
        Fields that are always in sight, in this order; None shows every field that is not
        advanced. The others are folded away under `fold_title`.
    exclude
        Fields that have a place of their own elsewhere in the dock.
    fields
        Name -> widget to use instead of the one made from the annotation.
    fold_title
        Title of the folded part.
    """

    changed = Signal()

    def __init__(
        self,
        config_class: type[C],
        *,
        shown: Collection[str] | None = None,
        exclude: Collection[str] = (),
        fields: Mapping[str, Field] | None = None,
        fold_title: str = "Settings",
    ) -> None:
        super().__init__()
        self._class = config_class
        self._wheel = NoWheel(self)
        self._quiet = False
        self.fields: dict[str, Field] = {}
        infos = {k: v for k, v in config_class.model_fields.items() if k not in exclude}
        if shown is None:
            shown = [k for k, v in infos.items() if not _extra(v).get("advanced")]
        folded = [k for k in infos if k not in shown]
        folded.sort(key=lambda k: bool(_extra(infos[k]).get("advanced")))  # stable
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        for names, title in (([k for k in shown if k in infos], ""), (folded, fold_title)):
            if not names:
                continue
            part = QWidget()
            layout = QFormLayout(part)
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setVerticalSpacing(4)
            layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
            layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
            if title:  # long names of rare settings must not widen a narrow dock
                layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
            for name in names:
                self._add(layout, name, infos[name], (fields or {}).get(name))
            outer.addWidget(Folded(title, part) if title else part)

    def _add(self, layout: QFormLayout, name: str, info: Any, field: Field | None) -> None:
        field = field or field_of(name, info)
        self.fields[name] = field
        label = QLabel(info.title or name)
        tip = f"<p>{info.description}</p>" if info.description else ""  # <p>: Qt wraps it
        label.setToolTip(tip)
        field.native.setToolTip(tip)
        tame(field.native, self._wheel)
        field.changed.connect(self._tell)
        layout.addRow(label, field.native)

    def _tell(self, *_: object) -> None:
        if not self._quiet:
            self.changed.emit()

    def config(self, **more: Any) -> C:
        """Return what the form says; `more` are the fields it does not show.

        What equals the default counts as not said, so that a method's preset may fill it.

        Raises
        ------
        StdiffError
            One sentence naming the setting that cannot be.
        """
        values = {name: field.value for name, field in self.fields.items()} | more
        defaults = {k: v.default for k, v in self._class.model_fields.items()}
        return self._class.of(**{k: v for k, v in values.items() if v != defaults[k]})

    def set_config(self, config: C) -> None:
        """Show `config`."""
        self._quiet = True
        try:
            for name, field in self.fields.items():
                field.value = getattr(config, name)
        finally:
            self._quiet = False
        self.changed.emit()

    def reset(self) -> None:
        """Go back to the defaults."""
        self.set_config(self._class())

    def dump(self) -> dict[str, Any]:
        """Return what differs from the defaults, ready for JSON; {} where the form is invalid."""
        try:
            config = self.config()
        except ValueError:
            return {}
        return config.model_dump(mode="json", exclude_defaults=True, include=set(self.fields))

    def restore(self, values: Mapping[str, Any]) -> None:
        """Show what :meth:`dump` returned; values that no longer fit are left out."""
        good: dict[str, Any] = {}
        for name, value in values.items():
            if name not in self.fields:
                continue
            try:
                self._class.of(**{name: value})
            except ValueError:
                continue
            good[name] = value
        self.set_config(self._class.of(**good))


def _extra(info: Any) -> Mapping[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}
