"""The dock that predicts genes the panel never measured, from a single-cell reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFormLayout

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.predicted import PredictedGenes
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...tasks.gene_config import PredictGenesConfig
from ..fields import WordsField
from ..forms import ConfigForm
from .cost_line import Estimate
from .dock import heading
from .gene_list import GeneList
from .gene_model import Trust
from .gene_results import GeneResults
from .reference_dock import ReferenceDock
from .trust import TrustPanel

if TYPE_CHECKING:
    import napari

    from ...data.reference import Reference

_MOST_REMEMBERED = 200  # ticked genes
WHICH = {
    "listed": "those ticked above",
    "all-missing": "all not measured",
    "hvg": "most variable ones",
}


class PredictGenesWidget(ReferenceDock[PredictGenesConfig]):
    """Data, reference, which genes, how, what it costs, Run, and what came out.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        form = ConfigForm(
            PredictGenesConfig,
            shown=("which", "n_hvg", "method", "device"),
            exclude=("genes",),
            fields={"which": WordsField(WHICH)},
        )
        super().__init__(napari_viewer, "predict-genes", form)
        self.genes = GeneList()
        self.trust = TrustPanel(self.session, self.session.predictions)
        self.results = GeneResults(self.session.predictions)
        self.lay_out(
            (
                heading("Reference"),
                self.reference,
                heading("Genes"),
                self.genes,
                heading("How"),
                self.form,
                self.cost,
            ),
            (self.trust, self.results),
        )
        self.genes.shown.connect(self._look_at)
        self.genes.changed.connect(self._ticked)
        self.genes.changed.connect(self.run_bar.forgive)
        self.form.changed.connect(self._only_what_counts)
        self._restored: list[str] = []
        self.begin()

    # -- what is open -------------------------------------------------------------------------

    def show_tissue(self) -> None:
        """Show the tissue that was opened, and match the reference with it."""
        super().show_tissue()
        self._on_predictions()
        self._only_what_counts()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to predicted genes that come and go, and to what is shown."""
        return [
            *super().heard(),
            (self.session.predictions.changed, self._on_predictions),
            (self.session.stack.colours_changed, self.trust.refresh),
        ]

    def on_reference(self) -> None:
        """Mark the genes anew."""
        tissue, read = self.session.tissue, self.reference.read
        measured = [] if tissue is None else [str(gene) for gene in tissue.genes]
        self.genes.set_genes(measured, None if read is None else read.match.only_reference)
        if read is not None and self._restored:
            self.genes.tick(self._restored)
            self._restored = []
        self.cost.refresh()

    def _on_predictions(self) -> None:
        """Badge the predicted genes, and list the runs."""
        known = self.session.predictions
        self.genes.set_trust({gene: Trust(*known.expected(gene)) for gene in known.genes})
        self.results.refresh()
        self.trust.refresh()

    # -- what is asked for ----------------------------------------------------------------------

    def _ticked(self) -> None:
        if self.genes.genes and self.form.fields["which"].value != "listed":
            self.form.fields["which"].value = "listed"  # who ticks means these
        self.cost.refresh()

    def _only_what_counts(self, *_: object) -> None:
        """Show the number of genes only where it is asked for."""
        native = self.form.fields["n_hvg"].native
        parent = native.parentWidget()
        rows = parent.layout() if parent is not None else None
        if isinstance(rows, QFormLayout):
            rows.setRowVisible(native, self.form.fields["which"].value == "hvg")

    def _look_at(self, gene: str) -> None:
        """Colour the tissue by a gene that is measured or predicted."""
        self.session.stack.colour_by("gene", gene)

    def values(self) -> dict[str, Any]:
        """Return the genes that are ticked, where these are asked for."""
        listed = self.form.fields["which"].value == "listed"
        return {"genes": ", ".join(self.genes.genes) if listed else ""}

    def about(self) -> dict[str, Any]:
        """Remember the reference, if it is a file, and the ticked genes."""
        kept = super().about()
        return kept and {**kept, "genes": self.genes.genes[:_MOST_REMEMBERED]}

    def restore_about(self, values: Mapping[str, Any]) -> None:
        """Choose the reference and tick the genes of the last time."""
        if self.reference.source is None:
            self._restored = [str(gene) for gene in values.get("genes", ())]
        super().restore_about(values)

    # -- running --------------------------------------------------------------------------------

    def _asked(self, config: PredictGenesConfig) -> Any:
        """Return the reference, or say in one sentence what is missing."""
        found = self.chosen_reference()
        if found is None:
            raise StdiffError("Choose a reference first: a single-cell table of a like tissue.")
        if config.which == "listed" and not config.genes:
            raise StdiffError(
                "Tick the genes to predict: type a name above and press Enter, or choose "
                f"'{WHICH['all-missing']}' or '{WHICH['hvg']}' below the list."
            )
        return found

    def estimate(
        self, tissue: Tissue, config: PredictGenesConfig
    ) -> Callable[[], Estimate] | None:
        """Say what the method does and costs, once it is known for which genes."""
        if self.reference.read is None:
            return None
        if config.which == "listed" and not config.genes:
            return None
        reference, read_config = self._asked(config), self.session.read_config
        return lambda: estimate_cost(tissue, reference, read_config, config)

    def work(self, tissue: Tissue, config: PredictGenesConfig) -> Callable[[Monitor], Any]:
        """Predict the genes."""
        reference, read_config = self._asked(config), self.session.read_config
        return lambda monitor: predict_genes(tissue, reference, read_config, config, monitor)

    def take(self, tissue: Tissue, result: PredictedGenes) -> str:
        """Keep the predicted genes, and show the first that was listed, or the most reliable."""
        name = self.session.predictions.keep(result)
        self.results.refresh(select=name)
        listed = result.record.parameters.get("which", "listed") == "listed"
        first = 0 if listed else int(np.argmax(result.reliability.expected))
        gene, more = str(result.genes[first]), len(result.genes) - 1
        self.session.stack.colour_by("gene", gene)
        self.bring_into_sight(self.trust)
        state = "Done" if result.prediction.complete else "Cancelled, with what was done"
        return f"{state}: {gene}{f' and {more:,} more' if more else ''} ({name})."

    def run(self) -> None:
        """Predict the genes in the background, progress in sight."""
        super().run()
        self.bring_into_sight(self.run_bar)


def predict_genes(
    tissue: Tissue,
    reference: Reference,
    read_config: ReadConfig,
    config: PredictGenesConfig,
    monitor: Monitor,
) -> PredictedGenes:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.predict_genes import predict_genes as task

    return task(tissue, reference, read=read_config, config=config, monitor=monitor)


def estimate_cost(
    tissue: Tissue, reference: Reference, read_config: ReadConfig, config: PredictGenesConfig
) -> Estimate:
    """Say what the method does and estimate what the task will take."""
    from ...methods.genes.registry import gene_method_class
    from ...tasks.predict_genes import estimate, prepare

    job = prepare(tissue, reference, read=read_config, config=config, monitor=Monitor())
    n = len(job.choice.genes)
    # the method is described in the tooltip: with more lines here, Run leaves a small window
    about = f"{n:,} gene{'s' * (n != 1)} in {tissue.n_cells:,} cells."
    return Estimate(about, estimate(job, config), gene_method_class(config.method).description)
