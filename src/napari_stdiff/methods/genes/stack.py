"""The stack: closed-form guesses, weighted by how well they predict visible genes while hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ...compute.monitor import Monitor
from ...data.panel import Panel
from ...data.prediction import Prediction
from ..base import Cost
from ..files import read_model, write_model
from .base import GeneMethod, with_draws
from .files import panel_tie, refuse_other_panel
from .folds import folds_of, gene_folds
from .guesses import Guesses, unsmoothed
from .held_out import HeldOut
from .judging import Judgement, some_rows
from .settings import GeneSettings
from .singles.base import standardise
from .smoothing import Neighbourhood
from .spread import Spread
from .weights import PULL, positive_weights

_ENTRIES = 24_000_000  # values of visible genes that are guessed at while hidden
_JUDGED = 16_000  # of these, those that spreads are judged on
# seconds of a product of cells, reference cells and genes, of a sorted similarity, of a
# neighbour-averaged value, and of a value that is drawn
_PAIR, _SORTED, _AVERAGED, _DRAWN = 0.8e-10, 2.5e-8, 0.8e-6, 6e-8
_SOLVED = 8e-9  # seconds for each shared gene cubed: eigenvectors and solutions of all guesses


@dataclass(frozen=True)
class Guessed:
    """Genes that were guessed at.

    Attributes
    ----------
    guesses
        (guesses, cells, genes) float32, standardised over cells.
    levels
        (genes,) mean expression as the nearest reference cells have it.
    deviations, zeros
        (genes,) deviation and share of zeros over the reference.
    """

    guesses: np.ndarray
    levels: np.ndarray
    deviations: np.ndarray
    zeros: np.ndarray

    @classmethod
    def of(cls, fitted: Guesses, profiles: np.ndarray) -> Self:
        """Guess at genes with (reference cells, genes) `profiles`."""
        guesses, levels = fitted.at(profiles)
        return cls(guesses, levels, profiles.std(axis=0), (profiles == 0).mean(axis=0))

    def on_scale(self, expected: np.ndarray) -> np.ndarray:
        """Bring (cells, genes) standardised expectations to the reference's scale, float32."""
        return np.asarray(self.levels + expected * self.deviations, dtype=np.float32)


def hide_in_turn(
    panel: Panel,
    near: Neighbourhood,
    config: GeneSettings,
    monitor: Monitor,
    guesser: type[Guesses] = Guesses,
) -> tuple[np.ndarray, Guessed]:
    """Guess at each visible gene from the others, a fold at a time.

    Returns
    -------
    tuple
        (judged,) columns of ``panel.genes`` that were guessed at (where there are too many
        values, some of the genes, evenly dealt over the folds), and the guesses.
    """
    parts = gene_folds(len(panel.genes), config.inner_folds, config.seed)
    most = max(_ENTRIES // panel.n_cells // len(parts), 2)
    chosen = [hidden[:: -(-len(hidden) // most)] for _, hidden in parts]
    genes = np.sort(np.concatenate(chosen))
    guesses = np.empty((len(guesser.names()), panel.n_cells, len(genes)), dtype=np.float32)
    told = np.empty((3, len(genes)))
    for i, (_, hidden) in enumerate(parts):
        inner = panel.without(panel.genes[hidden])
        name = f"Hidden genes, fold {i + 1} of {len(parts)}"
        with monitor.stage(name, share=1 / (len(parts) - i)):
            fitted = guesser(inner, near, monitor)
        one = Guessed.of(fitted, inner.profiles(panel.genes[chosen[i]]))
        at = np.searchsorted(genes, chosen[i])
        guesses[:, :, at] = one.guesses
        told[:, at] = one.levels, one.deviations, one.zeros
    return genes, Guessed(guesses, *told)


def weigh(
    guesses: np.ndarray, truth: np.ndarray, fold: np.ndarray, pull: float = PULL
) -> tuple[np.ndarray, np.ndarray]:
    """Weigh guesses by how well they predict.

    Parameters
    ----------
    guesses, truth
        (guesses, cells, genes) and the (cells, genes) truth.
    fold
        (genes,) number of each gene's fold.
    pull
        As in :func:`.weights.positive_weights`.

    Returns
    -------
    tuple
        (guesses,) weights, and (cells, genes) float32 weighted sums in which a gene's weights are
        chosen on the genes of the other folds.
    """
    goal = standardise(truth)
    grams, rights = [], []
    numbers = np.unique(fold)
    for number in numbers:
        flat = guesses[:, :, fold == number].reshape(len(guesses), -1)
        grams.append(np.asarray(flat @ flat.T, dtype=np.float64) / goal.size)
        rights.append(np.asarray(flat @ goal[:, fold == number].ravel(), np.float64) / goal.size)
    gram, right = np.sum(grams, axis=0), np.sum(rights, axis=0)
    crosswise = np.empty(truth.shape, dtype=np.float32)
    for number, own_gram, own_right in zip(numbers, grams, rights, strict=True):
        mine = fold == number
        rest = max(1 - float(mine.mean()), 1 / len(fold))
        others = positive_weights((gram - own_gram) / rest, (right - own_right) / rest, pull)
        crosswise[:, mine] = weighted(guesses[:, :, mine], others)
    return positive_weights(gram, right, pull), crosswise


def weighted(guesses: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (cells, genes) float32 weighted sums of (guesses, cells, genes)."""
    return np.asarray(np.tensordot(weights.astype(np.float32), guesses, 1))


class Stack(GeneMethod):
    """The weighted mean of closed-form guesses, with the spread of hidden visible genes."""

    id = "stack"
    title = "Stack"
    description = (
        "Closed-form guesses on tissue with its noise reduced, weighted by how well each predicts "
        "visible genes that were hidden. What spadit's diffusion is built around."
    )

    keeps_folds = True
    guesser: ClassVar[type[Guesses]] = Guesses
    pull: ClassVar[float] = PULL  # of the weights, towards equal ones
    # of hiding genes, learning and the spread in the time of a fit, each of what is left then
    shares: ClassVar[tuple[float, float, float]] = (0.8, 0.1, 0.2)

    def fit(self, panel: Panel, config: GeneSettings, monitor: Monitor) -> Self:
        """Guess at visible genes while they are hidden, weigh the guesses, learn their spread."""
        self.config = config
        self._panel, self._near = panel, Neighbourhood(panel.coords, panel.section)
        hiding, learning, spreading = self.shares
        with monitor.stage("Predicting visible genes from each other", share=hiding):
            self.judged, hidden = self._hide(monitor)
        truth = panel.tissue[:, self.judged]
        fold = folds_of(len(panel.genes), config.inner_folds, config.seed)[self.judged]
        self.weights, apart = weigh(hidden.guesses, truth, fold, self.pull)
        with monitor.stage("Learning from them", share=learning):
            expected, apart = self._learn(hidden, apart, truth, monitor)
        cells = some_rows(panel.n_cells, max(_JUDGED // len(self.judged), 16))
        with monitor.stage("Learning the spread", share=spreading):
            self.spread = Spread.fit(hidden.on_scale(expected), truth, config.seed)
            judgement = Judgement(self.spread, hidden.on_scale(apart), truth, cells)
            std = self._learn_spread(hidden, expected, judgement, monitor)
        self._keep(judgement.raw, std, cells)
        with monitor.stage("Fitting"):
            self._guesses = self.guesses_of(config)(panel, self._near, monitor)
        return self

    @classmethod
    def guesses_of(cls, config: GeneSettings) -> type[Guesses]:
        """Return the guesses that `config` asks for."""
        return cls.guesser if config.smoothing == "auto" else unsmoothed(cls.guesser)

    def _hide(self, monitor: Monitor) -> tuple[np.ndarray, Guessed]:
        """Return which visible genes were guessed at while they were hidden, and the guesses."""
        return hide_in_turn(
            self._panel, self._near, self.config, monitor, self.guesses_of(self.config)
        )

    def _learn(
        self, hidden: Guessed, apart: np.ndarray, truth: np.ndarray, monitor: Monitor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return twice (cells, judged) what is expected of visible genes while they are hidden.

        First with what is chosen on all of them, as wanted genes get it; then with what is chosen
        on other genes alone, as they are judged. `apart` is that of the weighted guesses.
        """
        monitor.check()
        return weighted(hidden.guesses, self.weights), apart

    def _learn_spread(
        self,
        hidden: Guessed,
        expected: np.ndarray,
        judgement: Judgement,
        monitor: Monitor,
    ) -> np.ndarray:
        """Learn what is left to learn about the spread around the expectation.

        Returns (cells, judged) deviations of the genes' distributions in the cells that are
        judged, as they would be had the gene itself not been seen.
        """
        out = np.empty(judgement.shape, dtype=np.float32)
        for j in range(out.shape[1]):
            monitor.check()
            out[:, j] = judgement.quantiles(j).std(axis=0)
        return out

    def _keep(self, raw: np.ndarray, std: np.ndarray, cells: np.ndarray) -> None:
        """Keep the visible genes as they are predicted while they are hidden."""
        n = len(self._panel.genes)
        mean = np.full((len(raw), n), np.nan, dtype=np.float32)
        spread = np.full((len(cells), n), np.nan, dtype=np.float32)
        mean[:, self.judged] = self._panel.floored(self.spread.calibrated(raw, hidden=True))
        spread[:, self.judged] = std
        # guesses are brought to the scale of all visible genes, whichever were hidden
        self._held_out: HeldOut | None = HeldOut(mean, spread, np.full(n, -1), cells)

    def _expect(self, guessed: Guessed) -> np.ndarray:
        """Return (cells, genes) what is expected of wanted genes, standardised."""
        return weighted(guessed.guesses, self.weights)

    def held_out(self) -> HeldOut | None:
        """Return the visible genes, each predicted while it was hidden.

        Of very large tissue some are, and the others NaN; None for a loaded model. Weights and
        strengths are those that other genes ask for.
        """
        return self._held_out

    def sample(
        self, genes: Sequence[str] | np.ndarray, n_draws: int, monitor: Monitor
    ) -> Prediction:
        """Predict `genes`; each draw takes its values from the spread."""
        names = np.array([str(gene) for gene in genes], dtype=object)
        guessed = Guessed.of(self._guesses, self._panel.profiles(names))
        raw = guessed.on_scale(self._expect(guessed))
        mean = self._panel.floored(self.spread.calibrated(raw))

        def drawing() -> Callable[[int], np.ndarray]:
            return self.spread.drawing(raw, names, self.config.seed).draw

        return with_draws(names, mean, n_draws, drawing, monitor)

    def facts(self) -> dict[str, Any]:
        """Return the weights of the guesses and the spread's choices."""
        weights = {
            name: round(float(w), 4)
            for name, w in zip(self.guesses_of(self.config).names(), self.weights, strict=True)
            if w > 5e-4
        }
        return {"weights": weights, **self.spread.facts()}

    def save(self, folder: Path) -> None:
        """Write weights and spread to `folder`, and which tissue and reference they are for."""
        write_model(folder, self.id, *self._pack())

    def _pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, tensors = self.spread.pack()
        kept = {"config": self.config.model_dump(), "panel": panel_tie(self._panel)}
        return meta | kept, tensors | {"weights": self.weights, "judged": self.judged}

    @classmethod
    def load(cls, folder: Path, panel: Panel) -> Self:
        """Read a fitted method; the panel must be the one it was fitted on."""
        meta, tensors = read_model(folder, cls.id)
        refuse_other_panel(meta, panel)
        method = cls()
        method.config = GeneSettings.kept(meta["config"])
        method._held_out = None
        method._panel, method._near = panel, Neighbourhood(panel.coords, panel.section)
        method._unpack(meta, tensors)
        method._guesses = cls.guesses_of(method.config)(panel, method._near, Monitor())
        return method

    def _unpack(self, meta: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.weights = np.asarray(tensors["weights"])
        self.judged = np.asarray(tensors["judged"])
        self.spread = Spread.unpack(meta, tensors)

    @classmethod
    def cost(cls, panel: Panel, config: GeneSettings, n_genes: int) -> Cost:
        """Estimate from cells, reference cells, genes and folds."""
        cells, shared = panel.n_cells, len(panel.genes)
        reference = panel.reference_raw.shape[0]
        pairs = float(cells) * reference
        once = _PAIR * 5 * pairs * shared + _SORTED * 5 * pairs + _SOLVED * shared**3
        seconds = 2 + (config.inner_folds + 1) * once + 2e-2 * min(shared, 200)
        values = (
            len(cls.guesses_of(config).names())
            * cells
            * (min(shared, _ENTRIES // cells) + n_genes)
        )
        seconds += _AVERAGED * values + _DRAWN * (config.draws + 2) * cells * n_genes
        block = 3 * min(cells, 4096) * reference
        values += 6 * cells * shared + reference * (shared + n_genes) + block
        values += (config.draws + 4) * cells * n_genes
        values += 80 * shared**2  # products of shared genes that the guesses keep
        return Cost(0, seconds, 80 + 4 * values / 2**20)
