"""The selective scan of Mamba in plain torch (Gu and Dao 2023, arXiv:2312.00752)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STATES, _KERNEL, _EXPAND = 16, 4, 2


def selective_scan(x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Run ``h_l = exp(step_l a) h_{l-1} + step_l b_l x_l`` and return ``y_l = c_l . h_l``.

    The continuous system of that paper's equation 1, held constant over each step (its
    equation 4 with the first-order form of the input matrix).

    Parameters
    ----------
    x, step
        (n, length, channels) input and positive step sizes.
    a
        (channels, states) negative rates.
    b, c
        (n, length, states) input and output matrices, which the input chooses.

    Returns
    -------
    Tensor
        (n, length, channels).
    """
    keep = torch.exp(step[..., None] * a)
    enter = (step * x)[..., None] * b[:, :, None]
    state = torch.zeros_like(enter[:, 0])
    out = []
    for place in range(x.shape[1]):
        state = keep[:, place] * state + enter[:, place]
        out.append((state * c[:, place, None]).sum(-1))
    return torch.stack(out, dim=1)


class SelectiveScan(nn.Module):
    """A Mamba block without its norm and residual: (n, length, width) to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner, self.rank = _EXPAND * width, max(width // 16, 1)
        self.enter = nn.Linear(width, 2 * inner)
        self.near = nn.Conv1d(inner, inner, _KERNEL, groups=inner, padding=_KERNEL - 1)
        self.choose = nn.Linear(inner, self.rank + 2 * _STATES, bias=False)
        self.step = nn.Linear(self.rank, inner)
        self.log_rate = nn.Parameter(torch.arange(1.0, _STATES + 1).log().repeat(inner, 1))
        self.through = nn.Parameter(torch.ones(inner))
        self.leave = nn.Linear(inner, width)
        nn.init.constant_(self.step.bias, -3.0)  # softplus: steps of about .05

    def forward(self, h: Tensor) -> Tensor:
        """Scan the tokens from the first to the last."""
        x, gate = self.enter(h).chunk(2, dim=-1)
        near = self.near(x.transpose(1, 2))[..., : h.shape[1]]
        x = nn.functional.silu(near.transpose(1, 2))
        step, b, c = self.choose(x).split([self.rank, _STATES, _STATES], dim=-1)
        step = nn.functional.softplus(self.step(step))
        y = selective_scan(x, step, -self.log_rate.exp(), b, c) + self.through * x
        out: Tensor = self.leave(y * nn.functional.silu(gate))
        return out
