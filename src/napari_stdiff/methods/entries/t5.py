"""A T5 encoder through `transformers`, from the user's cache or a folder; never online."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...compute.errors import StdiffError
from ...compute.monitor import Monitor

_AT_ONCE = 32  # texts
_MOST_TOKENS = 512


class T5Encoder:
    """Frozen: turns texts into vectors, the mean over their tokens.

    Attributes
    ----------
    name
        What it was loaded by.
    dim
        Length of a vector.
    """

    def __init__(self, name: str, tokenizer: Any, model: Any, device: torch.device) -> None:
        self.name, self._tokenizer, self._device = name, tokenizer, device
        self._model = model.to(device).eval().requires_grad_(False)
        self.dim = int(model.config.d_model)

    @classmethod
    def load(cls, name: str, device: torch.device) -> T5Encoder:
        """Load what is at hand; nothing is downloaded.

        Parameters
        ----------
        name
            Of a model in the Hugging Face cache, or a folder with model and tokenizer.
        device
            Where to run it.

        Raises
        ------
        StdiffError
            When `transformers` is not installed, or there is no such model here.
        """
        try:
            from transformers import AutoTokenizer, T5EncoderModel
        except ImportError as error:
            raise StdiffError(
                "A T5 encoder needs the package transformers; install "
                "\"napari-stdiff[text]\", or say text='small' or 'off'."
            ) from error
        folder = Path(name).expanduser()
        place = str(folder) if folder.is_dir() else name
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
            model = T5EncoderModel.from_pretrained(place, local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
            raise StdiffError(
                f"There is no T5 model '{name}' in the cache, nor in a folder of that name, and "
                "nothing is downloaded; get it by `hf download`, name a folder that has it, or "
                "say text='small' or 'off'."
            ) from error
        return cls(name, tokenizer, model, device)

    def vectors(self, texts: Sequence[str], monitor: Monitor, what: str) -> np.ndarray:
        """Return (texts, dim) float32 means over the tokens of each text.

        Texts are encoded in the order of their lengths, which wastes least; the answer is in the
        order given. Equal texts are encoded once.

        Parameters
        ----------
        texts
            What to encode.
        monitor
            Progress and cancel.
        what
            What these are, for the progress.
        """
        once = sorted(set(texts), key=lambda text: (len(text), text))
        found = np.empty((len(once), self.dim), dtype=np.float32)
        for start in range(0, len(once), _AT_ONCE):
            monitor.step(start, len(once), what)
            some = once[start : start + _AT_ONCE]
            tokens = self._tokenizer(
                some,
                return_tensors="pt",
                padding=True,
                truncation=True,
                max_length=_MOST_TOKENS,
            ).to(self._device)
            ids, mask = tokens["input_ids"], tokens["attention_mask"]
            with torch.no_grad():
                hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask[:, :, None].to(hidden)
            mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
            found[start : start + len(some)] = mean.float().cpu().numpy()
        place = {text: i for i, text in enumerate(once)}
        return found[[place[text] for text in texts]]
