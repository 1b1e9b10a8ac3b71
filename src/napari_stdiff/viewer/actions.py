"""The commands of napari's palette and menus: every act of the docks, by name.

A command that cannot do anything just now says why in the status line, or in one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import napari
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QWidget

from .chosen import Chosen, results_of
from .layers import KEY as STATE
from .preferences import PLUGIN
from .session import Session, session_of
from .worker import Problem

if TYPE_CHECKING:
    from .arrange import Section

W = TypeVar("W", bound=QWidget)

NOTHING_OPEN = "Open a tissue first: File ▸ Open, or Open… in the Stack dock."
NO_LIST = "Paste a list of genes into the search box of the Stack dock first."
NO_RESULT = "Select a layer that shows a result first: a virtual section, or a predicted gene."
NO_SECTION = "Select a layer of a section first."


def dock_of(viewer: Any, kind: type[W], title: str) -> W:
    """Return our dock of a kind in the viewer's window, opened and in front of the others."""
    from .widgets.dock import frame_of

    mine = [w for w in viewer.window.dock_widgets.values() if isinstance(w, kind)]
    widget = mine[0] if mine else viewer.window.add_plugin_dock_widget(PLUGIN, title)[1]
    frame = frame_of(widget)
    if frame is not None:
        frame.show()
        frame.raise_()
    assert isinstance(widget, kind)
    return widget


def _stack_dock(viewer: Any) -> Any:
    from .widgets.stack import StackWidget

    return dock_of(viewer, StackWidget, "Stack")


def _open(viewer: Any) -> Session | None:
    """Return the session where a tissue is open; else say so."""
    session = session_of(viewer)
    if session.tissue is None:
        viewer.status = NOTHING_OPEN
        show_info(NOTHING_OPEN)
        return None
    return session


# Colours --------------------------------------------------------------------------------------


def colour_by_gene(viewer: napari.Viewer) -> None:
    """Put the cursor into the search box of the Stack dock."""
    dock = _stack_dock(viewer)
    if _open(viewer) is not None:
        dock.colours.search.ask()


def next_gene(viewer: napari.Viewer) -> None:
    """Colour by the next gene of the list."""
    _step(viewer, 1)


def previous_gene(viewer: napari.Viewer) -> None:
    """Colour by the gene before it in the list."""
    _step(viewer, -1)


def _step(viewer: Any, by: int) -> None:
    if _open(viewer) is None:
        return
    walk = _stack_dock(viewer).colours.walk
    if not walk.entries:
        show_info(NO_LIST)
        return
    walk.step(by)


def one_colour(viewer: napari.Viewer) -> None:
    """Draw all sections in one colour."""
    session = _open(viewer)
    if session is not None:
        session.stack.colour_by("none")


def flip_imputed(viewer: napari.Viewer) -> None:
    """Flip between what was measured and what is imputed of the gene that is shown."""
    session = _open(viewer)
    if session is None:
        return
    if session.stack.shows_imputed:
        session.stack.flip()
    else:
        show_info("The gene that is shown was not imputed; choose one that was.")


# The stack ------------------------------------------------------------------------------------


def toggle_2d_3d(viewer: napari.Viewer) -> None:
    """Switch between the 3D stack and one section in 2D."""
    session = _open(viewer)
    if session is not None:
        session.stack.toggle_ndisplay(viewer)


def look_from_above(viewer: napari.Viewer) -> None:
    """Look at the whole stack from above, or at a section straight."""
    session = _open(viewer)
    if session is not None:
        session.stack.look()


def explode(viewer: napari.Viewer) -> None:
    """Lay all sections side by side, or stack them again."""
    session = _open(viewer)
    if session is not None:
        session.stack.set_explosion(0.0 if session.stack.explosion else 1.0)


def hide_or_show(viewer: napari.Viewer) -> None:
    """Hide the sections of the selected layers, or show those that are hidden."""
    session, sections = _selected_sections(viewer)
    if session is None:
        return
    shown = any(section.visible for section in sections)
    for section in sections:
        session.stack.set_visible(section, not shown)


def show_all(viewer: napari.Viewer) -> None:
    """Show every section."""
    session = _open(viewer)
    if session is not None:
        for section in session.stack.sections:
            session.stack.set_visible(section, True)


def _selected_sections(viewer: Any) -> tuple[Session | None, list[Section]]:
    """Return the sections that the selected layers belong to; else say that there are none."""
    session = _open(viewer)
    if session is None:
        return None, []
    states = [layer.metadata.get(STATE) for layer in viewer.layers.selection]
    keys = {(bool(s["virtual"]), str(s["section"])) for s in states if s}
    sections = [s for s in session.stack.sections if (s.virtual, s.name) in keys]
    if not sections:
        show_info(NO_SECTION)
    return session, sections


def keep_cut(viewer: napari.Viewer) -> None:
    """Keep the section that the virtual microtome shows."""
    from .widgets.microtome import MicrotomeWidget

    if _open(viewer) is None:
        return
    dock = dock_of(viewer, MicrotomeWidget, "Virtual microtome")
    if dock.run_bar.run_button.isEnabled() and not dock.run_bar.is_running:
        dock.run()
    else:
        show_info("There is no cut to keep yet: move the slider between two sections first.")


# Results --------------------------------------------------------------------------------------


def save_result(viewer: napari.Viewer) -> None:
    """Save the result of the selected layers to a store or a file that is asked for."""
    from .widgets.ask import where_to_save

    session, chosen = _chosen(viewer)
    if session is None or not chosen:
        return
    path = where_to_save(chosen)
    if path:
        save_to(session, chosen, path)


def save_to(session: Session, chosen: list[Chosen], path: str) -> None:
    """Save results, in the background: a store takes seconds."""
    from .worker import Job
    from .writer import save_as

    names = ", ".join(f"'{one.name}'" for one in chosen)
    job = Job(lambda _: save_as(session, chosen, path))
    job.deliver(
        lambda written: show_info(f"{names} saved to {written}."),
        lambda error: show_error(Problem.of(error).sentence),
        lambda: None,
    )
    job.start()


def remove_result(viewer: napari.Viewer) -> None:
    """Remove the result of the selected layers, after a question."""
    from .widgets.ask import may_remove

    session, chosen = _chosen(viewer)
    if session is None:
        return
    for one in chosen:
        if not may_remove(one):
            continue
        known = next((k for k in session.of_cells if k.kept is one.kept), None)
        if known is not None:
            known.remove(one.name)
        else:
            session.remove_result(one.name)


def what_made_this(viewer: napari.Viewer) -> None:
    """Show how the result of the selected layers was made: its record."""
    from .widgets.ask import show_record

    for one in _chosen(viewer)[1]:
        show_record(one)


def _chosen(viewer: Any) -> tuple[Session | None, list[Chosen]]:
    """Return the results that the selected layers show; else say that there are none."""
    session = _open(viewer)
    if session is None:
        return None, []
    chosen = results_of(session, [layer.metadata for layer in viewer.layers.selection])
    if not chosen:
        show_info(NO_RESULT)
    return session, chosen


def cells_in_table(viewer: napari.Viewer) -> None:
    """Pick the cells of the selected layers, so that the table of cells shows them."""
    import numpy as np

    from .widgets.cell_table import CellsWidget

    sections = _selected_sections(viewer)[1]
    if not sections:
        return
    dock = dock_of(viewer, CellsWidget, "Cells")
    cells = dock.pick.cells
    if cells is not None:
        dock.pick.pick(np.concatenate([cells.rows_of(section) for section in sections]))


# Pictures -------------------------------------------------------------------------------------


def export_figure(viewer: napari.Viewer) -> None:
    """Save the canvas as a figure, with its colour bar and scale bar."""
    from .widgets.figure_dialog import FigureDialog

    session = _open(viewer)
    if session is not None:
        FigureDialog(session).exec()
