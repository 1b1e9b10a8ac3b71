"""The ablations of SpotDiff's paper: its two conditions, and the losses of its integration."""

from __future__ import annotations

from .ablation import Table

_METHOD = "spotdiff-paper"

TABLES: dict[str, Table] = {
    "conditions": Table(
        "Conditions",
        _METHOD,
        {
            "f_text and f_rna (the paper's)": {},
            "f_rna alone": {"text": "off"},
            "f_text alone": {"use_reference": False},
            "neither (baseline)": {"text": "off", "use_reference": False},
        },
        reference=True,
    ),
    "losses": Table(
        "Losses of the integration network",
        _METHOD,
        {
            "error, location, correlation (the paper's)": {},
            "without location": {"location_weight": 0.0},
            "without correlation": {"pearson_weight": 0.0},
            "without error": {"mse_weight": 0.0},
            "none (cells as they are)": {
                "mse_weight": 0.0,
                "location_weight": 0.0,
                "pearson_weight": 0.0,
            },
        },
        reference=True,
    ),
    "cells": Table(
        "Reference cells joined to a spot",
        _METHOD,
        {
            "10 (the start)": {},
            "1": {"top_cells": 1},
            "50": {"top_cells": 50},
        },
        reference=True,
    ),
}
