"""What the settings of a paper's configuration come to: as printed, or made smaller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any

import torch

from ....compute.errors import StdiffError
from ....data.visible import Visible
from ...base import Cost
from ...genes.paper.needs import free_mib
from ...scaling import Scaled, Sizes, Speed, scale
from ..settings import EntrySettings

_FASTEST = 1e-3  # learning rate of a scaled run at most
_LEAST_DEPTH = 2  # blocks of a scaled run at least


def as_printed(config: EntrySettings, printed: Mapping[str, Any]) -> EntrySettings:
    """Return `config` where what was not said, or is 0, is as printed."""
    told = config.filled(**printed)
    told = told.model_copy(update={n: v for n, v in printed.items() if not getattr(told, n)})
    steps = told.sampler_steps if "sampler_steps" in config.model_fields_set else told.noise_steps
    return told.model_copy(update={"sampler_steps": min(steps, told.noise_steps)})


def scaled(
    config: EntrySettings, said: EntrySettings, timed: Callable[[int, int], Speed]
) -> Scaled:
    """Return the sizes that end near the time asked for.

    Parameters
    ----------
    config, said
        What the user said, and the same as printed where they said nothing.
    timed
        Returns how quick a network of a width and depth is.
    """
    kept = "sampler_steps" in config.model_fields_set
    least = min(_LEAST_DEPTH, said.depth)
    sizes = Sizes(**{f.name: getattr(said, f.name) for f in fields(Sizes)})
    return scale(sizes, said.scale_to, timed, steps_said=kept, least_depth=least)


def in_force(config: EntrySettings, full: EntrySettings, smaller: Scaled) -> EntrySettings:
    """Return the settings of a scaled run: its sizes, and a rate that makes up for epochs lost."""
    used = smaller.used
    out = full.model_copy(update=asdict(used))
    if config.learning_rate:
        return out
    longer = full.epochs / used.epochs
    rate = min(full.learning_rate * longer, max(_FASTEST, full.learning_rate))
    return out.model_copy(update={"learning_rate": rate})


def likely_speed(
    cost_of: Callable[[EntrySettings, int], Cost], said: EntrySettings, width: int, depth: int
) -> Speed:
    """Return how quick a network of these sizes is likely to be, without a trial.

    `cost_of` estimates a run of settings with a number of epochs.
    """
    sized = said.model_copy(update={"width": width, "depth": depth, "sampler_steps": 1})
    learned, nothing = cost_of(sized, 1).seconds, cost_of(sized, 0).seconds
    once = cost_of(sized.model_copy(update={"draws": 0}), 0).seconds
    return Speed(learned - nothing, nothing - once)


def refuse_too_large(title: str, visible: Visible, cost: Cost, device: torch.device) -> None:
    """Raise where a run does not fit into memory."""
    free = free_mib(device)
    if cost.memory_mib > free:
        raise StdiffError(
            f"{title} on {visible.n_cells} spots and {visible.n_genes} genes needs about "
            f"{cost.memory_mib / 1024:.0f} GiB of memory where {free / 1024:.0f} are free; "
            "impute fewer genes, or say a smaller width or batch size."
        )
