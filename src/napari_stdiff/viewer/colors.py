"""What colours mean: one scale for all sections, palettes for labels, both colour-blind safe."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.errors import StdiffError
from ..data.by_gene import ByGene
from ..data.normalise import Normaliser
from ..data.prediction import Quantity
from ..data.tissue import Tissue
from ..data.virtual import VirtualSection

Choice = Literal["none", "gene", "column"]
Kind = Literal["none", "gene", "number", "label"]
View = Literal["raw", "imputed", "both"]  # of a gene that was imputed

COLORMAPS = ("viridis", "cividis", "magma", "inferno", "plasma", "gray")
UNKNOWN = "#8a8a8a"  # no value here: not measured, not predicted, not labelled
PLAIN = "#56b4e9"
VIRTUAL_EDGE = "#ff7f0e"
GENERATED_EDGE = "#cc79a7"
PREDICTED_EDGE = "#009e73"
IMPUTED_EDGE = "#0072b2"
_MOST_LABELS = 60
_TELLING = 20_000  # cells are enough to see which gene varies most
_NO_LABEL = frozenset({"", "nan", "NaN", "NA", "None"})  # missing values that became text

# Okabe and Ito's colours without black; lighter and darker turns follow when there are more
# labels than hues, so that neighbours still differ in lightness.
_HUES = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class Colouring:
    """The colour of every cell for one choice.

    Attributes
    ----------
    kind
        "gene" or "number" (a scale), "label" (a palette) or "none" (plain).
    name
        Gene or obs column.
    measured
        (cells,) float32 values (NaN: none), or the labels as strings ("" : none).
    virtual
        The same for each virtual section.
    palette
        Label -> "#rrggbb".
    result
        Name of the result that `measured` is taken from; "" where it was measured.
    table
        Name of the other table that `measured` is taken from; "" where it is the tissue's own.
    confidence
        (cells,) in (0, 1] how sure each predicted value is, or None.
    filled
        (cells,) bool, which values of an imputed gene were filled in; None where none is shown.
    other
        (cells,) of an imputed gene what is not shown: what was measured beside what is imputed,
        or the other way round. They share one scale, so that one can be flipped to the other.
    """

    kind: Kind = "none"
    name: str = ""
    measured: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    virtual: Mapping[str, np.ndarray] = field(default_factory=dict)
    palette: Mapping[str, str] = field(default_factory=dict)
    result: str = ""
    confidence: np.ndarray | None = None
    filled: np.ndarray | None = None
    other: np.ndarray | None = None
    table: str = ""

    @property
    def continuous(self) -> bool:
        """Whether values are shown on a colour scale."""
        return self.kind in ("gene", "number")

    @property
    def choice(self) -> Choice:
        """What was asked for."""
        return self.kind if self.kind in ("none", "gene") else "column"

    def of(self, virtual: str, rows: np.ndarray) -> np.ndarray:
        """Return (cells,) values or labels of a `virtual` section, or of `rows` of the tissue."""
        return self.virtual[virtual] if virtual else self.measured[rows]

    def trust(self, fade: float, only_filled: bool = False) -> np.ndarray | None:
        """Return (cells,) in 0 to 1, how far each is drawn in full; None where all are.

        Parameters
        ----------
        fade
            Share of the cells, the least sure ones, that fade: from the least sure, which is
            all but gone, to the surest of that share.
        only_filled
            Whether values that were measured fade, of a gene of which others were filled in.
        """
        out = None
        if self.confidence is not None and fade > 0:
            rank = np.asarray(pd.Series(self.confidence).rank(pct=True))
            out = np.nan_to_num(np.clip(rank / fade, 0.0, 1.0), nan=0.0)
        if only_filled and self.filled is not None:
            seen = self.filled.astype(float)
            out = seen if out is None else np.minimum(out, seen)
        return out

    def span(self, percentiles: tuple[float, float]) -> tuple[float, float]:
        """Return limits ``(lo, hi > lo)`` at `percentiles` of the measured values.

        Where the upper percentile of a sparse gene is its lowest value, the maximum is taken.
        A gene that was predicted in the measured cells has those values in their place; of one
        that was imputed, both what was measured and what is imputed count.
        """
        values: np.ndarray = np.zeros(0)
        if self.continuous:
            every = [self.measured] if self.other is None else [self.measured, self.other]
            values = np.concatenate([part[np.isfinite(part)] for part in every])
        if not len(values):  # predicted only, or nothing at all
            known = [v[np.isfinite(v)] for v in self.virtual.values()] if self.continuous else []
            values = np.concatenate(known) if known else np.zeros(0)
        return limits_of(np.asarray(values), percentiles)


def limits_of(values: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return ``(lo, hi > lo)`` at `percentiles` of finite `values`; (0, 1) when there are none."""
    if not len(values):
        return 0.0, 1.0
    lo, hi = (float(p) for p in np.percentile(values, percentiles))
    if hi <= lo:
        hi = float(values.max())
    return safe_limits(lo, hi)


def safe_limits(lo: float, hi: float) -> tuple[float, float]:
    """Return finite limits with ``hi > lo``, which the colour bar needs to be drawn."""
    lo = float(np.clip(lo, -1e30, 1e30)) if np.isfinite(lo) else 0.0  # float32 holds no more
    hi = float(np.clip(hi, -1e30, 1e30)) if np.isfinite(hi) else lo
    if hi <= lo:
        hi = lo + 1.0
    least = max(abs(lo), abs(hi)) * 1e-5  # below this, float32 cannot tell the ends apart
    return lo, max(hi, lo + max(least, 1e-6))


class Values:
    """Looks up genes and obs columns of a tissue quickly.

    Parameters
    ----------
    tissue
        The measured sections. One column-wise copy of its expression is kept, so that a gene
        costs about a millisecond. Of expression that is still in a file, a gene is read when it
        is asked for.
    """

    def __init__(self, tissue: Tissue) -> None:
        self._tissue = tissue
        self._rows = {str(gene): i for i, gene in enumerate(tissue.genes)}
        x: Any = tissue.stored
        self._unread: ByGene | None = x if isinstance(x, ByGene) else None
        self._columns: Any = None
        if self._unread is None:
            self._columns = x.tocsc() if hasattr(x, "tocsc") else np.asarray(x)
        self._scale: np.ndarray | None = None
        if tissue.values == "counts":
            sums = self._unread.totals() if self._unread is not None else x.sum(axis=1)
            totals = np.asarray(sums, dtype=np.float32).ravel()
            target = Normaliser.of_totals(totals).target
            self._scale = np.float32(target) / np.where(totals > 0, totals, 1)

    @property
    def genes(self) -> list[str]:
        """Names of the measured genes."""
        return list(self._rows)

    def measures(self, gene: str) -> bool:
        """Whether the panel has a gene."""
        return gene in self._rows

    def gene(self, name: str) -> np.ndarray:
        """Return (cells,) float32 log-normalised values; NaN where it was not measured."""
        if name not in self._rows:
            return np.full(self._tissue.n_cells, np.nan, np.float32)
        if self._unread is not None:
            values = self._unread.column(self._rows[name])
        else:
            column: Any = self._columns[:, [self._rows[name]]]
            dense = column.toarray() if hasattr(column, "toarray") else column
            values = np.asarray(dense, dtype=np.float32).ravel()
        values = values if self._scale is None else np.log1p(values * self._scale)
        gaps = self._tissue.missing
        if gaps is not None:
            gap = gaps[:, [self._rows[name]]]
            gap = np.asarray(gap.toarray() if sparse.issparse(gap) else gap, dtype=bool).ravel()
            values = np.where(gap, np.float32(np.nan), values)
        return values

    def colour_by(
        self,
        choice: Choice,
        name: str,
        results: Mapping[str, VirtualSection],
        quantity: Quantity = "mean",
    ) -> Colouring:
        """Return the colouring by a gene or an obs column.

        Raises
        ------
        StdiffError
            When neither the tissue nor a result knows `name`.
        """
        if choice == "none":
            return Colouring()
        if choice == "gene":
            virtual = {key: predicted(result, name, quantity) for key, result in results.items()}
            if name not in self._rows and all(np.isnan(v).all() for v in virtual.values()):
                raise StdiffError(
                    f"There is no gene '{name}' here; pick one of the list, for example "
                    f"'{next(iter(self._rows), '')}'."
                )
            return Colouring("gene", name, self.gene(name), virtual)
        return self._by_column(name, results)

    def first(self) -> Colouring:
        """Return what a tissue is first coloured by: types, else regions, else a telling gene."""
        tissue = self._tissue
        for role in ("cell_type", "layer"):
            column = tissue.origin.keys.get(role, "")
            if column in tissue.obs:
                return Colouring("label", column)
        return Colouring("gene", self.most_variable())

    def most_variable(self) -> str:
        """Return the gene that varies most between cells, a good first picture; "" for none.

        Of a large tissue, evenly spaced cells stand for all.
        """
        if not self._rows:
            return ""
        step = -(-self._tissue.n_cells // _TELLING)
        some: Any
        if self._unread is not None:
            some, scale = self._unread.sample(), self._scale
            scale = None if scale is None else scale[: some.shape[0]]
        else:
            some = self._tissue.expression[::step]
            scale = None if self._scale is None else self._scale[::step]
        x = sparse.csc_matrix(some, dtype=np.float64, copy=True)
        if scale is not None:
            x.data = np.log1p(x.data * scale[x.indices])
        mean = np.asarray(x.mean(axis=0)).ravel()
        x.data **= 2
        variance = np.asarray(x.mean(axis=0)).ravel() - mean**2
        return str(self._tissue.genes[int(np.nan_to_num(variance).argmax())])

    def _by_column(self, name: str, results: Mapping[str, VirtualSection]) -> Colouring:
        tissue = self._tissue
        if name not in tissue.obs:
            raise StdiffError(f"There is no obs column '{name}' in this tissue.")
        column = tissue.obs[name]
        if is_number(column):
            nothing = {k: np.full(r.query.n_cells, np.nan, np.float32) for k, r in results.items()}
            return Colouring("number", name, column.to_numpy(np.float32), nothing)
        measured = as_labels(column)
        virtual = {key: _labels(tissue, name, result) for key, result in results.items()}
        labels = label_order(column)
        known = set(labels)
        for values in virtual.values():
            labels += [v for v in pd.unique(values) if v and v not in known]
            known.update(labels)
        return Colouring(
            "label", name, measured, virtual, palette(labels, tissue.colors.get(name))
        )


def predicted(result: VirtualSection, gene: str, quantity: Quantity) -> np.ndarray:
    """Return (cells,) the predicted mean or spread of `gene`; NaN where there is none."""
    values = result.values if quantity == "mean" else result.prediction.std
    where = np.flatnonzero(np.asarray(result.prediction.genes) == gene)
    if values is None or not len(where):
        return np.full(result.query.n_cells, np.nan, np.float32)
    return np.asarray(values[:, int(where[0])], dtype=np.float32)


def _labels(tissue: Tissue, column: str, result: VirtualSection) -> np.ndarray:
    """Return the labels of a virtual section: its types, if `column` is where types are kept."""
    types = result.query.cell_type
    if types is not None and tissue.origin.keys.get("cell_type") == column:
        return as_labels(pd.Series(types))
    return np.full(result.query.n_cells, "", dtype=object)


def as_labels(column: pd.Series) -> np.ndarray:
    """Return labels as strings, "" where there is none."""
    words = column.astype(str).to_numpy()
    missing = column.isna().to_numpy() | np.isin(words, list(_NO_LABEL))
    return np.where(missing, "", words).astype(object)


def label_order(column: pd.Series) -> list[str]:
    """Return the labels of a column in their own order (categories) or sorted."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.dropna().unique())
        labels = [str(c) for c in column.cat.categories if c in present]
    else:
        values = sorted(column.dropna().unique(), key=lambda v: (str(type(v)), v))
        labels = [str(v) for v in values]
    return [label for label in labels if label not in _NO_LABEL]


def is_number(column: pd.Series) -> bool:
    """Whether a column is shown on a scale rather than as labels."""
    if isinstance(column.dtype, pd.CategoricalDtype) or pd.api.types.is_bool_dtype(column):
        return False
    if pd.api.types.is_integer_dtype(column):
        return bool(column.nunique() > 20)
    return bool(pd.api.types.is_numeric_dtype(column))


def useful_columns(tissue: Tissue) -> list[str]:
    """Return the obs columns worth colouring by: numbers, and labels that are not names."""
    return [
        str(name)
        for name, column in tissue.obs.items()
        if is_number(column) or column.nunique() <= _MOST_LABELS
    ]


def palette(labels: Sequence[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return label -> "#rrggbb"; the data's own colours where it has them."""
    given = given or {}
    return {label: given.get(label, _turn(i)) for i, label in enumerate(labels)}


def _turn(i: int) -> str:
    """Return the i-th colour: the plain hues, then lighter, then darker ones."""
    hue = _HUES[i % len(_HUES)]
    r, g, b = (int(hue[k : k + 2], 16) / 255 for k in (1, 3, 5))
    h, light, s = colorsys.rgb_to_hls(r, g, b)
    light = (light, min(0.9, light + 0.25), max(0.15, light - 0.2))[(i // len(_HUES)) % 3]
    rgb = colorsys.hls_to_rgb(h, light, s)
    return "#" + "".join(f"{round(255 * c):02x}" for c in rgb)


def rgba(labels: np.ndarray, colours: Mapping[str, str]) -> np.ndarray:
    """Return (cells, 4) float32 face colours of `labels`; grey where there is no label."""
    codes, uniques = pd.factorize(labels)
    table = np.array([_rgba(colours.get(str(label), UNKNOWN)) for label in uniques], np.float32)
    return table.reshape(-1, 4)[codes]


def _rgba(hexa: str) -> tuple[float, float, float, float]:
    from napari.utils.colormaps.standardize_color import transform_color

    r, g, b, a = transform_color(hexa)[0]
    return float(r), float(g), float(b), float(a)
