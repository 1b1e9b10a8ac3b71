"""Which result a layer shows: what saving, removing and explaining a layer are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .layers import KEY

if TYPE_CHECKING:
    from ..data.imputed import Imputed
    from ..data.predicted import PredictedGenes
    from ..data.record import RunRecord
    from ..data.virtual import VirtualSection
    from .saving import Kept
    from .session import Session


@dataclass(frozen=True)
class Chosen:
    """A result of a session.

    Attributes
    ----------
    name
        What it goes by.
    result
        The result.
    kept
        The results that it belongs to, and where each is saved.
    """

    name: str
    result: VirtualSection | PredictedGenes | Imputed
    kept: Kept[Any]

    @property
    def record(self) -> RunRecord:
        """How it was made."""
        return self.result.record

    @property
    def task(self) -> str:
        """The task that made it."""
        return self.record.task


def result_of(session: Session, metadata: Mapping[str, Any]) -> Chosen | None:
    """Return the result that a layer with this ``metadata`` shows; None where it shows none.

    A virtual or generated section is its own result. Over measured cells lie what was predicted
    or imputed of the gene that is shown.
    """
    state = metadata.get(KEY)
    if not state:
        return None
    if state["virtual"]:
        name = str(state["section"])
        section = session.results.get(name)
        return None if section is None else Chosen(name, section, session.kept)
    if state["role"] not in ("points", "cells", "predicted", "imputed"):
        return None
    shown = session.stack.colouring.result
    if not shown:
        return None
    for known in session.of_cells:
        if shown in known.results:
            return Chosen(shown, known.results[shown], known.kept)
    return None


def results_of(session: Session, metadata: Iterable[Mapping[str, Any]]) -> list[Chosen]:
    """Return the results that several layers show, each once."""
    found: dict[tuple[int, str], Chosen] = {}
    for held in metadata:
        chosen = result_of(session, held)
        if chosen is not None:
            found.setdefault((id(chosen.kept), chosen.name), chosen)
    return list(found.values())
