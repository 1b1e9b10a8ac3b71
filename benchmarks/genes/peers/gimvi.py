"""gimVI: one latent space for tissue and reference, decoded to the genes the tissue lacks."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.settings import GeneSettings

from .base import Answer, Peer

_BATCH = 128


class GimVI(Peer):
    """200 epochs with everything as scvi-tools has it; raw values, empty cells left out."""

    id = "gimvi"
    title = "gimVI"
    description = "A variational autoencoder of both modalities."
    epochs = 200

    def ask(self, panel: Panel, config: GeneSettings, epochs: int) -> Answer:
        """Train on both tables and read off the wanted genes for the tissue's cells."""
        import scvi
        import torch

        scvi.settings.seed = config.seed
        scvi.settings.verbosity = 40
        scvi.settings.progress_bar_style = "tqdm"
        names = [f"g{i}" for i in range(panel.reference_raw.shape[1])]
        visible = len(panel.genes)
        tissue_full = np.flatnonzero(panel.tissue_raw.sum(axis=1) > 0)
        seen = panel.reference_raw[:, :visible]
        reference_full = np.flatnonzero(np.asarray(seen.sum(axis=1)).ravel() > 0)
        reference = _table(panel.reference_raw[reference_full], names)
        tissue = _table(sparse.csr_matrix(panel.tissue_raw[tissue_full]), names[:visible])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scvi.external.GIMVI.setup_anndata(reference)
            scvi.external.GIMVI.setup_anndata(tissue)
            model = scvi.external.GIMVI(reference, tissue)
            # a last batch of one cell stops the batch normalisation
            drop = any(round(0.9 * len(t)) % _BATCH == 1 for t in (reference, tissue))
            model.train(
                epochs,
                accelerator="cpu",
                batch_size=_BATCH,
                datasplitter_kwargs={"drop_last": drop},
                enable_progress_bar=False,
                logger=False,
                enable_checkpointing=False,
            )
            rates = _rates(model, visible, True)
            torch.manual_seed(config.seed)
            rng = np.random.default_rng(config.seed)
            counted = panel.tissue_values == "counts"
            draws = [self._draw(model, visible, rng, counted) for _ in range(max(config.draws, 0))]
        mean = _on_scale(panel, tissue_full, rates)
        stacked = np.stack([_on_scale(panel, tissue_full, d) for d in draws]) if draws else None
        return Answer(mean, stacked)

    def _draw(
        self, model: Any, visible: int, rng: np.random.Generator, counted: bool
    ) -> np.ndarray:
        """Draw a latent value for every cell, and counts from the negative binomial it gives."""
        rates = _rates(model, visible, False).astype(np.float64)
        if not counted:
            return rates
        # it has a dispersion for each gene and table; that of a gene the tissue lacks is learned
        # on the reference alone
        theta = np.exp(model.module.px_r.detach().cpu().numpy())[visible:, 0].astype(np.float64)
        shape = np.broadcast_to(np.maximum(theta, 1e-8), rates.shape)
        return rng.poisson(np.minimum(rng.gamma(shape, rates / shape), 1e9)).astype(np.float64)

    @classmethod
    def epoch_seconds(cls, cells: int, reference: int) -> float:
        """Guess the seconds of an epoch."""
        return 9e-5 * (cells + reference)

    @classmethod
    def bytes_needed(cls, cells: int, reference: int) -> float:
        """Guess the peak memory."""
        return 3e8 + 1e4 * (cells + reference)


def _rates(model: Any, visible: int, deterministic: bool) -> np.ndarray:
    """Return (cells, wanted) expected counts of the tissue's cells."""
    values = model.get_imputed_values(normalized=False, deterministic=deterministic)[1]
    return np.asarray(values)[:, visible:]


def _on_scale(panel: Panel, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Bring stored-scale values of `rows` to the panel's; cells that were empty get the mean."""
    raw = np.tile(values.mean(axis=0, dtype=np.float64), (panel.n_cells, 1))
    raw[rows] = values
    return panel.scaled(raw)


def _table(values: sparse.csr_matrix, names: list[str]) -> Any:
    from anndata import AnnData

    obs = pd.DataFrame(index=[f"c{i}" for i in range(values.shape[0])])
    return AnnData(values.astype(np.float32), obs=obs, var=pd.DataFrame(index=names))
