"""Whether cells fall into their annotated types better after values were filled in."""

from __future__ import annotations

import numpy as np

from ..data.tissue import Tissue
from ..data.visible import Visible
from ..scoring.clusters import annotated, cluster_scores

_CLUSTERED = 20_000  # cells; of more, so many are drawn with the seed


def before_and_after(
    tissue: Tissue, visible: Visible, targets: np.ndarray, mean: np.ndarray, seed: int
) -> dict[str, float | None]:
    """Compare clusters before and after with annotated types, or with layers where there are none.

    Before, entries without a value are those of the gene's mean.

    Parameters
    ----------
    tissue
        Its labels.
    visible
        Everything that is measured.
    targets, mean
        Which genes were imputed, and (cells, targets) what they are now.
    seed
        Of the clusters.

    Returns
    -------
    dict
        ``ari_before``, ``ari_after`` and so on, as :func:`cluster_scores` has them; empty
        without labels.
    """
    for labels in (tissue.cell_type, tissue.layer):
        if labels is None or len(set(labels[annotated(labels)].astype(str))) < 2:
            continue
        rows = np.arange(tissue.n_cells)
        if len(rows) > _CLUSTERED:
            drawn = np.random.default_rng(seed).choice(rows, _CLUSTERED, replace=False)
            rows = np.sort(drawn)
        before = np.where(visible.seen[rows], visible.expression[rows], visible.mean)
        after = before.copy()
        after[:, targets] = mean[rows]
        out: dict[str, float | None] = {}
        for when, values in (("before", before), ("after", after)):
            found = cluster_scores(values, labels[rows], seed) or {}
            out |= {f"{score}_{when}": value for score, value in found.items()}
        return out
    return {}
