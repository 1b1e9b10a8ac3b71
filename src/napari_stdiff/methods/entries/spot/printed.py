"""What SpotDiff's paper prints, what is taken where it is silent, and what departs from it."""

from __future__ import annotations

from typing import Any

# printed: the mask ratio; the others are where the paper is silent
PRESET: dict[str, Any] = {
    "mask_ratio": 0.3,
    "epochs": 500,
    "batch_size": 64,
    "width": 256,
    "depth": 6,
    "heads": 8,
    "learning_rate": 2e-4,
    "sampler": "ancestral",
    "noise_steps": 1000,
}

DEVIATIONS = (
    "What is noised are visible entries that are hidden for it, 30 % at a time, and only these; "
    "with the whole table as clean data, entries to be filled in would be training targets.",
    "The loss of location acts on what is mapped to the spots: printed, it holds the measured "
    "table alone, so that the integration network gets no gradient, and draws far spots together "
    "hardest. Near spots are made alike by exp(-d/sigma), far ones are kept a margin apart.",
    "Error and correlation compare each spot with a softmax-weighted mean of mapped cells; "
    "printed, they compare matrices of different numbers of rows.",
    "Cosine similarity is that of vectors, over the entries that are visible in the spot.",
    "The reference cells joined to a spot, and its prompt, are found from entries that are left "
    "visible in training, too.",
    "The lowest genes of a prompt are the lowest above zero.",
    "A prompt's vector is the mean over its tokens; the T5 is frozen.",
    "The network gives the noise rotated with the clean value in place of the noise, so that one "
    "evaluation at step T is the mean.",
    "Genes are put together to at most 32 patches, the tokens of the transformer.",
)
