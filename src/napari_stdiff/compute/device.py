"""Which device to compute on, and what to say when it is not there or too small."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from .errors import StdiffError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def choose_device(name: DeviceName = "auto") -> torch.device:
    """Return the torch device called `name`; ``"auto"`` takes the GPU if there is one.

    Raises
    ------
    StdiffError
        When the device that was asked for is not present.
    """
    import torch

    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if present["cuda"] else "mps" if present["mps"] else "cpu"
    if not present.get(name, False):
        have = ", ".join(k for k, there in present.items() if there)
        raise StdiffError(f"This machine has no device '{name}'; choose one of: auto, {have}.")
    return torch.device(name)


@contextmanager
def few_threads() -> Iterator[None]:
    """Let torch use half the cores, four at most, inside the block.

    The layers here are small: more threads wait for each other longer than they help, by far so
    where another program wants a core, and a window beside the work needs one to stay fluid.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(4, before, (os.cpu_count() or 2) // 2)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
