"""A vocabulary of whole words and of pieces for all other words, fitted by counting.

Our own rather than the ``tokenizers`` library: a fit and an encoding take a fraction of a second on 4,000 tweets,
everything fitted is two tuples of strings, and training from scratch needs no extra. `benchmarks/text.py` shows the
times of both. Pretrained encoders bring their own pieces (`HubTokens`).
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.modalities.text._texts import CHARACTERS_A_TOKEN, check_texts, cut_notes, reading_notes
from sharewise.modalities.text._token_rows import TokenRows
from sharewise.modalities.text._words import LONGEST_GRAM, grams_of, words_of

PADDING, EMPTY, FIRST = 0, 1, 2
"""The ids of nothing at all and of a text without words, and where the hashed characters begin."""
HASHED = 64
"""Ids that characters never seen in training share by their hash, so that two unseen emoji mostly differ."""
LONGEST = 256
"""The most tokens that a text is read to unless told otherwise."""
PIECES = 0.25
"""The share of a vocabulary that goes to pieces."""
REMEMBERED = 100_000
"""So many further words keep their split, until all are forgotten at once."""


@final
@dataclass(frozen=True)
class Vocabulary:
    """Words by frequency; an unseen word is split into the longest known pieces from its left (the greedy rule of
    WordPiece: Wu et al. 2016, https://arxiv.org/abs/1609.08144, section 4.1), an unseen character is hashed.

    Ids: 0 padding, 1 an empty or missing text, then `HASHED` buckets, words, pieces.

    Attributes:
        words: Kept whole.
        pieces: Runs of up to 4 letters that other words are made of.
        length: The most tokens of a text.
        lower: Whether case is ignored.
    """

    words: tuple[str, ...]
    pieces: tuple[str, ...]
    length: int
    lower: bool = True
    _known: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    _piece: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        entries: tuple[object, ...] = (*self.words, *self.pieces)  # a file may hold anything
        if not all(isinstance(entry, str) and entry for entry in entries):
            raise DataError("a vocabulary holds words, none of them empty. Fit it again.")
        if type(self.length) is not int or self.length < 1:
            raise OptionError(f"a text is read to at least one token; got length={self.length!r}. Raise it.")
        first = FIRST + HASHED
        object.__setattr__(self, "_known", {word: (first + i,) for i, word in enumerate(self.words)})
        first += len(self.words)
        object.__setattr__(self, "_piece", {piece: first + i for i, piece in enumerate(self.pieces)})

    @classmethod
    def fit(
        cls,
        texts: Iterable[str | None],
        *,
        size: int = 20_000,
        length: int | None = None,
        least: int = 2,
        lower: bool = True,
    ) -> Vocabulary:
        """The words and pieces of these texts, which should be training texts only.

        Args:
            size: The most ids.
            length: The most tokens of a text; default: as 99 of 100 of these texts need, at most `LONGEST`.
            least: A word is kept whole from so many occurrences on.

        Raises:
            DataError: There are no texts, no text has a word, or a cell is no text.
            OptionError: ``size`` leaves no room, or ``length`` or ``least`` is below one.
        """
        if size < FIRST + HASHED + 2 or least < 1 or (length is not None and length < 1):
            raise OptionError(
                f"a vocabulary has a size of {FIRST + HASHED + 2} or more, and length and least are at least 1; "
                f"got size={size}, length={length}, least={least}. Raise them."
            )
        column = check_texts(texts)
        bound = CHARACTERS_A_TOKEN * (length or LONGEST)
        counts: Counter[str] = Counter()
        for text in column:
            counts.update(words_of(text[:bound], lower))
        if not counts:
            raise DataError(
                f"a text column must hold words; all {len(column)} texts are empty or missing. Drop the column, or "
                "check how it was read."
            )
        room = size - FIRST - HASHED
        # Equal counts go by the word itself, so that the order of rows is of no matter.
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        words = [word for word, count in ranked if count >= least][: room - int(PIECES * room)]
        pieces = grams_of((word for word, _ in ranked), int(PIECES * room))
        found = cls(tuple(words), pieces, length or LONGEST, lower)
        if length is None:
            needed = np.quantile(found.encode(column).lengths, 0.99)
            found = cls(found.words, pieces, math.ceil(needed), lower)
        return found

    @property
    def size(self) -> int:
        """How many ids there are; an encoder's table has so many rows."""
        return FIRST + HASHED + len(self.words) + len(self.pieces)

    def encode(self, texts: Iterable[str | None]) -> TokenRows:
        """Any texts as ids, each at least one and at most ``length``; longer texts are cut, with a note.

        Raises:
            DataError: A cell is no text, or was read in the wrong encoding.
        """
        column = check_texts(texts)
        flat, starts = array("i"), np.zeros(len(column) + 1, dtype=np.int64)
        known, bound, cut = self._known, CHARACTERS_A_TOKEN * self.length, 0
        for row, text in enumerate(column):
            begin = len(flat)
            for word in words_of(text[:bound], self.lower):
                ids = known.get(word)
                flat.extend(self._learn(word) if ids is None else ids)
            if len(flat) == begin:
                flat.append(EMPTY)
            if len(flat) - begin > self.length:
                del flat[begin + self.length :]
                cut += 1
            elif len(text) > bound:
                cut += 1
            starts[row + 1] = len(flat)
        notes = (*cut_notes(cut, len(column), self.length), *reading_notes(column))
        return TokenRows(np.array(flat, dtype=np.int32), starts, PADDING, notes)

    def _learn(self, word: str) -> tuple[int, ...]:
        """The ids of a word that is not kept whole, remembered."""
        if len(self._known) > len(self.words) + REMEMBERED:
            for extra in list(self._known)[len(self.words) :]:
                self._known.pop(extra, None)  # a server's other thread may have been faster
        found = self._known[word] = self._split(word)
        return found

    def _split(self, word: str) -> tuple[int, ...]:
        found: list[int] = []
        place = 0
        while place < len(word):
            for size in range(min(LONGEST_GRAM, len(word) - place), 0, -1):
                piece = self._piece.get(word[place : place + size])
                if piece is not None:
                    break
            else:
                size, piece = 1, FIRST + zlib.crc32(word[place].encode()) % HASHED
            found.append(piece)
            place += size
        return tuple(found)
