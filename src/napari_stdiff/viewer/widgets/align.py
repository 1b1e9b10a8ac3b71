"""The dock that brings sections which lie in frames of their own into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QMessageBox

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.alignment import Alignment
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...tasks.config import AlignConfig
from ..aligned import aligned_of
from ..fields import ChoiceField, PathField
from ..forms import ConfigForm, Folded
from ..preferences import begin_at
from .align_panel import AlignPanel
from .dock import heading, paragraph
from .landmark_box import LandmarkBox, has_landmarks
from .run_dock import RunDock
from .stored_alignments import AS_READ, StoredAlignments

if TYPE_CHECKING:
    import napari
    import numpy as np

ABOUT = {
    "auto": "By the landmarks you set below, or by expression while there are none.",
    "expression": "Places with like expression come to lie above one another, and distances "
    "within a section are kept.",
    "landmarks": "Points that you set by hand come to lie above one another.",
    "histology": "The pictures of the sections come to match; each section needs one.",
}


class AlignWidget(RunDock[AlignConfig]):
    """Data, by what, Run, before and after, save and undo.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    nothing_yet = "Cancelled; nothing was moved."

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._fixed = ChoiceField("middle", ["middle"])
        file = PathField(title="Landmarks", pattern="CSV (*.csv);;All files (*)")
        form = ConfigForm(
            AlignConfig,
            shown=("method", "transform", "fixed"),
            fields={"fixed": self._fixed, "landmarks": file},
        )
        super().__init__(napari_viewer, "align", form, "Align")
        self.aligned = aligned_of(self.session)
        self.what = paragraph()
        self.landmarks = LandmarkBox(self.session, self.aligned)
        self.landmarks_fold = Folded("Landmarks", self.landmarks)
        self.panel = AlignPanel(self.aligned)
        self.stored = StoredAlignments(self.session, self.aligned)
        self.lay_out(
            (heading("Align"), self.what, self.form, self.landmarks_fold),
            (self.panel, self.stored),
        )
        self.form.changed.connect(self._explain)
        self.panel.save.connect(self.save)
        self.panel.save_as.connect(self.save_as)
        self.panel.undo.connect(self.undo)
        self.stored.chosen.connect(self.data.read_in)
        self.stored.remove.connect(self.remove)
        self.begin()

    def show_tissue(self) -> None:
        """Offer the sections of the tissue."""
        tissue = self.session.tissue
        names = tissue.sections if tissue is not None else []
        self._fixed.set_choices(["middle", *names])
        if self._fixed.value not in ("middle", *names):
            self._fixed.value = "middle"
        self.landmarks.show_tissue()
        self._explain()
        self._on_aligned()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to the alignment, and to which section is looked at."""
        pairs: list[tuple[Any, Callable[..., None]]] = [*super().heard()]
        pairs.append((self.aligned.changed, self._on_aligned))
        viewer = self._viewer()
        if viewer is not None:
            pairs.append((viewer.dims.events.point, self._on_point))
        return pairs

    def on_layers(self, *_: object) -> None:
        """Count the landmarks that are left."""
        super().on_layers()
        self.landmarks.refresh()

    def work(self, tissue: Tissue, config: AlignConfig) -> Callable[[Monitor], Any]:
        """Align the sections as they were read, whatever is shown."""
        if self.aligned.system:
            raise StdiffError(
                f"The sections are aligned and saved as '{self.aligned.system}'; undo that to "
                "align them anew."
            )
        read_config, before = self.session.read_config, self.aligned.before or tissue
        points = None
        box = self.landmarks
        if config.method in ("auto", "landmarks") and has_landmarks(box):
            points = box.landmarks.points() if box.landmarks is not None else None
        elif config.method == "landmarks" and not config.landmarks:
            raise StdiffError(
                "There are no landmarks yet: unfold Landmarks, add a layer for each section and "
                "click the same places in each, or name a file under Settings."
            )
        return lambda monitor: align(before, read_config, config, points, monitor)

    def take(self, tissue: Tissue, result: Alignment) -> str:
        """Show the sections as they lie now."""
        first = self.aligned.alignment is None
        self.aligned.take(result)
        if first:  # they may have lain side by side, and now lie on one another
            self.session.stack.look()
            self.session.stack.make_room(tissue.coords)  # for 'Before'
        return "Done: the sections are shown as aligned; 'Before' shows them as they were."

    def save_as(self) -> None:
        """Keep the alignment in a new store, which gets the data too."""
        out, _ = QFileDialog.getSaveFileName(
            self,
            "New SpatialData store",
            begin_at("aligned.zarr"),
            "SpatialData store (*.zarr)",
        )
        if out:
            self.save(str(Path(out).with_suffix(".zarr")))

    def save(self, out: str = "") -> None:
        """Keep the alignment in the open store, or in a new one at `out`."""
        tissue = self.session.tissue
        if tissue is None:
            return
        try:
            save = self.aligned.saver(out)
        except StdiffError as error:
            self.fail(error)
            return

        def saved(_: Tissue, system: str) -> str:
            self.aligned.saved(system, out)
            return f"Saved as the coordinate system '{system}'{f' of {out}' if out else ''}."

        self.start(tissue, lambda _: save(), saved)

    def undo(self) -> None:
        """Go back to the sections as they were read, in the store as well."""
        tissue = self.session.tissue
        if tissue is None:
            return
        if self.aligned.system and not self._agreed(self.aligned.system):
            return
        undo = self.aligned.undoer()

        def undone(*_: object) -> str:
            self.aligned.undone()
            return "Undone: the sections are as they were read."

        self.start(tissue, lambda _: undo(), undone)

    def remove(self, system: str) -> None:
        """Take an alignment of an earlier session out of the store."""
        tissue, store = self.session.tissue, self.session.store
        if tissue is None or store is None or not self._agreed(system):
            return

        def work(_: Monitor) -> None:
            from ...data.alignment_store import remove_alignment

            remove_alignment(store, system)  # type: ignore[arg-type]

        def removed(*_: object) -> str:
            self.data.read_in(AS_READ)
            return f"Removed: the store has no coordinate system '{system}' any more."

        self.start(tissue, work, removed)

    def start(
        self,
        tissue: Tissue,
        work: Callable[[Monitor], Any],
        take: Callable[[Tissue, Any], str],
    ) -> None:
        """Run `work` in the background; before and after stay as they are meanwhile."""
        super().start(tissue, work, take)
        self.panel.set_usable(False)
        self.stored.set_usable(False)

    def _ended(self) -> None:
        super()._ended()
        self.panel.set_usable(True)
        self.stored.set_usable(True)

    def _agreed(self, system: str) -> bool:
        button = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self,
            "Undo the alignment",
            f"Take the coordinate system '{system}' out of the store? Nothing else is touched.",
            button.Yes | button.No,
        )
        return bool(answer == button.Yes)

    def _on_aligned(self) -> None:
        self.panel.refresh()
        self.stored.refresh()
        self.data.show_tissue()

    def _on_point(self, _: object) -> None:
        self.landmarks.show_shown()

    def _explain(self, *_: object) -> None:
        method = str(self.form.fields["method"].value)
        self.what.setText(ABOUT[method])
        self.landmarks_fold.setVisible(method in ("auto", "landmarks"))
        if method == "landmarks":
            self.landmarks_fold.unfold()


def align(
    tissue: Tissue,
    read_config: ReadConfig,
    config: AlignConfig,
    landmarks: Mapping[str, np.ndarray] | None,
    monitor: Monitor,
) -> Alignment:
    """Run the task; optimal transport is only imported here, in the worker's thread."""
    from ...tasks.align import align as task

    return task(tissue, read=read_config, config=config, landmarks=landmarks, monitor=monitor)
