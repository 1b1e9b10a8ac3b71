"""Which single-cell reference: choose it, and hear which genes it has beside the tissue's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...compute.monitor import Monitor
from ...data.tissue import Tissue
from ..fields import NoWheel, tame
from ..preferences import data_folder
from ..references import Source, candidates, of_file
from ..session import Session
from ..worker import Job, Problem, end
from .dock import paragraph

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.layers import Layer

    from ...data.gene_names import GeneMatch
    from ...data.reference import Reference

ABOUT = (
    "Choose the single-cell table (.h5ad) of a like tissue: the genes that it has beside the "
    "tissue's own can be predicted."
)


class Read(NamedTuple):
    """A reference that was read, and how its genes fit those of a tissue."""

    reference: Reference
    match: GeneMatch
    cells: int
    seed: int


class ReferenceBox(QWidget):
    """Reads what is chosen, in the background.

    Signals
    -------
    changed
        A reference was read, or there is none any more.
    failed
        With the exception that reading it raised.

    Parameters
    ----------
    session
        What the genes are matched with.
    thinning
        Returns to how many cells, and with which seed, a large reference is thinned.
    about
        What is said while none is chosen.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(
        self, session: Session, thinning: Callable[[], tuple[int, int]], about: str = ABOUT
    ) -> None:
        super().__init__()
        self._words = about
        self._session = session
        self._thinning = thinning
        self._job: Job | None = None
        self._sources: list[Source] = []
        self.source: Source | None = None
        self.read: Read | None = None
        self.choice = QComboBox()
        tame(self.choice, NoWheel(self))
        self.open_button = QPushButton("Open…")
        self.open_button.setToolTip("Open a reference (.h5ad) from disk")
        self.about = paragraph()
        self.about.setText(about)
        row = QHBoxLayout()
        row.addWidget(self.choice, 1)
        row.addWidget(self.open_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(row)
        column.addWidget(self.about)
        self.choice.activated.connect(self._chosen)
        self.open_button.clicked.connect(self._open)
        self._offer()

    def refresh(self, layers: Iterable[Layer]) -> None:
        """Offer what the session and `layers` hold; what is chosen stays."""
        self._sources = candidates(self._session, layers)
        self._offer()

    def choose(self, source: Source | None) -> None:
        """Read `source`; None goes back to no reference."""
        self.end()
        self.source, had, self.read = source, self.read, None
        self._offer()
        tissue = self._session.tissue
        if source is None or tissue is None:
            self.about.setText(self._invitation())
            if had is not None:
                self.changed.emit()
            return
        cells, seed = self._thinning()
        self.about.setText("Reading …")
        self.changed.emit()
        self._job = job = Job(lambda monitor: read_source(source, tissue, cells, seed, monitor))
        job.deliver(self._done, self._fail, self._ended)
        job.start()

    def match_again(self) -> None:
        """Match the genes with those of another tissue."""
        self.choose(self.source)

    def for_run(self, cells: int, seed: int) -> str | AnnData | Reference | None:
        """Return what the task reads its reference from; None where there is none."""
        read, source = self.read, self.source
        if read is None or source is None:
            return None
        if (read.cells, read.seed) == (cells, seed):
            return read.reference
        return source.readable  # to be thinned otherwise

    def end(self) -> None:
        """Stop reading."""
        end(self._job, mute=True)
        self._job = None

    @property
    def is_reading(self) -> bool:
        """Whether a reference is just being read."""
        return self._job is not None

    def _offer(self) -> None:
        self.choice.blockSignals(True)
        self.choice.clear()
        self.choice.addItem("Choose a reference …", None)
        sources = list(self._sources)
        chosen = self.source
        if chosen is not None and not any(chosen.same(s) for s in sources):
            sources.insert(0, chosen)
        for source in sources:
            self.choice.addItem(source.label, source)
            if source.same(chosen):
                self.choice.setCurrentIndex(self.choice.count() - 1)
        self.choice.blockSignals(False)
        if self.about.text().startswith(self._words):
            self.about.setText(self._invitation())

    def _invitation(self) -> str:
        """Say what to choose, and that something is at hand where that is so."""
        n = len(self._sources)
        if not n:
            return self._words
        return f"{self._words} The list above offers {'one' if n == 1 else f'{n:,}'}."

    def _chosen(self, row: int) -> None:
        self.choose(self.choice.itemData(row))

    def _open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a single-cell reference", data_folder(), "AnnData (*.h5ad);;All files (*)"
        )
        if path:
            self.choose(of_file(path))

    def _done(self, read: Read) -> None:
        self.read = read
        match = read.match
        n = len(read.reference.names)
        parts = [
            f"{n:,} cells; {len(match.shared):,} genes shared with the tissue, "
            f"{len(match.only_reference):,} more that can be predicted."
        ]
        parts += list(match.notes[1:])  # the first counts the shared ones again
        self.about.setText(" ".join(parts))
        self.about.setToolTip("<p>" + "<br>".join(match.notes) + "</p>")
        self.changed.emit()

    def _fail(self, error: Exception) -> None:
        self.source, self.read = None, None
        self._offer()
        self.about.setText(Problem.of(error).sentence)
        self.changed.emit()
        self.failed.emit(error)

    def _ended(self) -> None:
        self._job = None


def read_source(source: Source, tissue: Tissue, cells: int, seed: int, monitor: Monitor) -> Read:
    """Read a reference and match its genes; called in a worker."""
    from ...data.gene_names import match_genes
    from ...data.reference import read_reference

    monitor.check()
    reference = read_reference(source.readable, cells=cells, seed=seed)
    monitor.check()
    return Read(reference, match_genes(tissue, reference), cells, seed)
