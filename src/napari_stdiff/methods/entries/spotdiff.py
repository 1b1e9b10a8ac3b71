"""spotdiff: the diffusion of stmcdi, around a stack that also asks a reference and the prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import torch

from ...compute.device import choose_device
from ...compute.monitor import Monitor
from ...data.prediction import Prediction
from ...data.visible import Visible
from ..base import Cost
from .guesses import More
from .hiding import Trial
from .integration import STEPS, Integration
from .reference_guesses import reference_guesses
from .settings import EntrySettings
from .spot.needs import joins
from .stmcdi import Stmcdi
from .text import Speaker, prompt_guess

_FUSED, _ASSIGNED = "reference: mapped cells", "reference: mapped cells, all"
_PROMPTS = "prompts"
# seconds of the guesses from a reference, of a spot, reference cell and gene; of a T5's prompt
_PAIR, _PROMPT = 2.5e-8, 0.06


class Spotdiff(Stmcdi):
    """Stack, networks and diffusion, with guesses from a reference and from prompts."""

    id: ClassVar[str] = "spotdiff"
    title: ClassVar[str] = "SpotDiff"
    description: ClassVar[str] = (
        "As stMCDI, and told what a dissociated reference says of each entry: cells mapped into "
        "the tissue and joined to each spot, assigned and transported cells, and how genes go "
        "together in them. Runs without a reference, too."
    )
    reference: ClassVar[str] = "optional"
    _integration: Integration | None = None  # of all trials; None: each table trains its own
    _speaker: Speaker | None = None
    _omega: list[dict[str, float]]  # what each integration network came to

    def fit(self, visible: Visible, config: EntrySettings, monitor: Monitor) -> Self:
        """Fit the integration network, then as stmcdi."""
        self._integration, self._speaker, self._omega = None, None, []
        self._device = choose_device(config.device)
        if config.text == "t5":
            self._speaker = Speaker.of(config, visible.genes, visible.raw, self._device)
        return super().fit(visible, config, monitor)

    def facts(self) -> dict[str, Any]:
        """Return what stmcdi says, and what the reference and the prompts were taken for."""
        return super().facts() | {
            "reference_cells_joined": joins(self.config, self._visible),
            "text": "t5" if self._speaker is not None else "off",
            **({"text_model": self.config.text_model} if self._speaker is not None else {}),
            **({"integration": self._omega} if self._omega else {}),
        }

    def notes(self) -> tuple[str, ...]:
        """Return what a user should know of this run beside its result."""
        out = []
        if not joins(self.config, self._visible):
            why = "there is none" if self.config.use_reference else "it was switched off"
            out.append(f"SpotDiff ran without a reference, since {why}.")
        if self.config.text == "small":
            out.append(
                "Prompts were left out: this method reads them by a T5 alone (text='t5'); the "
                "small encoder is a part of spotdiff-paper."
            )
        return tuple(out)

    def sample(self, cells: np.ndarray, n_draws: int, monitor: Monitor) -> Prediction:
        """Answer as stmcdi does, and say what it ran without."""
        answer = super().sample(cells, n_draws, monitor)
        return replace(answer, notes=(*answer.notes, *self.notes()))

    def _trials(self, visible: Visible, config: EntrySettings) -> list[Trial]:
        """Hide entries; the integration network is trained on what no trial hides."""
        trials = super()._trials(visible, config)
        if joins(config, visible) and not config.denoise:
            left = np.logical_and.reduce([trial.visible.seen for trial in trials])
            self._integration = self._integrated(replace(visible, seen=left))
        return trials

    def _more(self) -> More | None:
        if not joins(self.config, self._visible) and self._speaker is None:
            return None
        return self._further

    def _further(
        self, visible: Visible, filled: np.ndarray | None, monitor: Monitor
    ) -> dict[str, np.ndarray]:
        """Return guesses from the reference and the prompts at every entry of a table."""
        out: dict[str, np.ndarray] = {}
        if joins(self.config, visible):
            out |= reference_guesses(visible, filled)
            monitor.check()
            omega = self._integration or self._integrated(visible)
            values, shown = (
                torch.from_numpy(np.array(table, dtype=np.float32)).to(self._device)
                for table in (visible.standard, visible.seen)
            )
            out[_FUSED] = omega.fused(values, shown, self.config.top_cells).cpu().numpy()
            out[_ASSIGNED] = omega.assigned(values, shown).cpu().numpy()
            monitor.check()
        if self._speaker is not None:
            out[_PROMPTS] = prompt_guess(self._speaker, visible, self._device, monitor)
        return out

    def _integrated(self, visible: Visible) -> Integration:
        omega = Integration().fit(visible, self.config, self._device, Monitor(), STEPS)
        self._omega.append(omega.facts())
        return omega

    @classmethod
    def cost(cls, visible: Visible, config: EntrySettings) -> Cost:
        """Estimate stmcdi, and the guesses from the reference and the prompts."""
        cost = super().cost(visible, config)
        seconds, memory = cost.seconds, cost.memory_mib
        tables = 6 if config.denoise else 3
        if joins(config, visible) and visible.reference_raw is not None:
            there, shared = visible.reference_raw.shape
            pairs = visible.n_cells * min(there, 5000)
            seconds += tables * _PAIR * pairs * (4 + shared / 30)
            seconds += (
                (tables if config.denoise else 1) * STEPS * 0.015 * (1 + visible.n_genes / 300)
            )
            memory += 4 * (12 * tables * visible.raw.size + 4096 * min(there, 5000)) / 2**20
        if config.text == "t5":
            seconds += tables * visible.n_cells * _PROMPT
        return replace(cost, seconds=seconds, memory_mib=memory)

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self._omega = []
        super()._unpack(meta, tensors)
