"""Features of a frozen pretrained encoder, computed once a text whatever folds and strategies ask for them.

They see no label, so that sharing them between training and test rows tells nothing.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
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


@dataclass
class Pace:
    """What features cost in this process.

    Attributes:
        texts, seconds: Computed so far, and in how long.
        spared: Seconds that computing known ones again would have taken.
    """

    texts: int = 0
    seconds: float = 0.0
    spared: float = 0.0


_PACE = Pace()


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
    if missing:
        _compute(missing, name, run)
    _PACE.spared += (len(texts) - len(missing)) * _PACE.seconds / max(_PACE.texts, 1)
    return np.stack([_KNOWN[key] for key in keys])


def spared_seconds() -> float:
    """Seconds that known features have spared this process so far: whoever times a prediction adds what it was spared,
    as new texts will not be known."""
    return _PACE.spared


def _compute(missing: list[tuple[bytes, str]], name: str, run: Run | None) -> None:
    import torch

    tokeniser, encoder = _loaded(name)
    tokens = tokeniser.encode([text for _, text in missing])
    order = np.argsort(tokens.lengths, kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), AT_ONCE):
            rows, before = order[start : start + AT_ONCE], time.perf_counter()
            found = encoder(torch.from_numpy(tokens.padded(rows))).numpy()
            for row, features in zip(rows.tolist(), found, strict=True):
                _KNOWN[missing[row][0]] = features.copy()
            _PACE.texts, _PACE.seconds = _PACE.texts + len(rows), _PACE.seconds + time.perf_counter() - before
            if run is not None:
                run.tick(steps=1)


@cache
def _loaded(name: str) -> tuple[Any, Any]:
    """Tokeniser and frozen encoder, loaded once a process."""
    from sharewise.modalities.text import HubTokens, HuggingFace

    return HubTokens.load(name, length=LENGTH), HuggingFace.load(name).eval()


def _key(name: str, text: str) -> bytes:
    return hashlib.blake2b(f"{name}\0{text}".encode(), digest_size=16).digest()
