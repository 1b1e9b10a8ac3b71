"""The text table."""

from __future__ import annotations

from napari_stdiff.evaluation.report import format_report


def test_table_has_a_line_a_method_and_says_what_is_missing() -> None:
    result = {
        "dataset": "bulb",
        "protocol": {
            "hidden": "s2",
            "tier": "B",
            "given": "positions",
            "tier_means": "What was given.",
            "hidden_cells": 10,
            "genes": 4,
            "visible_sections": ["s1", "s3"],
            "seed": 3,
            "draws": 16,
            "notes": {"knn": ["Something to know."]},
        },
        "methods": {
            "knn": {"pcc": 0.12345, "crps": 0.5, "nmse": None, "fit_seconds": 1.26},
            "linear": {"pcc": 0.5, "crps": None, "nmse": None, "fit_seconds": 0.0},
        },
    }
    lines = format_report(result).splitlines()
    assert "bulb: section 's2' hidden" in lines[0]
    assert "tier B (positions given)" in lines[0]
    assert lines[1] == "What was given."
    assert lines[3].split() == ["method", "pcc", "crps", "fit", "s"]
    assert lines[4].split() == ["knn", "0.123", "0.500", "1.3"]
    assert lines[5].split() == ["linear", "0.500", "-", "0.0"]
    assert lines[-1] == "knn: Something to know."
