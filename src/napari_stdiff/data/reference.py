"""A single-cell reference: dissociated cells with more genes than the tissue's panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from . import checks, detect
from .gene_names import other_names
from .store import refuse_unreadable
from .stored_rows import rows_of
from .subsample import FEWEST, by_type
from .tissue import Origin, Tissue, Values

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_COUNT_LAYERS = ("counts", "raw_counts", "count", "raw")


@dataclass(frozen=True)
class Reference:
    """Dissociated cells.

    Attributes
    ----------
    expression
        (cells, genes) CSR matrix, float32, as stored (never normalised here).
    values
        "counts" or "log-normalised".
    genes
        (genes,) unique names.
    names
        (cells,) unique names.
    cell_type
        (cells,) labels, or None when the data has none.
    gene_ids
        (genes,) another name of each gene ("" for none), or None.
    origin
        Where it came from; what was detected, left out and drawn stands in its notes.
    """

    expression: sparse.csr_matrix
    values: Values
    genes: np.ndarray
    names: np.ndarray
    cell_type: np.ndarray | None = None
    gene_ids: np.ndarray | None = None
    origin: Origin = field(default_factory=Origin)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.expression.shape[0])

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.genes)


@dataclass(frozen=True)
class _Matrix:
    """Expression that may be taken: where it lies, and the genes of its columns."""

    where: str
    x: Any
    var: pd.DataFrame


@dataclass(frozen=True)
class _Source:
    """A table with its matrices untouched."""

    matrices: list[_Matrix]
    obs: pd.DataFrame
    columns: list[str]
    hints: Mapping[str, Any]
    origin: Origin


def read_reference(
    data: str | Path | AnnData | SpatialData | Tissue | Reference,
    *,
    cells: int = 5000,
    seed: int = 0,
    cell_type_key: str = "auto",
) -> Reference:
    """Read a single-cell reference; nothing is ever written.

    Of a large one, `cells` cells are drawn: as many of each cell type as its share, but at least
    25 (or all there are) of each, so that rare types stay. Only their rows are read, in blocks
    and without ever making the matrix dense: memory is that of the drawn cells and one block,
    whatever the size of the file.

    Parameters
    ----------
    data
        An ``.h5ad`` file, a ``.zarr`` of AnnData or of SpatialData with one table, one of these
        in memory, a Tissue (whose places are not used), or a Reference, returned as it is.
        Counts are looked for in ``layers["counts"]``, then X, then raw; log-normalised values
        are taken from X, then raw, where there are none.
    cells
        Most cells to keep; 0 keeps all.
    seed
        Same seed, same cells.
    cell_type_key
        Obs column with the cell type; "auto" detects it, "none" ignores it.

    Raises
    ------
    StdiffError
        One sentence on what is unusable or not there.

    Examples
    --------
    >>> from anndata import AnnData
    >>> reference = read_reference(AnnData(np.eye(6, 4, dtype="float32")), cells=5)
    >>> reference.n_cells, reference.values
    (5, 'counts')
    """
    if isinstance(data, Reference):
        return data
    if cells < 0:
        raise StdiffError(f"A reference cannot keep {cells} cells; give a number, or 0 for all.")
    with _opened(data, cell_type_key) as source:
        try:
            return _read(source, cells, seed, cell_type_key)
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            if isinstance(error, StdiffError):
                raise
            raise _unreadable(source.origin.name, error) from error


def _read(source: _Source, cells: int, seed: int, cell_type_key: str) -> Reference:
    keys: dict[str, str] = {}
    notes: list[str] = []
    n = len(source.obs)
    if not n:
        raise StdiffError("The reference has no cells; give one with cells and genes.")
    if cell_type_key not in ("auto", "none"):
        detect.named(pd.DataFrame(columns=source.columns), "cell_type", cell_type_key)
    key = detect.find_labels(source.obs, "cell_type", cell_type_key, ())
    cell_type = None
    if key:
        cell_type, missing = detect.labels_of(source.obs[key])
        keys["cell_type"] = key
        gap = f" ({missing} without one are '{detect.UNKNOWN}')" if missing else ""
        notes.append(f"Cell types of the reference: obs column '{key}'{gap}.")
    rows = by_type(cell_type, n, cells or n, seed)
    if len(rows) < n:
        how = f"by cell type, at least {FEWEST} of each where there are" if key else "at random"
        notes.append(f"Reference: {len(rows):,} of {n:,} cells, drawn {how} (seed {seed}).")
    found, expression, values, said = _expression(source, rows)
    keys["expression"] = found.where
    notes.append(f"Reference, {found.where}: {said[:1].lower()}{said[1:]}")
    genes = found.var.index.astype(str).to_numpy(dtype=object)
    columns, doubled = _one_each(genes, expression)
    ids = other_names(found.var, genes)
    if doubled:
        notes.append(
            f"Reference: {len(doubled)} gene name(s) occur more than once "
            f"({checks.listing(doubled[:3])}); of each, the one expressed most is kept."
        )
        expression = sparse.csr_matrix(expression[:, columns])
        genes, ids = genes[columns], None if ids is None else ids[columns]
    origin = source.origin
    return Reference(
        expression=expression,
        values=values,
        genes=genes,
        names=_unique(source.obs.index[rows]),
        cell_type=None if cell_type is None else cell_type[rows],
        gene_ids=ids,
        origin=Origin(
            path=origin.path,
            kind=origin.kind,
            table=origin.table,
            keys=keys,
            notes=(*origin.notes, *notes),
        ),
    )


def _expression(
    source: _Source, rows: np.ndarray
) -> tuple[_Matrix, sparse.csr_matrix, Values, str]:
    """Return the first matrix with counts, or else the first that can be used at all."""
    second: tuple[_Matrix, sparse.csr_matrix, Values, str] | None = None
    problems: list[tuple[str, StdiffError]] = []
    for matrix in source.matrices:
        if not len(matrix.var):
            problems.append(
                (matrix.where, StdiffError("The reference has no genes; give one with genes."))
            )
            continue
        shape = (len(source.obs), len(matrix.var))
        try:
            x = sparse.csr_matrix(checks.as_expression(rows_of(matrix.x, rows, shape)))
        except StdiffError as error:
            problems.append((matrix.where, error))
            continue
        values, said = checks.values_of(x, source.hints)
        if values == "counts":
            return matrix, x, values, said
        second = second or (matrix, x, values, said)
    if second is not None:
        return second
    for where, problem in problems:
        if where == "X" or len(problems) == 1:
            raise StdiffError(str(problem).replace("The expression", "The reference's expression"))
    raise StdiffError("The reference has no expression (X is empty); put counts into adata.X.")


def _one_each(genes: np.ndarray, x: sparse.csr_matrix) -> tuple[np.ndarray, list[str]]:
    """Return the columns to keep, in order, and the names that several columns have."""
    index = pd.Index(genes)
    if index.is_unique:
        return np.arange(len(genes)), []
    total = np.asarray(x.sum(axis=0)).ravel()
    order = np.argsort(-total, kind="stable")
    keep = np.sort(order[~index[order].duplicated()])
    return keep, list(index[index.duplicated()].unique())


def _unique(names: pd.Index) -> np.ndarray:
    from anndata.utils import make_index_unique

    text = names.astype(str)
    return (text if text.is_unique else make_index_unique(text)).to_numpy(dtype=object)


@contextmanager
def _opened(data: Any, cell_type_key: str) -> Iterator[_Source]:
    """Give the table of `data`, its matrices where they lie."""
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        if not path.exists():
            raise StdiffError(f"There is no reference '{path}'; check the path.")
        refuse_unreadable(path)
        opened = _store if path.is_dir() else _file
        with opened(path, cell_type_key) as source:
            yield source
        return
    if isinstance(data, Tissue):
        obs = pd.DataFrame(
            {} if data.cell_type is None else {"cell_type": data.cell_type}, index=data.names
        )
        var = pd.DataFrame(index=data.genes)
        if data.gene_ids is not None:
            var["gene_ids"] = data.gene_ids
        x = data.expression
        yield _Source([_Matrix("X", x, var)], obs, list(obs.columns), {}, _of_tissue(data))
        return

    from anndata import AnnData

    if isinstance(data, AnnData):
        yield _in_memory(data, Origin(kind="anndata"))
        return

    from spatialdata import SpatialData

    if not isinstance(data, SpatialData):
        raise StdiffError(
            f"A reference cannot be read from a {type(data).__name__}; give an .h5ad file, a "
            ".zarr store, an AnnData or a SpatialData."
        )
    name = _only_table(list(data.tables))
    yield _in_memory(data.tables[name], Origin(kind="spatialdata", table=name))


def _of_tissue(tissue: Tissue) -> Origin:
    origin = tissue.origin
    return Origin(path=origin.path, kind=origin.kind, table=origin.table)


def _in_memory(adata: AnnData, origin: Origin) -> _Source:
    _refuse_result(adata.uns)
    held = [(f"layers['{k}']", adata.layers[k], adata.var) for k in _counts(adata.layers)]
    held.append(("X", adata.X, adata.var))
    if adata.raw is not None:
        held.append(("raw", adata.raw.X, adata.raw.var))
    matrices = [
        # a backed matrix is read from its file in blocks, as a file is
        _Matrix(where, getattr(x, "group", x), pd.DataFrame(var))
        for where, x, var in held
        if x is not None
    ]
    obs = pd.DataFrame(adata.obs)
    return _Source(matrices, obs, list(map(str, obs.columns)), adata.uns, origin)


@contextmanager
def _file(path: Path, cell_type_key: str) -> Iterator[_Source]:
    import h5py

    if path.stat().st_size == 0:
        raise StdiffError(f"The file '{path.name}' is empty; save or download it again.")
    if not h5py.is_hdf5(path):
        raise StdiffError(
            f"The file '{path.name}' is not an .h5ad file (not HDF5); give the reference as an "
            ".h5ad file."
        )
    with h5py.File(path, "r") as file:
        yield _stored(file, cell_type_key, Origin(path=str(path), kind="h5ad"))


@contextmanager
def _store(path: Path, cell_type_key: str) -> Iterator[_Source]:
    import zarr

    try:
        group: Any = zarr.open_group(str(path), mode="r")
        members = set(group.keys())
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise StdiffError(
            f"The folder '{path.name}' is not a .zarr store; give an .h5ad file or a .zarr store."
        ) from error
    table = ""
    if not {"obs", "var"} <= members and members & {"tables", "table"}:
        tables = group["tables" if "tables" in members else "table"]
        table = _only_table(list(tables.keys()))
        group = tables[table]
    kind = "spatialdata" if table else "anndata"
    yield _stored(group, cell_type_key, Origin(path=str(path), kind=kind, table=table))


def _stored(group: Any, cell_type_key: str, origin: Origin) -> _Source:
    """Describe the table of an open file; only names, labels and var are read."""
    if "obs" not in group or "var" not in group:
        raise StdiffError(
            f"'{origin.name}' holds no AnnData (no obs and var); give the reference as an .h5ad "
            "file that AnnData wrote."
        )
    from anndata.io import read_elem

    try:
        hints = group.get("uns", {})
        _refuse_result(hints)
        var = read_elem(group["var"])
        held = []
        if "layers" in group:
            layers = group["layers"]
            held += [(f"layers['{k}']", layers[k], var) for k in _counts(layers)]
        if "X" in group:
            held.append(("X", group["X"], var))
        if "raw" in group and "X" in group["raw"] and "var" in group["raw"]:
            held.append(("raw", group["raw"]["X"], read_elem(group["raw"]["var"])))
        obs, columns = _labels(group["obs"], cell_type_key)
        return _Source([_Matrix(*each) for each in held], obs, columns, hints, origin)
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, StdiffError):
            raise
        raise _unreadable(origin.name, error) from error


def _labels(obs: Any, cell_type_key: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns of a stored obs that may hold cell types, and the names of all."""
    from anndata.io import read_elem

    if not hasattr(obs, "keys"):  # a compound array, as old files have it
        frame = pd.DataFrame(read_elem(obs))
        return frame, list(map(str, frame.columns))
    columns = list(map(str, obs.attrs.get("column-order", ())))
    wanted = detect.candidates(pd.DataFrame(columns=columns), "cell_type")
    wanted += [c for c in columns if c == cell_type_key and c not in wanted]
    index = read_elem(obs[str(obs.attrs.get("_index", "_index"))])
    return pd.DataFrame({c: read_elem(obs[c]) for c in wanted}, index=index), columns


def _counts(layers: Any) -> list[str]:
    return [name for name in _COUNT_LAYERS if name in layers]


def _only_table(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    raise StdiffError(
        f"The SpatialData store has {len(names)} tables ({checks.listing(names)}) and a reference "
        "is one; give that table as an AnnData or an .h5ad file."
    )


def _refuse_result(uns: Any) -> None:
    if "stdiff" in uns:
        raise StdiffError(
            "The reference holds a result of napari-stdiff (predictions); give measured cells."
        )


def _unreadable(name: str, error: BaseException) -> StdiffError:
    lines = str(error).strip().splitlines()
    said = lines[0].rstrip(".") if lines else type(error).__name__
    return StdiffError(f"The reference '{name}' cannot be read ({said}).")
