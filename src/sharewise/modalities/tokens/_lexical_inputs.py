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
from torch import Tensor

from sharewise.modalities.tokens._affixes import AFFIXES, affixes_of, bucket_of
from sharewise.modalities.tokens._base import TokenInputs, Words
from sharewise.modalities.tokens._vocabulary import PADDING, Vocabulary

LETTERS = 20
"""Letters of a word that are read: the first and the last ten of a longer one."""
REMEMBERED = 100_000
"""Different words whose codes are kept; beyond, they are computed again."""
_NOTHING = np.full(1 + AFFIXES + LETTERS, PADDING, dtype=np.int64).tobytes()
"""Codes where no word stands."""


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


class LexicalInputs(TokenInputs):
    """Final. Words in small letters with digits as 0, hashed affixes, and letters as they are.

    Attributes:
        sizes: What an encoder must know.
    """

    def __init__(self, words: Vocabulary, letters: Vocabulary, buckets: int = 10_000) -> None:
        self.words = words
        self.letters = letters
        self.sizes = LexicalSizes(len(words), len(letters), buckets)
        self._remembered: dict[str, bytes] = {}

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
        # Every word's codes are as long, so that a batch's are one piece of memory, whatever its words.
        codes = np.frombuffer(b"".join([_NOTHING, *map(self._codes, row_of)]), dtype=np.int64)
        table = codes.reshape(len(row_of) + 1, -1)
        letters = table[:, 1 + AFFIXES :]
        longest = int((letters != PADDING).sum(axis=1).max())
        return LexicalBatch(
            torch.from_numpy(table[:, 0][spelled]),
            torch.from_numpy(table[:, 1 : 1 + AFFIXES].copy()),
            torch.from_numpy(letters[:, :longest].copy()),
            torch.from_numpy(spelled),
            torch.from_numpy(spelled > 0),
        )

    def _codes(self, word: str) -> bytes:
        """Of the word, its affixes and its letters, padded: a row as `_NOTHING`."""
        found = self._remembered.get(word)
        if found is None:
            shown = word if len(word) <= LETTERS else word[: LETTERS // 2] + word[-(LETTERS // 2) :]
            row = np.full(1 + AFFIXES + LETTERS, PADDING, dtype=np.int64)
            row[0] = self.words.code(plain(word))
            row[1 : 1 + AFFIXES] = [bucket_of(feature, self.sizes.buckets) for feature in affixes_of(word)]
            row[1 + AFFIXES : 1 + AFFIXES + len(shown)] = [self.letters.code(letter) for letter in shown]
            found = row.tobytes()
            if len(self._remembered) < REMEMBERED:
                self._remembered[word] = found
        return found


def plain(word: str) -> str:
    """The form under which a word is looked up.

    >>> plain("B-52")
    'b-00'
    """
    return "".join("0" if letter.isdigit() else letter for letter in word.lower())
