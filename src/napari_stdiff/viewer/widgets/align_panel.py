"""What an alignment did: before and after on the canvas, in words and numbers; save and undo."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...data.alignment import Alignment
from ..aligned import Aligned
from .dock import heading, paragraph
from .z_slider import unit_words

_HELP = (
    "<p><b>Agreement</b>: correlation of expression (and histology, where it is) between places "
    "that lie above one another in neighbouring sections; 1 is the same.</p>"
)


class AlignPanel(QWidget):
    """Emits `save`, `save_as` and `undo`; switches between before and after by itself."""

    save = Signal()
    save_as = Signal()
    undo = Signal()

    def __init__(self, aligned: Aligned) -> None:
        super().__init__()
        self._aligned = aligned
        self.before, self.after = QPushButton("Before"), QPushButton("After")
        self.modes = QButtonGroup(self)
        row = QHBoxLayout()
        for button, tip in (
            (self.before, "Show the sections where they were read"),
            (self.after, "Show the sections in one frame; the other docks then work on them"),
        ):
            button.setCheckable(True)
            button.setToolTip(f"<p>{tip}.</p>")
            self.modes.addButton(button)
            row.addWidget(button)
        self.summary = paragraph()
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setToolTip(_HELP)
        self.kept = paragraph()
        self.save_button, self.save_as_button = QPushButton("Save"), QPushButton("Save as …")
        self.save_button.setToolTip("<p>Adds a coordinate system to the open store.</p>")
        self.save_as_button.setToolTip(
            "<p>Writes a new store, which gets the data in both frames.</p>"
        )
        self.undo_button = QPushButton("Undo")
        self.undo_button.setToolTip(
            "<p>Go back to the sections as they were read; a coordinate system that was saved is "
            "taken out again.</p>"
        )
        acts = QHBoxLayout()
        for button in (self.save_button, self.save_as_button, self.undo_button):
            acts.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(heading("Alignment"))
        column.addLayout(row)
        column.addWidget(self.summary)
        column.addWidget(self.kept)
        column.addLayout(acts)
        self.before.clicked.connect(lambda: aligned.show(after=False))
        self.after.clicked.connect(lambda: aligned.show(after=True))
        self.save_button.clicked.connect(lambda: self.save.emit())
        self.save_as_button.clicked.connect(lambda: self.save_as.emit())
        self.undo_button.clicked.connect(self.undo.emit)
        self.refresh()

    def refresh(self) -> None:
        """Show what is aligned."""
        aligned = self._aligned
        alignment = aligned.alignment
        self.setVisible(alignment is not None)
        if alignment is None:
            return
        (self.after if aligned.is_after else self.before).setChecked(True)
        self.summary.setText(describe(alignment))
        if aligned.system:
            self.kept.setText(f"Saved as the coordinate system '{aligned.system}'.")
        elif aligned.can_hold:
            self.kept.setText("Not saved yet. Save adds a coordinate system to the store.")
        else:
            self.kept.setText("Not saved yet. Save as … writes a new store with both frames.")
        self.save_button.setVisible(aligned.can_hold)
        self.set_usable(True)

    def set_usable(self, usable: bool) -> None:
        """Let the buttons be pressed, or not while something runs."""
        for button in (self.before, self.after, self.undo_button):
            button.setEnabled(usable)
        for button in (self.save_button, self.save_as_button):
            button.setEnabled(usable and not self._aligned.system)


def describe(alignment: Alignment) -> str:
    """Put an alignment into a few lines of rich text."""
    quality = alignment.quality
    agreed = "before" in quality  # nobody measures that while a hand moves sections
    if agreed:
        head = f"{_verdict(alignment)} {escape(alignment.fixed)} stays."
    else:
        head = f"<b>Moved {escape(alignment.record.method)}</b>."
    rows = [_row("", ("turned", "moved", *(("before", "after") if agreed else ())))]
    for name, section in quality.get("sections", {}).items():
        shift = (section["shift_y"] ** 2 + section["shift_x"] ** 2) ** 0.5
        turned = f"{round(section['rotation'])}°" + (", mirrored" if section["mirrored"] else "")
        cells: tuple[str, ...] = (
            turned,
            escape(f"{shift:.3g}{unit_words(alignment.unit)}".replace(" ", "\u00a0")),
        )
        if agreed:
            cells += (f"{section['before']:.2f}", f"<b>{section['after']:.2f}</b>")
        rows.append(_row(name, cells))
    text = f"<p style='margin:2px 0'>{head}</p><table style='margin:3px 0'>{''.join(rows)}</table>"
    if alignment.record.notes:
        items = "".join(f"<li>{escape(note)}</li>" for note in alignment.record.notes)
        text += f"<ul style='margin:2px 0 2px 12px; -qt-list-indent:0'>{items}</ul>"
    return text


def _verdict(alignment: Alignment) -> str:
    """Return whether neighbouring sections agree better than before."""
    before, after = float(alignment.quality["before"]), float(alignment.quality["after"])
    if not alignment.changed:
        verdict = "No section moves"
    elif after > before + 0.005:
        verdict = "Neighbouring sections agree better"
    elif after < before - 0.005:
        verdict = "Neighbouring sections agree less"
    else:
        verdict = "Neighbouring sections agree as before"
    return f"<b>{verdict}</b>: {before:.2f} before, {after:.2f} after."


def _row(name: str, cells: tuple[str, ...]) -> str:
    right = "".join(f"<td align='right' style='padding-left:7px'>{cell}</td>" for cell in cells)
    return f"<tr><td>{escape(name)}</td>{right}</tr>"
