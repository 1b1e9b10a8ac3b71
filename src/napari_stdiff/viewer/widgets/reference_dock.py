"""A dock that runs a task with a single-cell reference beside the tissue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from napari.utils.notifications import show_error

from ...compute.config import Config
from ...compute.errors import StdiffError
from ...data.tissue import Tissue
from ..forms import ConfigForm
from ..references import of_file
from .reference_box import ABOUT, ReferenceBox
from .run_dock import RunDock

if TYPE_CHECKING:
    import napari

C = TypeVar("C", bound=Config)


class ReferenceDock(RunDock[C]):
    """Keeps the reference in step with the tissue, and remembers it where it is a file.

    Subclasses lay out `reference`, and override `on_reference` and what else they need.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    name
        Under this name the form's values are remembered.
    form
        The settings, "reference_cells" and "seed" among them.
    about
        What is said while no reference is chosen.
    """

    def __init__(
        self, napari_viewer: napari.Viewer, name: str, form: ConfigForm[C], about: str = ABOUT
    ) -> None:
        super().__init__(napari_viewer, name, form)
        self.reference = ReferenceBox(self.session, self._thinning, about)
        self._matched_with: Tissue | None = None
        self.reference.changed.connect(self.on_reference)
        self.reference.changed.connect(self.run_bar.forgive)
        self.reference.failed.connect(self._unreadable)

    def on_reference(self) -> None:
        """Show what the reference has; called when it was read, or went."""

    def show_tissue(self) -> None:
        """Match the reference with the tissue that was opened."""
        tissue = self.session.tissue
        if tissue is None or not self._same_genes(tissue):
            kept = self.reference.source if self._same_data(tissue) else None
            self._matched_with = tissue
            self.reference.choose(kept)
        self.on_reference()

    def _same_genes(self, tissue: Tissue) -> bool:
        """Whether the reference was matched with these genes, wherever the sections stand now."""
        return not self._fresh and (
            self._matched_with is tissue
            or (self._matched_with is not None and self._matched_with.genes is tissue.genes)
        )

    def _same_data(self, tissue: Tissue | None) -> bool:
        """Whether this is the same file or store, perhaps read another way."""
        before = self._matched_with
        if tissue is None or before is None or not tissue.origin.path:
            return False
        return tissue.origin.path == before.origin.path

    def on_layers(self, *_: object) -> None:
        """Offer the tables of the viewer's layers, as data and as a reference."""
        super().on_layers()
        viewer = self._viewer()
        if viewer is not None:
            self.reference.refresh(viewer.layers)

    def _unreadable(self, error: Exception) -> None:
        """Say what is wrong with a reference; the sentence stands below its name already."""
        if isinstance(error, StdiffError):
            show_error(str(error))
        else:
            self.fail(error)

    def _thinning(self) -> tuple[int, int]:
        """Return to how many cells, and with which seed, a large reference is thinned."""
        values = self.form.fields
        return int(values["reference_cells"].value), int(values["seed"].value)

    def chosen_reference(self) -> Any:
        """Return what the task reads its reference from; None where none is chosen.

        Raises
        ------
        StdiffError
            While it is being read.
        """
        if self.reference.is_reading:
            raise StdiffError("The reference is still being read; press Run again in a moment.")
        return self.reference.for_run(*self._thinning())

    def about(self) -> dict[str, Any]:
        """Remember the reference, if it is a file."""
        source = self.reference.source
        return {"reference": source.path} if source is not None and source.path else {}

    def restore_about(self, values: Mapping[str, Any]) -> None:
        """Choose the reference of the last time."""
        path = str(values.get("reference") or "")
        if path and self.reference.source is None:
            self.reference.choose(of_file(path))

    def end(self) -> None:
        """End everything that runs, the reading of a reference too."""
        self.reference.end()
        super().end()
