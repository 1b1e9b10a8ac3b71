"""Every key that the plugin takes, in one place: the docs list them, a test looks for clashes.

Keys of the canvas work where the cursor is not in a text field. None is taken that the user,
napari or napari-spatialdata has, but for those marked `borrowed`, and those only while a mode is
on that says so. A key that layers of some kind have is theirs while such a layer is chosen: napari
asks the layer before the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import adjust_canvas, cover, stack
from .widgets import colour_panel, gene_walk

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Key:
    """A key and what it does.

    Attributes
    ----------
    keys
        As Qt and napari write it, for example "Shift+Up".
    does
        What it does.
    when
        While it is taken; "" for as long as a tissue's stack is in the viewer.
    borrowed
        Whether napari has the key for something else, which rests meanwhile.
    yields
        Whether layers of some kind have the key for something else; with such a layer chosen it
        is that layer's.
    """

    keys: str
    does: str
    when: str = ""
    borrowed: bool = False
    yields: bool = False


_LIST = "while a list of genes is in the Stack dock"
_MOVING = "while *Move a section* is on"
_MOVES = {
    "Up": "Move the chosen section up by a step",
    "Down": "Move it down",
    "Left": "Move it to the left",
    "Right": "Move it to the right",
    "PageUp": "Move it to a greater depth",
    "PageDown": "Move it to a smaller depth",
    ",": "Turn it by a degree against the clock",
    ".": "Turn it by a degree with the clock",
}
_NAPARIS = frozenset({"Left", "Right", "Shift+Up", "Shift+Down"})  # its slider, its layer list


def every_key() -> list[Key]:
    """Return all keys of the plugin."""
    found = [
        Key(stack.HEIGHT.upper(), "Switch between the 3D stack and one section in 2D"),
        Key(
            cover.KEY.upper(),
            "Flip between measured and imputed",
            "while an imputed gene is shown, and no shapes layer is chosen",
            yields=True,
        ),
        Key(
            colour_panel.FIND_KEY,
            "Put the cursor into the search box",
            "while the Stack dock is open",
        ),
    ]
    for key, by in gene_walk.KEYS.items():
        words = "Colour by the next gene of the list" if by > 0 else "Colour by the gene before it"
        found.append(Key(key, words, _LIST))
    for key, (*_, turn) in adjust_canvas.KEYS.items():
        found.append(Key(key, _MOVES[key], _MOVING, key in _NAPARIS))
        if not turn:
            far = f"Shift+{key}"
            found.append(Key(far, f"{_MOVES[key]}, ten times as far", _MOVING, far in _NAPARIS))
    return found


def as_table(keys: Sequence[Key]) -> str:
    """Return keys as the table of the docs."""
    rows = [f"| `{k.keys}` | {k.does} | {k.when or 'once a tissue is open'} |" for k in keys]
    return "\n".join(["| key | what it does | when |", "|---|---|---|", *rows])
