"""A fitted method in a folder: ``model.safetensors`` and ``model.json``, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..compute.errors import StdiffError
from ..data.tissue import Tissue

FORMAT = 1
_WEIGHTS = "model.safetensors"
_META = "model.json"


def write_model(
    folder: Path | str, kind: str, meta: Mapping[str, Any], tensors: Mapping[str, np.ndarray]
) -> None:
    """Write a fitted method to `folder`, which is made if it is not there.

    Parameters
    ----------
    folder
        Directory; files of an earlier model in it are replaced.
    kind
        Id of the method.
    meta
        What JSON can hold; ``genes`` and ``types`` (lists of names) are what `refuse_misfit`
        compares, where present.
    tensors
        Arrays by name, of any shape and of a numeric or bool type.

    Raises
    ------
    StdiffError
        When the folder cannot be written.
    """
    from safetensors.numpy import save_file

    folder = Path(folder)
    text = json.dumps({"format": FORMAT, "kind": kind, **meta}, indent=1, allow_nan=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / _WEIGHTS)
        (folder / _META).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StdiffError(f"The model cannot be written to '{folder}': {error}.") from error


def read_model(
    folder: Path | str, kind: str | None = None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write_model` wrote.

    Parameters
    ----------
    folder
        Directory of the model.
    kind
        Id of the method that is wanted; None takes any (it is in ``meta["kind"]``).

    Returns
    -------
    tuple
        Meta data and tensors.

    Raises
    ------
    StdiffError
        When there is no model, when a file of it is damaged, or when it is of another method
        or of a newer format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    if not (folder / _META).is_file() or not (folder / _WEIGHTS).is_file():
        raise StdiffError(f"There is no saved model in '{folder}' ({_META} and {_WEIGHTS}).")
    try:
        meta = json.loads((folder / _META).read_text(encoding="utf-8"))
        tensors = load_file(folder / _WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise StdiffError(f"The model in '{folder}' cannot be read; save it again.") from error
    if not isinstance(meta, dict) or "kind" not in meta:
        raise StdiffError(f"The model in '{folder}' cannot be read; save it again.")
    if meta.get("format", 0) > FORMAT:
        raise StdiffError(f"The model in '{folder}' was saved by a newer version; update first.")
    if kind is not None and meta["kind"] != kind:
        raise StdiffError(f"The model in '{folder}' is a '{meta['kind']}', not a '{kind}'.")
    return meta, tensors


def refuse_misfit(meta: Mapping[str, Any], tissue: Tissue) -> None:
    """Raise if `tissue` lacks genes of the model or has cell types that it does not know.

    Parameters
    ----------
    meta
        As read; ``genes`` and ``types`` are compared where present. A model without types
        (absent, None or empty) fits any tissue's types.
    tissue
        What the model is to be used on.

    Raises
    ------
    StdiffError
        Naming the genes that are missing or the types that are unknown.
    """
    missing = _without(meta.get("genes") or (), map(str, tissue.genes))
    if missing:
        raise StdiffError(
            f"The model does not fit this tissue, which has no {_named(missing, 'gene')}; "
            "fit a new model or read the data that it was fitted on."
        )
    if meta.get("types") and tissue.cell_type is not None:
        unknown = _without(known_labels(tissue.cell_type), map(str, meta["types"]))
        if unknown:
            raise StdiffError(
                f"The model does not know the {_named(unknown, 'cell type')} of this tissue; "
                "fit a new model or read the data that it was fitted on."
            )


def known_labels(labels: np.ndarray | None) -> list[str]:
    """Return the sorted names among `labels`, without None and NaN."""
    if labels is None:
        return []
    return sorted({str(v) for v in labels if isinstance(v, str) or (v is not None and v == v)})


def _without(wanted: Iterable[str], there: Iterable[str]) -> list[str]:
    have = set(there)
    return [name for name in wanted if name not in have]


def _named(names: list[str], noun: str, at_most: int = 4) -> str:
    """Return for example ``"genes 'A', 'B' and 3 more"``."""
    shown = ", ".join(f"'{n}'" for n in names[:at_most])
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {shown}{more}"
