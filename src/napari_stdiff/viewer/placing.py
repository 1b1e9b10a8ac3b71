"""Moves layers on the canvas without napari cutting all of them anew at each step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


def place(
    layer: Layer, z: float, x: float, affine: np.ndarray | None = None, y: float = 0.0
) -> None:
    """Shift `layer` by `z`, `y` and `x` (world units); `affine` (4, 4) is its own transform."""
    if affine is None:
        shift = np.array([z, y, x])
        if not np.allclose(layer.translate, shift):
            layer.translate = shift
        return
    moved = np.array(affine, dtype=float)
    moved[:3, 3] += (z, y, x)
    transform(layer, moved)


def transform(layer: Layer, affine: np.ndarray) -> None:
    """Give `layer` this (4, 4) transform, unless it has it."""
    if not np.array_equal(layer.affine.affine_matrix, affine):
        layer.affine = affine


def removing(viewer: ViewerModel) -> AbstractContextManager[None]:
    """Let `viewer` tidy up once for all layers that are removed in the block.

    It takes a third of a second each time.
    """
    batch = getattr(viewer.layers, "batched_update", nullcontext)
    return batch()  # type: ignore[no-any-return]


@contextmanager
def unsliced(viewer: ViewerModel, layers: Iterable[Layer]) -> Iterator[None]:
    """Let `layers` be moved in the block without the viewer cutting all its layers anew.

    napari reads the data of every layer again whenever one moves: half a second at 100,000
    cells. A move that is only a preview needs the new transform and nothing else; what follows
    it must place the layer once more, outside of this block.
    """
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(layer.events.set_data.blocker())
            stack.enter_context(layer.events.reload.blocker())
        stack.enter_context(viewer.dims.events.blocker_all())
        held = viewer.dims.range
        try:
            yield
        finally:
            viewer.dims.range = held


@contextmanager
def moving(viewer: ViewerModel, layers: Sequence[Layer]) -> Iterator[None]:
    """Let `layers` be moved in the block, and those that were be cut anew once, at its end."""
    before = [(layer.translate.copy(), layer.affine.affine_matrix.copy()) for layer in layers]
    with unsliced(viewer, layers):
        yield
    if viewer.dims.ndisplay == 3:
        return  # all of a layer is seen, wherever it is
    for layer, (shift, affine) in zip(layers, before, strict=True):
        now = layer.affine.affine_matrix
        if not (np.array_equal(layer.translate, shift) and np.array_equal(now, affine)):
            layer.refresh()
