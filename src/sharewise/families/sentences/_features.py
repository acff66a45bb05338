"""The hand-made features of a practitioner's tagger: a word, its affixes and shape, and its neighbours.

Symbols: ``N`` words of all sentences.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sharewise.families.sentences._cells import Words

BITS = 24
"""Of a feature's hash; features that meet in one are told apart by nobody, which at this size is rare."""
NEIGHBOURS = (-2, -1, 1, 2)
OWN, NEAR = 10, 3
"""Features of a word and of each neighbour."""
PER_WORD = OWN + NEAR * len(NEIGHBOURS) + 2
EDGE = ""
"""Stands beyond both ends of a sentence."""


def features_of(sentences: Sequence[Words]) -> NDArray[np.int64]:
    """Hashed features of every word ``(N, PER_WORD)``, sentence after sentence."""
    rows: list[tuple[int, ...]] = []
    for words in sentences:
        count = len(words)
        for place, word in enumerate(words):
            found = list(_own(word))
            for step in NEIGHBOURS:
                there = place + step
                found += _near(words[there] if 0 <= there < count else EDGE, step)
            before = words[place - 1] if place else EDGE
            after = words[place + 1] if place + 1 < count else EDGE
            found += (_pair(before, word, "-"), _pair(word, after, "+"))
            rows.append(tuple(found))
    return np.array(rows, dtype=np.int64).reshape(-1, PER_WORD)


@lru_cache(maxsize=100_000)
def _own(word: str) -> tuple[int, ...]:
    low = word.lower()
    shape = _shape(word)
    forms = (f"w{word}", f"l{low}", f"s{shape}", f"p{low[:2]}", f"q{low[:3]}")
    return (*map(_hash, forms), *(_hash(f"{size}{low[-size:]}") for size in (1, 2, 3, 4)), _hash("bias"))


@lru_cache(maxsize=200_000)
def _near(word: str, step: int) -> tuple[int, ...]:
    low = word.lower()
    return (_hash(f"{step}l{low}"), _hash(f"{step}3{low[-3:]}"), _hash(f"{step}s{_shape(word)}"))


@lru_cache(maxsize=200_000)
def _pair(first: str, second: str, mark: str) -> int:
    return _hash(f"{mark}{first.lower()} {second.lower()}")


@lru_cache(maxsize=100_000)
def _shape(word: str) -> str:
    """Runs of capitals, small letters, digits and the rest."""
    found = ""
    for letter in word[:40]:
        mark = "X" if letter.isupper() else "x" if letter.isalpha() else "0" if letter.isdigit() else letter
        if not found.endswith(mark):
            found += mark
    return found


def _hash(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) >> (32 - BITS)
