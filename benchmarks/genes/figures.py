"""Pictures of the comparison: genes as points, who is near whom, maps, ranks, fewer counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stacks.figures import _saved, dot_size, dress

from .bars import SINGLES
from .cases import Opened, open_pair
from .summary import OURS, PAPER, STACKS, Account, Row, predicted
from .unit import visible_panel

Say = Callable[[str], None]
_SHADES = {OURS: "#b2182b", PAPER: "#ef8a62", "stack": "#2166ac", "stack-network": "#67a9cf"}
_OTHER = "#8c96a3"
_SPOTS = 400  # of a heat map of spots
_GENES = 200  # of one of genes


def draw_figures(
    accounts: Sequence[Account], folder: Path, work: Path, data: Path, say: Say
) -> list[Path]:
    """Draw what the results allow into `folder`; return the files."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []

    def keep(figure: Any, name: str) -> None:
        if figure is not None:
            made.append(_saved(figure, folder / f"benchmark-genes-{name}.png"))
            say(f"{made[-1]}")

    for account in accounts:
        methods = shown(account)
        if not methods:
            continue
        shots = Shots.of(account, methods, open_pair(account.pair, data), work)
        for name, draw in (
            ("umap", gene_umap),
            ("gene-distances", gene_distances),
            ("spot-distances", spot_distances),
            ("maps", gene_maps),
        ):
            keep(draw(account, shots), f"{account.pair}-{name}")
    keep(rank_boxes(accounts), "ranks")
    keep(pearson_bars(accounts), "pearson")
    keep(fewer_counts(accounts), "fewer-counts")
    return made


def shown(account: Account) -> list[str]:
    """Return the methods of a picture: ours, the stack, the best single one."""
    there = account.whole()
    best = account.best("pcc", [m for m in there if m in SINGLES])
    wanted = [OURS, STACKS[0], *([best[0]] if best else []), *there]
    return [m for m in dict.fromkeys(wanted) if m in there][:3]


class Shots:
    """Truth and predictions of some methods, genes in one order.

    Parameters
    ----------
    genes
        (genes,) names.
    coords
        (cells, 3) z, y, x.
    truth
        (cells, genes), each gene on the scale of its fold.
    means
        Method -> (cells, genes).
    """

    def __init__(
        self,
        genes: list[str],
        coords: np.ndarray,
        truth: np.ndarray,
        means: dict[str, np.ndarray],
    ) -> None:
        self.genes, self.coords, self.truth, self.means = genes, coords, truth, means

    @classmethod
    def of(cls, account: Account, methods: Sequence[str], opened: Opened, work: Path) -> Shots:
        """Read what was predicted, and make the truth of each fold again."""
        first = account.rows[methods[0]]
        truth = {}
        for unit in first.units.values():
            hidden = np.array(account.genes[unit.fold], dtype=object)
            panel, _ = visible_panel(unit, opened, hidden)
            columns = panel.scaled(opened.raw(hidden)).T
            truth |= dict(zip([str(g) for g in hidden], columns, strict=True))
        genes = [str(g) for g in opened.shared]
        means = {m: _in_order(account.rows[m], genes, work) for m in methods}
        return cls(genes, opened.tissue.coords, np.column_stack([truth[g] for g in genes]), means)

    @property
    def panels(self) -> list[tuple[str, np.ndarray]]:
        """The truth and every method."""
        return [("measured", self.truth), *self.means.items()]


def _in_order(row: Row, genes: Sequence[str], work: Path) -> np.ndarray:
    mean, held, _ = predicted(row, work)
    return mean[:, [held.index(g) for g in genes]]


def gene_umap(account: Account, shots: Shots) -> Any:
    """Draw measured and predicted genes in one plane: like profiles over cells lie together."""
    import umap
    from matplotlib.collections import LineCollection

    genes = len(shots.genes)
    if genes < 10:
        return None
    profiles = np.vstack([_standard(values).T for _, values in shots.panels])
    place = umap.UMAP(
        n_neighbors=min(15, genes - 1), min_dist=0.3, metric="cosine", random_state=0, n_jobs=1
    ).fit_transform(profiles)
    place = place.reshape(len(shots.panels), genes, 2)
    figure, axes = _row(len(shots.means), 3.5)
    for axis, (method, points) in zip(axes, zip(shots.means, place[1:], strict=True), strict=True):
        lines = np.stack([place[0], points], axis=1)
        few = genes < 200
        axis.add_collection(
            LineCollection(
                lines, colors="#9aa3b0", linewidths=0.5, alpha=0.7 if few else 0.12, zorder=1
            )
        )
        size = 26 if few else 8
        axis.scatter(*place[0].T, s=size, color="#222222", linewidths=0, label="measured")
        axis.scatter(
            *points.T, s=size, color=_shade(method), linewidths=0, alpha=0.85, label="predicted"
        )
        away = np.linalg.norm(lines[:, 0] - lines[:, 1], axis=1)
        _plain_axis(axis, method, f"median distance {np.median(away):.2f}")
        axis.legend(loc="best", fontsize=7, frameon=False)
    figure.suptitle(f"{account.title}: genes by their profile over cells (UMAP)", fontsize=11)
    return figure


def gene_distances(account: Account, shots: Shots) -> Any:
    """Draw correlation distances between genes, ordered by clustering the measured ones."""
    keep = np.flatnonzero(shots.truth.std(axis=0) > 0)
    if len(keep) > _GENES:
        best = np.argsort(-shots.truth[:, keep].var(axis=0), kind="stable")[:_GENES]
        keep = keep[np.sort(best)]
    panels = [(name, _distances(values[:, keep].T)) for name, values in shots.panels]
    names = [shots.genes[i] for i in keep] if len(keep) <= 40 else None
    return _heat_maps(f"{account.title}: distances between genes", panels, names)


def spot_distances(account: Account, shots: Shots) -> Any:
    """Draw correlation distances between some spots, ordered by clustering the measured ones."""
    known = shots.truth.std(axis=0) > 0
    rows = np.flatnonzero(shots.truth.std(axis=1) > 0)
    rng = np.random.default_rng(0)
    rows = np.sort(rng.choice(rows, min(_SPOTS, len(rows)), replace=False))
    scale = shots.truth[:, known].std(axis=0)
    panels = [
        (name, _distances((values[rows][:, known] - values[:, known].mean(axis=0)) / scale))
        for name, values in shots.panels
    ]
    what = f"{account.title}: distances between {len(rows)} cells or spots"
    return _heat_maps(what, panels, None)


def gene_maps(account: Account, shots: Shots) -> Any:
    """Draw the best, the median and the worst gene of ours in place, measured and predicted."""
    import matplotlib.pyplot as plt

    first = next(iter(shots.means))
    pcc = account.rows[first].pcc
    order = sorted((g for g in shots.genes if np.isfinite(pcc[g])), key=lambda g: pcc[g])
    chosen = [("best", order[-1]), ("median", order[len(order) // 2]), ("worst", order[0])]
    columns = len(shots.panels)
    y, x = _flat(shots.coords)
    tall = float(np.clip(np.ptp(y) / max(np.ptp(x), 1e-9), 0.4, 1.6))
    figure, axes = plt.subplots(
        3,
        columns,
        figsize=(2.7 * columns, 3 * (2.5 * tall + 0.55)),
        squeeze=False,
        layout="constrained",
    )
    for line, (which, gene) in zip(axes, chosen, strict=True):
        column = shots.genes.index(gene)
        for axis, (name, values) in zip(line, shots.panels, strict=True):
            shade = values[:, column]
            low, top = _range(shade)
            rank = np.argsort(shade, kind="stable")  # high values on top
            axis.scatter(
                x[rank],
                y[rank],
                c=shade[rank],
                s=dot_size(len(x)),
                linewidths=0,
                cmap="viridis",
                vmin=low,
                vmax=top,
            )
            measured = name == "measured"
            said = which if measured else f"r = {account.rows[name].pcc[gene]:.2f}"
            dress(axis, f"{gene} {name} ({said})" if measured else f"{name}, {said}")
    figure.suptitle(
        f"{account.title}: genes by the Pearson of {first}\ncolours: 1 to 99 % of each panel",
        fontsize=10,
    )
    return figure


def rank_boxes(accounts: Sequence[Account]) -> Any:
    """Draw the accuracy scores of every method over the pairs as boxes."""
    some = [a for a in accounts if len(a.whole()) > 1]
    held: dict[str, list[float]] = {}
    for account in some:
        for method in account.whole():
            value = account.score(method, "accuracy_score")
            if value is not None:
                held.setdefault(method, []).append(value)
    if not held:
        return None
    import matplotlib.pyplot as plt

    order = sorted(held, key=lambda m: np.median(held[m]))
    figure, axis = plt.subplots(figsize=(5.6, 0.9 + 0.32 * len(order)), layout="constrained")
    boxes = axis.boxplot(
        [held[m] for m in order],
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        medianprops={"color": "#111111"},
        showfliers=False,
    )
    for box, method in zip(boxes["boxes"], order, strict=True):
        box.set(facecolor=_shade(method), alpha=0.55, edgecolor="#555555")
    for y, method in enumerate(order, start=1):
        axis.plot(held[method], np.full(len(held[method]), y), ".", color="#222222", markersize=5)
    labels = [m if len(held[m]) == len(some) else f"{m} ({len(held[m])} pairs)" for m in order]
    axis.set_yticks(range(1, len(order) + 1), labels, fontsize=8)
    axis.set_xlabel("accuracy score (1: first in all four scores); dots: pairs", fontsize=9)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def pearson_bars(accounts: Sequence[Account]) -> Any:
    """Draw the mean Pearson of every method on every pair."""
    some = [a for a in accounts if a.whole()]
    if not some:
        return None
    import matplotlib.pyplot as plt

    wide = min(len(some), 3)
    lines = -(-len(some) // wide)
    most = max(len(a.whole()) for a in some)
    figure, axes = plt.subplots(
        lines,
        wide,
        figsize=(3.7 * wide, (0.8 + 0.23 * most) * lines),
        squeeze=False,
        layout="constrained",
    )
    for axis, account in zip(axes.ravel(), some, strict=False):
        methods = list(reversed(account.whole()))
        values = [account.score(m, "pcc") or 0.0 for m in methods]
        axis.barh(range(len(methods)), values, color=[_shade(m) for m in methods], height=0.72)
        for y, value in enumerate(values):
            axis.annotate(
                f"{value:.3f}",
                (max(value, 0), y),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
        axis.set_yticks(range(len(methods)), methods, fontsize=7.5)
        axis.tick_params(axis="x", labelsize=7)
        axis.set_xlim(min(0, *values), max(*values, 0.01) * 1.18)
        axis.set_title(account.title, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.ravel()[len(some) :]:
        axis.set_visible(False)
    figure.supxlabel("mean Pearson over hidden genes", fontsize=9)
    return figure


def fewer_counts(accounts: Sequence[Account]) -> Any:
    """Draw mean Pearson and robustness score against the share of counts that were removed."""
    some = [a for a in accounts if a.thinned]
    if not some:
        return None
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, len(some), figsize=(2.9 * len(some) + 1.3, 5), squeeze=False, layout="constrained"
    )
    handles: dict[str, Any] = {}
    for column, account in zip(axes.T, some, strict=True):
        shares = sorted(account.thinned)
        for method in account.whole():
            found = [account.thinned[s].get(method, {}) for s in shares]
            if not any(found):
                continue
            whole = {"pcc": account.score(method, "pcc"), "robustness": _share(account, method)}
            for axis, score in zip(column, ("pcc", "robustness"), strict=True):
                values = [whole[score], *(f.get(score) for f in found)]
                (handles[method],) = axis.plot(
                    [1.0, *(1 - s for s in shares)],
                    [np.nan if v is None else v for v in values],
                    color=_color(method),
                    marker="o",
                    markersize=3,
                    linewidth=2.2 if method == OURS else 1.2,
                    zorder=3 if method == OURS else 2,
                )
        column[0].set_title(account.title, fontsize=9)
    for axis, said in zip(axes[:, 0], ("mean Pearson", "robustness score"), strict=True):
        axis.set_ylabel(said, fontsize=9)
    for axis in axes.ravel():
        axis.invert_xaxis()
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("share of the tissue's counts that is left", fontsize=9)
    figure.legend(handles.values(), handles, loc="outside right center", fontsize=8, frameon=False)
    return figure


def _share(account: Account, method: str) -> float | None:
    """Return the share of genes that are predicted well, the robustness score of no loss."""
    from napari_stdiff.scoring.genes import robustness

    pcc = account.rows[method].pcc
    return robustness(pcc, pcc)


def _heat_maps(
    title: str, panels: Sequence[tuple[str, np.ndarray]], names: Sequence[str] | None
) -> Any:
    """Draw distance matrices in the order of the first one's clusters."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    truth = panels[0][1]
    if len(truth) < 3:
        return None
    order = leaves_list(linkage(squareform(truth, checks=False), "average"))
    figure, axes = _row(len(panels), 3.9)
    upper = np.triu_indices(len(truth), 1)
    for number, (axis, (name, values)) in enumerate(zip(axes, panels, strict=True)):
        part = values[np.ix_(order, order)]
        # predicted profiles have no noise, so all of their correlations are stronger
        low, top = _range(values[upper])
        image = axis.imshow(part, cmap="magma", vmin=low, vmax=top, interpolation="nearest")
        bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02, orientation="horizontal")
        bar.ax.tick_params(labelsize=7)
        bar.set_label("1 - Pearson", fontsize=8)
        r = np.corrcoef(truth[upper], values[upper])[0, 1]
        _plain_axis(axis, name if number == 0 else f"{name}, r = {r:.2f}", "")
        if names is not None and number == 0:
            axis.set_yticks(range(len(order)), [names[i] for i in order], fontsize=5)
    figure.suptitle(f"{title}\nin the order of the measured ones' clusters", fontsize=10)
    return figure


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return what the ends of a panel's colours stand for."""
    low, top = (float(v) for v in np.quantile(values, [0.01, 0.99]))
    return (low, top) if top > low else (float(values.min()), float(values.max()) or 1.0)


def _distances(rows: np.ndarray) -> np.ndarray:
    """Return 1 - Pearson between rows; a constant row is uncorrelated with all."""
    z = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(z, axis=1, keepdims=True)
    z = z / np.where(length > 1e-9, length, 1.0)
    out = np.clip(1 - z @ z.T, 0, 2)
    np.fill_diagonal(out, 0)
    return np.asarray((out + out.T) / 2)


def _standard(values: np.ndarray) -> np.ndarray:
    sd = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(sd > 1e-9, sd, 1.0))


def _flat(coords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two coordinates to draw: y and x, or the two longest axes of a solid."""
    if np.ptp(coords[:, 0]) == 0:
        return coords[:, 1], coords[:, 2]
    first, second = np.argsort(-np.ptp(coords, axis=0), kind="stable")[:2]
    return coords[:, second], coords[:, first]


def _shade(method: str) -> str:
    return _SHADES.get(method, _OTHER)


def _color(method: str) -> Any:
    """Return a colour for a line: each method its own."""
    from matplotlib import colormaps

    if method in _SHADES:
        return _SHADES[method]
    others = [*SINGLES, "gimvi", "transimp", "tangram"]
    return colormaps["Dark2"](others.index(method) % 8) if method in others else _OTHER


def _row(n: int, height: float) -> tuple[Any, list[Any]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, n, figsize=(3.3 * n, height), squeeze=False, layout="constrained"
    )
    return figure, list(axes[0])


def _plain_axis(axis: Any, title: str, below: str) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_color("#bbbbbb")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(below, fontsize=8)
