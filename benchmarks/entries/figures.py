"""Pictures of the comparison: hidden entries side by side, who is like whom, genes in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from genes.figures import _flat, _plain_axis, _range, _row
from stacks.figures import _saved, dot_size, dress

from napari_stdiff.evaluation.hidden_entries import EntryCase, marker_order

from .cases import FIRST, open_case
from .summary import AVERAGE, OURS, SINGLES, Account, best, filled

Say = Callable[[str], None]
_SHADES = {
    "stmcdi": "#b2182b",
    "spotdiff": "#ef8a62",
    "stack": "#2166ac",
    AVERAGE: "#67a9cf",
    "soft-svd": "#8c96a3",
    "masked-network": "#5aae61",
}
_CELLS, _GENES = 150, 60  # of a heat map
_UMAP = 1500  # cells of each kind
_SHOWN = 3  # marker genes
_COMMON = 0.2  # share of cells that a marker gene is above zero in
_CASES = ("osmfish_stdiff", "osmfish_stdiff.sc", "fly_bdtnp.sc", "merfish", "starmap", "quick")


@dataclass(frozen=True)
class Shots:
    """A case and what some methods filled in.

    Attributes
    ----------
    opened
        What was visible, and the truth.
    means
        Method -> (cells, genes) with its gaps filled in.
    """

    opened: EntryCase
    means: dict[str, np.ndarray]

    @property
    def panels(self) -> list[tuple[str, np.ndarray]]:
        """The truth and every method."""
        return [("measured", self.opened.truth), *self.means.items()]

    @property
    def raw(self) -> np.ndarray:
        """(cells, genes) visible values, means in the gaps."""
        visible = self.opened.visible
        return np.where(visible.seen, visible.expression, visible.mean)


def draw_figures(
    accounts: Sequence[Account], folder: Path, work: Path, data: Path, say: Say
) -> list[Path]:
    """Draw what the results allow into `folder`; return the files.

    Cells are shown of some cases: one picture of each kind of tissue says enough.
    """
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []

    def keep(figure: Any, name: str) -> None:
        if figure is not None:
            made.append(_saved(figure, folder / f"benchmark-impute-{name}.png"))
            say(f"{made[-1]}")

    keep(shares(accounts), "shares")
    for account in (a for a in accounts if a.case in _CASES):
        rows = account.first
        means = {m: v for m in shown(account) if (v := filled(rows[m], work)) is not None}
        if not means:
            continue
        seed = next(iter(rows.values())).unit.seed
        shots = Shots(open_case(account.case, FIRST, seed, data)[0], means)
        for name, draw in (("hidden", hidden_map), ("umap", cell_umap), ("markers", markers)):
            keep(draw(account, shots), f"{account.case}-{name}")
    return made


def shown(account: Account) -> list[str]:
    """Return the methods of a picture: the better of ours, the average, the best single one."""
    rows = account.first
    found = [best(rows, "pcc", OURS), best(rows, "pcc", [AVERAGE]), best(rows, "pcc", SINGLES)]
    return list(dict.fromkeys(one[0] for one in found if one is not None))


def hidden_map(account: Account, shots: Shots) -> Any:
    """Draw hidden entries, cells and genes in the order of the measured ones' clusters."""
    import matplotlib.pyplot as plt
    from scipy.cluster.hierarchy import leaves_list, linkage

    opened = shots.opened
    visible = opened.visible
    z = visible.standardised(opened.truth)
    rng = np.random.default_rng(0)
    genes = np.flatnonzero(opened.hidden.any(axis=0) & (z.std(axis=0) > 0))
    if len(genes) > _GENES:
        level = np.asarray((opened.truth[:, genes] > 0).mean(axis=0))
        genes = genes[np.sort(np.argsort(-level, kind="stable")[:_GENES])]
    cells = np.sort(rng.choice(len(z), min(_CELLS, len(z)), replace=False))
    if len(genes) < 3 or len(cells) < 3:
        return None
    part = np.clip(z[np.ix_(cells, genes)], -3, 3)
    cells = cells[leaves_list(linkage(part, "ward"))]
    genes = genes[leaves_list(linkage(part.T, "ward"))]
    at = np.ix_(cells, genes)
    colours = plt.get_cmap("RdBu_r").with_extremes(bad="#e8e8e8")
    figure, axes = _row(len(shots.panels), 4.2)
    for axis, (name, values) in zip(axes, shots.panels, strict=True):
        shown_here = np.where(opened.hidden[at], visible.standardised(values)[at], np.nan)
        image = axis.imshow(
            shown_here, cmap=colours, vmin=-2, vmax=2, aspect="auto", interpolation="nearest"
        )
        row = account.first.get(name)
        _plain_axis(axis, name if row is None else f"{name}, r = {row.score('pcc'):.2f}", "genes")
    axes[0].set_ylabel("cells", fontsize=8)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.01)
    bar.set_label("z-score", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(
        f"{account.title}: hidden entries of {len(cells)} cells and {len(genes)} genes\n"
        "in the order of the measured ones' clusters; grey was visible",
        fontsize=10,
    )
    return figure


def cell_umap(account: Account, shots: Shots) -> Any:
    """Draw cells with means in their gaps, filled in and measured, and the reference's."""
    import umap

    visible, labels = shots.opened.visible, shots.opened.tissue.cell_type
    columns = visible.reference_columns
    known = visible.reference
    if columns is None:
        columns = np.flatnonzero(visible.seen.any(axis=0))
    if len(columns) < 5:
        return None
    rng = np.random.default_rng(0)
    cells = np.sort(rng.choice(visible.n_cells, min(_UMAP, visible.n_cells), replace=False))
    first = next(iter(shots.means))
    kinds = {
        "raw, means in the gaps": shots.raw[cells],
        first: shots.means[first][cells],
        "measured": shots.opened.truth[cells],
    }
    blocks = {name: _standard(values[:, columns]) for name, values in kinds.items()}
    if known is not None:
        some = np.sort(rng.choice(len(known), min(_UMAP, len(known)), replace=False))
        blocks = {"reference": _standard(known[some]), **blocks}
    place = umap.UMAP(
        n_neighbors=15, min_dist=0.3, metric="cosine", random_state=0, n_jobs=1
    ).fit_transform(np.vstack(list(blocks.values())))
    figure, axes = _row(len(blocks), 3.5)
    start = 0
    shades = None if labels is None else _shades(np.asarray(labels)[cells])
    for axis, (name, values) in zip(axes, blocks.items(), strict=True):
        own = place[start : start + len(values)]
        start += len(values)
        axis.scatter(*place.T, s=2, color="#e4e4e4", linewidths=0)
        plain = name == "reference" or shades is None
        axis.scatter(*own.T, s=4, c="#b2182b" if plain else shades, linewidths=0)
        _plain_axis(axis, name, "")
    figure.suptitle(
        f"{account.title}: cells by their expression (one UMAP of all panels"
        + ("; colours: annotated types)" if shades is not None else ")"),
        fontsize=10,
    )
    return figure


def markers(account: Account, shots: Shots) -> Any:
    """Draw marker genes in place, measured, as seen and filled in, and their hidden values."""
    import matplotlib.pyplot as plt

    opened = shots.opened
    first = next(iter(shots.means))
    chosen = marker_genes(account, opened)[:_SHOWN]
    if not len(chosen):
        return None
    y, x = _flat(opened.visible.coords)
    tall = float(np.clip(np.ptp(y) / max(np.ptp(x), 1e-9), 0.4, 1.6))
    figure, axes = plt.subplots(
        len(chosen),
        4,
        figsize=(11.5, len(chosen) * (2.6 * tall + 0.5)),
        squeeze=False,
        layout="constrained",
    )
    per_gene = account.first[first].per_gene["pcc"]
    for line, gene in zip(axes, chosen, strict=True):
        name = str(opened.visible.genes[gene])
        measured, own = opened.truth[:, gene], shots.means[first][:, gene]
        hidden = opened.hidden[:, gene]
        low, top = _range(measured)
        seen = ~hidden
        panels = (
            (f"{name}, measured", np.ones(len(x), bool), measured),
            ("visible", seen, measured),
            (f"filled in ({first}, r = {per_gene.get(name, np.nan):.2f})", seen | hidden, own),
        )
        for axis, (title, some, values) in zip(line, panels, strict=False):
            order = np.flatnonzero(some)[np.argsort(values[some], kind="stable")]
            axis.scatter(
                x[order],
                y[order],
                c=values[order],
                s=dot_size(len(x)),
                linewidths=0,
                cmap="viridis",
                vmin=low,
                vmax=top,
            )
            dress(axis, title)
        axis = line[3]
        edges = np.linspace(0, max(float(measured.max()), 1e-6), 26)
        axis.hist(measured[hidden], edges, color="#9aa3b0", label="measured")
        axis.hist(own[hidden], edges, histtype="step", color="#b2182b", linewidth=1.5, label=first)
        axis.set_yscale("symlog", linthresh=10)
        axis.set_title("hidden entries", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False)
    figure.suptitle(f"{account.title}: marker genes, log expression", fontsize=10)
    return figure


def marker_genes(account: Account, opened: EntryCase) -> np.ndarray:
    """Return columns of marker genes: of the reference's types, of the tissue's, or varying."""
    visible = opened.visible
    scored = set(account.first[next(iter(account.first))].per_gene.index)
    if visible.reference_columns is not None:
        order = visible.reference_columns[marker_order(visible)]
    else:
        labels = opened.tissue.layer  # what differs between layers is seen in a map
        labels = opened.tissue.cell_type if labels is None else labels
        z = visible.standardised(opened.truth)
        if labels is None:
            level = opened.truth.var(axis=0)
        else:
            names, codes = np.unique(np.asarray(labels).astype(str), return_inverse=True)
            kinds = [
                z[codes == k].mean(axis=0) for k in range(len(names)) if (codes == k).sum() > 9
            ]
            level = np.max(kinds, axis=0) if kinds else opened.truth.var(axis=0)
        order = np.argsort(-level, kind="stable")
    # of a gene that is hardly expressed there is nothing to see
    common = (opened.truth > 0).mean(axis=0)
    keep = [g for g in order if str(visible.genes[g]) in scored and common[g] > _COMMON]
    return np.array(keep, dtype=np.int64)


def shares(accounts: Sequence[Account]) -> Any:
    """Draw the mean Pearson against the share of entries that is hidden."""
    some = [a for a in accounts if a.swept]
    if not some:
        return None
    figure, axes = _row(len(some), 3.4)
    handles: dict[str, Any] = {}
    for axis, account in zip(axes, some, strict=True):
        for method, rows in account.swept.items():
            at = sorted(rows)
            values = [rows[s].score("pcc") for s in at]
            (handles[method],) = axis.plot(
                at,
                [np.nan if v is None else v for v in values],
                color=_SHADES.get(method, "#444444"),
                marker="o",
                markersize=3,
                linewidth=2.2 if method in OURS else 1.2,
            )
        axis.set_title(account.title, fontsize=9)
        axis.set_xlabel("% of entries hidden", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("mean Pearson", fontsize=8)
    figure.legend(handles.values(), handles, loc="outside right center", fontsize=8, frameon=False)
    return figure


def _standard(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0))


def _shades(labels: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    codes = np.unique(labels.astype(str), return_inverse=True)[1]
    chosen = colormaps["tab20"]
    return np.array([chosen(int(i) % chosen.N) for i in codes])
