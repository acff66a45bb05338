"""Sentences to sub-words of a pretrained tokenizer, with each word's first.

Symbols: ``B`` sentences, ``L`` places, ``W`` windows, ``P`` pieces of the longest window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sharewise.errors import OptionError
from sharewise.modalities.tokens._affixes import bucket_of, shape_of
from sharewise.modalities.tokens._base import TokenInputs, Words
from sharewise.modalities.tokens._lexical_inputs import REMEMBERED

PIECES = 16
"""Sub-words of one word that are read; a web address of hundreds would crowd out its sentence."""
SHAPES = 512
"""Buckets of words' shapes, padding counted."""


class SubwordBatch(NamedTuple):
    """Codes of a batch.

    Attributes:
        pieces: ``(W, P)`` codes of sub-words, the tokenizer's own marks at both ends.
        attention: ``(W, P)``, 1 where a piece stands.
        window, place: ``(B, L)``, where in ``pieces`` each word's first sub-word stands.
        shape: ``(B, L)``, each word's shape as one of `SHAPES` buckets, 0 where none stands: a tokenizer that knows
            small letters only passes over it.
        mask: ``(B, L)``.
    """

    pieces: Tensor
    attention: Tensor
    window: Tensor
    place: Tensor
    shape: Tensor
    mask: Tensor


class SubwordInputs(TokenInputs):
    """Final. Words to the pieces of a Hugging Face tokenizer; a word's vector will be that of its first piece (Devlin et
    al., *BERT*, NAACL 2019, https://arxiv.org/abs/1810.04805, section 5.3).

    Words stay whole: they are tokenised one by one, and a sentence of more than ``window`` pieces is cut between words
    into windows that do not see one another. A word that a tokenizer drops (a lone control character) becomes its
    unknown piece, so that every word has a vector.

    Args:
        tokenizer: Of ``transformers``, slow or fast.
        window: Pieces that the encoder reads at once, marks included.
    """

    def __init__(self, tokenizer: Any, window: int = 128) -> None:
        self.tokenizer = tokenizer
        self.before, self.after = _marks(tokenizer)
        self.window = window
        self.room = window - len(self.before) - len(self.after)
        if self.room < PIECES:
            raise OptionError(
                f"a window has room for {PIECES} pieces and the tokenizer's {window - self.room} marks; got {window}. "
                "Raise it."
            )
        self._remembered: dict[str, list[int]] = {}

    def _batch(self, sentences: Sequence[Words]) -> SubwordBatch:
        found = self._pieces_of(sentences)
        shape = (len(sentences), max(len(words) for words in sentences))
        window, place = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        shapes = np.zeros(shape, dtype=np.int64)
        mask = np.zeros(shape, dtype=bool)
        windows: list[list[int]] = []
        for row, words in enumerate(sentences):
            windows.append([])
            for column, word in enumerate(words):
                pieces = found[word]
                if len(windows[-1]) + len(pieces) > self.room:
                    windows.append([])
                window[row, column] = len(windows) - 1
                place[row, column] = len(self.before) + len(windows[-1])
                windows[-1].extend(pieces)
            shapes[row, : len(words)] = [bucket_of(shape_of(word), SHAPES) for word in words]
            mask[row, : len(words)] = True
        whole = [[*self.before, *pieces, *self.after] for pieces in windows]
        padding = self.tokenizer.pad_token_id
        codes = np.full((len(whole), max(map(len, whole))), 0 if padding is None else padding, dtype=np.int64)
        there = np.zeros(codes.shape, dtype=np.int64)
        for row, pieces in enumerate(whole):
            codes[row, : len(pieces)] = pieces
            there[row, : len(pieces)] = 1
        return SubwordBatch(
            *(torch.from_numpy(array) for array in (codes, there, window, place, shapes, mask))
        )

    def _pieces_of(self, sentences: Sequence[Words]) -> dict[str, list[int]]:
        """Pieces of each different word; those not seen before are tokenised together."""
        different = dict.fromkeys(word for words in sentences for word in words)
        new = [word for word in different if word not in self._remembered]
        found = {word: self._remembered[word] for word in different if word in self._remembered}
        if new:
            # A long word's end is cut before the tokenizer works through it.
            given = [[word[: 50 * PIECES]] for word in new]
            codes = self.tokenizer(given, is_split_into_words=True, add_special_tokens=False)["input_ids"]
            unknown = self.tokenizer.unk_token_id
            nothing = self.before[:1] if unknown is None else [unknown]
            made = {word: list(pieces[:PIECES]) or nothing for word, pieces in zip(new, codes, strict=True)}
            found.update(made)
            if len(self._remembered) + len(made) <= REMEMBERED:
                self._remembered.update(made)
        return found


def _marks(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Codes that the tokenizer puts before and after a sentence, seen on one."""
    bare = tokenizer([["a"]], is_split_into_words=True, add_special_tokens=False)["input_ids"][0]
    marked = tokenizer([["a"]], is_split_into_words=True)["input_ids"][0]
    start = next(
        (place for place in range(len(marked)) if list(marked[place : place + len(bare)]) == list(bare)), 0
    )
    return list(marked[:start]), list(marked[start + len(bare) :])
