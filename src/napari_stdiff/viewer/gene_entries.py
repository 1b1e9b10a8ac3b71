"""What sections can be coloured by, as a search finds it: names, where from, how far to trust."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..data.predicted import Badge
from .colors import Choice

Kind = Literal["measured", "imputed", "predicted", "virtual", "table", "column", "plain"]
# How a name was found, best first.
How = Literal["is", "starts", "word", "holds", "close", "typo", "letters", "typo at start"]
GUESSED: frozenset[How] = frozenset(("close", "typo", "letters", "typo at start"))
ONE_COLOUR = "One colour"


class Entry(NamedTuple):
    """One thing that sections can be coloured by.

    Attributes
    ----------
    name
        Gene or obs column.
    kind
        Where its values come from: "virtual" genes are in virtual sections alone, those of a
        "table" in another one than the tissue's own.
    badge, expected
        How far to trust a predicted or imputed gene, and the Pearson that stands for; None and
        NaN for what was measured alone. A gene that was measured and predicted is "measured",
        which is what is shown of it.
    other
        Another name of the gene (an Ensembl id beside a symbol), or "".
    table
        The other table that has it, or "".
    """

    name: str
    kind: Kind = "measured"
    badge: Badge | None = None
    expected: float = math.nan
    other: str = ""
    table: str = ""

    @property
    def choice(self) -> Choice:
        """What a stack calls it."""
        if self.kind in ("column", "plain"):
            return "column" if self.kind == "column" else "none"
        return "gene"

    @property
    def key(self) -> tuple[Choice, str]:
        """What makes two entries one: a gene and a column may be called alike."""
        return self.choice, self.called

    @property
    def called(self) -> str:
        """What it goes by: its name, and its table's where that is another one."""
        return called(self.name, self.table)


def called(gene: str, table: str) -> str:
    """Return what a gene of another table goes by.

    >>> called("Vip", "tangram"), called("Vip", "")
    ('Vip (tangram)', 'Vip')
    """
    return f"{gene} ({table})" if table else gene


class Hit(NamedTuple):
    """An entry that was found, and how."""

    entry: Entry
    how: How


@dataclass(frozen=True)
class Pasted:
    """A list of names that were pasted.

    Attributes
    ----------
    found
        What is to be walked through, in the order it was pasted.
    missing
        Names that nothing is called, or that fit several genes.
    """

    found: tuple[Entry, ...]
    missing: tuple[str, ...]


def entries_of(
    genes: Iterable[str],
    columns: Iterable[str],
    *,
    measured: Iterable[str],
    other: Mapping[str, str] | None = None,
    predicted: Mapping[str, tuple[Badge, float]] | None = None,
    imputed: Mapping[str, tuple[Badge, float]] | None = None,
) -> list[Entry]:
    """Return the entries of what is open.

    Parameters
    ----------
    genes
        All that can be shown.
    columns
        Obs columns.
    measured
        Genes that the panel has.
    other
        Gene -> its other name.
    predicted, imputed
        Gene -> badge and Pearson, where a result says so.
    """
    panel, other = set(measured), other or {}
    predicted, imputed = predicted or {}, imputed or {}
    entries = [Entry(name, "column") for name in columns]
    entries.append(Entry(ONE_COLOUR, "plain"))
    for gene in genes:
        if gene in imputed:
            entries.append(Entry(gene, "imputed", *imputed[gene], other.get(gene, "")))
        elif gene in panel:
            badge, expected = predicted.get(gene, (None, math.nan))
            entries.append(Entry(gene, "measured", badge, expected, other.get(gene, "")))
        elif gene in predicted:
            entries.append(Entry(gene, "predicted", *predicted[gene]))
        else:
            entries.append(Entry(gene, "virtual"))
    return entries


def split_names(text: str) -> Sequence[str]:
    """Return the names in `text`, separated by commas, semicolons, tabs or new lines."""
    for separator in ";\n\t\r":
        text = text.replace(separator, ",")
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def split_words(text: str) -> list[str]:
    """Return the words of `text` without the quotes and brackets that lists are written with."""
    words = (word.strip("'\"[](){}") for word in text.split())
    return list(dict.fromkeys(word for word in words if word))
