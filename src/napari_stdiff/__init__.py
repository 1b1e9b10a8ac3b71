"""Image-centric spatial transcriptomics in napari, with diffusion models.

Importing the package is cheap: torch, napari, Qt, scanpy and squidpy load when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .compute.errors import StdiffError
    from .compute.monitor import Cancelled, Monitor
    from .data.prediction import Prediction, Query
    from .data.read_config import ReadConfig
    from .data.reading import read
    from .data.results import list_results, remove_result, save
    from .data.simulate import simulate
    from .data.tissue import Tissue
    from .data.virtual import VirtualSection
    from .evaluation.interpolate import evaluate_interpolate
    from .tasks.config import InterpolateConfig
    from .tasks.interpolate import interpolate

_HOME = {
    "Cancelled": "compute.monitor",
    "InterpolateConfig": "tasks.config",
    "Monitor": "compute.monitor",
    "Prediction": "data.prediction",
    "Query": "data.prediction",
    "ReadConfig": "data.read_config",
    "StdiffError": "compute.errors",
    "Tissue": "data.tissue",
    "VirtualSection": "data.virtual",
    "evaluate_interpolate": "evaluation.interpolate",
    "interpolate": "tasks.interpolate",
    "list_results": "data.results",
    "read": "data.reading",
    "remove_result": "data.results",
    "save": "data.results",
    "simulate": "data.simulate",
}

__version__ = "0.1.0"
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'napari_stdiff' has no attribute '{name}'")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
