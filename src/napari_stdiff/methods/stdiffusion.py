"""stDiffusion, the default: what scores best on held-out sections in little time.

It keeps the core of the paper (parents' near cells, noised to a level, mixed by lambda with one
shared noise, denoised under the target's conditions) and changes what held-out sections showed to
be in the way; ``docs/methods/stdiffusion.md`` lists each change.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..compute.device import few_threads
from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.prediction import Prediction, Query
from ..data.tissue import Tissue
from .base import Cost, Method, collect, complete
from .cells import VisibleCells, unmatched_note
from .context import FEW, rank_of
from .core import Core
from .cost import network_cost, plain_cost
from .donors import Donors
from .files import known_labels, read_model, refuse_misfit, write_model
from .flanks import label_codes
from .network import Shape
from .process_guess import worth_it
from .processes import process_seconds
from .settings import InterpolationSettings
from .tuning import TRIAL_DRAWS, Chosen, choose

EPOCHS = 24
STEPS = (400, 1400)
QUICK_CELLS = 4000  # that the closed-form guesses are weighed on, in a hurry
# no network, nothing chosen by leaving out a section: near cells are drawn as they are
QUICK = Chosen(guess_share=1.0, score_share=1.0, noise=0.0, carry=0.0)
TRIAL = 0.25  # of the training steps, when a section is left out to choose settings


class StDiffusion(Method):
    """Mean by one evaluation; draws from the parents' near cells, carried, noised and denoised."""

    id: ClassVar[str] = "stdiffusion"
    title: ClassVar[str] = "stDiffusion"
    description: ClassVar[str] = (
        "Diffusion model of expression given type, place and the flanking sections."
    )
    draw_fields: ClassVar[frozenset[str]] = frozenset(
        {"blend", "blend_value", "noise_level", "mixing", "carry", "sampler", "sampler_steps"}
    )

    config: InterpolationSettings
    core: Core
    chosen: Chosen

    def configure(self, config: InterpolationSettings) -> None:
        """Take lambda, noise level and sampler from `config`."""
        self.config = config

    def facts(self) -> dict[str, Any]:
        """Return the settings that leaving out a training section chose."""
        return self.chosen.dump()

    @few_threads()
    def fit(
        self,
        tissue: Tissue,
        reference: Tissue | None,
        config: InterpolationSettings,
        monitor: Monitor,
    ) -> Self:
        """Choose what can be chosen by leaving out a training section, then fit on all."""
        cells = VisibleCells.of(tissue, config.within)
        self.config, self.chosen = config, Chosen()
        steps = _steps(len(cells.code), config)
        out = cells.left_out(1)
        if config.effort == "quick":
            _refuse_in_a_hurry(config)
            self.chosen = QUICK
            with monitor.stage("Fitting"):
                self.core = Core(cells, config, plain=True)
                self.core.guess_only(QUICK_CELLS, monitor)
            return self
        if out and (cells.within or len(cells.section_z) > 2):
            with monitor.stage("Choosing settings", 0.3):
                # the settings that only draws use are chosen for the default way of drawing, so
                # that one fit serves all of them
                plain = type(config)(**config.model_dump(exclude=set(self.draw_fields)))
                trial = max(round(TRIAL * steps), 1)
                self.chosen = choose(cells, out[0], trial, plain, monitor)
            steps = max(round(steps * self.chosen.length), 1)
        with monitor.stage("Fitting"):
            self.core = Core(cells, config)
            self.core.train(steps, config, monitor)
        return self

    @few_threads()
    def sample(self, query: Query, n_draws: int, monitor: Monitor) -> Prediction:
        """Return the blended mean, and draws of whole cells."""
        core, cells, n = self.core, self.core.cells, query.n_cells
        if core.plain:
            _refuse_in_a_hurry(self.config)
        coords = np.asarray(query.coords, dtype=np.float64)
        code = label_codes(query.cell_type, cells.types, n)
        around = core.around(coords, code)
        monitor.check()
        values, scores = around.values, around.scores
        if not core.plain:
            learned = core.means(around.condition)
            share = np.float32(self.chosen.guess_share)
            values = share * values + (1 - share) * learned[0]
            scores = core.blend(around, learned[1], self.chosen.score_share)
        mean = np.maximum(core.decode(values), 0).astype(np.float32)
        draws = None
        if n_draws:
            fixed = self.config.blend_value if self.config.blend == "fixed" else None
            donors = Donors.of(core.context, coords, code, fixed, self.config.neighbours)
            how = self.chosen.how(self.config)
            draws = collect(
                lambda i: core.draw(i, donors, coords, around, scores, how, monitor),
                n_draws,
                mean.shape,
                monitor,
            )
        notes: tuple[str, ...] = ()
        if cells.types:
            notes = unmatched_note(
                int((code < 0).sum()), n, "the types around them are used instead"
            )
        std = None if draws is None or len(draws) < 2 else draws.std(axis=0, ddof=1)
        return Prediction(cells.genes, mean, std, draws, complete(draws, n_draws), notes)

    def save(self, folder: Path) -> None:
        """Write network, visible cells and settings to `folder`."""
        meta, tensors = self.core.pack()
        extra = {"chosen": self.chosen.dump(), "config": self.config.model_dump(mode="json")}
        write_model(folder, self.id, meta | extra, tensors)

    @classmethod
    def load(cls, folder: Path, tissue: Tissue) -> Self:
        """Read a fitted model; refuses a tissue whose genes or types do not fit."""
        meta, tensors = read_model(folder, cls.id)
        refuse_misfit(meta, tissue)
        method = cls()
        method.config = InterpolationSettings.kept(meta["config"])
        method.chosen = Chosen(**meta["chosen"])
        method.core = Core.unpack(meta, tensors, method.config)
        return method

    @classmethod
    def cost(cls, tissue: Tissue, config: InterpolationSettings, n_cells: int) -> Cost:
        """Estimate from the size of the network and the speed of this machine."""
        genes = rank_of(tissue.n_cells, tissue.n_genes)
        types = len(known_labels(tissue.cell_type))
        condition = 3 * types + 1 + 3 + 96 + 2 + genes
        shape = Shape(genes, genes, condition, config.width, config.depth)
        few = tissue.n_genes <= FEW
        visible = tissue.n_cells * tissue.n_genes
        if config.effort == "quick":
            return plain_cost(
                visible=visible,
                learned=tissue.n_cells * genes,
                guessed=(min(tissue.n_cells, QUICK_CELLS) + n_cells) * genes,
                drawn=n_cells * config.draws * tissue.n_genes,
                axes=0 if few else 3 * visible * genes,
            )
        trial = config.within or len(tissue.sections) > 2
        rows = int(_steps(tissue.n_cells, config) * (1 + TRIAL * trial) * config.batch_size)
        draws = n_cells * config.draws + TRIAL_DRAWS * trial
        found = network_cost(
            shape.build(0),
            trained_rows=rows,
            drawn_rows=n_cells + draws * config.sampler_steps,
            values=tissue.n_cells * condition * 2
            + visible * 16
            + n_cells * tissue.n_genes * (config.draws + 3),
            device=config.device,
            batch_size=config.batch_size,
            random_numbers=draws * (tissue.n_genes + genes),
            converted=tissue.n_genes * ((rows if few else 0) + 2 * draws)
            + (3 if few else 7) * visible * (1 + trial),
            axes=0 if few else 6 * visible * genes * (1 + trial),
        )
        if not worth_it(tissue.n_cells, tissue.n_genes):
            return found
        return replace(found, seconds=found.seconds + (1 + trial) * process_seconds(tissue))


def _steps(n_cells: int, config: InterpolationSettings) -> int:
    """Return training steps: those of the epochs asked for, or the default."""
    per_epoch = max(n_cells // min(config.batch_size, n_cells), 1)
    if config.epochs:
        return config.epochs * per_epoch
    return int(np.clip(EPOCHS * per_epoch, *STEPS))


def _refuse_in_a_hurry(config: InterpolationSettings) -> None:
    """Raise `StdiffError` for settings of the network, which the quick effort leaves out."""
    said = {
        "carry": config.carry in ("half", "full"),
        "noise_level": config.noise_level > 0,
        "epochs": config.epochs > 0,
    }
    for name, there in said.items():
        if there:
            raise StdiffError(
                f"'{name}' is for the network, which effort quick leaves out; take effort full, "
                f"or leave '{name}' as it is by default."
            )
