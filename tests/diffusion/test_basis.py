"""The basis of genes."""

from __future__ import annotations

import numpy as np

from napari_stdiff.diffusion.basis import Basis


def test_few_genes_are_left_as_they_are() -> None:
    x = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    basis = Basis.fit(x, 6, 0)
    assert basis.vectors is None
    assert basis.rank == 6
    np.testing.assert_array_equal(basis.decode(basis.encode(x)), x)


def test_many_genes_keep_what_varies_most() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 40)) + 0.01 * rng.normal(size=(200, 40))
    basis = Basis.fit(x.astype(np.float32), 3, 0)
    code = basis.encode(x)
    assert code.shape == (200, 3)
    np.testing.assert_allclose((code**2).mean(axis=0), 1, rtol=0.01)
    assert ((basis.decode(code) - x) ** 2).mean() < 1e-3 * (x**2).mean()
