"""The package's own tissue: serial sections with everything known about them, made from a seed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from ..compute.config import Config, setting
from ..compute.errors import StdiffError
from .simulate_anatomy import LAYERS, Anatomy
from .simulate_expression import TYPE_COLORS, TYPES, Programmes, draw_counts, draw_types
from .simulate_image import render

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_LAYER_COLORS = ("#fde0a6", "#a6cee3", "#b2df8a", "#cab2d6", "#d9d9d9", "#fb9a99")


class SimulateConfig(Config):
    """How large the simulated tissue is, and how noisy."""

    n_sections: int = setting(7, "Sections", "Serial sections to cut.", ge=3, le=200)
    cells_per_section: int = setting(
        1800, "Cells per section", "About how many cells each section holds.", ge=50, le=100_000
    )
    n_genes: int = setting(60, "Genes", "Genes of the panel.", ge=10, le=5000)
    n_extra_genes: int = setting(
        120, "Hidden genes", "Genes that the reference has and the panel has not.", ge=0, le=20_000
    )
    n_reference_cells: int = setting(
        1500, "Reference cells", "Cells of the single-cell reference.", ge=50, le=200_000
    )
    spacing: float = setting(40.0, "Spacing", "Distance between sections.", unit="um", gt=0)
    width: float = setting(1400.0, "Width", "Width of the field of view.", unit="um", ge=100)
    image_size: int = setting(700, "Image size", "Width of each image.", unit="px", ge=50, le=8000)
    depth: float = setting(220.0, "Depth", "Counts that a cell has on average.", ge=5, le=1e6)
    depth_spread: float = setting(
        0.35, "Depth spread", "Standard deviation of the log depth of cells.", ge=0, le=2
    )
    dropout: float = setting(
        0.08, "Dropout", "Chance that an entry reads zero all the same.", ge=0, lt=1
    )
    batch_effect: float = setting(
        0.5, "Batch effect", "Log change of genes between reference and sections.", ge=0, le=3
    )
    seed: int = setting(0, "Seed", "Start of all chance.", ge=0)


@dataclass(frozen=True)
class Simulated:
    """A simulated tissue and everything that is known about it.

    Attributes
    ----------
    sdata
        Per section circles ``section_k_circles``, an image ``section_k_image`` and cell labels
        ``section_k_cells``, all in coordinate system "global" in um, and one table ``table``.
    reference
        Single-cell reference: counts of all genes, obs column ``cell_type``.
    truth
        Rows as in the table, all genes: ``X`` the true expected expression of each cell (relative
        to the average cell's total of the panel), ``layers["smooth"]`` the part that position
        and type decide; ``var["in_panel"]`` and ``var["kind"]``.
    hidden_section
        Name of the inner section that is meant to be hidden and predicted.
    config
        How it was made.
    """

    sdata: SpatialData
    reference: AnnData
    truth: AnnData
    hidden_section: str
    config: SimulateConfig

    @property
    def hidden_genes(self) -> list[str]:
        """Genes that the reference has and the panel has not; what they are is in ``truth``."""
        panel = self.truth.var["in_panel"].to_numpy(bool)
        return [str(name) for name in self.truth.var_names[~panel]]


def simulate(config: SimulateConfig | None = None, **settings: Any) -> Simulated:
    """Make the simulated tissue.

    Parameters
    ----------
    config
        Sizes, noise and seed; the defaults give seven sections of about 1800 cells.
    **settings
        Fields of :class:`SimulateConfig` to change.

    Returns
    -------
    Simulated
        The same for the same config, to the bit.

    Raises
    ------
    StdiffError
        When a setting is out of bounds.

    Examples
    --------
    >>> tissue = simulate(n_sections=3, cells_per_section=50, image_size=60, n_extra_genes=0)
    >>> sorted(tissue.sdata["table"].obs["section"].unique())
    ['section_1', 'section_2', 'section_3']
    """
    from spatialdata import SpatialData
    from spatialdata.models import TableModel

    config = SimulateConfig.of(**settings) if config is None else config.but(**settings)
    seeds = iter(np.random.SeedSequence(config.seed).spawn(config.n_sections + 3))
    programmes = Programmes.draw(
        config.n_genes, config.n_extra_genes, np.random.default_rng(next(seeds))
    )
    rng = np.random.default_rng(next(seeds))
    reference_rng = np.random.default_rng(next(seeds))
    anatomy = Anatomy(config.width, (config.n_sections - 1) * config.spacing / 2)

    elements: dict[str, Any] = {}
    tables = []
    for k in range(config.n_sections):
        frame = _cut(anatomy, k, config, np.random.default_rng(next(seeds)), elements)
        tables.append(frame)
    obs = pd.concat(tables)
    xyz = obs[["x", "y", "z"]].to_numpy(float)
    types = obs["cell_type"].cat.codes.to_numpy()

    panel = slice(0, config.n_genes)
    smooth = programmes.smooth(xyz, types, anatomy)
    log_mean = smooth + programmes.states(types, rng)
    depth = config.depth * rng.lognormal(0, config.depth_spread, len(obs))
    counts = draw_counts(
        log_mean[:, panel], depth, programmes.dispersion[panel], config.dropout, rng
    )
    table = _annotated(counts, obs.drop(columns=["x", "y"]), programmes.genes[panel])
    table.var["kind"] = programmes.kind[panel]
    table.obsm["spatial"] = xyz[:, :2]
    table.uns["spatial_unit"] = "um"
    table.uns["cell_type_colors"] = list(TYPE_COLORS)
    table.uns["layer_colors"] = list(_LAYER_COLORS)
    elements["table"] = TableModel.parse(
        table,
        region=list(obs["region"].cat.categories),
        region_key="region",
        instance_key="cell_id",
    )

    # Same unit for all genes: the mean total of the panel is one.
    unit = np.exp(log_mean[:, panel]).sum(axis=1).mean()
    truth = _annotated(
        np.exp(log_mean).astype(np.float32) / np.float32(unit),
        obs.drop(columns=["x", "y"]),
        programmes.genes,
    )
    truth.layers["smooth"] = np.exp(smooth).astype(np.float32) / np.float32(unit)
    truth.var["in_panel"] = np.arange(truth.n_vars) < config.n_genes
    truth.var["kind"] = programmes.kind
    truth.obsm["spatial"] = xyz[:, :2]
    hidden = f"section_{(config.n_sections + 1) // 2}"
    truth.uns["hidden_section"] = hidden
    return Simulated(
        sdata=SpatialData.init_from_elements(elements),
        reference=_reference(programmes, anatomy, obs, xyz, types, config, reference_rng),
        truth=truth,
        hidden_section=hidden,
        config=config,
    )


def write_sample(path: str | Path, config: SimulateConfig | None = None, **settings: Any) -> Path:
    """Write the simulated tissue: a store, and its reference and truth beside it.

    Parameters
    ----------
    path
        Where the store goes, for example ``sample.zarr``; ``sample_reference.h5ad`` and
        ``sample_truth.h5ad`` are put next to it.
    config, **settings
        As for :func:`simulate`.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    StdiffError
        When one of the three exists, or the folder cannot be written.
    """
    store = Path(path).expanduser()
    if not store.name:
        raise StdiffError(f"'{path}' names no store; say where it goes, for example sample.zarr.")
    beside = [store.with_name(f"{store.stem}_{what}.h5ad") for what in ("reference", "truth")]
    for place in (store, *beside):
        if place.exists():
            raise StdiffError(f"There is something at {place} already; choose another name.")
    made = simulate(config, **settings)
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        made.sdata.write(store)
        made.reference.write_h5ad(beside[0])
        made.truth.write_h5ad(beside[1])
    except OSError as error:
        shutil.rmtree(store, ignore_errors=True)
        for place in beside:
            place.unlink(missing_ok=True)
        raise StdiffError(
            f"The sample could not be written to {store} ({error.strerror or error}); "
            "choose a folder that can be written."
        ) from error
    return store


def _cut(
    anatomy: Anatomy,
    k: int,
    config: SimulateConfig,
    rng: np.random.Generator,
    elements: dict[str, Any],
) -> pd.DataFrame:
    """Cut section `k`: put its elements into `elements` and return the obs rows of its cells."""
    from spatialdata.models import Image2DModel, Labels2DModel, ShapesModel
    from spatialdata.transformations import Identity, Scale

    name, z = f"section_{k + 1}", k * config.spacing
    xy = anatomy.place(z, config.cells_per_section, rng)
    layer = anatomy.layer(xy[:, 0], xy[:, 1], z)
    types = draw_types(layer, anatomy.to_vessel(xy[:, 0], xy[:, 1], z), rng)
    radius = 0.30 * anatomy.spacing_of(config.cells_per_section)
    image, labels = render(anatomy, z, xy, types, radius, config.image_size, rng)

    step = config.width / config.image_size
    to_um = {"global": Scale([step, step], axes=("x", "y"))}
    cell_id = np.arange(1, len(xy) + 1)
    elements[f"{name}_image"] = Image2DModel.parse(
        np.moveaxis(image, -1, 0),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations=to_um,
    )
    elements[f"{name}_cells"] = Labels2DModel.parse(
        labels, dims=("y", "x"), transformations=dict(to_um)
    )
    elements[f"{name}_circles"] = ShapesModel.parse(
        xy, geometry=0, radius=radius, index=cell_id, transformations={"global": Identity()}
    )
    sections = [f"section_{i + 1}" for i in range(config.n_sections)]
    return pd.DataFrame(
        {
            "region": pd.Categorical(
                [f"{name}_circles"] * len(xy), [f"{s}_circles" for s in sections]
            ),
            "cell_id": cell_id,
            "section": pd.Categorical([name] * len(xy), sections),
            "z": z,
            "cell_type": pd.Categorical(np.array(TYPES)[types], list(TYPES)),
            "layer": pd.Categorical(np.array(LAYERS)[layer], list(LAYERS)),
            "x": xy[:, 0],
            "y": xy[:, 1],
        },
        index=[f"{name}-{i}" for i in cell_id],
    )


def _annotated(x: np.ndarray, obs: pd.DataFrame, genes: np.ndarray) -> AnnData:
    """Return an AnnData of `x`, sparse where it holds counts."""
    from anndata import AnnData

    counts = x.dtype == np.float32 and not (x % 1).any()
    return AnnData(
        sparse.csr_matrix(x) if counts else x, obs=obs.copy(), var=pd.DataFrame(index=genes)
    )


def _reference(
    programmes: Programmes,
    anatomy: Anatomy,
    obs: pd.DataFrame,
    xyz: np.ndarray,
    types: np.ndarray,
    config: SimulateConfig,
    rng: np.random.Generator,
) -> AnnData:
    """Return cells that were taken out of the same tissue, read by another technology."""
    # Their own places: near a cell of the tissue, but at a z of its own.
    near = rng.choice(len(xyz), config.n_reference_cells)
    places = xyz[near] + rng.normal(0, 20, (len(near), 3))
    n = len(programmes.genes)
    log_mean = programmes.smooth(places, types[near], anatomy)
    log_mean = log_mean + programmes.states(types[near], rng)
    log_mean = log_mean + config.batch_effect * rng.normal(0, 1, n)
    depth = 12.0 * n * rng.lognormal(0, 0.45, len(near))
    counts = draw_counts(log_mean, depth, programmes.dispersion, config.dropout, rng)
    cells = pd.DataFrame(
        {"cell_type": obs["cell_type"].iloc[near].to_numpy()},
        index=[f"reference-{i + 1}" for i in range(len(near))],
    )
    reference = _annotated(counts, cells, programmes.genes)
    reference.uns["cell_type_colors"] = list(TYPE_COLORS)
    return reference
