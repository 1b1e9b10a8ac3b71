"""What SpotDiff knows of spots when some of their entries are shown to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ....compute.monitor import Monitor
from ....data.visible import Visible
from ..integration import Integration
from ..text import Speaker, Told
from .network import Condition, SpotdiffNetwork


@dataclass(frozen=True)
class Shown:
    """The whole tissue with some entries shown and others asked for.

    Attributes
    ----------
    shown, asked
        (spots, genes) float32 1 where an entry is shown, and where it is asked for.
    told
        Prompts of what is shown; None where they are off.
    fused
        (spots, genes) means of the reference cells joined to each spot; None without.
    """

    shown: Tensor
    asked: Tensor
    told: Told | None
    fused: Tensor | None


@dataclass(frozen=True)
class Known:
    """A tissue, the encoder of its prompts, and the reference's cells as they are mapped.

    Attributes
    ----------
    visible
        What may be seen.
    speaker
        Makes prompts.
    integration
        Trained; None without a reference.
    top
        Reference cells that are joined to a spot (N).
    device
        Where the network is.
    """

    visible: Visible
    speaker: Speaker
    integration: Integration | None
    top: int
    device: torch.device

    def table(self, values: np.ndarray) -> Tensor:
        """Return (spots, genes) values as float32 where the network is."""
        return torch.from_numpy(np.array(values, dtype=np.float32)).to(self.device)

    def fused(self, values: Tensor, shown: Tensor) -> Tensor | None:
        """Return the reference cells joined to some spots; None without a reference."""
        if self.integration is None:
            return None
        with torch.no_grad():
            return self.integration.fused(values * shown, shown, self.top)

    def at(
        self,
        shown: np.ndarray,
        asked: np.ndarray,
        monitor: Monitor,
        spot: np.ndarray | None = None,
    ) -> Shown:
        """Return what is known of the whole tissue.

        Parameters
        ----------
        shown, asked
            (spots, genes) bool.
        monitor
            Progress of a T5.
        spot
            (spots, dim) vectors of the prompts, where they were encoded before.
        """
        told = self.speaker.tell(self.visible.raw, shown, self.device, monitor)
        if told is not None and spot is not None:
            told = replace(told, spot=self.table(spot))
        seen = self.table(shown)
        fused = self.fused(self.table(self.visible.standard), seen)
        return Shown(seen, self.table(asked), told, fused)

    @staticmethod
    def condition(network: SpotdiffNetwork, values: Tensor, whole: Shown, at: Tensor) -> Condition:
        """Return the network's condition for some of the spots.

        Parameters
        ----------
        network
            Whose condition.
        values
            (spots, genes) standardised, of the whole tissue.
        whole
            What is known of it.
        at
            (some,) rows.
        """
        return network.condition(
            values[at],
            whole.shown[at],
            whole.asked[at],
            None if whole.told is None else whole.told.rows(at),
            None if whole.fused is None else whole.fused[at],
        )
