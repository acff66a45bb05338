"""What an unknown word's form still says: its beginning, its end and its shape, each hashed into buckets.

So "Kowalskiville" shares numbers with "Nashville" (end) and "London" (shape) though none was seen. The hashing trick is
Weinberger et al.'s (*Feature Hashing for Large Scale Multitask Learning*, ICML 2009, https://arxiv.org/abs/0902.2206).
"""

from __future__ import annotations

import zlib
from itertools import groupby

AFFIXES = 5
"""Features of a word."""


def affixes_of(word: str) -> tuple[str, ...]:
    """Two letters of beginning, two, three and four of end, and the shape, told apart by a leading mark.

    >>> affixes_of("Running")
    ('<ru', '2ng', '3ing', '4ning', '=Xx')
    """
    low = word.lower()
    return (f"<{low[:2]}", f"2{low[-2:]}", f"3{low[-3:]}", f"4{low[-4:]}", f"={shape_of(word)}")


def shape_of(word: str) -> str:
    """Runs of capitals, small letters, other letters, digits and the rest, each run as one mark.

    >>> shape_of("McDonald's"), shape_of("1999-2001"), shape_of("U.S.")
    ("XxXx'x", 'd-d', 'X.X.')
    """
    # Of a long word the beginning tells enough; a run of the same mark is one.
    return "".join(mark for mark, _ in groupby(_mark(letter) for letter in word[:40]))


def bucket_of(feature: str, buckets: int) -> int:
    """A bucket from 1 to ``buckets - 1``, the same in every process; 0 is kept for padding."""
    return zlib.crc32(feature.encode("utf-8", "surrogatepass")) % (buckets - 1) + 1


def _mark(letter: str) -> str:
    if letter.isupper():
        return "X"
    if letter.islower():
        return "x"
    if letter.isalpha():
        return "c"
    return "d" if letter.isdigit() else letter
