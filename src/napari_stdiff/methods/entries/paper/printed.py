"""What stMCDI's paper prints, and what departs from it."""

from __future__ import annotations

from typing import Any

PRINTED: dict[str, Any] = {
    "epochs": 2000,
    "batch_size": 64,
    "width": 32,
    "depth": 4,
    "heads": 16,
    "learning_rate": 6e-6,
    "mask_ratio": 0.6,
    "sampler": "ancestral",
    "noise_steps": 2000,
}

DEVIATIONS = (
    "What the diffusion noises is the expression of hidden entries. In the published code it is "
    "the encoder's own output, which shrinks to nothing at no loss.",
    "The latent is a condition, in training as in sampling; the published code does not use the "
    "encoder when it samples.",
    "Samples start from noise, and nothing of an entry to be filled in is given; the published "
    "code starts from the data.",
    "Means and spreads by which genes are standardised are those of visible entries; the "
    "published code takes all, before it hides some.",
    "Neighbours are those in the tissue, section by section; the published code takes the nearest "
    "within a shuffled batch.",
    "Masks are of entries (spot and gene), and the loss is over hidden ones, the complement of "
    "what is conditioned on (m of length n x 1, and M in equation 12, cannot be).",
    "One step of the chain has its own alpha, the jump to a step their product; the posterior's "
    "variance is beta (1 - A before) / (1 - A) (equations 5, 15, 20).",
    "The network's output is noise rotated with clean values, and the loss is that of both: noise "
    "alone (equation 9) says nothing of the mean at the steps where nothing else is left.",
    "Queries come from the entries at step t (equation 10 says T).",
    "Tokens of hidden entries attend to those of visible ones and not to each other: the draws of "
    "two hidden genes of a spot hang together only by what is visible.",
    "Gated residual blocks with the sizes of the appendix stand for the U-Net, whose levels are "
    "not told. The encoder's hidden layers have four widths; their size is not told either.",
    "The schedule begins at 1e-6 (the text; the appendix has 10e-6). Gradients are clipped to "
    "norm 1.",
    "The mean is one evaluation at step T, where the noised values say nothing; draws are "
    "sampled. The paper does not say; the published code takes the median of samples.",
)
