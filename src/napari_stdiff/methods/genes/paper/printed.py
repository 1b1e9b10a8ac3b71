"""The sizes that SpaDiT's paper prints for each of its data sets, and what departs from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Any

DEVIATIONS = (
    "No measured value of a wanted gene is put into its samples; the published code puts all its "
    "zeros and most of its non-zeros back after every step.",
    "Only the tissue's part of the embedding is noised; the gene's reference profile stays clean "
    "in training as in sampling.",
    "The condition depends on the gene: its profile asks the tokens of the reference. In the "
    "paper it is the same for all genes and so cannot tell them apart.",
    "The reference is reduced to at most 256 metacells, in place of the reductions of keys and "
    "values (equation 1), and its 2,000 most variable genes place them.",
    "A gene's spots are eight patches of neighbouring spots, each one token, so that attention "
    "is within a gene and never between the genes of a batch.",
    "One step of the chain has its own alpha, the jump to a step their product; the posterior's "
    "variance is beta (1 - A before) / (1 - A) (equations 4, 5 and 15).",
    "The noise of step T is drawn once and followed down (line 5 of algorithm 2 draws it anew at "
    "every step).",
    "Noise and clean values are predicted together (as their rotation), and the loss is the sum "
    "of both errors: the error of the noise alone (equation 9) gives the steps where only the "
    "condition is known a weight near zero.",
    "Masks are as long as the spots; a masked entry is hidden from the network and the true "
    "expression is its target (equation 6 and the code say otherwise).",
    "Genes are standardised over the spots; a wanted gene's mean and spread are mapped from its "
    "reference profile by a regression over the visible genes.",
    "The quadratic schedule goes from 1e-6 to 0.05; the paper prints no ends.",
    "Two ninths of the visible genes, the paper's share for validation, do not train: the "
    "weights with the highest Pearson on them are kept. The paper does not say what they are for.",
    "One-cycle learning rate, gradients clipped to norm 1, the hidden size is that of the blocks.",
    "The mean is one evaluation at the last step, where the tissue says nothing; draws are "
    "sampled.",
)


@dataclass(frozen=True)
class Printed:
    """One row of the paper's table of hyperparameters.

    Attributes
    ----------
    name
        The paper's name of the data set.
    genes, spots
        Of its tissue after preprocessing.
    batch_size, depth, noise_steps, epochs, heads, width, learning_rate, mask_zero, mask_nonzero,
    latent_layers
        As printed.
    """

    name: str
    genes: int
    spots: int
    batch_size: int
    depth: int
    noise_steps: int
    epochs: int
    heads: int
    width: int
    learning_rate: float
    mask_zero: float
    mask_nonzero: float
    latent_layers: int

    def preset(self) -> dict[str, Any]:
        """Return the settings, by the names of their fields; draws take every step."""
        names = (
            *("batch_size", "depth", "noise_steps", "epochs", "heads", "width"),
            *("learning_rate", "mask_zero", "mask_nonzero", "latent_layers"),
        )
        own = {name: getattr(self, name) for name in names}
        return own | {"sampler": "ancestral", "sampler_steps": self.noise_steps}


_VISIUM_LIKE = (1024, 64, 2000, 4000, 64, 1024, 3e-6, 0.3, 0.2, 4)
_SHALLOW = (256, 8, 1000, 2000, 32, 2048, 2e-5, 0.2, 0.3, 5)
PRINTED = (
    Printed("MG", 345, 8425, 512, 32, 1000, 3000, 32, 1024, 3e-4, 0.4, 0.3, 3),
    Printed("MH", 249, 3585, 512, 32, 1000, 4000, 16, 2048, 2e-6, 0.3, 0.1, 2),
    Printed("MHPR", 153, 4975, 1024, 16, 2000, 3000, 8, 1024, 1e-4, 0.1, 0.2, 3),
    Printed("MVC", 844, 1549, *_VISIUM_LIKE),
    Printed("MHM", 416, 995, *_VISIUM_LIKE),
    Printed("HBC", 125, 4784, *_VISIUM_LIKE),
    Printed("ME", 540, 198, *_SHALLOW),
    Printed("MPMC", 636, 9852, *_SHALLOW),
    Printed("MC", 205, 41674, *_SHALLOW),
    Printed("ML", 569, 2177, *_SHALLOW),
)


def closest(genes: int, spots: int) -> Printed:
    """Return the paper's data set whose numbers of genes and spots are nearest, as ratios."""

    def away(row: Printed) -> float:
        return abs(log(row.genes / genes)) + abs(log(row.spots / spots))

    return min(PRINTED, key=away)
