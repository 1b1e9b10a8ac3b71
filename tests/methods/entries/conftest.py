from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from napari_stdiff.data.visible import Visible

MakeVisible = Callable[..., Visible]


def _visible(
    cells: int = 320,
    genes: int = 24,
    share: float = 0.3,
    seed: int = 0,
    sections: int = 2,
    mask: int = 1,
) -> Visible:
    """Return counts of 5 cell types that lie in bands of y, a share of them hidden."""
    rng = np.random.default_rng(seed)
    profile = rng.gamma(0.6, 3.0, (5, genes))
    coords = np.c_[np.zeros(cells), rng.random((cells, 2)) * 100]
    kind = np.clip((coords[:, 1] / 20).astype(int), 0, 4)
    kind = np.where(rng.random(cells) < 0.3, rng.integers(0, 5, cells), kind)
    depth = rng.gamma(6, 1 / 6, (cells, 1))
    return Visible(
        genes=np.array([f"G{i}" for i in range(genes)], dtype=object),
        raw=rng.poisson(profile[kind] * depth).astype(np.float32),
        seen=np.random.default_rng(mask).random((cells, genes)) > share,
        values="counts",
        coords=coords,
        section=np.array([f"s{i % sections}" for i in range(cells)], dtype=object),
        tissue_name="bands",
    )


@pytest.fixture(scope="session")
def make_visible() -> MakeVisible:
    return _visible


def _pair(reference_cells: int = 260, lacking: int = 3, **how: int | float) -> Visible:
    """Return the same with a reference of the same cell types that lacks the last genes."""
    tissue = _visible(**how)
    rng = np.random.default_rng(int(how.get("seed", 0)))
    profile = rng.gamma(0.6, 3.0, (5, tissue.n_genes))[:, : tissue.n_genes - lacking]
    donor = np.random.default_rng(9).integers(0, 5, reference_cells)
    brightness = np.random.default_rng(8).gamma(4, 0.25, profile.shape[1])
    depth = np.random.default_rng(7).gamma(5, 0.4, (reference_cells, 1))
    counts = np.random.default_rng(6).poisson(profile[donor] * brightness * depth)
    return replace(
        tissue,
        reference_raw=sparse.csr_matrix(counts.astype(np.float32)),
        reference_columns=np.arange(profile.shape[1]),
        reference_type=np.array([f"type {k}" for k in donor], dtype=object),
        reference_name="donors",
    )


@pytest.fixture(scope="session")
def make_pair() -> MakeVisible:
    return _pair


@pytest.fixture(scope="session")
def tiny_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random T5 of 2 layers and a tokenizer of single characters, in a folder."""
    transformers = pytest.importorskip("transformers", reason="the extra [text] is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="the extra [text] is not installed")
    folder = tmp_path_factory.mktemp("t5")
    characters = [chr(i) for i in range(32, 127)]
    words = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *characters])}
    model = tokenizers.models.WordLevel(words, unk_token="<unk>")
    raw = tokenizers.Tokenizer(model)
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **special).save_pretrained(folder)
    sizes = {"d_model": 16, "d_kv": 4, "d_ff": 32, "num_layers": 2, "num_heads": 4}
    config = transformers.T5Config(vocab_size=len(words), **sizes)
    transformers.T5EncoderModel(config).save_pretrained(folder)
    return folder
