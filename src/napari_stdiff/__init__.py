"""Image-centric spatial transcriptomics in napari, with diffusion models.

Importing the package is cheap: torch, napari, Qt, scanpy and squidpy load when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compute.errors import StdiffError
    from .compute.monitor import Cancelled, Monitor
    from .data.alignment import Alignment
    from .data.alignment_store import remove_alignment, save_alignment
    from .data.imputed import Imputed
    from .data.predicted import PredictedGenes, Reliability
    from .data.prediction import Prediction, Query
    from .data.read_config import ReadConfig
    from .data.reading import read
    from .data.reference import Reference, read_reference
    from .data.results import (
        list_results,
        load_imputed,
        load_predicted,
        remove_result,
        save,
    )
    from .data.simulate import simulate
    from .data.tissue import Tissue
    from .data.virtual import VirtualSection
    from .evaluation.align import evaluate_align
    from .evaluation.generate import evaluate_generate
    from .evaluation.impute import evaluate_impute
    from .evaluation.interpolate import evaluate_interpolate
    from .evaluation.predict_genes import evaluate_predict_genes
    from .methods.base import Cost
    from .tasks.align import align
    from .tasks.config import AlignConfig, GenerateConfig, InterpolateConfig
    from .tasks.estimate import estimate
    from .tasks.gene_config import PredictGenesConfig
    from .tasks.generate import generate
    from .tasks.impute import impute
    from .tasks.impute_config import ImputeConfig
    from .tasks.interpolate import interpolate
    from .tasks.predict_genes import predict_genes
    from .tasks.sweep import Sweep, sweep_lambda

_HOME = {
    "AlignConfig": "tasks.config",
    "Alignment": "data.alignment",
    "Cancelled": "compute.monitor",
    "Cost": "methods.base",
    "GenerateConfig": "tasks.config",
    "ImputeConfig": "tasks.impute_config",
    "Imputed": "data.imputed",
    "InterpolateConfig": "tasks.config",
    "Monitor": "compute.monitor",
    "PredictGenesConfig": "tasks.gene_config",
    "PredictedGenes": "data.predicted",
    "Prediction": "data.prediction",
    "Query": "data.prediction",
    "ReadConfig": "data.read_config",
    "Reference": "data.reference",
    "Reliability": "data.predicted",
    "StdiffError": "compute.errors",
    "Sweep": "tasks.sweep",
    "Tissue": "data.tissue",
    "VirtualSection": "data.virtual",
    "align": "tasks.align",
    "estimate": "tasks.estimate",
    "evaluate_align": "evaluation.align",
    "evaluate_generate": "evaluation.generate",
    "evaluate_impute": "evaluation.impute",
    "evaluate_interpolate": "evaluation.interpolate",
    "evaluate_predict_genes": "evaluation.predict_genes",
    "generate": "tasks.generate",
    "impute": "tasks.impute",
    "interpolate": "tasks.interpolate",
    "list_results": "data.results",
    "load_imputed": "data.results",
    "load_predicted": "data.results",
    "predict_genes": "tasks.predict_genes",
    "read": "data.reading",
    "read_reference": "data.reference",
    "remove_alignment": "data.alignment_store",
    "remove_result": "data.results",
    "save": "data.results",
    "save_alignment": "data.alignment_store",
    "simulate": "data.simulate",
    "sweep_lambda": "tasks.sweep",
}

__version__ = "0.1.0"
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'napari_stdiff' has no attribute '{name}'")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
