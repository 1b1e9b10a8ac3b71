"""Ids of the methods that predict genes, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_stdiff.compute.errors import StdiffError
from napari_stdiff.data.panel import Panel
from napari_stdiff.methods.genes import registry
from napari_stdiff.methods.genes.base import GeneMethod

MakePanel = Callable[..., Panel]


def test_every_id_has_a_place_and_the_default_comes_first() -> None:
    assert registry.gene_methods() == tuple(registry._PLACES)
    assert registry.gene_methods()[0] == "spadit"


@pytest.mark.parametrize("name", registry.gene_methods())
def test_every_id_is_that_of_its_class(name: str) -> None:
    cls = registry.gene_method_class(name)
    assert issubclass(cls, GeneMethod)
    assert cls.id == name
    assert cls.title
    assert cls.description.endswith(".")


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(StdiffError, match="no method 'magic'; choose one of: spadit, "):
        registry.gene_method_class("magic")


def test_a_folder_without_a_model_is_refused(make_panel: MakePanel, tmp_path: Path) -> None:
    with pytest.raises(StdiffError, match="no saved model"):
        registry.load_gene_method("ridge", tmp_path, make_panel())


def test_the_registry_itself_is_light() -> None:
    code = (
        "import sys, napari_stdiff.methods.genes.registry as r; r.gene_methods(); "
        "assert not {'torch', 'ot', 'sklearn', 'napari'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
