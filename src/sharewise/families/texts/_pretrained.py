"""Features of a frozen pretrained encoder, computed once a text whatever folds and strategies ask for them.

They see no label, so that sharing them between training and test rows tells nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._sample import Run
from sharewise.modalities.text._hub import PACKAGED

LENGTH = 64
"""Tokens of a text that are read; time grows with them."""
AT_ONCE = 32
MOST_KEPT = 50_000
"""Texts whose features are kept (1.5 kB each); then all are forgotten at once."""

_KNOWN: dict[bytes, NDArray[np.float32]] = {}


def is_installed(name: str) -> bool:
    """Whether the packaged encoder of that short name can be loaded here, found out without importing anything."""
    needed = (PACKAGED[name][0], "transformers", "tokenizers")
    return all(find_spec(package) is not None for package in needed)


def frozen_features(texts: list[str], name: str, run: Run | None) -> NDArray[np.float32]:
    """Features ``(n, F)``; those that are not known yet are computed, texts of like length together.

    Raises:
        OutOfTime: The run's deadline has passed; what is computed by then stays known.
        OptionError: The extra is missing.
    """
    keys = [_key(name, text) for text in texts]
    missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in _KNOWN}.items())
    if len(_KNOWN) + len(missing) > MOST_KEPT:
        _KNOWN.clear()
        missing = list(dict(zip(keys, texts, strict=True)).items())
    for row, features in _one_by_one([text for _, text in missing], name, run) if missing else ():
        _KNOWN[missing[row][0]] = features
    return np.stack([_KNOWN[key] for key in keys])


def computed(texts: list[str], name: str, run: Run | None = None) -> NDArray[np.float32]:
    """Features ``(n, F)``, those of equal texts twice; texts of like length go together.

    Raises:
        OutOfTime: The run's deadline has passed.
        OptionError: The extra is missing.
    """
    found: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(texts)
    for row, features in _one_by_one(texts, name, run):
        found[row] = features
    return np.stack(found)


def _one_by_one(texts: list[str], name: str, run: Run | None) -> Iterator[tuple[int, NDArray[np.float32]]]:
    import torch

    tokeniser, encoder = _loaded(name)
    tokens = tokeniser.encode(texts)
    order = np.argsort(tokens.lengths, kind="stable")
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        with torch.inference_mode():
            found = encoder(torch.from_numpy(tokens.padded(rows))).numpy()
        yield from zip(rows.tolist(), (features.copy() for features in found), strict=True)
        if run is not None:
            run.tick(steps=1)


@cache
def _loaded(name: str) -> tuple[Any, Any]:
    """Tokeniser and frozen encoder, loaded once a process."""
    from sharewise.modalities.text import HubTokens, HuggingFace

    return HubTokens.load(name, length=LENGTH), HuggingFace.load(name).eval()


def _key(name: str, text: str) -> bytes:
    return hashlib.blake2b(f"{name}\0{text}".encode(), digest_size=16).digest()
