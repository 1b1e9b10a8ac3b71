"""Prompts that tell a spot by its genes: the highest, and the lowest above zero, with counts.

Only visible entries are spoken of. Genes without any expression there are not named, so a spot
with few genes has a short prompt, and one with none an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOBODY = -1  # where a prompt names no gene


@dataclass(frozen=True)
class Prompts:
    """Which genes the prompts of some spots name.

    Attributes
    ----------
    genes
        (spots, n_high + n_low) int64 columns, highest first; -1 where none is named.
    values
        (spots, n_high + n_low) float32 what is said of each; 0 where none is named.
    n_high
        How many of the columns are for the highest.
    """

    genes: np.ndarray
    values: np.ndarray
    n_high: int

    @classmethod
    def of(cls, values: np.ndarray, shown: np.ndarray, n_high: int, n_low: int) -> Prompts:
        """Choose the genes of each spot; equals are taken in the order of the columns.

        Parameters
        ----------
        values
            (spots, genes) what was measured.
        shown
            (spots, genes) bool, True where an entry may be spoken of.
        n_high, n_low
            Most expressed genes, and least expressed ones above zero that are not among them.

        Examples
        --------
        >>> values = np.array([[5.0, 0.0, 2.0, 9.0]])
        >>> Prompts.of(values, np.array([[True, True, True, False]]), 1, 2).genes
        array([[ 0,  2, -1]])
        """
        counted = np.where(shown & (values > 0), values, -np.inf)
        order = np.argsort(-counted, axis=1, kind="stable")
        there = np.isfinite(counted).sum(axis=1)[:, None]
        spots, genes = values.shape
        top = np.arange(n_high)[None]
        high = np.where(top < there, _taken(order, np.broadcast_to(top, (spots, n_high))), NOBODY)
        place = there - 1 - np.arange(n_low)[None]  # the lowest first
        low = np.where(place >= n_high, _taken(order, np.clip(place, 0, genes - 1)), NOBODY)
        named = np.concatenate([high, low], axis=1).astype(np.int64)
        said = np.take_along_axis(values, np.maximum(named, 0), axis=1)
        return cls(named, np.where(named >= 0, said, 0).astype(np.float32), n_high)

    def sentences(self, names: np.ndarray) -> list[str]:
        """Return the prompt of each spot by the template.

        Parameters
        ----------
        names
            (genes,) names of the columns.
        """
        return [
            self._sentence(genes, values, names)
            for genes, values in zip(self.genes, self.values, strict=True)
        ]

    def _sentence(self, genes: np.ndarray, values: np.ndarray, names: np.ndarray) -> str:
        def named(part: slice) -> str:
            pairs = zip(genes[part], values[part], strict=True)
            return ", ".join(f"{names[g]} {_spelled(v)}" for g, v in pairs if g >= 0)

        high, low = named(slice(None, self.n_high)), named(slice(self.n_high, None))
        if not high:
            return "The spot has no expression"
        said = f"The spot has highest expression with {high}"
        return f"{said} and non-zero lower expressed {low}" if low else said


def _taken(order: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the columns at some places of each row's order; places past the end repeat."""
    return np.take_along_axis(order, np.minimum(place, order.shape[1] - 1), axis=1)


def _spelled(value: float) -> str:
    """Return a count as it is, and other values with two digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:.2f}"
