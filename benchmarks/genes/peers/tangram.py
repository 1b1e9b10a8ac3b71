"""Tangram: every reference cell is placed on the tissue, and what it expresses comes with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes.settings import GeneSettings

from .base import Answer, Peer


class Tangram(Peer):
    """Mode `cells`, as its documentation advises.

    Parameters
    ----------
    spots
        Whether the tissue's rows are spots of many cells; its density prior is then the spots'
        total expression, and uniform otherwise.
    """

    id = "tangram"
    title = "Tangram"
    description = "Places reference cells on the tissue by gradient descent."
    epochs = 1000

    def __init__(self, *, spots: bool = False) -> None:
        super().__init__(spots=spots)

    def ask(self, panel: Panel, config: GeneSettings, epochs: int) -> Answer:
        """Map the reference onto the tissue and project the wanted genes."""
        import tangram as tg

        visible, wanted = len(panel.genes), len(panel.wanted)
        # Tangram lowers the case of gene names, which may make two of them one
        names = [f"g{i}" for i in range(visible + wanted)]
        tissue = _table(panel.tissue, names[:visible])
        profiles = np.hstack([panel.reference, panel.profiles(panel.wanted)])
        reference = _table(profiles, names)
        tg.pp_adatas(reference, tissue, genes=names[:visible])
        # its lists of genes come out of sets, whose order changes from run to run
        for table in (reference, tissue):
            for key in ("training_genes", "overlap_genes"):
                table.uns[key] = sorted(table.uns[key], key=lambda g: int(g[1:]))
        prior = "rna_count_based" if self.options["spots"] else "uniform"
        mapped = tg.map_cells_to_space(
            reference,
            tissue,
            mode="cells",
            device="cpu",
            num_epochs=epochs,
            density_prior=prior,
            random_state=config.seed + 1,  # 0 counts as no seed there
            verbose=False,
        )
        projected = tg.project_genes(mapped, reference)
        # a sum over the cells that were mapped to a spot; this makes it an average, by one
        # factor for all spots, so that only the scale changes
        values = np.asarray(projected.X, dtype=np.float64) * len(tissue) / len(reference)
        mean = np.zeros((len(tissue), wanted))
        place = {name: i for i, name in enumerate(names[visible:])}
        for column, name in enumerate(projected.var_names):
            if name in place:  # genes that no reference cell expresses are left out there
                mean[:, place[name]] = values[:, column]
        return Answer(mean)

    @classmethod
    def epoch_seconds(cls, cells: int, reference: int) -> float:
        """Guess the seconds of an epoch."""
        return 5e-8 * cells * reference

    @classmethod
    def bytes_needed(cls, cells: int, reference: int) -> float:
        """Guess the peak memory: the mapping, its gradient, two moments, three temporaries."""
        return 28.0 * cells * reference


def _table(values: np.ndarray, names: list[str]) -> Any:
    from anndata import AnnData

    obs = pd.DataFrame(index=[f"c{i}" for i in range(len(values))])
    return AnnData(
        sparse.csr_matrix(values.astype(np.float32)), obs=obs, var=pd.DataFrame(index=names)
    )
