"""Questions about a result: where to save it, whether to remove it; and what made it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QApplication, QFileDialog, QMainWindow, QMessageBox, QWidget

from ...data.imputed import Imputed
from ...data.predicted import PredictedGenes
from ..chosen import Chosen
from ..preferences import begin_at
from . import gene_results, imputed_results, results

_KINDS = {"SpatialData store (*.zarr)": ".zarr", "AnnData file (*.h5ad)": ".h5ad"}


def where_to_save(chosen: list[Chosen]) -> str:
    """Return a path that the user names for results, "" for none; it ends in .zarr or .h5ad."""
    kinds = list(_KINDS) if len(chosen) == 1 else list(_KINDS)[:1]
    start = begin_at(f"{chosen[0].name}.zarr")
    path, kind = QFileDialog.getSaveFileName(
        main_window(),
        "Save this result",
        start,
        ";;".join(kinds),
        options=QFileDialog.Option.DontConfirmOverwrite,  # nothing is ever overwritten
    )
    if not path:
        return ""
    if Path(path).suffix.lower() in _KINDS.values():
        return path
    return path + _KINDS.get(kind, ".zarr")


def may_remove(chosen: Chosen) -> bool:
    """Return whether the user says that a result is to go."""
    button = QMessageBox.StandardButton
    answer = QMessageBox.question(
        main_window(),
        "Remove result",
        f"Remove '{chosen.name}' from the canvas and from its store? Nothing else is touched.",
        button.Yes | button.No,
    )
    return bool(answer == button.Yes)


def show_record(chosen: Chosen) -> None:
    """Show what a result says about itself, and its whole record to copy."""
    record_box(chosen).exec()


def record_box(chosen: Chosen) -> QMessageBox:
    """Return the box that :func:`show_record` shows."""
    box = QMessageBox(main_window())
    box.setWindowTitle("What made this?")
    box.setText(words_of(chosen))
    record = chosen.record
    made = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    box.setInformativeText(
        f"Made {record.created} on {record.device}, seed {record.seed}; {made}."
    )
    box.setDetailedText(record.model_dump_json(indent=2))
    return box


def words_of(chosen: Chosen) -> str:
    """Return what a result says about itself, in rich text."""
    result = chosen.result
    if isinstance(result, PredictedGenes):
        return gene_results.describe(result)
    if isinstance(result, Imputed):
        return imputed_results.describe(result)
    return results.describe(result)


def main_window() -> QWidget | None:
    """Return the window that questions stand before, and whose theme they take."""
    active = QApplication.activeWindow()
    if active is not None:
        return active
    shown = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    return next((w for w in shown if w.isVisible()), None)
