"""A model that is tied to the data of its fit: what is kept of them, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..compute.errors import StdiffError

_MEND = "read the data that it was fitted on, or fit a new model."


class Tied(Protocol):
    """Data that a model can be tied to."""

    @property
    def genes(self) -> Any:
        """(genes,) names that the model learned from."""

    @property
    def tissue_name(self) -> str:
        """What to call the tissue."""

    @property
    def reference_name(self) -> str:
        """What to call the reference; "" without one."""

    def tissue_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the tissue."""

    def reference_fingerprint(self) -> str:
        """Return a hash of what a model can learn from the reference; "" without one."""


def tie_of(data: Tied, reference: bool = True) -> dict[str, Any]:
    """Return what :func:`refuse_other` compares, as JSON can hold it.

    Parameters
    ----------
    data
        What a model was fitted on, or is to be used on.
    reference
        Whether the model looks at the reference.

    Returns
    -------
    dict
        Names of the genes, names and fingerprints of tissue and reference.
    """
    return {
        "genes": [str(gene) for gene in data.genes],
        "tissue": data.tissue_fingerprint(),
        "reference": data.reference_fingerprint() if reference else "",
        "tissue_name": data.tissue_name,
        "reference_name": data.reference_name if reference else "",
    }


def refuse_other(
    kept: Mapping[str, Any],
    now: Mapping[str, Any],
    genes: str = "genes",
    content: str = "values or cells",
) -> None:
    """Raise if a model was fitted on other data than those it is to be used on.

    Parameters
    ----------
    kept, now
        What :func:`tie_of` gave when the model was saved, and gives now.
    genes
        What to call the genes in a sentence.
    content
        What may differ where names do not.

    Raises
    ------
    StdiffError
        Naming the tissue or the reference that is another, or the genes that differ.
    """
    if bool(kept["reference"]) != bool(now["reference"]):
        was, given = ("with", "none") if kept["reference"] else ("without", "one")
        raise StdiffError(f"The model was fitted {was} a reference, and {given} is given; {_MEND}")
    for role in ("tissue", "reference"):
        was, is_now = kept[f"{role}_name"], now[f"{role}_name"]
        if kept[role] != now[role] and was != is_now:
            raise StdiffError(
                f"The model was fitted on the {role} '{was}', not '{is_now}'; {_MEND}"
            )
    if kept["genes"] != now["genes"]:
        differ = sorted(set(kept["genes"]) ^ set(now["genes"]))
        named = ", ".join(f"'{gene}'" for gene in differ[:4]) or "their order"
        more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
        raise StdiffError(
            f"The model was fitted on other {genes} (differing: {named}{more}); {_MEND}"
        )
    for role in ("tissue", "reference"):
        if kept[role] != now[role]:
            name = now[f"{role}_name"] or "given"
            raise StdiffError(
                f"The {role} '{name}' holds other {content} than the one that the model was "
                f"fitted on; {_MEND}"
            )
