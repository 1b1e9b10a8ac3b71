"""What the colours of a figure mean: bars, the square of two genes, legends, and a few words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import layers as build
from .cell_pick import COLOUR as PICKED
from .colors import UNKNOWN, Colouring
from .cover import HINTS
from .two_genes import blend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from napari.layers import Layer
    from napari.utils.colormaps import Colormap

    from .arrange import Section
    from .session import Session

FONT = 9.0
_MARKERS = {"disc": "o", "diamond": "D", "triangle_up": "^", "square": "s"}
_MOST_LABELS = 24  # in the legend
_NAMED = 4  # labels out of sight
_LEFT, _WIDE = 1.03, 0.03  # of a bar, in parts of the picture's width
_LOW, _HIGH = 0.3, 1.0  # of all bars, in parts of its height; marks stand below
_SQUARE = 1.3  # inches
_STEPS = 32  # along each side of the square of two genes


@dataclass(frozen=True)
class Scale:
    """One colour bar.

    Attributes
    ----------
    title
        What it is of.
    colormap, limits
        Its colours, and the values of its ends.
    beyond
        Whether values lie below the lower end, and above the upper one.
    """

    title: str
    colormap: Colormap
    limits: tuple[float, float]
    beyond: tuple[bool, bool] = (False, False)


def draw_key(session: Session, figure: Figure, axes: Axes) -> None:
    """Draw what colours and marks mean to the right of the picture.

    Parameters
    ----------
    session
        What the picture shows.
    figure, axes
        The page, and the axes that hold the picture.
    """
    stack = session.stack
    colouring = stack.colouring
    entries = [*_two_gene_dots(session), *_marks(session)]
    if stack.second.is_on:
        _draw_square(session, figure, axes)
    elif colouring.continuous:
        _draw_bars(scales(session), figure, axes)
    elif colouring.kind == "label":
        hidden = stack.filter.hidden(colouring.name)
        shown = [label for label in colouring.palette if label not in hidden]
        labels = [_dot(colouring.palette[label], "o", label) for label in shown[:_MOST_LABELS]]
        if len(shown) > _MOST_LABELS:
            labels.append(_dot("none", "o", f"and {len(shown) - _MOST_LABELS:,} more"))
        _legend(axes, labels, (1.02, 1.0), "upper left", colouring.name)
    if entries:
        _legend(axes, entries, (1.02, 0.0), "lower left", "")


def notes(session: Session) -> list[str]:
    """Return what has to be said in words: what is faint, what is smoothed, what is not shown."""
    stack = session.stack
    seen = [s for s in stack.sections if s.visible]
    out = []
    if stack.heat.drawn:
        out.append("Heat map: averages of near cells, clear where there are none.")
    maps = stack.quad.maps[1:] if stack.heat.drawn else ()  # points of maps are drawn in full
    unsure = any(s.trust is not None for s in seen if s.virtual) or any(m.confidence for m in maps)
    if stack.heat.drawn:
        unsure = unsure or any(stack.confidence_of(s) is not None for s in seen)
    unsure = unsure or (stack.fade > 0 and _faded(stack.colouring))
    unsure = unsure or (stack.fade > 0 and stack.second.is_on and _faded(stack.second.colouring))
    if unsure:
        out.append("Faint: less certain.")
    if stack.only_filled and stack.colouring.filled is not None:
        out.append("Faint: as measured; in full: filled in.")
    out += _not_shown(session)
    return out


def title(session: Session) -> str:
    """Return what the whole picture shows, without what only the window can do."""
    stack = session.stack
    if stack.quad.maps:
        return f"{stack.colouring.name}: {' | '.join(m.title for m in stack.quad.maps)}"
    lines = stack.title.split("\n")
    return "\n".join(line for line in lines if not line.startswith(HINTS))


def words_of(session: Session, colouring: Colouring) -> str:
    """Return what the values of a colouring are, with the name of its gene or column."""
    name = colouring.name
    if colouring.kind == "number":
        return name
    spread = session.stack.quantity == "std"
    if colouring.result:
        how = "predicted" if colouring.filled is None else "imputed"
        if session.stack.view == "both" and colouring.other is not None:
            return f"{name}, log-normalised; left: measured, right: imputed"
        return f"{name}, {how}, {'spread (std)' if spread else 'log-normalised'}"
    both = "measured, " if session.predictions.of(name) is not None else ""
    told = f"{name}, {both}{session.tables.unit(name) or 'log-normalised'}"
    return told + ("; virtual: spread (std)" if spread and session.results else "")


def scales(session: Session) -> list[Scale]:
    """Return the colour bars of what is shown, those of maps side by side among them."""
    stack = session.stack
    colouring, limits = stack.colouring, stack.limits
    least, most = colouring.span((0.0, 100.0))
    own = build.scale_map(stack.colormap)
    beyond = least < limits[0], most > limits[1]
    quad = stack.quad
    if not quad.maps:
        return [Scale(words_of(session, colouring), own, limits, beyond)]
    shared = [m.title for m in quad.maps if m.kind in ("measured", "predicted")]
    made = []
    if shared:
        words = f"{colouring.name}, {' and '.join(shared)}, log-normalised"
        made.append(Scale(words, own, limits, beyond))
    for shown in quad.maps:
        if shown.kind not in ("measured", "predicted"):
            low, high = quad.limits_of(shown)
            values = np.concatenate([*shown.values.values(), [0.0]])
            off = bool(np.nanmin(values) < low), bool(np.nanmax(values) > high)
            made.append(Scale(shown.title, quad.colormap_of(shown), (low, high), off))
    return made


def role_of(layer: Layer) -> str:
    """Return what one of our layers is; "" for those of others."""
    state = build.state_of(layer)
    return "" if state is None else state["role"]


def _draw_bars(every: list[Scale], figure: Figure, axes: Axes) -> None:
    """Draw colour bars one below the other."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    step = (_HIGH - _LOW) / len(every)
    part = np.linspace(0, 1, 256, dtype=np.float32)
    ends = {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}
    for i, scale in enumerate(every):
        top = _HIGH - i * step
        height = step if len(every) == 1 else 0.8 * step
        bar = figure.colorbar(
            ScalarMappable(
                Normalize(*scale.limits), ListedColormap(np.asarray(scale.colormap.map(part)))
            ),
            cax=axes.inset_axes((_LEFT, top - height, _WIDE, height)),
            extend=ends[int(scale.beyond[0]), int(scale.beyond[1])],
        )
        if len(every) == 1:
            bar.set_label(scale.title, fontsize=FONT, parse_math=False)
        else:  # too short for words along them
            bar.ax.text(
                3.6, 0.5, scale.title.replace(", ", ",\n"), transform=bar.ax.transAxes,
                fontsize=FONT - 1, va="center", ha="left", parse_math=False,
            )  # fmt: skip
        bar.ax.tick_params(labelsize=FONT - 1)


def _draw_square(session: Session, figure: Figure, axes: Axes) -> None:
    """Draw all mixtures of two genes: the first grows to the right, the second upwards."""
    stack = session.stack
    second = stack.second
    part = np.linspace(0.0, 1.0, _STEPS)
    x, y = np.meshgrid(part, part)
    ends = ((0.0, 1.0), (0.0, 1.0))
    colours = blend(x.ravel(), y.ravel(), ends, second.scheme).reshape(_STEPS, _STEPS, 4)
    page = figure.get_size_inches()
    wide, high = _SQUARE / page[0], _SQUARE / page[1]
    square = axes.inset_axes((1.0 + 0.75 / page[0], _HIGH - high, wide, high))
    square.imshow(
        colours, origin="lower", aspect="auto", extent=(*stack.limits, *second.limits)
    )  # fmt: skip
    square.tick_params(labelsize=FONT - 1)
    square.locator_params(nbins=4)
    square.set_xlabel(words_of(session, stack.colouring), fontsize=FONT, parse_math=False)
    square.set_ylabel(words_of(session, second.colouring), fontsize=FONT, parse_math=False)


def _two_gene_dots(session: Session) -> list[Any]:
    """Return what the corners of that square are called."""
    stack = session.stack
    second = stack.second
    if not second.is_on:
        return []
    at = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    colours = blend(at[:, 0], at[:, 1], ((0.0, 1.0), (0.0, 1.0)), second.scheme)
    scheme = second.scheme
    names = (
        f"{stack.colouring.name}: {scheme.first}",
        f"{second.name}: {scheme.second}",
        "both: white",
        "neither: dark",
    )
    return [
        _dot(tuple(colour), "o", name, "#8a8a8a")
        for colour, name in zip(colours.tolist(), names, strict=True)
    ]


def _marks(session: Session) -> list[Any]:
    """Return what marks other than a measured cell mean, as far as such are in sight."""
    sections = [section for section in session.stack.sections if section.visible]
    looks = {section.look for section in sections if section.virtual}
    looks |= {section.cover_look for section in sections if section.cover_look is not None}
    roles = {role_of(layer) for layer in session.viewer.layers if layer.visible}
    if roles & {"live", "strip"} or any(m.virtual for m in session.stack.quad.maps):
        looks.add(build.VIRTUAL)
    if session.stack.heat.drawn:  # pictures have no marks, but of the live cut
        looks = {build.VIRTUAL} if roles & {"live", "strip"} else set()
    order = (build.VIRTUAL, build.GENERATED, build.PREDICTED, build.IMPUTED)
    marks = [
        _dot("white", _MARKERS[look.symbol], look.told, look.colour)
        for look in order
        if look in looks
    ]
    lacking = _lacking(session, sections)
    if lacking:
        marks.append(_dot(UNKNOWN, "o", lacking))
    if "picked" in roles:
        marks.append(_dot("none", "o", "picked cells", PICKED))
    return marks


def _lacking(session: Session, sections: list[Section]) -> str:
    """Say what grey means where something in sight is grey; "" where nothing is."""
    stack = session.stack
    kind = stack.colouring.kind
    if kind == "none" or (stack.heat.drawn and not stack.second.is_on):
        return ""
    shown = [stack.colouring, stack.second.colouring][: 1 + stack.second.is_on]
    for section in sections:
        seen = stack.in_sight(section)
        for colouring in shown:
            values = colouring.of(section.name if section.virtual else "", section.rows)
            values = values if seen is None else values[seen]
            if kind == "label" and (values == "").any():
                return "no label"
            if kind != "label" and np.isnan(values).any():
                return "no value here"
    return ""


def _not_shown(session: Session) -> list[str]:
    """Say which cells are kept out of sight by their labels."""
    stack = session.stack
    by_label = stack.colouring.kind == "label"
    if not by_label and not stack.filter.everywhere:
        return []
    column = stack.colouring.name if by_label else stack.filter.column
    hidden = sorted(stack.filter.hidden(column))
    if not hidden:
        return []
    names = [label or "cells without a label" for label in hidden[:_NAMED]]
    more = f" and {len(hidden) - _NAMED} more" if len(hidden) > _NAMED else ""
    return [f"Not shown ({column}): {', '.join(names)}{more}."]


def _faded(colouring: Colouring) -> bool:
    return colouring.confidence is not None


def _legend(
    axes: Axes, entries: list[Any], at: tuple[float, float], corner: Any, title: str
) -> None:
    """Draw a legend of the figure: one of the axes would be cut off at their edge."""
    figure: Any = axes.get_figure()
    legend = figure.legend(
        handles=entries, loc=corner, bbox_to_anchor=at, bbox_transform=axes.transAxes,
        title=title or None, frameon=False, fontsize=FONT - 1, title_fontsize=FONT,
        borderaxespad=0.0, handletextpad=0.3, alignment="left",
    )  # fmt: skip
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)  # a name may hold a dollar sign


def _dot(colour: Any, marker: str, label: str, edge: str = "none") -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], linestyle="none", marker=marker, markersize=6, markerfacecolor=colour,
        markeredgecolor=edge, label=label,
    )  # fmt: skip
