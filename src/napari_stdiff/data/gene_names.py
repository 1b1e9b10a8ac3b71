"""Which gene of the reference is which gene of the tissue."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from .checks import listing
from .detect import plain

# Columns of var that hold another name of each gene, best first; compared as `plain` writes them.
_ID_COLUMNS = ("geneids", "geneid", "ensemblid", "ensemblids", "ensembl", "ensemblgeneid", "ensg")
_SYMBOL_COLUMNS = (
    *("featurename", "genename", "genenames", "genesymbol", "genesymbols", "symbol", "symbols"),
    *("hgncsymbol", "mgisymbol", "geneshortname"),
)
_ENSEMBL = re.compile(r"ENS[A-Z]*\d{6,}(\.\d+)?", re.IGNORECASE)
_EXAMPLES = 3


class Genes(Protocol):
    """A table of genes: a `Tissue` or a `Reference`."""

    @property
    def genes(self) -> np.ndarray:
        """(genes,) unique names."""

    @property
    def gene_ids(self) -> np.ndarray | None:
        """(genes,) another name of each gene, "" where there is none, or None."""


@dataclass(frozen=True)
class GeneMatch:
    """What two tables share. Every gene of either is in exactly one of the three lists.

    Attributes
    ----------
    shared
        (tissue name, reference name) of each shared gene, in the tissue's order.
    only_reference
        Reference names without a gene of the tissue, in the reference's order.
    only_tissue
        Tissue names without a gene of the reference, in the tissue's order.
    notes
        Sentences on how they were matched and what was left out.
    """

    shared: list[tuple[str, str]]
    only_reference: list[str]
    only_tissue: list[str]
    notes: tuple[str, ...] = ()


def match_genes(tissue: Genes, reference: Genes) -> GeneMatch:
    """Match genes one to one: by name, ignoring case, without version, by their other name.

    Each step takes the genes that the steps before left over. Where a step finds several
    partners for a gene, neither it nor they are matched, and that is said.

    Parameters
    ----------
    tissue, reference
        Tables of genes with unique names.

    Examples
    --------
    >>> from types import SimpleNamespace as Table
    >>> names = {"tissue": ["Gad2", "ensmusg00000027419.8"], "reference": ["GAD2", "Pcsk2"]}
    >>> ids = ["ENSMUSG00000026787", "ENSMUSG00000027419"]
    >>> match_genes(
    ...     Table(genes=names["tissue"], gene_ids=None),
    ...     Table(genes=names["reference"], gene_ids=ids),
    ... ).shared
    [('Gad2', 'GAD2'), ('ensmusg00000027419.8', 'Pcsk2')]
    """
    ours, theirs = list(map(str, tissue.genes)), list(map(str, reference.genes))
    our_ids, their_ids = _other(tissue), _other(reference)
    steps: list[tuple[str, Callable[[str, str], set[str]]]] = [
        ("by name", lambda name, _: {name}),
        ("ignoring case", lambda name, _: {_folded(name)}),
        ("without the version of the Ensembl id", lambda name, _: {unversioned(name)}),
        (
            "by the other name that a table gives",
            lambda name, other: {unversioned(name), unversioned(other)},
        ),
    ]
    left, right = set(range(len(ours))), set(range(len(theirs)))
    partner: dict[int, int] = {}
    unclear: list[str] = []
    said: list[str] = []
    for title, keys in steps:
        found, doubtful = _pairs(
            {i: keys(ours[i], our_ids[i]) - {""} for i in sorted(left)},
            {j: keys(theirs[j], their_ids[j]) - {""} for j in sorted(right)},
        )
        partner.update(found)
        unclear += [ours[i] for i in sorted(doubtful[0])]
        left -= found.keys() | doubtful[0]
        right -= set(found.values()) | doubtful[1]
        if found:
            shown = ""
            if title != "by name":
                pairs = [f"{ours[i]} = {theirs[j]}" for i, j in list(found.items())[:_EXAMPLES]]
                shown = f" ({', '.join(pairs)}{', ...' if len(found) > _EXAMPLES else ''})"
            said.append(f"{len(found)} {title}{shown}")
    taken = set(partner.values())
    notes = [f"Genes: {len(partner)} shared{': ' if said else ''}{'; '.join(said)}."]
    if unclear:
        notes.append(
            f"Genes: {len(unclear)} of the tissue fit several genes of the reference, or share "
            f"one, and are left out ({listing(unclear[:_EXAMPLES])}"
            f"{', ...' if len(unclear) > _EXAMPLES else ''})."
        )
    return GeneMatch(
        shared=[(ours[i], theirs[partner[i]]) for i in sorted(partner)],
        only_reference=[name for j, name in enumerate(theirs) if j not in taken],
        only_tissue=[name for i, name in enumerate(ours) if i not in partner],
        notes=tuple(notes),
    )


def other_names(var: pd.DataFrame, names: Sequence[str] | np.ndarray) -> np.ndarray | None:
    """Return (genes,) the other name of each gene from a table's var ("" for none), or None.

    Symbols where the names are Ensembl ids, ids where the names are symbols.

    Parameters
    ----------
    var
        The table's var.
    names
        (genes,) the names themselves.
    """
    columns: dict[str, str] = {}
    for column in map(str, var.columns):
        columns.setdefault(plain(column), column)
    ids = sum(bool(_ENSEMBL.fullmatch(str(n))) for n in names) * 2 > len(names)
    order = (*_SYMBOL_COLUMNS, *_ID_COLUMNS) if ids else (*_ID_COLUMNS, *_SYMBOL_COLUMNS)
    for wanted in order:
        if wanted not in columns:
            continue
        held = var[columns[wanted]]
        if not isinstance(held, pd.Series) or pd.api.types.is_numeric_dtype(held):
            continue
        text = held.astype(object).where(held.notna(), "").map(_text)
        out: np.ndarray = text.to_numpy(dtype=object)
        if np.any((out != "") & (out != np.asarray(names, dtype=object).astype(str))):
            return out
    return None


def _text(value: Any) -> str:
    text = str(value).strip()
    return "" if text.lower() in {"nan", "none", "na", "<na>"} else text


def _other(table: Genes) -> list[str]:
    if table.gene_ids is None:
        return [""] * len(table.genes)
    return [str(v) for v in table.gene_ids]


def _folded(name: str) -> str:
    return name.strip().casefold()


def unversioned(name: str) -> str:
    """Return `name` case-folded, an Ensembl id without its version.

    >>> unversioned("ENSMUSG00000027419.8")
    'ensmusg00000027419'
    """
    folded = _folded(name)
    return folded.split(".")[0] if _ENSEMBL.fullmatch(folded) else folded


def _pairs(
    ours: dict[int, set[str]], theirs: dict[int, set[str]]
) -> tuple[dict[int, int], tuple[set[int], set[int]]]:
    """Return pairs that have only each other, and those on both sides with several partners."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j, keys in theirs.items():
        for key in keys:
            holders[key].append(j)
    forward = {
        i: {j for key in keys for j in holders.get(key, ())} for i, keys in ours.items() if keys
    }
    backward: dict[int, set[int]] = defaultdict(set)
    for i, found in forward.items():
        for j in found:
            backward[j].add(i)
    pairs: dict[int, int] = {}
    doubtful: tuple[set[int], set[int]] = (set(), set())
    for i, found in forward.items():
        if len(found) == 1 and len(backward[next(iter(found))]) == 1:
            pairs[i] = next(iter(found))
        elif found:
            doubtful[0].add(i)
            doubtful[1].update(found)
    return pairs, doubtful
