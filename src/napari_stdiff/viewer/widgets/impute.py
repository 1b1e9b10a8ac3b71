"""The dock that fills in what the assay missed of the genes that it measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFormLayout

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.gaps import mask_layers
from ...data.imputed import Imputed
from ...data.read_config import ReadConfig
from ...data.tissue import Tissue
from ...methods.entries.registry import WITH_REFERENCE
from ...tasks.impute_config import ImputeConfig
from ..fields import ChoiceField, WordsField
from ..forms import ConfigForm
from .cost_line import Estimate
from .dock import heading, paragraph
from .gene_model import Trust
from .gene_pick import GenePick
from .imputed_panel import ImputedPanel
from .imputed_results import ImputedResults
from .reference_dock import ReferenceDock

if TYPE_CHECKING:
    import napari

    from ...data.reference import Reference

_MOST_REMEMBERED = 200  # ticked genes
MISSING = {
    "auto": "empty values, else zeros",
    "zeros": "zeros",
    "nan": "empty values (NaN)",
    "mask": "what a mask layer marks",
    "none": "none: denoise all values",
}
ABOUT_REFERENCE = (
    "Optional: a single-cell table (.h5ad) of a like tissue, from which this method learns, too."
)
NO_REFERENCE = "{} works without a reference; {} learn from one, too."


class ImputeWidget(ReferenceDock[ImputeConfig]):
    """Data, which genes, what is missing, how, what it costs, Run, and what came out.

    Parameters
    ----------
    napari_viewer
        The viewer that the dock belongs to.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._mask, self._section = ChoiceField(""), ChoiceField("all", ["all"])
        form = ConfigForm(
            ImputeConfig,
            shown=("missing", "mask_layer", "section", "method", "device"),
            exclude=("genes",),
            fields={
                "missing": WordsField(MISSING),
                "mask_layer": self._mask,
                "section": self._section,
            },
        )
        super().__init__(napari_viewer, "impute", form, ABOUT_REFERENCE)
        self.genes = GenePick()
        self.without = paragraph()
        self.panel = ImputedPanel(self.session)
        self.results = ImputedResults(self.session.imputations)
        self.lay_out(
            (
                heading("Genes"),
                self.genes,
                heading("What to fill in, and how"),
                self.form,
                self.reference,
                self.without,
                self.cost,
            ),
            (self.panel, self.results),
        )
        self.genes.shown.connect(self._look_at)
        self.genes.changed.connect(self.cost.refresh)
        self.genes.changed.connect(self.run_bar.forgive)
        self.form.changed.connect(self._only_what_counts)
        self.begin()

    # -- what is open -------------------------------------------------------------------------

    def show_tissue(self) -> None:
        """Offer genes, sections and mask layers of the tissue that was opened."""
        super().show_tissue()
        tissue = self.session.tissue
        self.genes.set_genes([] if tissue is None else map(str, tissue.genes))
        sections = [] if tissue is None else tissue.sections
        self._section.set_choices(["all", *sections])
        if self._section.value not in ("all", *sections):
            self._section.value = "all"
        table = "" if tissue is None else tissue.origin.table
        self._mask.set_choices(mask_layers(self.session.store, table))
        self._on_imputed()
        self._only_what_counts()

    def heard(self) -> list[tuple[Any, Callable[..., None]]]:
        """Listen to imputed values that come and go, and to what is shown."""
        return [
            *super().heard(),
            (self.session.imputations.changed, self._on_imputed),
            (self.session.stack.colours_changed, self.panel.refresh),
        ]

    def on_reference(self) -> None:
        """Estimate anew."""
        self.cost.refresh()

    def _on_imputed(self) -> None:
        """Badge the imputed genes, and list the runs."""
        known = self.session.imputations
        self.genes.set_trust({gene: Trust(*known.expected(gene)) for gene in known.genes})
        self.results.refresh()
        self.panel.refresh()

    def _look_at(self, gene: str) -> None:
        self.session.stack.colour_by("gene", gene)

    # -- what is asked for ----------------------------------------------------------------------

    @property
    def _with_reference(self) -> bool:
        """Whether the chosen method looks at a reference."""
        return str(_value(self.form.fields["method"].value)) in WITH_REFERENCE

    def _only_what_counts(self, *_: object) -> None:
        """Show the mask layer, the sections and the reference only where they are asked for."""
        tissue = self.session.tissue
        several = tissue is not None and len(tissue.sections) > 1
        masked = self.form.fields["missing"].value == "mask"
        for name, wanted in (("mask_layer", masked), ("section", several)):
            native = self.form.fields[name].native
            parent = native.parentWidget()
            rows = parent.layout() if parent is not None else None
            if isinstance(rows, QFormLayout):
                rows.setRowVisible(native, wanted)
        self.reference.setVisible(self._with_reference)
        self.without.setVisible(not self._with_reference)
        method = str(_value(self.form.fields["method"].value))
        self.without.setText(NO_REFERENCE.format(method, " and ".join(WITH_REFERENCE)))

    def values(self) -> dict[str, Any]:
        """Return the genes, and no mask layer where none is asked for."""
        masked = self.form.fields["missing"].value == "mask"
        return {"genes": self.genes.value, **({} if masked else {"mask_layer": ""})}

    def about(self) -> dict[str, Any]:
        """Remember reference, mask layer and genes."""
        kept: dict[str, Any] = dict(super().about())
        if self.genes.listed:
            kept["genes"] = self.genes.genes[:_MOST_REMEMBERED]
        return kept

    def restore_about(self, values: Mapping[str, Any]) -> None:
        """Choose the reference and tick the genes of the last time."""
        genes = [str(gene) for gene in values.get("genes", ())]
        if genes:
            self.genes.choose("ticked", genes)
        super().restore_about(values)

    # -- running --------------------------------------------------------------------------------

    def _asked(self, config: ImputeConfig) -> Any:
        """Return the reference or None, or say in one sentence what is missing."""
        if self.genes.listed and not self.genes.genes:
            raise StdiffError(
                "Tick the genes to impute: type a name and press Enter, or choose "
                f"'{self.genes.which.itemText(0)}'."
            )
        if config.missing == "mask" and not config.mask_layer:
            raise StdiffError(
                "Choose the mask layer: a boolean layer of the table, True where a value is "
                "missing."
            )
        return self.chosen_reference() if self._with_reference else None

    def estimate(self, tissue: Tissue, config: ImputeConfig) -> Callable[[], Estimate] | None:
        """Say how much is filled in, and what that costs."""
        if self.reference.is_reading and self._with_reference:
            return None
        reference, read_config = self._asked(config), self.session.read_config
        masks = self.session.store
        return lambda: estimate_cost(tissue, reference, read_config, config, masks)

    def work(self, tissue: Tissue, config: ImputeConfig) -> Callable[[Monitor], Any]:
        """Fill in."""
        reference, read_config = self._asked(config), self.session.read_config
        masks = self.session.store
        return lambda monitor: impute(tissue, reference, read_config, config, masks, monitor)

    def take(self, tissue: Tissue, result: Imputed) -> str:
        """Keep the result, and show a gene of it: the one in sight, or one worth a look."""
        stack = self.session.stack
        name = self.session.imputations.keep(result)
        self.results.refresh(select=name)
        gene = stack.colouring.name
        if stack.colouring.kind != "gene" or gene not in set(map(str, result.genes)):
            # well predicted, and with much that was filled in
            reached = np.nan_to_num(result.reliability.expected, nan=0.0)
            gene = str(result.genes[int((reached * result.filled.mean(axis=0)).argmax())])
        if stack.view == "raw":
            stack.view = "imputed"
        stack.colour_by("gene", gene)
        self.bring_into_sight(self.panel)
        n, share = int(result.filled.sum()), float(result.filled.mean())
        state = "Done" if result.prediction.complete else "Cancelled, with what was done"
        return f"{state}: {n:,} values ({share:.0%}) filled in ({name}); {gene} is shown."

    def run(self) -> None:
        """Fill in, in the background, progress in sight."""
        super().run()
        self.bring_into_sight(self.run_bar)


def _value(choice: Any) -> Any:
    """Return what a choice of a form stands for."""
    return getattr(choice, "value", choice)


def impute(
    tissue: Tissue,
    reference: Reference | None,
    read_config: ReadConfig,
    config: ImputeConfig,
    masks: Any,
    monitor: Monitor,
) -> Imputed:
    """Run the task; torch is only imported here, in the worker's thread."""
    from ...tasks.impute import prepare, run

    job = prepare(tissue, reference, read=read_config, config=config, monitor=monitor, masks=masks)
    return run(job, config, monitor)


def estimate_cost(
    tissue: Tissue,
    reference: Reference | None,
    read_config: ReadConfig,
    config: ImputeConfig,
    masks: Any,
) -> Estimate:
    """Say how much will be filled in and estimate what that will take."""
    from ...methods.entries.registry import entry_method_class
    from ...tasks.impute import estimate, prepare

    job = prepare(
        tissue, reference, read=read_config, config=config, monitor=Monitor(), masks=masks
    )
    n, of, genes = int(job.choice.wanted.sum()), job.choice.wanted.size, len(job.choice.targets)
    about = f"{n:,} of {of:,} values ({n / of:.0%}) of {genes:,} gene{'s' * (genes != 1)}."
    if job.replaces(config):
        about = f"All {of:,} values of {genes:,} gene{'s' * (genes != 1)}."
    method = entry_method_class(config.method)
    return Estimate(about, estimate(job, config), method.description)
