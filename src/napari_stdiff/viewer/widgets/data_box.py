"""Which data a dock works on: choose it, see how it was read, read it differently."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ..fields import ChoiceField
from ..forms import ConfigForm, Folded
from ..interop import LayerSource, sources
from ..remember import about_data, remember_about_data
from ..session import Session
from ..worker import Job, end
from .dock import paragraph
from .source import SourcePicker
from .z_slider import unit_words

if TYPE_CHECKING:
    from napari.layers import Layer

NOTHING_OPEN = (
    "Nothing is open yet. Choose the data of a layer, open a store or file from disk, or take "
    "File ▸ Open Sample ▸ napari-stdiff."
)
_KINDS = {"anndata": "AnnData", "h5ad": "AnnData", "spatialdata": "SpatialData"}
_COLUMNS = ("section_key", "z_key", "cell_type_key", "layer_key")
_NAMES = (*_COLUMNS, "spatial_key", "table", "coordinate_system")


class DataBox(QWidget):
    """Reads in the background and opens what it read in the session."""

    failed = Signal(object)  # the exception

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._job: Job | None = None
        self.from_layer: LayerSource | None = None
        self.source = SourcePicker()
        self.about = paragraph()
        self._columns = {key: ChoiceField("auto", ["auto"]) for key in _NAMES}
        self.reading = ConfigForm(
            ReadConfig, shown=tuple(ReadConfig.model_fields), fields=self._columns
        )
        self.detected = paragraph()
        self.read_again = QPushButton("Read again with these")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.detected, self.reading, self.read_again):
            column.addWidget(part)
        self.fold = Folded("Reading", inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(3)
        for widget in (self.source, self.about, self.fold):
            outer.addWidget(widget)
        self.source.picked.connect(self.open_data)
        self.read_again.clicked.connect(self._read_again)

    def open_data(self, source: str | LayerSource) -> None:
        """Read `source`, a path or the data of a layer, and open it."""
        if isinstance(source, str):
            self.reading.restore(about_data(source).get("reading", {}))
            self._read(source, None)
        else:
            self.reading.set_config(source.reading(ReadConfig()))
            self._read(source.data, source)

    def read_in(self, system: str) -> None:
        """Read what is open again, in another coordinate system."""
        self._columns["coordinate_system"].value = system
        self._read_again()

    def end(self) -> None:
        """End what runs."""
        end(self._job, mute=True)
        self._job = None

    def refresh(self, layers: Iterable[Layer]) -> None:
        """Show what is open, and offer the data of `layers`."""
        tissue = self._session.tissue
        name = ""
        if tissue is not None:
            path = tissue.origin.path
            kind = _KINDS.get(tissue.origin.kind, tissue.origin.kind)
            name = Path(path).name if path else f"{kind} in memory"
        self.source.offer(name, sources(layers))

    def show_tissue(self) -> None:
        """Show how the session's tissue was read."""
        tissue = self._session.tissue
        self.fold.setVisible(tissue is not None)
        self.read_again.setVisible(self._session.store is not None)
        if tissue is None:
            self.about.setText(NOTHING_OPEN)
            return
        self.reading.set_config(self._session.read_config)
        columns = [str(name) for name in tissue.obs.columns]
        for key in _COLUMNS:
            words = ["auto"] if key == "section_key" else ["auto", "none"]
            self._columns[key].set_choices([*words, *columns])
        depths = tissue.section_z.values()
        low, high = min(depths), max(depths)
        gaps = tissue.missing is not None
        where = f"z from {low:.4g} to {high:.4g}" if high > low else f"z = {low:.4g}"
        self.about.setText(
            f"{len(depths)} section{'s' * (len(depths) != 1)}, {tissue.n_cells:,} cells, "
            f"{tissue.n_genes:,} genes ({tissue.values}); "
            f"{where}{unit_words(tissue.unit)}."
            + (" Some values are missing (NaN): only Impute takes such data." if gaps else "")
        )
        keys = ", ".join(f"{role}: {key}" for role, key in tissue.origin.keys.items())
        self.detected.setText("\n".join(part for part in (keys, *tissue.origin.notes) if part))
        self.detected.setVisible(bool(self.detected.text()))

    def _read_again(self) -> None:
        if self._session.store is not None:
            self._read(self._session.store, self.from_layer)

    def _read(self, data: Any, layer: LayerSource | None) -> None:
        if self._job is not None:
            return
        try:
            config = self.reading.config()
        except StdiffError as error:
            self.failed.emit(error)
            return

        def work(monitor: Monitor) -> Tissue:
            from ...data.reading import read

            tissue = read(data, config, gaps=True)  # a task that takes none says so
            monitor.check()
            return tissue

        def done(tissue: Tissue) -> None:
            self.from_layer = layer
            if isinstance(data, str):
                remember_about_data(data, reading=self.reading.dump())
            self._session.set_tissue(tissue, data, config, in_turns=True)

        self.about.setText("Reading …")
        self._job = job = Job(work)
        job.deliver(done, self.failed.emit, self._ended)
        job.start()

    def _ended(self) -> None:
        self._job = None
        self.source.choice.setCurrentIndex(0)  # what is open, whatever was asked for
        self.show_tissue()
