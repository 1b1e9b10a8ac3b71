"""Genes of the simulated tissue: markers, gradients, co-expression, counts.

The logarithm of a cell's expected expression is a sum: a base level of the gene, the programme
of its type, smooth fields over (x, y, z) that act on some types, and programmes that are more or
less active from cell to cell. Counts are negative binomial around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from .simulate_anatomy import Anatomy

TYPES = (
    "Upper neuron",
    "Middle neuron",
    "Deep neuron",
    "Interneuron",
    "Nucleus neuron",
    "Astrocyte",
    "Oligodendrocyte",
    "Endothelial",
)
TYPE_COLORS = (
    "#0072b2", "#56b4e9", "#332288", "#cc79a7", "#d55e00", "#009e73", "#e6c229", "#7f7f7f",
)  # fmt: skip
_SHORT = ("Upp", "Mid", "Dee", "Int", "Nuc", "Ast", "Oli", "End")
# Share of each type (columns, as in TYPES) in each layer (rows, as in anatomy.LAYERS).
_SHARES = np.array(
    [
        [0.02, 0.00, 0.00, 0.30, 0.00, 0.48, 0.05, 0.15],
        [0.60, 0.06, 0.00, 0.13, 0.00, 0.12, 0.04, 0.05],
        [0.12, 0.56, 0.04, 0.12, 0.00, 0.09, 0.03, 0.04],
        [0.00, 0.07, 0.56, 0.12, 0.00, 0.12, 0.08, 0.05],
        [0.00, 0.00, 0.04, 0.03, 0.00, 0.26, 0.62, 0.05],
        [0.00, 0.00, 0.06, 0.12, 0.56, 0.12, 0.09, 0.05],
    ]
)
# Free smooth fields, then those that follow the anatomy.
_N_FREE, _N_FIELDS, _N_WAVES, _N_PROGRAMMES = 3, 6, 10, 4
_KINDS = ("marker", "gradient", "programme")


def draw_types(layer: np.ndarray, vessel: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the type of each cell from its layer and its distance to a vessel (um).

    Returns
    -------
    ndarray
        (cells,) index into ``TYPES``.
    """
    shares = _SHARES[layer].copy()
    shares[vessel < 16] *= 0.25
    shares[vessel < 16, 7] += 1.0
    edges = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    return np.minimum((rng.random((len(layer), 1)) > edges).sum(axis=1), len(TYPES) - 1)


@dataclass(frozen=True)
class Programmes:
    """What decides the expected expression of every gene.

    Attributes
    ----------
    genes, kind
        (genes,) names, and what each gene is for.
    base
        (genes,) log level.
    by_type
        (types, genes) log change of each type.
    loading
        (fields, types, genes) how strongly each smooth field acts on a type's gene.
    shared
        (programmes, genes) how strongly each co-expression programme acts.
    activity
        (types, programmes) how much a programme varies among the cells of a type.
    waves, phases
        (free fields, waves, 3) wave vectors in 1/um over (x, y, z), and their phases.
    dispersion
        (genes,) size of the negative binomial; smaller is noisier.
    """

    genes: np.ndarray
    kind: np.ndarray
    base: np.ndarray
    by_type: np.ndarray
    loading: np.ndarray
    shared: np.ndarray
    activity: np.ndarray
    waves: np.ndarray
    phases: np.ndarray
    dispersion: np.ndarray

    @classmethod
    def draw(cls, n_panel: int, n_extra: int, rng: np.random.Generator) -> Self:
        """Invent `n_panel` genes of a panel and `n_extra` more of the same kinds."""
        n, n_types = n_panel + n_extra, len(TYPES)
        kind = np.empty(n, object)
        name = np.empty(n, object)
        base = rng.normal(-0.2, 0.7, n)
        by_type = rng.normal(0, 0.25, (n_types, n))
        loading = rng.normal(0, 0.06, (_N_FIELDS, n_types, n))
        shared = np.zeros((_N_PROGRAMMES, n))
        seen: dict[str, int] = {}
        for gene in range(n):
            # Of every ten genes five are markers, three gradients, two of a programme.
            k = 0 if gene % 10 < 5 else 1 if gene % 10 < 8 else 2
            kind[gene] = _KINDS[k]
            which = (gene // 10 * (5, 3, 2)[k]) + gene % 10 - (0, 5, 8)[k]
            if k == 0:
                owner = which % n_types
                stem = _SHORT[owner]
                base[gene] -= 0.9
                by_type[owner, gene] += rng.uniform(1.6, 2.6)
                by_type[(owner + 1) % n_types, gene] += rng.uniform(0.0, 1.0)
                # Cells of all types feel where they are, those of the marked type most.
                felt = rng.choice([-1, 1]) * np.where(np.arange(n_types) == owner, 0.6, 0.4)
                loading[rng.integers(_N_FIELDS), :, gene] += felt
            elif k == 1:
                stem = "Grad"
                field = which % _N_FIELDS
                users = rng.random(n_types) < 0.85
                loading[field, users, gene] += rng.choice([-1, 1]) * rng.uniform(0.7, 1.1)
            else:
                programme = which % _N_PROGRAMMES
                stem = f"Prog{'ABCD'[programme]}"
                shared[programme, gene] = rng.uniform(0.6, 0.9)
            seen[stem] = seen.get(stem, 0) + 1
            name[gene] = f"{stem}{seen[stem]}"
        # Programmes also reach into markers, so that co-expression is not a matter of two blocks.
        shared += (rng.random(shared.shape) < 0.15) * rng.normal(0, 0.3, shared.shape)
        scale = np.array([220.0, 220.0, 130.0])  # length scales of the fields in um
        return cls(
            genes=name.astype(str),
            kind=kind.astype(str),
            base=base,
            by_type=by_type,
            loading=loading,
            shared=shared,
            activity=rng.uniform(0.3, 1.0, (n_types, _N_PROGRAMMES)),
            waves=rng.normal(0, 1, (_N_FREE, _N_WAVES, 3)) / scale,
            phases=rng.uniform(0, 2 * np.pi, (_N_FREE, _N_WAVES)),
            dispersion=rng.uniform(2.0, 6.0, n),
        )

    def fields(self, xyz: np.ndarray, anatomy: Anatomy) -> np.ndarray:
        """Return the smooth fields at (cells, 3) positions: (cells, fields), spread about 1."""
        angles = np.einsum("cd,fwd->cfw", xyz, self.waves) + self.phases
        free = np.cos(angles).sum(axis=2) * np.sqrt(2 / _N_WAVES)
        return np.concatenate([free, anatomy.gradients(*xyz.T)], axis=1)

    def smooth(self, xyz: np.ndarray, types: np.ndarray, anatomy: Anatomy) -> np.ndarray:
        """Return (cells, genes) log expression that follows from position and type alone."""
        fields = self.fields(xyz, anatomy)
        out = self.base + self.by_type[types]
        for t in range(len(TYPES)):
            rows = types == t
            out[rows] += fields[rows] @ self.loading[:, t]
        return np.asarray(out)

    def states(self, types: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw (cells, genes) log changes by the programmes that vary from cell to cell."""
        active = rng.normal(0, 1, (len(types), _N_PROGRAMMES)) * self.activity[types]
        return np.asarray(active @ self.shared)


def draw_counts(
    log_mean: np.ndarray,
    depth: np.ndarray,
    dispersion: np.ndarray,
    dropout: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw negative binomial counts, some of them lost.

    Parameters
    ----------
    log_mean
        (cells, genes) log of relative expression.
    depth
        (cells,) counts to expect of a cell whose total relative expression is the mean one.
    dispersion
        (genes,) size of the negative binomial.
    dropout
        Chance that an entry reads zero though there were molecules.

    Returns
    -------
    ndarray
        (cells, genes) float32 whole numbers.
    """
    relative = np.exp(log_mean)
    mean = relative / relative.sum(axis=1).mean() * depth[:, None]
    rate = rng.gamma(dispersion, mean / dispersion)
    return np.asarray(rng.poisson(rate) * (rng.random(rate.shape) >= dropout), np.float32)
