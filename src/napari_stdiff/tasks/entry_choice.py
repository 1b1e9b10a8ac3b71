"""Which genes are imputed, which of their entries are missing, and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compute.errors import StdiffError
from ..data.checks import listing
from ..data.gaps import dense_gaps
from ..data.gene_names import match_genes, unversioned
from ..data.reference import Reference
from ..data.tissue import Tissue
from ..data.visible_of import MANY, TAKEN, most_varying
from .gene_choice import by_case, did_you_mean, other_names_of
from .impute_config import ImputeConfig, Missing
from .memory import refuse_too_large

# Of those that vary most, genes above zero in fewer cells than this share are passed over: one
# that is seen in two spots varies most of all.
_EXPRESSED = 0.05
_EACH = 64  # bytes an entry takes: what a method sees (about 20), its fit, and the result


@dataclass(frozen=True)
class EntryChoice:
    """What a run is about.

    Attributes
    ----------
    genes
        (genes,) names of the genes that a method sees, in the table's order.
    targets
        (targets,) which of these are imputed.
    hidden
        (cells, genes) bool, entries that are not visible: the table has no value there.
    wanted
        (cells, targets) bool, entries that are filled in.
    missing
        What counts as missing, "auto" resolved.
    notes
        Sentences about the choice.
    """

    genes: np.ndarray
    targets: np.ndarray
    hidden: np.ndarray
    wanted: np.ndarray
    missing: Missing
    notes: tuple[str, ...]

    @property
    def names(self) -> np.ndarray:
        """(targets,) names of the genes that are imputed."""
        return self.genes[self.targets]


def choose_entries(
    tissue: Tissue, reference: Reference | None, config: ImputeConfig
) -> EntryChoice:
    """Return the genes and entries that the config asks for.

    Parameters
    ----------
    tissue
        With its gaps.
    reference
        That the method will see, or None.
    config
        Names genes and what is missing.

    Raises
    ------
    StdiffError
        When there is nothing to impute, or no way to.
    """
    missing = _missing(tissue, config)
    seen_genes, wanted_genes, notes = _genes(tissue, config.genes)
    place = {str(gene): i for i, gene in enumerate(tissue.genes)}
    columns = np.array([place[str(gene)] for gene in seen_genes], dtype=np.int64)
    refuse_too_large(tissue.n_cells, len(columns), _EACH)
    some = tissue.columns(columns)
    gaps = dense_gaps(some)
    hidden = np.zeros((tissue.n_cells, len(columns)), dtype=bool) if gaps is None else gaps
    alive, said = _known(some, hidden, reference)
    if said:
        notes.append(said)
    some, hidden = some.columns(alive), hidden[:, alive]
    targets = np.flatnonzero(np.isin(some.genes.astype(str), list(wanted_genes)))
    if not len(targets):
        raise StdiffError(said or "There is no gene to impute.")
    wanted = hidden[:, targets]
    if missing == "zeros":
        x = some.columns(targets).expression
        dense = np.asarray(x.toarray() if hasattr(x, "toarray") else x)
        wanted = wanted | (dense == 0)
    notes += _said(missing, hidden[:, targets], wanted)
    return EntryChoice(
        np.asarray(some.genes, dtype=object), targets, hidden, wanted, missing, tuple(notes)
    )


def _missing(tissue: Tissue, config: ImputeConfig) -> Missing:
    """Return what counts as missing; the tissue has the gaps of a mask layer already."""
    asked = config.missing
    if config.mask_layer and asked not in ("auto", "mask"):
        raise StdiffError(
            f"A mask layer is named ('{config.mask_layer}') and '{asked}' are to be filled in; "
            "say missing 'mask', or leave the layer away."
        )
    if asked == "auto":
        if config.mask_layer:
            return "mask"
        return "zeros" if tissue.missing is None else "nan"
    if asked == "mask" and tissue.missing is None:
        raise StdiffError(
            "Name the boolean layer of the table that marks missing entries (mask layer)."
            if not config.mask_layer
            else f"The layer '{config.mask_layer}' marks no entry as missing."
        )
    if asked == "nan" and tissue.missing is None:
        raise StdiffError(
            "The table holds no NaN; say what is missing: zeros, a mask layer, or none to "
            "denoise all values."
        )
    return asked


def _genes(tissue: Tissue, text: str) -> tuple[np.ndarray, set[str], list[str]]:
    """Return the genes that a method sees, those to impute, and sentences about both."""
    every = np.asarray(tissue.genes, dtype=object)
    if text.strip().lower() == "all":
        return every, set(map(str, every)), []
    seen = every
    if len(every) > MANY:
        gaps = dense_gaps(tissue)
        seen = most_varying(tissue, None if gaps is None else ~gaps, TAKEN, _EXPRESSED)
    if not text.strip():
        if len(seen) == len(every):
            return seen, set(map(str, seen)), []
        wanted = set(map(str, seen))
        said = f"the {len(seen):,} of {len(every):,} that vary most are imputed"
        return seen, wanted, [f"Genes: {said}. {_untouched(every, wanted)}"]
    listed, notes = _listed(tissue, text)
    wanted = set(listed)
    seen = every[np.isin(every.astype(str), [*map(str, seen), *wanted])]
    said = f"{len(wanted):,} of {len(every):,} are imputed, {len(seen):,} are looked at"
    return seen, wanted, [*notes, f"Genes: {said}. {_untouched(every, wanted)}"]


def _untouched(every: np.ndarray, wanted: set[str]) -> str:
    return f"Untouched: {listing(g for g in every if str(g) not in wanted)}."


def _listed(tissue: Tissue, text: str) -> tuple[list[str], list[str]]:
    """Find named genes, whatever their case or by their other name."""
    asked = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    exact = set(map(str, tissue.genes))
    cased, other = by_case(tissue.genes), other_names_of(tissue)
    found: dict[str, None] = {}
    notes = []
    for name in asked:
        own = name if name in exact else cased.get(name.casefold())
        if own is None and unversioned(name) in other:
            own = other[unversioned(name)]
            notes.append(f"'{name}' is called '{own}' in the tissue.")
        if own is None:
            hint = did_you_mean(name, {**other, **cased})
            notes.append(f"The tissue has no gene '{name}'{hint}")
        else:
            found[own] = None
    if not found:
        raise StdiffError(" ".join(notes) + " There is no gene left to impute.")
    return list(found), notes


def _known(
    tissue: Tissue, hidden: np.ndarray, reference: Reference | None
) -> tuple[np.ndarray, str]:
    """Return the genes that something is known of, and a sentence about the others.

    Of a gene without any visible value only a reference knows something.
    """
    alive = ~hidden.all(axis=0)
    if alive.all():
        return np.flatnonzero(alive), ""
    if reference is not None:
        shared = {ours for ours, _ in match_genes(tissue, reference).shared}
        alive |= np.isin(tissue.genes.astype(str), list(shared))
    dead = tissue.genes[~alive]
    if not len(dead):
        return np.flatnonzero(alive), ""
    return np.flatnonzero(alive), (
        f"{len(dead)} gene(s) have no measured value here ({listing(dead)}) and cannot be filled "
        "in without a reference that has them and a method that looks at it (spotdiff)."
    )


def _said(missing: Missing, hidden: np.ndarray, wanted: np.ndarray) -> list[str]:
    """Say what is filled in, and what that means.

    Raises
    ------
    StdiffError
        When that is nothing.
    """
    n, size = int(wanted.sum()), wanted.size
    if not n and missing == "zeros":
        raise StdiffError(
            "None of these genes has a zero, so there is nothing to fill in; say missing 'none' "
            "to denoise all values."
        )
    if not n and missing != "none":
        raise StdiffError(
            "No entry of these genes is missing, so there is nothing to fill in; choose genes "
            "with gaps, or say missing 'none' to denoise all values."
        )
    gaps = int(hidden.sum())
    if missing == "zeros":
        also = f", {gaps:,} of them NaN" if gaps else ""
        return [
            f"Filled in: {n:,} of {size:,} entries ({n / size:.0%}){also}. A zero may be true: "
            "the model sees it as a measured zero, and what is filled in is the expression "
            "expected there given that zero and all else that was measured."
        ]
    if missing == "none":
        also = f" {gaps:,} that the table lacks are filled in." if gaps else ""
        return [f"All {size:,} values are replaced by what is expected there.{also}"]
    return [f"Filled in: {n:,} of {size:,} entries ({n / size:.0%}), which no method saw."]
