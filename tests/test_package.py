"""The package as a whole: cheap to import, documented, and as its README says."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import napari_stdiff

HEAVY = ("torch", "napari", "qtpy", "scanpy", "squidpy", "spatialdata")
SOURCE = Path(napari_stdiff.__file__).parent
WITH_DOCTESTS = sorted(
    ".".join(("napari_stdiff", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

PAGES = [
    *("README.md", "docs/python.md", "docs/generate.md", "docs/predict-genes.md"),
    "docs/impute.md",
]


def _modules_after(code: str) -> set[str]:
    report = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_is_cheap() -> None:
    assert _modules_after("import napari_stdiff").isdisjoint(HEAVY)


def test_config_needs_nothing_heavy() -> None:
    code = "import napari_stdiff as st; st.InterpolateConfig(); st.PredictGenesConfig()"
    code += "; st.ReadConfig()"
    assert _modules_after(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("name", napari_stdiff.__all__)
def test_public_name_resolves_and_is_documented(name: str) -> None:
    doc = getattr(napari_stdiff, name).__doc__
    assert doc
    assert len(doc.strip().splitlines()[0]) > 15


def test_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = napari_stdiff.nonsense


@pytest.mark.parametrize("module", WITH_DOCTESTS)
def test_examples_in_docstrings(module: str) -> None:
    result = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.attempted
    assert not result.failed


def test_top_level_manifest_is_a_link(project_root: Path) -> None:
    link = project_root / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == (project_root / "src/napari_stdiff/napari.yaml").resolve()


def test_version_is_in_the_changelog(project_root: Path) -> None:
    changelog = (project_root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{napari_stdiff.__version__}]" in changelog


@pytest.mark.parametrize("page", PAGES)
def test_python_on_the_page_runs(
    page: str, project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project_root / page).read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert snippets
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(snippets), page, "exec"), {"__name__": "__page__"})


def test_links_in_the_docs_lead_somewhere(project_root: Path) -> None:
    pages = [project_root / "README.md", project_root / "CONTRIBUTING.md"]
    pages += sorted((project_root / "docs").rglob("*.md"))
    broken = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert not broken
