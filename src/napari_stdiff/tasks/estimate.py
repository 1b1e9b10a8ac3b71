"""What a run will cost, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.read_config import ReadConfig
from ..data.reading import read as read_tissue
from ..data.tissue import Tissue
from ..methods.base import Cost
from .config import GenerateConfig, InterpolateConfig

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def estimate(
    data: str | Path | AnnData | SpatialData | Tissue,
    *,
    read: ReadConfig | None = None,
    config: InterpolateConfig | GenerateConfig | None = None,
    **settings: Any,
) -> Cost:
    """Return what a run will cost on this machine, without doing it.

    Parameters
    ----------
    data
        Anything that :func:`napari_stdiff.read` takes.
    read
        How to read `data`.
    config
        Of the run; its class says which task is meant. None takes that of interpolation.
    **settings
        Fields of the config, for example ``method="stdiffusion-paper"``.

    Returns
    -------
    Cost
        Parameters of the network, seconds of fit and prediction, and memory in MiB. The time is
        right within a factor of about 2; a training that is stopped early ends sooner.

    Raises
    ------
    StdiffError
        When the run could not start either.

    Examples
    --------
    >>> import napari_stdiff as st
    >>> sample = st.simulate(n_sections=3, cells_per_section=60, seed=1)
    >>> st.estimate(sample.sdata, method="stdiffusion-paper").parameters > 10_000
    True
    """
    config = (config or InterpolateConfig()).but(**settings)
    tissue = read_tissue(data, read or ReadConfig())
    if isinstance(config, GenerateConfig):
        from .generate import estimate as of_generation

        return of_generation(tissue, config)
    from .interpolate import estimate as of_interpolation

    return of_interpolation(tissue, config, read)
