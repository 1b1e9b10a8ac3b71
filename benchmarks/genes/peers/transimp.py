"""TransImp: a low-rank linear map from reference cells to the tissue's, with a spatial term."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import kneighbors_graph

from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.settings import GeneSettings

from .base import Answer, Peer

_NEIGHBOURS = 6
_SPATIAL = 1.0  # weight of the spatial term; what it comes with


class TransImp(Peer):
    """Low-rank mapping of single cells and the spatial regulariser, as its examples run it."""

    id = "transimp"
    title = "TransImp"
    description = "Translates reference cells to the tissue's by a regularised linear map."
    epochs = 1000

    def ask(self, panel: Panel, config: GeneSettings, epochs: int) -> Answer:
        """Fit the map on the visible genes and apply it to the wanted ones."""
        import torch
        from transpa.util import expTransImp

        visible = [f"g{i}" for i in range(len(panel.genes))]
        wanted = [f"w{i}" for i in range(len(panel.wanted))]
        tissue = pd.DataFrame(panel.tissue, columns=visible)
        reference = pd.DataFrame(
            np.hstack([panel.reference, panel.profiles(panel.wanted)]), columns=visible + wanted
        )
        found = expTransImp(
            df_ref=reference,
            df_tgt=tissue,
            train_gene=visible,
            test_gene=visible + wanted,
            signature_mode="cell",
            mapping_mode="lowrank",
            n_epochs=epochs,
            wt_spa=_SPATIAL,
            spa_adj=kneighbors_graph(panel.coords, _NEIGHBOURS).tocoo(),
            device=torch.device("cpu"),
            seed=config.seed,
        )
        values = np.maximum(np.asarray(found, dtype=np.float64), 0)
        # it divides what it predicts by one number; the visible genes say by which
        known = values[:, : len(visible)]
        factor = float((known * panel.tissue).sum() / max((known**2).sum(), 1e-12))
        return Answer(values[:, len(visible) :] * factor)

    @classmethod
    def epoch_seconds(cls, cells: int, reference: int) -> float:
        """Guess the seconds of an epoch."""
        return 2e-5 * (cells + reference)

    @classmethod
    def bytes_needed(cls, cells: int, reference: int) -> float:
        """Guess the peak memory."""
        return 2e8 + 2e4 * (cells + reference)
