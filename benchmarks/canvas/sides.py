"""The same steps on three sides; each in a process, and a napari window, of its own."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap
from qtpy.QtWidgets import QApplication
from tissues import ELEMENT

if TYPE_CHECKING:
    from spatialdata import SpatialData

WINDOW = (1280, 800)


class Side(ABC):
    """One way to look at a tissue that is in memory.

    Parameters
    ----------
    sdata
        The tissue.
    """

    def __init__(self, sdata: SpatialData) -> None:
        self.sdata = sdata
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*WINDOW)
        self.depths = (
            np.unique(np.asarray(sdata[ELEMENT].get("z", [0.0])))
            if (ELEMENT in sdata.shapes)
            else np.zeros(1)
        )

    @abstractmethod
    def open(self) -> None:
        """From the store in memory to cells on the canvas."""

    def rest(self) -> None:  # noqa: B027 - nothing, where all is there at once
        """Put on the canvas what the first picture went without."""

    @abstractmethod
    def gene(self, name: str) -> None:
        """Colour all cells by a gene."""

    def z(self, index: int) -> None:
        """Show another section, in 2D."""
        stretch = self.viewer.layers[0].scale[0]  # as `spacing` left it
        self.viewer.dims.set_point(0, self.depths[index] * stretch)

    def spacing(self, factor: float) -> None:
        """Stretch the stack along z, in 3D."""
        layer = self.viewer.layers[0]
        layer.scale = (factor, 1.0, 1.0)

    def select(self) -> None:
        """Select the layer again, after another."""
        self.viewer.layers.selection.active = self.viewer.layers[0]

    def leave(self) -> None:
        """Select another layer."""
        self.viewer.layers.selection.active = None

    def dimensions(self, number: int) -> None:
        """Show a stack (3) or a section (2)."""
        self.viewer.dims.ndisplay = number

    def close(self) -> None:
        """Take everything off the canvas."""
        self.viewer.layers.clear()


class Ours(Side):
    """napari-stdiff: its reader, its session and its Stack dock."""

    def __init__(self, sdata: SpatialData) -> None:
        from napari_stdiff.viewer.session import session_of
        from napari_stdiff.viewer.widgets.stack import StackWidget

        super().__init__(sdata)
        self.session = session_of(self.viewer)
        self.viewer.window.add_dock_widget(StackWidget(self.viewer), name="Stack")

    def open(self) -> None:
        """Read the tissue and show it in the stack; cells with labels in their outlines."""
        import napari_stdiff as st

        self.session.set_tissue(st.read(self.sdata), None, in_turns=True)  # as its docks do
        if self.session.stack.cells.available:
            self.session.stack.cells.show(True)

    def rest(self) -> None:
        """Draw the sections that wait for their turn."""
        _ = self.session.stack.sections

    def gene(self, name: str) -> None:
        """Colour the stack."""
        self.session.stack.colour_by("gene", name)

    def z(self, index: int) -> None:
        """Go to the section."""
        self.session.stack.go_to(self.session.stack.sections[index])

    def spacing(self, factor: float) -> None:
        """Stretch the stack."""
        self.session.stack.set_spacing(factor)

    def dimensions(self, number: int) -> None:
        """Switch as the dock's buttons do."""
        self.session.stack.set_ndisplay(number)


class NapariSpatialData(Side):
    """napari-spatialdata: Interactive, its element list and its View dock."""

    def __init__(self, sdata: SpatialData) -> None:
        from napari_spatialdata import Interactive
        from napari_spatialdata.constants import config

        config.PROJECT_2_5D_SHAPES_TO_2D = False  # it drops z otherwise
        super().__init__(sdata)
        self.interactive = Interactive(sdata, headless=True)
        docks = self.viewer.window.dock_widgets
        self.view = next(w for name, w in docks.items() if name.startswith("View"))

    def open(self) -> None:
        """Click the element."""
        before = len(self.viewer.layers)
        self.interactive.add_element(ELEMENT, "global", view_element_system=True)
        while len(self.viewer.layers) == before:  # it reads in a thread of its own
            QApplication.processEvents()
        self.select()
        while self.view.model.adata is None:  # what a gene is read from
            QApplication.processEvents()

    def gene(self, name: str) -> None:
        """Click the gene in View."""
        self.view.var_widget._onAction([name])  # what a double click on the gene does


class Napari(Side):
    """napari alone, in the cheapest way that its public interface has."""

    def __init__(self, sdata: SpatialData) -> None:
        super().__init__(sdata)
        self.genes = sdata.tables["table"].var_names
        self.map = ensure_colormap("viridis")

    def open(self) -> None:
        """Add a layer, and keep what a gene is read from."""
        x = self.sdata.tables["table"].X
        totals = np.asarray(x.sum(axis=1)).ravel()
        self.scale = (np.median(totals) / np.where(totals > 0, totals, 1)).astype(np.float32)
        self.columns = x.tocsc()  # a gene is read from here in a millisecond
        if ELEMENT in self.sdata.labels:
            self.layer = self.viewer.add_labels(np.asarray(self.sdata.labels[ELEMENT].data))
            return
        frame = self.sdata.shapes[ELEMENT]
        at = np.column_stack([frame["z"], frame.geometry.y, frame.geometry.x])
        self.layer = self.viewer.add_points(
            at, size=2 * frame["radius"].to_numpy(), border_width=0, face_color="white"
        )

    def gene(self, name: str) -> None:
        """Map the gene to colours, and set those."""
        column = self.columns[:, [self.genes.get_loc(name)]].toarray().ravel()
        values = np.log1p(column * self.scale)
        colours = self.map.map(np.clip(values / max(np.percentile(values, 99), 1e-6), 0, 1))
        if ELEMENT in self.sdata.labels:
            table = dict(enumerate(colours, start=1))
            table[None] = table[0] = np.zeros(4)
            self.layer.colormap = DirectLabelColormap(color_dict=table)
            return
        self.layer.face_color = colours


SIDES: dict[str, Any] = {"ours": Ours, "nsd": NapariSpatialData, "napari": Napari}
warnings.simplefilter("ignore")
