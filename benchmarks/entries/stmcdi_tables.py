"""The ablations of stMCDI's paper: mask strategy, mask phase, encoder, and the mask ratio."""

from __future__ import annotations

from .ablation import Table

_METHOD = "stmcdi-paper"

TABLES: dict[str, Table] = {
    "strategy": Table(
        "Mask strategy",
        _METHOD,
        {
            "entries (the paper's)": {},
            "whole spots": {"mask_strategy": "spot"},
            "whole genes": {"mask_strategy": "gene"},
        },
    ),
    "phase": Table(
        "Mask phase",
        _METHOD,
        {
            "input and latent (the paper's)": {},
            "latent alone (w/o OR mask)": {"mask_phase": "latent"},
            "input alone (w/o LR mask)": {"mask_phase": "input"},
            "neither (w/o mask)": {"mask_phase": "none"},
        },
    ),
    "encoder": Table(
        "Encoder",
        _METHOD,
        {
            "GCN (the paper's)": {},
            "GAT": {"encoder": "gat"},
            "GIN": {"encoder": "gin"},
            "MLP": {"encoder": "mlp"},
            "none": {"encoder": "none"},
        },
    ),
    "ratio": Table(
        "Mask ratio",
        _METHOD,
        {
            f"{tenths / 10:.1f}" + (" (the paper's)" if tenths == 6 else ""): (
                {} if tenths == 6 else {"mask_ratio": tenths / 10}
            )
            for tenths in range(1, 10)
        },
    ),
}
