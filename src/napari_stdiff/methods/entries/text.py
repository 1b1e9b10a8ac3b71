"""What SpotDiff's prompts tell the network: one vector a spot, by attention of spot to genes.

``f_text = Attn(f_spot, f_gene, f_gene)``: the spot's description asks, the genes that it names
answer. Both come from a T5 encoder where one is at hand; else from a small encoder trained here
along with the network, of learned gene vectors that are told rank and value in the spot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor
from ...data.visible import Visible
from .prompts import Prompts
from .settings import EntrySettings
from .t5 import T5Encoder

TextKind = Literal["t5", "small", "off"]
_AXES, _RIDGE = 50, 0.1  # of the ridge on vectors of prompts


@dataclass(frozen=True)
class Told:
    """Prompts of some spots, as a network takes them.

    Attributes
    ----------
    genes
        (spots, named) int64 columns, -1 where none is named.
    values
        (spots, named) values, scaled to about 1.
    spot
        (spots, dim) vectors of the whole prompts; None without a T5.
    """

    genes: Tensor
    values: Tensor
    spot: Tensor | None = None

    def rows(self, at: Tensor) -> Told:
        """Return the prompts of some of the spots."""
        return Told(self.genes[at], self.values[at], None if self.spot is None else self.spot[at])


@dataclass(frozen=True)
class Speaker:
    """Makes prompts of visible entries, and encodes them.

    Attributes
    ----------
    kind
        Which encoder speaks.
    n_high, n_low
        Genes of a prompt.
    scale
        What values are divided by, before they are told as numbers.
    names
        (genes,) names of the columns.
    t5
        The T5 encoder; None without.
    reason
        Why there is no T5 although one would have been taken.
    """

    kind: TextKind
    n_high: int
    n_low: int
    scale: float
    names: np.ndarray
    t5: T5Encoder | None = None
    reason: str = ""

    @classmethod
    def of(
        cls, config: EntrySettings, names: np.ndarray, values: np.ndarray, device: torch.device
    ) -> Speaker:
        """Return the encoder that the settings name, or for "auto" the best one at hand.

        Parameters
        ----------
        config
            Which encoder, and how many genes a prompt names.
        names
            (genes,) names.
        values
            (cells, genes) what was measured, 0 where not visible.
        device
            Where a T5 would run.

        Raises
        ------
        StdiffError
            When a T5 is asked for and cannot be had.
        """
        above = values[values > 0]
        scale = float(np.log1p(above).mean()) if len(above) else 1.0
        plain = cls("off", config.n_high, config.n_low, scale, names)
        if config.text in ("off", "small"):
            return replace(plain, kind=config.text)
        try:
            t5 = T5Encoder.load(config.text_model, device)
        except StdiffError as error:
            if config.text == "t5":
                raise
            return replace(plain, kind="small", reason=str(error))
        return replace(plain, kind="t5", t5=t5)

    def tell(
        self, values: np.ndarray, shown: np.ndarray, device: torch.device, monitor: Monitor
    ) -> Told | None:
        """Return the prompts of some spots; None where prompts are off.

        Parameters
        ----------
        values
            (spots, genes) what was measured.
        shown
            (spots, genes) bool, entries that may be spoken of.
        device
            Where the network is.
        monitor
            Progress of a T5, and cancel.
        """
        if self.kind == "off":
            return None
        prompts = Prompts.of(values, shown, self.n_high, self.n_low)
        spot = None
        if self.t5 is not None:
            found = self.t5.vectors(prompts.sentences(self.names), monitor, "prompts")
            spot = torch.from_numpy(found).to(device)
        said = np.log1p(prompts.values) / self.scale
        return Told(
            torch.from_numpy(prompts.genes).to(device),
            torch.from_numpy(said.astype(np.float32)).to(device),
            spot,
        )

    def gene_vectors(self, monitor: Monitor) -> np.ndarray | None:
        """Return (genes, dim) vectors of the genes' names by the T5; None without one."""
        if self.t5 is None:
            return None
        return self.t5.vectors([str(name) for name in self.names], monitor, "gene names")


class SpotGeneAttention(nn.Module):
    """From prompts to f_text, (spots, 1, width).

    Parameters
    ----------
    genes
        Of the tissue.
    named
        Genes of a prompt.
    width
        Of the answer.
    heads
        Of the attention.
    dim
        Length of a T5's vectors; 0 trains vectors of genes, ranks and values here.
    """

    names: Tensor  # (genes, dim) a T5's vectors of their names

    def __init__(self, genes: int, named: int, width: int, heads: int, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim
        if dim:
            self.register_buffer("names", torch.zeros(genes, dim))
            self.gene = nn.Linear(dim, width)
            self.spot = nn.Linear(dim, width)
        else:
            self.embed = nn.Embedding(genes, width)
            self.rank = nn.Parameter(torch.randn(named, width) * 0.02)
            self.value = nn.Linear(1, width)
            self.spot = nn.Linear(width, width)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.nothing = nn.Parameter(torch.zeros(width))  # answers where no gene is named

    def forward(self, told: Told) -> Tensor:
        """Encode the prompts of some spots."""
        there = told.genes >= 0
        columns = told.genes.clamp(min=0)
        if self.dim:
            assert told.spot is not None
            genes, spot = self.gene(self.names[columns]), self.spot(told.spot)
        else:
            genes = self.embed(columns) + self.rank + self.value(told.values[..., None])
            count = there.sum(dim=1, keepdim=True).clamp(min=1)
            spot = self.spot((genes * there[..., None]).sum(dim=1) / count)
        blank = self.nothing.expand(len(genes), 1, -1)
        keys = torch.cat([blank, genes], dim=1)
        unsaid = torch.cat([torch.zeros_like(there[:, :1]), ~there], dim=1)
        found, _ = self.attend(
            spot[:, None], keys, keys, key_padding_mask=unsaid, need_weights=False
        )
        out: Tensor = found
        return out


def prompt_guess(
    speaker: Speaker, visible: Visible, device: torch.device, monitor: Monitor
) -> np.ndarray:
    """Return what a T5's vectors of the prompts tell of every entry, by a ridge for each gene.

    Parameters
    ----------
    speaker
        With a T5.
    visible
        What may be seen, and spoken of.
    device
        Where the T5 is.
    monitor
        Progress and cancel.

    Returns
    -------
    numpy.ndarray
        (cells, genes) float32 on the scale of ``visible.standard``.
    """
    told = speaker.tell(visible.raw, visible.seen, device, monitor)
    assert told is not None
    assert told.spot is not None
    x = told.spot.cpu().numpy().astype(np.float64)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-6)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    most = np.argsort(-values)[: min(_AXES, len(x) // 4 + 1)]
    scores = x @ vectors[:, most] / np.sqrt(np.maximum(values[most], 1e-9))
    out = np.zeros(visible.standard.shape, dtype=np.float32)
    for j in range(visible.n_genes):
        rows = visible.seen[:, j]
        known = scores[rows]
        system = known.T @ known + (_RIDGE * len(known) + 1) * np.eye(known.shape[1])
        out[:, j] = scores @ np.linalg.solve(system, known.T @ visible.standard[rows, j])
    return out
