"""Our entries in the context menu of napari's layer list, where a layer of ours is selected.

A manifest cannot put commands there (napari 0.9 keeps that menu to itself), so that they are
registered with its application: once, for all viewers. Each viewer's own context says whether they
are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .chosen import results_of
from .layers import KEY

if TYPE_CHECKING:
    from .session import Session

MENU = "napari/layers/context"
GROUP = "8_napari_stdiff"
RESULT, SECTION = "stdiff_result", "stdiff_section"  # whether one is selected
ENTRIES = (
    ("save_result", "Save this result…", RESULT),
    ("remove_result", "Remove this result", RESULT),
    ("what_made_this", "What made this? (run record)", RESULT),
    ("cells_in_table", "Show its cells in the table", SECTION),
)


def serve(session: Session) -> None:
    """Show the entries in the session's viewer while a layer that they are about is selected."""
    app = _application()
    if app is None:
        return
    viewer = session.viewer
    context = _context_of(viewer.layers)
    if context is None:
        return
    _register(app, context)

    def selected(_: Any = None) -> None:
        if session.is_closed:
            return
        states = [layer.metadata for layer in viewer.layers.selection]
        context[RESULT] = bool(results_of(session, states)) if session.tissue else False
        context[SECTION] = any(
            (m.get(KEY) or {}).get("role") in ("points", "cells", "predicted", "imputed")
            for m in states
        )

    viewer.layers.selection.events.changed.connect(selected)
    session.stack.colours_changed.connect(selected)
    selected()


def _register(app: Any, context: Any) -> None:
    """Add the entries to the menu, and their keys to the context of all viewers."""
    if _id(ENTRIES[0][0]) in app.commands:
        return
    from app_model.expressions import parse_expression
    from app_model.types import Action, MenuRule

    root = context.maps[-1]  # so that viewers without a session know the keys, too
    for key in (RESULT, SECTION):
        root[key] = False
    app.register_actions(
        [
            Action(
                id=_id(name),
                title=title,
                callback=f"napari_stdiff.viewer.actions:{name}",
                menus=[
                    MenuRule(id=MENU, when=parse_expression(when), group=GROUP, order=float(i))
                ],
                palette=False,  # there under the manifest's own commands
            )
            for i, (name, title, when) in enumerate(ENTRIES)
        ]
    )


def _id(name: str) -> str:
    return f"napari-stdiff.context.{name}"


def _application() -> Any:
    """Return napari's application, or None where this version has none."""
    try:
        from app_model import Application
    except ImportError:
        return None
    return Application.get_app("napari")


def _context_of(layers: Any) -> Any:
    """Return the context of a layer list, or None where it has none."""
    from app_model.expressions import get_context

    return get_context(layers)
