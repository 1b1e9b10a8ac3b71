"""One method on one case of hidden entries: fit, fill in, and what that took."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..methods.entries.base import EntryMethod
from ..methods.entries.settings import EntrySettings
from ..scoring.clusters import annotated, cluster_scores
from ..scoring.entries import Answers
from .hidden_entries import EntryCase
from .memory import peak_memory

_DRAWS = 500_000_000  # bytes that draws of some cells may take


@dataclass(frozen=True)
class Filled:
    """What a method answered.

    Attributes
    ----------
    mean
        (cells, genes) float32; visible entries as measured, unless the case is to be denoised.
    answers
        For the entries that are scored.
    fit_seconds, sample_seconds
        On the clock.
    fit_cpu_seconds, sample_cpu_seconds
        Of all cores; what else runs beside it hardly changes these.
    peak_mib
        Most memory above where it began.
    facts
        What the fit chose.
    notes
        Sentences to read beside the scores.
    """

    mean: np.ndarray
    answers: Answers
    fit_seconds: float
    sample_seconds: float
    fit_cpu_seconds: float
    sample_cpu_seconds: float
    peak_mib: float
    facts: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def took(self) -> dict[str, float]:
        """Seconds and memory by name, rounded."""
        names = ("fit_seconds", "sample_seconds", "fit_cpu_seconds", "sample_cpu_seconds")
        return {n: round(getattr(self, n), 3) for n in names} | {
            "peak_mib": round(self.peak_mib, 1)
        }


def fill(
    make: Callable[[], EntryMethod], case: EntryCase, config: EntrySettings, monitor: Monitor
) -> Filled:
    """Fit a method on what is visible and let it fill in the rest.

    Parameters
    ----------
    make
        Makes an unfitted method.
    case
        What it sees and what is scored.
    config
        Its settings; whether it denoises is the case's.
    monitor
        Progress and cancel.
    """
    visible = case.visible
    config = config.but(denoise=case.denoise)
    columns, rows = np.nonzero(case.hidden.T)  # gene after gene
    mean = np.empty(case.truth.shape, dtype=np.float32)
    drawn: np.ndarray | None = None
    notes: dict[str, None] = {}
    with peak_memory() as peak:
        start, start_cpu = perf_counter(), process_time()
        with monitor.stage("Fitting", 0.7):
            method = make().fit(visible, config, monitor)
        fit, fit_cpu = perf_counter() - start, process_time() - start_cpu
        size = int(max(1, _DRAWS // (4 * visible.n_genes * max(1, config.draws))))
        start, start_cpu = perf_counter(), process_time()
        for first in range(0, visible.n_cells, size):
            cells = np.arange(first, min(first + size, visible.n_cells))
            with monitor.stage("Filling in", 1 / -(-(visible.n_cells - first) // size)):
                part = method.sample(cells, config.draws, monitor)
            monitor.check()
            if part.mean.shape != (len(cells), visible.n_genes):
                raise StdiffError(f"'{method.id}' did not answer for every cell and gene.")
            mean[cells] = part.mean
            notes |= dict.fromkeys(part.notes)
            if part.draws is not None and len(part.draws):
                if drawn is None:
                    drawn = np.empty((len(part.draws), len(rows)), dtype=np.float32)
                own = (rows >= first) & (rows < first + size)
                drawn[:, own] = part.draws[:, rows[own] - first, columns[own]]
        sample, sample_cpu = perf_counter() - start, process_time() - start_cpu
    answers = Answers(
        genes=visible.genes,
        start=np.concatenate([[0], np.cumsum(case.hidden.sum(axis=0))]),
        truth=case.truth[rows, columns],
        mean=mean[rows, columns],
        draws=drawn,
    )
    facts = json.loads(json.dumps(method.facts(), default=str))
    spent = fit, sample, fit_cpu, sample_cpu
    return Filled(mean, answers, *spent, peak.mib, facts, tuple(notes))


@dataclass(frozen=True)
class Populations:
    """Annotated types of the cells of a case, to compare clusters with.

    Attributes
    ----------
    said
        Which labels, of how many cells and types, and the scores of clusters of the ``raw``
        values (gaps filled by the gene's mean) and of the ``measured`` ones.
    labels
        (cells,).
    seed
        Of the clusters.
    """

    said: dict[str, Any]
    labels: np.ndarray
    seed: int

    @classmethod
    def of(cls, case: EntryCase, seed: int) -> Populations | None:
        """Return them, or None where cells have no annotated types."""
        tissue = case.tissue
        for name, labels in (("cell_type", tissue.cell_type), ("layer", tissue.layer)):
            if labels is None:
                continue
            known = annotated(labels)
            types = len(np.unique(np.asarray(labels)[known].astype(str)))
            if types < 2:
                continue
            visible = case.visible
            raw = np.where(visible.seen, visible.expression, visible.mean)
            said: dict[str, Any] = {"labels": name, "cells": int(known.sum()), "types": types}
            said["raw"] = cluster_scores(raw, labels, seed)
            said["measured"] = cluster_scores(case.truth, labels, seed)
            return cls(said, np.asarray(labels), seed)
        return None

    def scores(self, filled: np.ndarray) -> dict[str, float] | None:
        """Return ``ari``, ``ami`` and ``nmi`` of clusters of (cells, genes) filled-in values."""
        return cluster_scores(filled, self.labels, self.seed)
