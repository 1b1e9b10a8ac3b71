"""Closed-form predictors of unmeasured genes: arrays in, arrays out."""

from __future__ import annotations

from .base import Single
from .gene_kernel_ridge import GeneKernelRidge
from .knn import Knn
from .pls import Pls
from .ridge import Ridge
from .sinkhorn import Sinkhorn
from .spage_like import SpageLike

SINGLES: dict[str, type[Single]] = {
    cls.id: cls for cls in (Ridge, Pls, Knn, GeneKernelRidge, Sinkhorn, SpageLike)
}

__all__ = ["SINGLES", "Single"]
