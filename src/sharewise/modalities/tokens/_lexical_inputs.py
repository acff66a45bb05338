"""Sentences to codes of words, affixes and letters, for encoders trained from scratch.

Symbols: ``B`` sentences, ``L`` places, ``F`` hashed features of a word, ``U`` different words of a batch, ``C`` letters of
the longest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.modalities.tokens._affixes import AFFIXES, affixes_of, bucket_of
from sharewise.modalities.tokens._base import TokenInputs, Words
from sharewise.modalities.tokens._vocabulary import PADDING, Vocabulary

LETTERS = 20
"""Letters of a word that are read: the first and the last ten of a longer one."""
REMEMBERED = 100_000
"""Different words whose codes are kept; beyond, they are computed again."""


class LexicalSizes(NamedTuple):
    """How many codes there are of words, letters and hashed features, padding counted."""

    words: int
    letters: int
    buckets: int


class LexicalBatch(NamedTuple):
    """Codes of a batch; each different word is spelled once.

    Attributes:
        words: ``(B, L)``.
        affixes: ``(U, F)`` buckets of each different word.
        letters: ``(U, C)``.
        spelled: ``(B, L)``, the row of ``affixes`` and ``letters``; 0 is a row of padding.
        mask: ``(B, L)``.
    """

    words: Tensor
    affixes: Tensor
    letters: Tensor
    spelled: Tensor
    mask: Tensor


class _Codes(NamedTuple):
    word: int
    affixes: tuple[int, ...]
    letters: NDArray[np.int64]


class LexicalInputs(TokenInputs):
    """Final. Words in small letters with digits as 0, hashed affixes, and letters as they are.

    Attributes:
        sizes: What an encoder must know.
    """

    def __init__(self, words: Vocabulary, letters: Vocabulary, buckets: int = 10_000) -> None:
        self.words = words
        self.letters = letters
        self.sizes = LexicalSizes(len(words), len(letters), buckets)
        self._remembered: dict[str, _Codes] = {}

    @classmethod
    def fit(cls, sentences: Iterable[Words], *, at_least: int = 2, buckets: int = 10_000) -> LexicalInputs:
        """Vocabularies of these sentences.

        Args:
            at_least: How often a word must come to get a vector of its own; the others share that of unknown
                words, which so is trained, and are told apart by affixes and letters.
        """
        given = list(chain.from_iterable(sentences))
        known = Vocabulary.fit((plain(word) for word in given), at_least=at_least)
        letters = Vocabulary.fit(chain.from_iterable(word[:LETTERS] for word in given), at_least=at_least)
        return cls(known, letters, buckets)

    def _batch(self, sentences: Sequence[Words]) -> LexicalBatch:
        row_of: dict[str, int] = {}
        lengths = [len(words) for words in sentences]
        spelled = np.zeros((len(sentences), max(lengths)), dtype=np.int64)
        for row, words in enumerate(sentences):
            spelled[row, : len(words)] = [row_of.setdefault(word, len(row_of) + 1) for word in words]
        codes = [self._codes(word) for word in row_of]
        letters = np.full((len(codes) + 1, max(len(code.letters) for code in codes)), PADDING, dtype=np.int64)
        for place, code in enumerate(codes, start=1):
            letters[place, : len(code.letters)] = code.letters
        affixes = np.array([(0,) * AFFIXES, *(code.affixes for code in codes)], dtype=np.int64)
        known = np.array([PADDING, *(code.word for code in codes)], dtype=np.int64)
        return LexicalBatch(
            torch.from_numpy(known[spelled]),
            torch.from_numpy(affixes),
            torch.from_numpy(letters),
            torch.from_numpy(spelled),
            torch.from_numpy(spelled > 0),
        )

    def _codes(self, word: str) -> _Codes:
        found = self._remembered.get(word)
        if found is None:
            shown = word if len(word) <= LETTERS else word[: LETTERS // 2] + word[-(LETTERS // 2) :]
            found = _Codes(
                self.words.code(plain(word)),
                tuple(bucket_of(feature, self.sizes.buckets) for feature in affixes_of(word)),
                np.array([self.letters.code(letter) for letter in shown], dtype=np.int64),
            )
            if len(self._remembered) < REMEMBERED:
                self._remembered[word] = found
        return found


def plain(word: str) -> str:
    """The form under which a word is looked up.

    >>> plain("B-52")
    'b-00'
    """
    return "".join("0" if letter.isdigit() else letter for letter in word.lower())
