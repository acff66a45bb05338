"""Texts into words, in any script, and words into the letter grams worth keeping."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

LONGEST_WORD = 32
"""Longer runs of letters are cut into several words."""
LONGEST_GRAM = 4
LOOKED_AT = 50_000
"""Grams are counted in the most frequent words, so many at most."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that put no space between words (Thai, Lao, Burmese, Khmer, Kana, Han): each character is a word."""
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]{{1,{LONGEST_WORD}}}|[^\w\s]|_")


def words_of(text: str, lower: bool) -> list[str]:
    """Words, numbers, and each other visible character, left to right.

    Compatible forms are made one (full-width letters, ligatures: Unicode's NFKC), so that what looks alike is alike.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _WORD.findall(text.lower() if lower else text)


def grams_of(words: Iterable[str], room: int) -> tuple[str, ...]:
    """Every letter first, then the runs of letters that most words share, ``room`` at most.

    Each word counts once: unseen words look like the rare ones, not like the frequent ones. Longer runs are weighed
    by their length, as each saves so many tokens.
    """
    letters: Counter[str] = Counter()
    grams: Counter[str] = Counter()
    for word in islice(words, LOOKED_AT):
        letters.update(word)
        size = len(word)
        for width in range(2, min(LONGEST_GRAM, size) + 1):
            grams.update([word[place : place + width] for place in range(size - width + 1)])
    single = sorted(letters, key=lambda letter: (-letters[letter], letter))[:room]
    shared = [gram for gram, count in grams.items() if count > 1]
    shared.sort(key=lambda gram: (-grams[gram] * (len(gram) - 1), gram))
    return (*single, *shared[: max(0, room - len(single))])
