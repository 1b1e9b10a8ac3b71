"""The one way in: a file, a store or an object in memory becomes a Tissue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..compute.errors import StdiffError
from .read_config import ReadConfig
from .store import refuse_unreadable
from .tissue import Origin, Tissue

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData


def read(
    data: str | Path | AnnData | SpatialData | Tissue,
    config: ReadConfig = ReadConfig(),  # noqa: B008
    *,
    gaps: bool = False,
    **keys: Any,
) -> Tissue:
    """Read a tissue; nothing is ever written.

    Parameters
    ----------
    data
        An ``.h5ad`` file, a ``.zarr`` store of SpatialData (or AnnData), one of these objects in
        memory, or a Tissue, which is returned as it is.
    config
        Which column means what.
    gaps
        Whether NaN are missing values, as `impute` fills them in (``Tissue.missing``); otherwise
        they are refused.
    keys
        Fields of the config, for example ``section_key="slice"``.

    Returns
    -------
    Tissue
        Expression, coordinates (z, y, x) in one frame, sections, labels and histology; what was
        detected and assumed stands in ``tissue.origin``.

    Raises
    ------
    StdiffError
        One sentence on what is unusable or not there.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> adata = AnnData(np.ones((4, 2)), obsm={"spatial": np.arange(8.0).reshape(4, 2)})
    >>> read(adata).coords.shape
    (4, 3)
    """
    if isinstance(data, Tissue):
        if data.missing is not None and not gaps:
            raise StdiffError(
                "The tissue has missing values, which this cannot work with; fill them in first "
                "(impute)."
            )
        return data
    config = config.but(**keys) if keys else config
    if isinstance(data, str | Path):
        return _read_path(Path(data).expanduser(), config, gaps)

    from anndata import AnnData

    if isinstance(data, AnnData):
        from .read_anndata import read_anndata

        return read_anndata(data, config, Origin(kind="anndata"), gaps)

    from spatialdata import SpatialData

    if isinstance(data, SpatialData):
        from .read_spatialdata import read_spatialdata

        return read_spatialdata(data, config, gaps=gaps)
    raise StdiffError(
        f"A tissue cannot be read from a {type(data).__name__}; give an .h5ad file, a .zarr "
        "store, an AnnData or a SpatialData."
    )


def _read_path(path: Path, config: ReadConfig, gaps: bool) -> Tissue:
    if not path.exists():
        raise StdiffError(f"There is no file or store '{path}'; check the path.")
    refuse_unreadable(path)
    return (_read_store if path.is_dir() else _read_file)(path, config, gaps)


def _read_file(path: Path, config: ReadConfig, gaps: bool) -> Tissue:
    import anndata
    import h5py

    from .read_anndata import read_anndata

    if path.stat().st_size == 0:
        raise StdiffError(f"The file '{path.name}' is empty; save or download it again.")
    if not h5py.is_hdf5(path):
        raise StdiffError(
            f"The file '{path.name}' is not an .h5ad file (not HDF5); give an .h5ad file or a "
            ".zarr store."
        )
    try:
        with h5py.File(path, "r") as file:
            is_anndata = "obs" in file and "var" in file
        adata = anndata.read_h5ad(path) if is_anndata else None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise StdiffError(f"The file '{path.name}' cannot be read ({_first(error)}).") from error
    if adata is None:
        raise StdiffError(
            f"The file '{path.name}' is HDF5 but holds no AnnData (no obs and var); give an "
            ".h5ad file or a .zarr store."
        )
    return read_anndata(adata, config, Origin(path=str(path), kind="h5ad"), gaps)


def _read_store(path: Path, config: ReadConfig, gaps: bool) -> Tissue:
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
        attrs, members = dict(group.attrs), set(group.keys())
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise StdiffError(
            f"The folder '{path.name}' is not a .zarr store; give an .h5ad file or a .zarr store."
        ) from error
    try:
        if attrs.get("encoding-type") == "anndata" or {"obs", "var"} <= members:
            import anndata

            from .read_anndata import read_anndata

            adata = anndata.read_zarr(str(path))
            return read_anndata(adata, config, Origin(path=str(path), kind="anndata"), gaps)
        if "spatialdata_attrs" not in attrs and not members & {"tables", "table"}:
            raise StdiffError(
                f"The store '{path.name}' holds neither SpatialData nor AnnData; give a store "
                "that one of them wrote."
            )
        from spatialdata import SpatialData

        sdata = SpatialData.read(path)
    except StdiffError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        raise StdiffError(f"The store '{path.name}' cannot be read ({_first(error)}).") from error

    from .read_spatialdata import read_spatialdata

    return read_spatialdata(sdata, config, path=str(path), gaps=gaps)


def _first(error: BaseException) -> str:
    """Return the first line of what went wrong."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
