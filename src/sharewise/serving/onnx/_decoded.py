"""Letters back out of hashed grams, to draw texts that a model knows something of.

A run of two letters hashes to ``c1 · PRIME + c2``, mixed by steps that all have an inverse; so for a first letter the
second is what is left over, and a letter only if small enough.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities.text import Grams
from sharewise.modalities.text._grams import PRIME

FIRST_LETTERS = np.r_[32:127, 160:0x250, 0x370:0x460].astype(np.uint64)
SAMPLE = 4_000
"""Hashes that are looked at."""
MOST = 400


def pieces_of(grams: Grams) -> list[str]:
    """Some runs of two and three letters of the vocabulary."""
    rng = np.random.default_rng(0)
    hashes = grams.letters
    if len(hashes) > SAMPLE:
        hashes = rng.choice(hashes, SAMPLE, replace=False)
    pairs = _followed(_plain(hashes, 2), FIRST_LETTERS)
    known = pairs[0] * PRIME + pairs[1]
    if len(known) > MOST:
        some = rng.choice(len(known), MOST, replace=False)
        pairs, known = (pairs[0][some], pairs[1][some]), known[some]
    triples = _followed(_plain(hashes, 3), known)
    first = {int(one): chr(a) + chr(b) for one, a, b in zip(known, *pairs, strict=True)}
    found = [*first.values(), *(first[int(one)] + chr(c) for one, c in zip(*triples, strict=True))]
    return sorted({piece for piece in found if piece.strip()})[: 2 * MOST]


def _followed(
    plain: NDArray[np.uint64], before: NDArray[np.uint64]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """What stands before, and the letter after it, of the hashes that are such a run."""
    left = plain[None] - (before * PRIME)[:, None]
    small = (left < 0x110000) & ((left < 0xD800) | (left >= 0xE000))
    at, of = np.nonzero(small)
    return before[at], left[at, of]


def _plain(hashes: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """`sharewise.modalities.text._grams._mixed` undone."""
    x = hashes
    for bits, factor in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, None)):
        found = x
        for _ in range(64 // bits):
            found = x ^ (found >> np.uint64(bits))
        x = found if factor is None else found * np.uint64(pow(factor, -1, 2**64))
    return x - np.uint64(salt * 0xD1B54A32D192ED03 % 2**64)
