"""Pictures of the comparison: labels in place, who is whose neighbour, where cells are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .cases import ALL
from .summary import DONOR, OURS, PAPER, QUICK, Account
from .sweeps import lambda_sweep, place_of

_DPI = 130
_SHADES = {OURS: "#b2182b", QUICK: "#d6604d", PAPER: "#ef8a62", "gaussian-process": "#4393c3"}
_OTHER = "#8c96a3"
Say = Callable[[str], None]


def draw_figures(accounts: Sequence[Account], folder: Path, work: Path, say: Say) -> list[Path]:
    """Draw what the results allow into `folder`; return the files.

    One section of each data set is shown: the middle one, from its next neighbours.
    """
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for dataset in dict.fromkeys(a.case.dataset for a in accounts):
        some = [a for a in accounts if a.case.dataset == dataset and not a.case.skip and a.rows]
        if not some:
            continue
        account = shown_case(some)
        for name, draw in (
            ("clusters", clusters),
            ("enrichment", enrichment),
            ("spearman", spearman_in_place),
        ):
            figure = draw(account)
            if figure is not None:
                made.append(_saved(figure, folder / f"benchmark-{dataset}-{name}.png"))
                say(f"{made[-1]}")
        kept = place_of(account.case, work)
        if kept.exists():
            figure = lambda_sweep(account.case, dict(np.load(kept)))
            made.append(_saved(figure, folder / f"benchmark-{dataset}-lambda.png"))
            say(f"{made[-1]}")
    for name, chart in (("nmse", nmse_bars), ("pearson", pearson_bars)):
        figure = chart(accounts)
        if figure is not None:
            made.append(_saved(figure, folder / f"benchmark-{name}.png"))
            say(f"{made[-1]}")
    return made


def shown_case(accounts: Sequence[Account]) -> Account:
    """Return the case of a data set that figures show."""
    return accounts[len(accounts) // 2]


def _saved(figure: Any, path: Path) -> Path:
    import matplotlib.pyplot as plt
    from PIL import Image

    figure.savefig(path, dpi=_DPI, facecolor="white", bbox_inches="tight")
    with Image.open(path) as picture:  # 128 colours: a third of the size, and nobody sees it
        few = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    plt.close(figure)
    return path


def shown(account: Account) -> list[str]:
    """Return the methods of a figure: ours, the best baseline, and the copied cell or the next."""
    wanted = [OURS, account.best, DONOR, *account.baselines()]
    there = [m for m in dict.fromkeys(wanted) if m in account.rows]
    return [m for m in there if account.rows[m].arrays and account.rows[m].arrays[0]][:3]


def clusters(account: Account) -> Any:
    """Draw the transferred labels in place: truth, stDiffusion, best baseline, copied cell."""
    methods = [m for m in shown(account) if "labels" in account.rows[m].arrays[0]]
    if not methods:
        return None
    arrays = [account.rows[m].arrays[0] for m in methods]
    first = arrays[0]
    names = first["label_names"]
    figure, axes = _row(len(methods) + 1)
    colors = _colors(len(names))
    panels = [("measured", first["truth_coords"], first["truth_labels"])]
    panels += [(m, a["coords"], a["labels"]) for m, a in zip(methods, arrays, strict=True)]
    for axis, (title, coords, codes) in zip(axes, panels, strict=True):
        axis.scatter(
            coords[:, 2], coords[:, 1], c=colors[codes], s=dot_size(len(coords)), linewidths=0
        )
        score = account.score(title, "label_agreement")
        dress(axis, title, "" if score is None else f"adjusted Rand index {score:.2f}")
    present = np.unique(np.concatenate([codes for _, _, codes in panels]))
    marks = [axes[0].scatter([], [], color=colors[i], s=30, label=str(names[i])) for i in present]
    figure.legend(
        handles=marks, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8
    )
    figure.suptitle(f"{account.title}: labels by one classifier", fontsize=11)
    return figure


def enrichment(account: Account) -> Any:
    """Draw the neighbourhood-enrichment z scores of truth and draws as heat maps."""
    methods = [m for m in shown(account) if "z_draw" in account.rows[m].arrays[0]]
    if not methods:
        return None
    arrays = [account.rows[m].arrays[0] for m in methods]
    names, truth = arrays[0]["label_names"], arrays[0]["z_truth"]
    keep = np.isfinite(truth).any(axis=0)
    finite = np.abs(truth[np.isfinite(truth)])
    if not len(finite):
        return None
    top = max(float(np.quantile(finite, 0.95)), 1.0)
    figure, axes = _row(len(methods) + 1, height=3.6)
    panels = [("measured", truth)]
    panels += [(m, a["z_draw"]) for m, a in zip(methods, arrays, strict=True)]
    image = None
    for number, (axis, (title, z)) in enumerate(zip(axes, panels, strict=True)):
        part = np.ma.masked_invalid(z[np.ix_(keep, keep)])
        image = axis.imshow(part, cmap="RdBu_r", vmin=-top, vmax=top)
        image.cmap.set_bad("#dddddd")
        ticks = np.arange(int(keep.sum()))
        shorter = [_short(str(n)) for n in names[keep]]
        axis.set_xticks(ticks, shorter, rotation=90, fontsize=6)
        axis.set_yticks(ticks, shorter if number == 0 else [""] * len(ticks), fontsize=6)
        axis.tick_params(length=0)
        score = account.score(title, "enrichment_agreement")
        axis.set_title(title if score is None else f"{title}, r = {score:.2f}", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.7, label="z score", pad=0.015)
    figure.suptitle(f"{account.title}: which labels are neighbours", fontsize=11, y=1.06)
    return figure


def spearman_in_place(account: Account) -> Any:
    """Draw each cell's Spearman correlation over genes where the cell lies."""
    methods = [m for m in shown(account) if "spearman_cells" in account.rows[m].arrays[0]]
    if not methods:
        return None
    arrays = [account.rows[m].arrays[0] for m in methods]
    values = np.concatenate([a["spearman_cells"] for a in arrays])
    low, high = np.nanquantile(values, [0.02, 0.98])
    figure, axes = _row(len(methods))
    marks = None
    for axis, method, held in zip(axes, methods, arrays, strict=True):
        coords = held["coords"]
        marks = axis.scatter(
            coords[:, 2],
            coords[:, 1],
            c=held["spearman_cells"],
            s=dot_size(len(coords)),
            linewidths=0,
            cmap="viridis",
            vmin=low,
            vmax=high,
        )
        dress(axis, method, f"mean {np.nanmean(held['spearman_cells']):.3f}")
    figure.colorbar(marks, ax=axes, shrink=0.7, label="Spearman over genes", pad=0.015)
    figure.suptitle(f"{account.title}: each cell's predicted mean against the truth", fontsize=11)
    return figure


def nmse_bars(accounts: Sequence[Account]) -> Any:
    """Draw the normalised squared error of every method on every data set."""
    return _bars(accounts, "nmse", "NMSE (lower is better)", limit=1.5, line=1.0)


def pearson_bars(accounts: Sequence[Account]) -> Any:
    """Draw the per-gene Pearson correlation of every method on every data set."""
    return _bars(accounts, "pcc", "per-gene Pearson (higher is better)")


def _bars(
    accounts: Sequence[Account],
    score: str,
    label: str,
    limit: float | None = None,
    line: float | None = None,
) -> Any:
    """Draw one panel a data set and distance: a bar a method, a dot a section."""
    import matplotlib.pyplot as plt

    groups: dict[str, list[Account]] = {}
    for account in accounts:
        if any(account.score(m, score) is not None for m in account.rows):
            held = ALL[account.case.dataset]
            name = f"{held.title}\n{account.case.distance}" if held.spacing else held.title
            groups.setdefault(name, []).append(account)
    if not groups:
        return None
    wide = min(len(groups), 4)
    rows = -(-len(groups) // wide)
    most = max(len(a.rows) for a in accounts)
    figure, axes = plt.subplots(
        rows,
        wide,
        figsize=(3.3 * wide, (0.9 + 0.22 * most) * rows),
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, some) in zip(axes.ravel(), groups.items(), strict=False):
        methods = list(dict.fromkeys(m for a in some for m in a.rows))
        for y, method in enumerate(reversed(methods)):
            known = [v for a in some if (v := a.score(method, score)) is not None]
            if not known:
                continue
            mean = float(np.mean(known))
            axis.barh(y, mean, color=_SHADES.get(method, _OTHER), height=0.72)
            axis.plot(known, np.full(len(known), y), ".", color="#222222", markersize=3)
            right = limit is None or mean < limit
            edge = mean if right else limit
            axis.annotate(
                f"{mean:.3f}",
                (max(edge or 0, 0), y),
                xytext=(3 if right else -3, 0),
                textcoords="offset points",
                va="center",
                ha="left" if right else "right",
                fontsize=6.5,
                bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
            )
        axis.set_yticks(range(len(methods)), list(reversed(methods)), fontsize=7)
        axis.tick_params(axis="x", labelsize=7)
        axis.set_title(title, fontsize=8.5)
        axis.spines[["top", "right"]].set_visible(False)
        top = axis.get_xlim()[1] * 1.12
        axis.set_xlim(left=min(axis.get_xlim()[0], 0), right=min(top, limit) if limit else top)
        if line is not None:
            axis.axvline(line, color="#555555", linewidth=0.8, linestyle=":")
    for axis in axes.ravel()[len(groups) :]:
        axis.set_visible(False)
    figure.supxlabel(label + "; dots: hidden sections", fontsize=9)
    return figure


def _row(n: int, height: float = 3.3) -> tuple[Any, list[Any]]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, n, figsize=(3.2 * n, height), squeeze=False, layout="constrained"
    )
    return figure, list(axes[0])


def dress(axis: Any, title: str, below: str = "") -> None:
    """Dress a panel that shows cells: y down, as on the canvas, and no ticks."""
    axis.set_aspect("equal")
    axis.invert_yaxis()
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_color("#bbbbbb")
    axis.set_title(title, fontsize=9)
    axis.set_xlabel(below, fontsize=8)


def dot_size(n: int) -> float:
    """Return the area of a dot, so that `n` of them fill a panel."""
    return float(np.clip(20_000 / max(n, 1), 1.5, 60))


def _colors(n: int) -> np.ndarray:
    from matplotlib import colormaps

    few, many = colormaps["tab10"], colormaps["tab20"]
    chosen = few if n <= 10 else many
    return np.array([chosen(i % chosen.N) for i in range(n)])


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"
