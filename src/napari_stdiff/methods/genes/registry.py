"""Ids of the methods that predict genes and where they live; imported when one is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from ..loading import class_of, read_or_refuse
from .base import GeneMethod

if TYPE_CHECKING:
    from ...data.panel import Panel

GeneMethodName = Literal[
    "spadit",
    "spadit-paper",
    "stack",
    "stack-network",
    "ridge",
    "pls",
    "knn",
    "gene-kernel-ridge",
    "sinkhorn",
    "spage-like",
]

_PLACES: dict[str, str] = {
    "spadit": "spadit:Spadit",
    "spadit-paper": "spadit_paper:SpaditPaper",
    "stack": "stack:Stack",
    "stack-network": "stack_network:StackNetwork",
    "ridge": "closed_form:RidgeMethod",
    "pls": "closed_form:PlsMethod",
    "knn": "closed_form:KnnMethod",
    "gene-kernel-ridge": "closed_form:GeneKernelRidgeMethod",
    "sinkhorn": "closed_form:SinkhornMethod",
    "spage-like": "closed_form:SpageLikeMethod",
}


def gene_methods() -> tuple[str, ...]:
    """Return the ids of the methods that predict genes, the default first."""
    return get_args(GeneMethodName)


def gene_method_class(name: str) -> type[GeneMethod]:
    """Return the class of the method called `name`.

    Raises
    ------
    StdiffError
        When there is no such method.
    """
    found: type[GeneMethod] = class_of(name, _PLACES, __package__)
    return found


def load_gene_method(name: str, folder: str | Path, panel: Panel) -> GeneMethod:
    """Return the method called `name` as it was saved to `folder`, for the panel of its fit.

    Raises
    ------
    StdiffError
        When there is no such method or model, it was fitted on another tissue or reference, or
        something in the model is missing or of the wrong shape.
    """
    cls = gene_method_class(name)
    return read_or_refuse(lambda: cls.load(Path(folder).expanduser(), panel), folder)
