"""The shape of the simulated tissue: a folded strip of cortex with a nucleus inside.

Everything is a smooth function of x, y and z, so that what lies between two sections is decided
by the sections around it. Coordinates are in um; y points down, the outer surface is up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

LAYERS = ("Layer 1", "Layer 2/3", "Layer 4", "Layer 5/6", "White matter", "Nucleus")
# Depths (0 outer surface, 1 inner surface) where one layer passes into the next.
_BORDERS = np.array([0.12, 0.36, 0.52, 0.80])
# Cells per area, by layer, relative to the densest.
_DENSITY = np.array([0.35, 1.0, 0.95, 0.70, 0.50, 0.85])
# One unit of the slow axis along z, in um: seven sections at 40 um see it go from -1 to 1.
_SLOW = 120.0


@dataclass(frozen=True)
class Anatomy:
    """Where the tissue is, and which layer is where.

    Attributes
    ----------
    width
        Width of the field of view, in um; the tissue nearly fills it.
    middle
        Depth z of the middle of the stack, in um.
    """

    width: float
    middle: float

    @property
    def height(self) -> float:
        """Height of the field of view, in um."""
        return 0.68 * self.width

    def slow(self, z: np.ndarray | float) -> np.ndarray:
        """Return the position along the stack, -1 to 1 over the default seven sections."""
        return (np.asarray(z, float) - self.middle) / _SLOW

    def _polar(
        self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return angle (radians from straight up) and depth (0 outer, 1 inner surface)."""
        s = self.slow(z)
        cx, cy = self.width * (0.5 + 0.02 * s), self.width * 0.90
        angle = np.arctan2(x - cx, cy - y)
        distance = np.hypot(x - cx, y - cy) / self.width
        sulcus = 0.07 * (1 + 0.5 * s) * np.exp(-(((angle + 0.22 - 0.10 * s) / 0.09) ** 2))
        outer = 0.80 + 0.022 * np.sin(4 * angle + 1.1 * s) + 0.012 * np.cos(9 * angle - 1.4 * s)
        thick = 0.44 + 0.05 * np.sin(2.5 * angle - 1.2 * s)
        return angle, (outer - sulcus - distance) / (thick - 0.6 * sulcus)

    def depth(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Return the depth below the outer surface, 0 to 1 inside the tissue."""
        return self._polar(x, y, z)[1]

    def outline(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Return a number that is below 1 inside the tissue and above 1 outside."""
        angle, depth = self._polar(x, y, z)
        side = np.abs(angle + 0.02) / (0.60 + 0.03 * self.slow(z))
        return np.abs(2 * depth - 1) ** 5 + side**7

    def nucleus(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Return a number below 1 inside the nucleus, a body that begins and ends in the stack."""
        s = self.slow(z)
        cx, cy = self.width * (0.64 + 0.03 * s), self.width * (0.41 - 0.02 * s)
        along = ((x - cx) + 0.4 * (y - cy)) / (0.150 * self.width)
        across = ((y - cy) - 0.4 * (x - cx)) / (0.095 * self.width)
        return along**2 + across**2 + ((s - 0.12) / 0.86) ** 2

    def layer(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Return the number of the layer of each point (index into ``LAYERS``)."""
        angle, depth = self._polar(x, y, z)
        s = self.slow(z)
        wave = 0.025 * np.sin(7 * angle + 1.3 * s) + 0.03 * s * np.sin(2 * angle)
        found = np.searchsorted(_BORDERS, depth + wave)
        return np.where(self.nucleus(x, y, z) < 1, 5, found)

    def vessels(self, z: np.ndarray | float) -> np.ndarray:
        """Return the angles (radians) of the vessels that enter from the outer surface."""
        s = self.slow(z)
        return np.stack([-0.43 + 0.04 * s, 0.06 - 0.05 * s, 0.40 + 0.03 * s])

    def to_vessel(self, x: np.ndarray, y: np.ndarray, z: np.ndarray | float) -> np.ndarray:
        """Return the distance to the nearest vessel, in um; far away where vessels have ended."""
        angle, depth = self._polar(x, y, z)
        reach = np.array([0.75, 0.55, 0.68])[:, None]
        swing = 0.03 * np.sin(5 * depth.ravel()[None] + np.array([0.0, 2.0, 4.0])[:, None])
        gap = np.abs(angle.ravel()[None] - self.vessels(z).reshape(3, -1) - swing)
        gap = gap * self.width * 0.55 + 0.4 * self.width * np.maximum(
            depth.ravel()[None] - reach, 0
        )
        return np.asarray(gap.min(axis=0).reshape(np.shape(x)))

    def gradients(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return what the anatomy tells a cell about its place, within its layer too.

        Returns
        -------
        ndarray
            (cells, 3) float64 of spread about 1: bands along the layers, nearness to the nucleus,
            nearness to a vessel.
        """
        bands = np.sqrt(2) * np.sin(2 * np.pi * 2.2 * self.depth(x, y, z) + 0.8 * self.slow(z))
        near_nucleus = 2.5 * np.exp(-np.maximum(self.nucleus(x, y, z) - 1, 0) / 0.8) - 0.6
        near_vessel = 2.5 * np.exp(-self.to_vessel(x, y, z) / 45) - 0.6
        return np.stack([bands, near_nucleus, near_vessel], axis=1)

    def place(self, z: float, n_cells: int, rng: np.random.Generator) -> np.ndarray:
        """Scatter cells over the section at `z`: never two in one place, `n_cells` on average.

        Returns
        -------
        ndarray
            (cells, 2) float64, columns x, y, in um; the number follows the section's area.
        """
        n_cells = max(2, round(n_cells * self._area(z) / self._area(self.middle)))
        gap = 0.62 * self.spacing_of(n_cells)
        points = rng.random((40 * n_cells, 2)) * [self.width, self.height]
        x, y = points.T
        inside = (self.outline(x, y, z) < 1) & (self.to_vessel(x, y, z) > 4)
        chance = _DENSITY[self.layer(x, y, z)]
        points = points[inside & (rng.random(len(points)) < chance)]
        kept: list[int] = []
        near = cKDTree(points).query_ball_point(points, gap)
        free = np.ones(len(points), bool)
        for i in range(len(points)):
            if free[i]:
                kept.append(i)
                free[near[i]] = False
            if len(kept) == n_cells:
                break
        return np.asarray(points[kept])

    def spacing_of(self, n_cells: int) -> float:
        """Return the mean distance between `n_cells` neighbouring cells of a section, in um."""
        return float(np.sqrt(0.30 * self.width**2 / n_cells))

    def _area(self, z: float) -> float:
        """Return the share of the field of view that is tissue."""
        y, x = np.mgrid[0 : self.height : 70j, 0 : self.width : 100j]
        return float((self.outline(x, y, z) < 1).mean())
