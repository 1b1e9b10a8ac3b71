"""What can be said of one gene side by side: measured, predicted, their difference, the spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.utils.colormaps import Colormap

from .colors import UNKNOWN, predicted, safe_limits
from .heat_grid import grid_of

if TYPE_CHECKING:
    from .arrange import Section
    from .cell_results import CellResults
    from .session import Session

Kind = Literal["measured", "predicted", "difference", "uncertainty"]
KINDS: tuple[Kind, ...] = ("measured", "predicted", "difference", "uncertainty")
SPREAD_MAP = "cividis"
_CLIP = 99.0  # percentile of the differences and spreads at which their colours end
# Blue and vermilion of Okabe and Ito, darker towards the ends, through near white.
_DIVERGING = ("#00325a", "#0072b2", "#9dcbe8", "#f4f4f4", "#f2b48c", "#d55e00", "#6e2c00")


@cache
def difference_map() -> Colormap:
    """Return blue for less, white for alike, vermilion for more; grey where there is no value."""
    return Colormap(list(_DIVERGING), name="difference, grey without value", nan_color=UNKNOWN)


@dataclass(frozen=True)
class Map:
    """One thing that is said of a gene, in some sections.

    Attributes
    ----------
    kind
        What it is.
    title
        The same in words.
    values
        Name of a measured section -> (cells,) float32; NaN where nothing is known.
    virtual
        The name of the virtual section whose own cells `values` are about, by measured section;
        where there is none, they are about the measured cells.
    confidence
        Measured section -> (cells,) in 0 to 1, how far to trust each; where it is known.
    """

    kind: Kind
    title: str
    values: Mapping[str, np.ndarray]
    virtual: Mapping[str, str] = field(default_factory=dict)
    confidence: Mapping[str, np.ndarray] = field(default_factory=dict)


def limits_of(shown: Map, scale: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of the colours of a map.

    Parameters
    ----------
    shown
        Differences are centred on 0, spreads begin there.
    scale
        Ends of the stack's scale, which what was measured and what was predicted share.
    """
    if shown.kind in ("measured", "predicted"):
        return scale
    every = np.concatenate([np.zeros(0), *shown.values.values()])
    every = np.abs(every[np.isfinite(every)])
    most = float(np.percentile(every, _CLIP)) or float(every.max()) if len(every) else 0.0
    most = safe_limits(0.0, most)[1]
    return (-most if shown.kind == "difference" else 0.0), most


def difference_of(guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (cells,) what was predicted less what was measured; NaN where one is unknown."""
    return np.asarray(guess, np.float32) - np.asarray(truth, np.float32)


def carried(values: np.ndarray, there: np.ndarray, here: np.ndarray, near: float) -> np.ndarray:
    """Return (places,) values of cells as they are at other places; NaN where no cell is near.

    The same cells keep their values. Else the Gaussian of a heat map smooths them, with pixels so
    small that they stand for places.

    Parameters
    ----------
    values
        (cells,) numbers.
    there, here
        (cells, 2) and (places, 2) y, x.
    near
        Distance from cell to neighbour.
    """
    if there.shape == here.shape and np.allclose(there, here, rtol=0, atol=1e-3 * near):
        return np.asarray(values, np.float32)
    grid = grid_of(there, near, near / 4)
    at = np.round((here - grid.origin) / grid.pixel).astype(int)
    inside = ((at >= 0) & (at < np.array(grid.shape))).all(axis=1)
    out = np.full(len(here), np.nan, np.float32)
    out[inside] = grid.mean(values)[tuple(at[inside].T)]
    return out


def truths_of(session: Session) -> dict[str, str]:
    """Return measured section -> the newest virtual section that was predicted without it."""
    tissue = session.tissue
    names = set() if tissue is None else set(map(str, tissue.sections))
    found: dict[str, str] = {}
    for name, result in session.results.items():
        hidden = str(result.record.target.get("hidden") or "")
        if result.record.task == "interpolate" and hidden in names:
            found[hidden] = name
    return found


def why_not(session: Session) -> str:
    """Return why the gene that is shown has nothing to be compared with; "" where it has."""
    stack = session.stack
    gene = stack.colouring.name
    if stack.colouring.kind != "gene":
        return "Colour the sections by a gene first."
    if stack.second.is_on:
        return "Maps show one gene; take the second one away to see them."
    if session.tables.has(gene):
        return f"Of {gene} there is one map only: what that table says."
    known = [known.of(gene) for known in session.of_cells]
    if all(result is None for result in known) and not truths_of(session):
        return (
            f"Of {gene} there is only what was measured; impute it, predict it, or hide a section "
            "and predict that."
        )
    return ""


def maps_of(session: Session) -> tuple[list[Map], str]:
    """Return the maps of the gene that is shown, and in a sentence which cannot be made and why.

    Parameters
    ----------
    session
        What is open; its stack shows the gene.
    """
    stack = session.stack
    gene = stack.colouring.name
    reason = why_not(session)
    if reason:
        return [], reason
    measured = [section for section in stack.sections if not section.virtual]
    if session.imputations.of(gene) is not None:
        known = session.imputations
        inside, raw = known.covers(gene), known.measured(gene)
        truth = np.where(inside, raw, stack.measured(gene))
        return _of_cells(measured, truth, known, gene, "imputed")
    truth = stack.measured(gene)
    if session.predictions.of(gene) is not None:
        return _of_cells(measured, truth, session.predictions, gene, "predicted")
    return _of_hidden(session, measured, truths_of(session), truth, gene)


def _of_cells(
    sections: list[Section],
    truth: np.ndarray,
    known: CellResults[Any],
    gene: str,
    word: str,
) -> tuple[list[Map], str]:
    """Return the maps of values that were predicted in the measured cells."""
    mean, std, sure = known.values(gene), known.values(gene, "std"), known.confidence(gene)
    every: tuple[tuple[Kind, str, np.ndarray], ...] = (
        ("measured", "measured", truth),
        ("predicted", word, mean),
        ("difference", f"{word} − measured", difference_of(mean, truth)),
        ("uncertainty", "uncertainty (std)", std),
    )
    made, missing = [], []
    for kind, title, values in every:
        if np.isfinite(values).any():
            by_section = {section.name: values[section.rows] for section in sections}
            trust = {s.name: sure[s.rows] for s in sections} if sure is not None else {}
            made.append(
                Map(kind, title, by_section, confidence=trust if kind == "predicted" else {})
            )
        else:
            missing.append(title)
    measured = bool(np.isfinite(truth).any())
    why = "the result has none" if measured else "this gene was not measured here"
    return made, _left_out(missing, why)


def _of_hidden(
    session: Session,
    sections: list[Section],
    pairs: dict[str, str],
    truth: np.ndarray,
    gene: str,
) -> tuple[list[Map], str]:
    """Return the maps of hidden sections and the virtual ones in their place."""
    seen, guess, apart, spread, trust = {}, {}, {}, {}, {}
    near = session.stack.heat.near
    for section in sections:
        result = session.results.get(pairs.get(section.name, ""))
        if result is None:
            continue
        values = truth[section.rows]
        mean = predicted(result, gene, "mean")
        there, here = result.query.coords[:, 1:], section.coords[:, 1:]
        seen[section.name], guess[section.name] = values, mean
        apart[section.name] = difference_of(carried(mean, there, here, near), values)
        spread[section.name] = predicted(result, gene, "std")
        if result.confidence is not None:
            trust[section.name] = result.confidence
    held = {name: pairs[name] for name in seen}
    every = (
        Map("measured", "measured", seen),
        Map("predicted", "virtual", guess, held, trust),
        Map("difference", "virtual − measured", apart),
        Map("uncertainty", "uncertainty (std)", spread, held),
    )
    known = [any(np.isfinite(v).any() for v in m.values.values()) for m in every]
    missing = [m.title for m, k in zip(every, known, strict=True) if not k]
    return [m for m, k in zip(every, known, strict=True) if k], _left_out(
        missing, f"the virtual section or the tissue has no {gene}"
    )


def _left_out(missing: list[str], why: str) -> str:
    """Say which maps are not there."""
    return f"Left out: {', '.join(missing)}; {why}." if missing else ""
