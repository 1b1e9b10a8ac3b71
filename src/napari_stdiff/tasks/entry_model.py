"""A fitted method that fills in entries: kept in memory, saved, and loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..compute.errors import StdiffError
from ..compute.monitor import Monitor
from ..data.panel import tie
from ..data.prediction import Prediction
from ..data.visible import Visible
from ..methods.entries.base import EntryMethod
from ..methods.entries.registry import entry_method_class, load_entry_method
from ..methods.entries.settings import EntrySettings
from .impute_config import ImputeConfig
from .recent import Recent, key_of

_MEMORY = 256 * 2**20  # bytes that the draws of a chunk of cells may take
_CHECK = "check.safetensors"


@dataclass(frozen=True)
class EntryModel:
    """A fitted method, and the measured entries that were kept from it.

    Attributes
    ----------
    method
        Fitted on all visible entries but those of `check`.
    check
        (cells, genes) bool, measured entries that the method did not see.
    denoise
        Whether it can say what is expected of entries that it saw.
    fingerprint
        Of what is measured, tissue and reference.
    """

    method: EntryMethod
    check: np.ndarray
    denoise: bool
    fingerprint: str

    def refuse_misfit(self, visible: Visible, denoise: bool) -> None:
        """Raise StdiffError when this is not a model of `visible`, or cannot do what is asked.

        Parameters
        ----------
        visible
            Everything that is measured.
        denoise
            Whether entries that the method saw are to be predicted.
        """
        if fingerprint(visible) != self.fingerprint:
            these = f"'{visible.tissue_name}'" if visible.tissue_name else "these"
            raise StdiffError(
                f"The model was fitted on other values, genes or another reference than {these}; "
                "read the data it was fitted on, or fit a new model."
            )
        if denoise and not self.denoise:
            raise StdiffError(
                "The model was fitted to fill in what is missing, not to say what is expected "
                "where something was measured (zeros are measured, too); fit a new model."
            )

    def save(self, folder: Path) -> None:
        """Write method and checked entries to `folder`.

        Raises
        ------
        StdiffError
            When the folder cannot be written.
        """
        from safetensors.numpy import save_file

        self.method.save(folder)
        arrays = {
            "entries": np.flatnonzero(self.check).astype(np.int64),
            "shape": np.array(self.check.shape, dtype=np.int64),
            "denoise": np.array([self.denoise]),
        }
        try:
            save_file(arrays, folder / _CHECK, metadata={"fingerprint": self.fingerprint})
        except OSError as error:
            raise StdiffError(f"The model cannot be written to '{folder}': {error}.") from error


_recent: Recent[EntryModel] = Recent(2)


def fingerprint(visible: Visible) -> str:
    """Return a hash of all that a method can learn from, tissue and reference."""
    return tie(visible.tissue_fingerprint(), visible.reference_fingerprint())


def entry_model(
    visible: Visible, check: np.ndarray, denoise: bool, config: ImputeConfig, monitor: Monitor
) -> tuple[EntryModel, bool]:
    """Return a method fitted on `visible` less `check`, and whether an earlier run had it.

    Parameters
    ----------
    visible
        Everything that is measured.
    check
        (cells, genes) bool, entries of it that are kept from the method.
    denoise
        Whether entries that it sees are to be predicted, too.
    config
        Names the method and its settings.
    monitor
        Progress and cancel of the fit.
    """
    told = config.but(denoise=denoise)

    def fit() -> EntryModel:
        method = entry_method_class(config.method)().fit(visible.without(check), told, monitor)
        return EntryModel(method, check, denoise, fingerprint(visible))

    seen = tie(fingerprint(visible), check)
    return _recent.get(key_of(seen, told, config.device, EntrySettings, ("method",)), fit)


def load_entry_model(
    folder: Path, visible: Visible, denoise: bool, config: ImputeConfig
) -> EntryModel:
    """Return the model that was saved to `folder`.

    Parameters
    ----------
    folder
        Where it was saved.
    visible
        Everything that is measured.
    denoise
        Whether entries that the method saw are to be predicted.
    config
        Names the method.

    Raises
    ------
    StdiffError
        When there is none, or it was fitted on another tissue or reference.
    """
    from safetensors import SafetensorError, safe_open

    if not (folder / _CHECK).is_file():
        raise StdiffError(f"There is no model of an imputation in '{folder}'; name its folder.")
    try:
        with safe_open(folder / _CHECK, framework="np") as file:
            entries, shape, can = (file.get_tensor(k) for k in ("entries", "shape", "denoise"))
            known = (file.metadata() or {})["fingerprint"]
        check = np.zeros(int(np.prod(shape)), dtype=bool)
        check[entries] = True
        check = check.reshape(tuple(map(int, shape)))
    except (OSError, KeyError, IndexError, ValueError, SafetensorError) as error:
        raise StdiffError(f"The model in '{folder}' cannot be read; save it again.") from error
    # the method names what differs; a table of another size it could not even be shown
    same = check.shape == visible.seen.shape
    left = visible.without(check) if same else visible
    method = load_entry_method(config.method, folder, left)
    model = EntryModel(method, check, bool(can[0]), known)
    model.refuse_misfit(visible, denoise)
    return model


def in_chunks(
    method: EntryMethod, visible: Visible, n_draws: int, monitor: Monitor
) -> Iterator[tuple[slice, Prediction]]:
    """Answer for all cells some at a time, so that memory does not grow with their number.

    Parameters
    ----------
    method
        Fitted.
    visible
        What it was fitted on.
    n_draws
        Samples an entry.
    monitor
        Progress and cancel.

    Yields
    ------
    tuple
        Which of the cells, and the answer for them with its draws.

    Raises
    ------
    Cancelled
        When the run was cancelled, also in the midst of the draws.
    """
    each = 4 * visible.n_genes * (2 * n_draws + 4)
    size = int(max(_MEMORY // each, 1))
    starts = range(0, visible.n_cells, size)
    for i, start in enumerate(starts):
        at = slice(start, min(start + size, visible.n_cells))
        with monitor.stage(f"Cells {at.stop} of {visible.n_cells}", 1 / (len(starts) - i)):
            part = method.sample(np.arange(at.start, at.stop), n_draws, monitor)
            monitor.check()
        yield at, part


def forget() -> None:
    """Drop the models kept in memory."""
    _recent.forget()
