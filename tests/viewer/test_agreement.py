"""What is told of the section under the hand while it moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.components import ViewerModel

from napari_stdiff.compute.monitor import Monitor
from napari_stdiff.data.reading import read
from napari_stdiff.data.simulate import simulate
from napari_stdiff.registration.frames import about
from napari_stdiff.viewer.adjust import Hand, adjust_of, centre_of
from napari_stdiff.viewer.agreement import Agreement, correlation, look
from napari_stdiff.viewer.session import session_of


def test_agreement_falls_as_a_section_is_turned_and_is_told(qapp: Any) -> None:
    tissue = read(simulate(n_sections=3, cells_per_section=300, n_genes=30, image_size=50).sdata)
    places = look(tissue, Monitor())
    still = {name: np.eye(3) for name in tissue.sections}
    beside, centre = ["section_1", "section_3"], centre_of(tissue, "section_2")
    found = [
        correlation(places, "section_2", beside, {**still, "section_2": about(turn, centre)})
        for turn in (0.0, 40.0, 180.0)
    ]
    assert found[0] > 0.5
    assert found[0] > found[1] > found[2]
    together = {name: about(40.0, centre) for name in tissue.sections}
    alike = correlation(places, "section_2", beside, together)
    np.testing.assert_allclose(alike, found[0])  # all are turned

    viewer = ViewerModel()
    session = session_of(viewer)
    session.set_tissue(tissue, None)
    adjust = adjust_of(session)
    agreement = Agreement(adjust)
    assert agreement.words("section_2") == ""  # not looked at yet
    agreement._tissue = tissue
    agreement._looked(places)
    assert f"{found[0]:.2f}." in agreement.words("section_2")
    adjust.move({"section_2": Hand(rotation=40.0)})
    assert f"{found[1]:.2f} ({found[0]:.2f} unmoved)" in agreement.words("section_2")
    adjust.rest()
    assert f"{found[1]:.2f} ({found[0]:.2f} unmoved)" in agreement.words("section_2")
    adjust.aligned.show(after=False)
    del viewer
