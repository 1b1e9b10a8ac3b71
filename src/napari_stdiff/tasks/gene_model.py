"""A fitted gene method with its reliability folds: kept in memory, saved, and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.panel import Panel
from ..data.prediction import Prediction
from ..methods.genes.base import GeneMethod
from ..methods.genes.folds import gene_folds
from ..methods.genes.held_out import HeldOut
from ..methods.genes.registry import gene_method_class, load_gene_method
from ..methods.genes.settings import GeneSettings
from .gene_config import PredictGenesConfig
from .recent import Recent, key_of

_MEMORY = 256 * 2**20  # bytes that draws and profiles of a chunk of genes may take
_MOST = 1024
_HELD = "reliability.safetensors"


@dataclass(frozen=True)
class GeneModel:
    """A fitted method, and what it reached on genes that were hidden from it.

    Attributes
    ----------
    method
        Fitted on all visible genes.
    held
        Of the reliability folds; None where too few genes are shared for any.
    panel
        Fingerprint of the panel that both belong to.
    """

    method: GeneMethod
    held: HeldOut | None
    panel: str

    def refuse_misfit(self, panel: Panel) -> None:
        """Raise StdiffError when `panel` is not the one of the fit."""
        if panel.fingerprint() != self.panel:
            these = f"'{panel.tissue_name}'" if panel.tissue_name else "these"
            raise StdiffError(
                f"The model was fitted on other tissue or another reference than {these}; read "
                "the data it was fitted on, or fit a new model."
            )

    def save(self, folder: Path) -> None:
        """Write method and folds to `folder`.

        Raises
        ------
        StdiffError
            When the folder cannot be written.
        """
        from safetensors.numpy import save_file

        self.method.save(folder)
        if self.held is None:
            (folder / _HELD).unlink(missing_ok=True)
            return
        arrays = {"mean": self.held.mean, "fold": self.held.fold.astype(np.int64)}
        for name, found in (("std", self.held.std), ("cells", self.held.cells)):
            if found is not None:
                arrays[name] = found
        try:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / _HELD)
        except OSError as error:
            raise StdiffError(f"The model cannot be written to '{folder}': {error}.") from error


_recent: Recent[GeneModel] = Recent(2)


def gene_model(
    panel: Panel, config: PredictGenesConfig, monitor: Monitor
) -> tuple[GeneModel, bool]:
    """Return the method fitted on `panel` with its folds, and whether an earlier run had it."""
    key = key_of(panel.fingerprint(), config, config.device, GeneSettings, ("method", "folds"))
    return _recent.get(key, lambda: _fit(panel, config, monitor))


def load_gene_model(
    folder: Path, panel: Panel, config: PredictGenesConfig, monitor: Monitor
) -> GeneModel:
    """Return the model that was saved to `folder`; its folds are run again where it has none.

    Raises
    ------
    StdiffError
        When there is none, or it was fitted on another tissue or reference.
    """
    method = load_gene_method(config.method, folder, panel)
    held = _load_held(folder, panel)
    if held is None:
        held = hold_out(panel, config, monitor)
    return GeneModel(method, held, panel.fingerprint())


def forget() -> None:
    """Drop the models kept in memory."""
    _recent.forget()


def hold_out(panel: Panel, config: PredictGenesConfig, monitor: Monitor) -> HeldOut | None:
    """Hide the visible genes fold by fold and predict them; None with fewer than 5 of them.

    Parameters
    ----------
    panel
        What is visible.
    config
        Names the method and the number of folds.
    monitor
        Progress and cancel.
    """
    n = len(panel.genes)
    if n < 5:
        return None
    # every fold leaves 4 genes or more: a method hides some of these in turn, too
    parts = gene_folds(n, max(config.folds, -(-n // (n - 4))), config.seed)
    mean, std = np.empty((2, panel.n_cells, n), dtype=np.float32)
    fold = np.empty(n, dtype=np.int64)
    spread = config.draws > 1
    for i, (_, hidden) in enumerate(parts):
        with monitor.stage(f"Reliability, fold {i + 1} of {len(parts)}", 1 / (len(parts) - i)):
            names = panel.genes[hidden]
            inner = panel.without(names)
            with monitor.stage(f"Reliability, fold {i + 1} of {len(parts)}", 0.8):
                method = gene_method_class(config.method)().fit(inner, config, monitor)
            for at, part in in_chunks(method, inner, names, config.draws, monitor):
                mean[:, hidden[at]] = part.mean
                spread = spread and part.std is not None
                if part.std is not None:
                    std[:, hidden[at]] = part.std
            fold[hidden] = i
    return HeldOut(mean, std if spread else None, fold)


def chunk_size(panel: Panel, n_draws: int) -> int:
    """Return how many genes are predicted at a time."""
    each = 4 * (panel.n_cells * (2 * n_draws + 4) + 2 * panel.reference_raw.shape[0])
    return int(min(max(_MEMORY // each, 1), _MOST))


def in_chunks(
    method: GeneMethod, panel: Panel, genes: np.ndarray, n_draws: int, monitor: Monitor
) -> Iterator[tuple[slice, Prediction]]:
    """Predict `genes` some at a time, so that memory does not grow with their number.

    Yields
    ------
    tuple
        Which of the genes, and their mean and spread; the draws are summed up and gone.

    Raises
    ------
    Cancelled
        When the run was cancelled, also in the midst of the draws.
    """
    size = chunk_size(panel, n_draws)
    starts = range(0, len(genes), size)
    for i, start in enumerate(starts):
        at = slice(start, min(start + size, len(genes)))
        with monitor.stage(f"Genes {at.stop} of {len(genes)}", 1 / (len(starts) - i)):
            part = method.sample(genes[at], n_draws, monitor)
            monitor.check()
        std = part.std
        if std is None and part.draws is not None and len(part.draws) > 1:
            std = part.draws.std(axis=0, ddof=1)
        yield at, replace(part, draws=None, std=std)


def _fit(panel: Panel, config: PredictGenesConfig, monitor: Monitor) -> GeneModel:
    kind = gene_method_class(config.method)
    # a method that keeps its own folds has done nearly everything once it is fitted
    share = 0.98 if kind.keeps_folds else 1 / (1 + config.folds)
    with monitor.stage("Fitting", share):
        method = kind().fit(panel, config, monitor)
    with monitor.stage("Reliability"):
        held = method.held_out()
        if held is None:
            held = hold_out(panel, config, monitor)
    return GeneModel(method, held, panel.fingerprint())


def _load_held(folder: Path, panel: Panel) -> HeldOut | None:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not (folder / _HELD).is_file():
        return None
    try:
        arrays = load_file(folder / _HELD)
        held = HeldOut(
            *(arrays["mean"], arrays.get("std"), arrays["fold"]), cells=arrays.get("cells")
        )
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise StdiffError(f"The model in '{folder}' cannot be read; save it again.") from error
    if held.mean.shape != (panel.n_cells, len(panel.genes)):
        raise StdiffError(
            f"The model in '{folder}' was fitted on other tissue; read the data it was fitted on, "
            "or fit a new model."
        )
    return held
