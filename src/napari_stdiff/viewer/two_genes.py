"""Two genes at once: a colour for each, and one for where both are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.colormaps import Colormap
from psygnal import Signal

from ..compute.errors import StdiffError
from .colors import UNKNOWN, Colouring, rgba

if TYPE_CHECKING:
    from .arrange import Section
    from .painting import Painting

_STEPS = 16  # of each gene where cells have outlines: their colours are a table
_DARK = 0.06  # of a cell that has neither: still told from nothing


@dataclass(frozen=True)
class Scheme:
    """Two colours that add up to white.

    Attributes
    ----------
    first, second
        Names of the colours.
    rgb
        Of the first and of the second, each 0 to 1.
    """

    first: str
    second: str
    rgb: tuple[tuple[float, float, float], tuple[float, float, float]]

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.first} and {self.second}"


# Pairs of complements that readers with any of the common kinds of colour blindness tell apart.
SCHEMES = (
    Scheme("orange", "blue", ((1.0, 0.55, 0.0), (0.0, 0.45, 1.0))),
    Scheme("magenta", "green", ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0))),
)


def blend(
    first: np.ndarray,
    second: np.ndarray,
    limits: tuple[tuple[float, float], tuple[float, float]],
    scheme: Scheme,
) -> np.ndarray:
    """Return (n, 4) float32 colours of two genes, each on a scale of its own.

    Dark where both are low, the one colour or the other, white where both are high; grey where
    either has no value.

    Parameters
    ----------
    first, second
        (n,) values.
    limits
        Ends of the scale of the first, and of the second.
    scheme
        The two colours.

    Examples
    --------
    >>> high = blend(np.ones(1), np.ones(1), ((0, 1), (0, 1)), SCHEMES[0])
    >>> high.tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """
    total = np.full((len(first), 3), _DARK, np.float32)
    for values, (low, high), colour in zip((first, second), limits, scheme.rgb, strict=True):
        part = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0.0, 1.0)
        total += part[:, None] * (np.asarray(colour, np.float32) * (1 - _DARK))
    out = np.ones((len(first), 4), np.float32)
    out[:, :3] = np.clip(total, 0.0, 1.0)
    unknown = np.isnan(total[:, 0])
    out[unknown] = rgba(np.full(int(unknown.sum()), "no"), {"no": UNKNOWN})
    return out


class TwoGenes:
    """The second gene of a stack, beside the one it is coloured by. Main thread only.

    Parameters
    ----------
    stack
        What shows the first gene.

    Attributes
    ----------
    name
        The second gene; "" for none.
    colouring
        Its values.
    limits
        Ends of its scale.
    scheme
        The two colours.

    Signals
    -------
    changed
        Sections are to be painted.
    """

    changed = Signal()

    def __init__(self, stack: Painting) -> None:
        self._stack = stack
        self.name = ""
        self.colouring = Colouring()
        self.limits = (0.0, 1.0)
        self.scheme = SCHEMES[0]

    @property
    def is_on(self) -> bool:
        """Whether sections show two genes now."""
        return bool(self.name) and not self.why_not

    @property
    def why_not(self) -> str:
        """Why a second gene is not shown, or would not be; "" where it is."""
        first = self._stack.colouring
        if first.kind != "gene":
            return "Colour the sections by a gene first; a second one then joins it."
        if self._stack.view == "both":
            return "Measured and imputed stand side by side; two genes show in one of the two."
        if first.name == self.name:
            return f"{self.name} is the first gene already; choose another second one."
        return ""

    def choose(self, gene: str) -> None:
        """Show this gene in a second colour; "" for one gene alone.

        Raises
        ------
        StdiffError
            When there is no such gene; what is shown stays as it was.
        """
        colouring = self._stack.look_up(gene) if gene else Colouring()
        if gene and colouring.kind != "gene":
            raise StdiffError(f"There is no gene '{gene}' here.")
        self.name, self.colouring = gene, colouring
        self.changed.emit()

    def set_scheme(self, scheme: Scheme) -> None:
        """Use two other colours."""
        self.scheme = scheme
        if self.is_on:
            self.changed.emit()

    def forget(self) -> None:
        """Start anew: other data is open."""
        self.name, self.colouring = "", Colouring()

    def refresh(self) -> None:
        """Look the gene up again: results came or went, or others are shown."""
        if not self.name:
            return
        if not self._stack.knows(self.name):
            self.forget()
            return
        self.colouring = self._stack.look_up(self.name)

    def fit(self) -> None:
        """Set the ends of the scale, by the percentiles of the stack."""
        if self.name:
            self.limits = self.colouring.span(self._stack.percentiles)

    def trust(self, trust: np.ndarray | None) -> np.ndarray | None:
        """Return (cells,) the lower of the `trust` in the first gene and in this one."""
        mine = self.colouring.trust(self._stack.fade, self._stack.only_filled)
        if not self.is_on or mine is None:
            return trust
        return mine if trust is None else np.minimum(trust, mine)

    def values_of(self, section: Section) -> np.ndarray:
        """Return (cells,) values of a section."""
        if section.virtual:
            return self.colouring.virtual[section.name]
        return self.colouring.measured[section.rows]

    def blend(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return (n, 4) colours of (n,) values of the two genes."""
        return blend(first, second, (self._stack.limits, self.limits), self.scheme)

    def table(
        self, first: np.ndarray, second: np.ndarray
    ) -> tuple[np.ndarray, tuple[tuple[float, float, float, float], ...]]:
        """Return (n,) float32 numbers from 1 of a table of colours, and the table.

        Its number 0 stands for nothing, 1 for no value.
        """
        at = [
            np.round((_STEPS - 1) * np.clip((v - lo) / (hi - lo), 0, 1))
            for v, (lo, hi) in ((first, self._stack.limits), (second, self.limits))
        ]
        numbers = at[0] * _STEPS + at[1] + 2
        part = np.linspace(0.0, 1.0, _STEPS)
        ends = ((0.0, 1.0), (0.0, 1.0))
        colours = blend(np.repeat(part, _STEPS), np.tile(part, _STEPS), ends, self.scheme)
        none = blend(np.full(2, np.nan), np.zeros(2), ends, self.scheme)
        every = np.concatenate([none, colours]).tolist()
        return np.where(np.isnan(numbers), 1.0, numbers).astype(np.float32), tuple(
            (r, g, b, a) for r, g, b, a in every
        )

    @property
    def title(self) -> str:
        """What the colours show, in a few words."""
        first, second, scheme = self._stack.colouring, self.colouring, self.scheme
        names = [f"{c.name}{' (predicted)' if c.result else ''}" for c in (first, second)]
        return (
            f"{names[0]} · {scheme.first}\n{names[1]} · {scheme.second}; white where both are high"
        )


def colormap_of(colours: tuple[tuple[float, float, float, float], ...]) -> Colormap:
    """Return a map that gives each of the numbers 0 to n - 1 its colour; clear for NaN."""
    n = len(colours)
    between = (np.arange(1, n) - 0.5) / (n - 1)
    return Colormap(
        np.array(colours),
        name="two genes",
        interpolation="zero",
        controls=np.concatenate([[0.0], between, [1.0]]),
        nan_color=(0.0, 0.0, 0.0, 0.0),
    )
