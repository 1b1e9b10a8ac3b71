"""Which genes to predict, and what is said about those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ..compute.errors import StdiffError
from ..data.gene_names import GeneMatch, Genes, unversioned
from ..data.panel import Panel
from ..data.reference import Reference
from ..data.tissue import Tissue
from .gene_config import PredictGenesConfig

_CHUNK = 512
_BINS = 20


@dataclass(frozen=True)
class Choice:
    """The genes to predict.

    Attributes
    ----------
    genes
        (genes,) names as in the reference, each once.
    notes
        A sentence about every asked gene that is not among them.
    """

    genes: np.ndarray
    notes: tuple[str, ...] = ()


def choose_genes(
    tissue: Tissue,
    reference: Reference,
    match: GeneMatch,
    panel: Panel,
    config: PredictGenesConfig,
) -> Choice:
    """Return the genes that the config asks for.

    Raises
    ------
    StdiffError
        When none of them can be predicted.
    """
    if config.which == "listed":
        return _listed(tissue, reference, match, config.genes)
    if config.genes.strip():
        raise StdiffError(
            "Genes are listed and others asked for as well; list genes, or say which "
            "(all-missing, hvg), not both."
        )
    missing = np.asarray(panel.wanted, dtype=object)
    if not len(missing):
        raise StdiffError("The tissue has every gene of the reference; there is none to predict.")
    if config.which == "all-missing":
        return Choice(missing)
    return Choice(most_variable(panel, missing, config.n_hvg))


def _listed(tissue: Tissue, reference: Reference, match: GeneMatch, text: str) -> Choice:
    asked = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not asked:
        raise StdiffError(
            "Name the genes to predict, separated by commas, or ask for all that the tissue "
            "lacks (all-missing) or the most variable of these (hvg)."
        )
    free = by_case(match.only_reference)
    measured = {name.casefold(): own for own, other in match.shared for name in (own, other)}
    measured |= {str(name).casefold(): str(name) for name in match.only_tissue}
    partner = {other: own for own, other in match.shared}
    also = other_names_of(reference)
    also_measured = {key: partner[name] for key, name in also.items() if name in partner}
    also_measured |= other_names_of(tissue)
    also_free = {key: name for key, name in also.items() if name not in partner}
    found: dict[str, None] = {}
    notes = []
    for name in asked:
        key, other = name.casefold(), unversioned(name)
        if name in match.only_reference:
            found[name] = None
        elif key in measured:
            as_called = "" if measured[key] == name else f" (as '{measured[key]}')"
            notes.append(f"'{name}' is measured in the tissue already{as_called}.")
        elif key in free:
            found[free[key]] = None
        elif other in also_measured:
            notes.append(
                f"'{name}' is measured in the tissue already (as '{also_measured[other]}')."
            )
        elif other in also_free:
            found[also_free[other]] = None
            notes.append(f"'{name}' is called '{also_free[other]}' in the reference.")
        else:
            notes.append(_unknown(name, free | also_free, measured))
    if not found:
        raise StdiffError(" ".join(notes) + " There is no gene left to predict.")
    return Choice(np.array(list(found), dtype=object), tuple(notes))


def by_case(names: Iterable[str]) -> dict[str, str]:
    """Return case-folded name -> name; the first of several wins."""
    out: dict[str, str] = {}
    for name in names:
        out.setdefault(str(name).casefold(), str(name))
    return out


def other_names_of(table: Genes) -> dict[str, str]:
    """Return name in another writing -> name of a gene, where only one gene is written so.

    The other name that the table gives, and Ensembl ids without their version; case-folded.
    """
    holders: dict[str, set[str]] = {}
    ids = [""] * len(table.genes) if table.gene_ids is None else table.gene_ids
    for name, other in zip(map(str, table.genes), map(str, ids), strict=True):
        for key in {unversioned(name), unversioned(other)} - {""}:
            holders.setdefault(key, set()).add(name)
    return {key: next(iter(names)) for key, names in holders.items() if len(names) == 1}


def _unknown(name: str, free: Mapping[str, str], measured: Mapping[str, str]) -> str:
    """Say that a gene is in neither, and which names are spelled nearly like it."""
    hint = did_you_mean(name, {**measured, **free})
    return f"'{name}' is neither in the tissue nor in the reference{hint}"


def did_you_mean(name: str, known: Mapping[str, str]) -> str:
    """Return the end of a sentence: the names that are spelled nearly like `name`.

    Parameters
    ----------
    name
        Of a gene that is not there.
    known
        Case-folded name -> name of a gene that is.
    """
    close = get_close_matches(name.casefold(), known, n=3, cutoff=0.7)
    near = list(dict.fromkeys(known[key] for key in close))
    return f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else "."


def most_variable(panel: Panel, names: np.ndarray, n: int) -> np.ndarray:
    """Return the `n` most variable of the genes `names`, in their order.

    By the reference alone: the log of variance over mean on the common scale, standardised among
    genes of like mean (20 bins).

    Parameters
    ----------
    panel
        Whose reference has the genes.
    names
        (genes,) candidates.
    n
        How many; all of them where there are fewer.
    """
    mean, spread = np.empty(len(names)), np.empty(len(names))
    for start in range(0, len(names), _CHUNK):
        values = panel.profiles(names[start : start + _CHUNK]).astype(np.float64)
        mean[start : start + _CHUNK] = values.mean(axis=0)
        spread[start : start + _CHUNK] = values.var(axis=0)
    there = np.flatnonzero((spread > 0) & (mean > 0))
    score = np.full(len(names), -np.inf)
    dispersion = np.log(spread[there] / mean[there])
    order = np.argsort(mean[there], kind="stable")
    for rows in np.array_split(order, min(_BINS, max(1, len(order) // 5))):
        if len(rows):
            part = dispersion[rows]
            score[there[rows]] = (part - part.mean()) / (part.std() + 1e-9)
    best = np.argsort(-score, kind="stable")[: min(n, len(there))]
    if not len(best):
        raise StdiffError("No gene that the tissue lacks varies in the reference.")
    return np.asarray(names)[np.sort(best)]
