"""The fast baseline: the mean of the tokens' embeddings."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.text._base import TextEncoder, masked_mean

MIX = 1_000_003
"""A prime that spreads pairs of ids over the buckets."""


@final
class BagOfTokens(TextEncoder):
    """Final. Embeddings of words and of hashed pairs of neighbours, averaged (fastText: Joulin et al., *Bag of Tricks
    for Efficient Text Classification*, EACL 2017, https://arxiv.org/abs/1607.01759, sections 2 and 2.2).

    The order of words is seen through pairs only. Unlike there the hidden features may be dropped out.

    Args:
        size: Ids of the vocabulary.
        width: ``D``.
        pairs: Buckets of pairs; 0 leaves pairs out.
        dropout: Of features, while training.
        padding: The id that says nothing.
    """

    def __init__(
        self, size: int, *, width: int = 64, pairs: int = 0, dropout: float = 0.0, padding: int = 0
    ) -> None:
        super().__init__(size, width, padding=padding)
        if pairs < 0:
            raise OptionError(f"pairs fall into 0 or more buckets; got pairs={pairs}. Correct it.")
        self.pairs = pairs
        self.words = _table(size, width)
        self.neighbours = _table(pairs, width) if pairs else None
        self.dropout = nn.Dropout(dropout)

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        found = masked_mean(self.words(ids), mask)
        if self.neighbours is not None and ids.shape[1] > 1:
            both = (ids[:, :-1] * MIX + ids[:, 1:]) % self.pairs
            found = found + masked_mean(self.neighbours(both), mask[:, :-1] & mask[:, 1:])
        features: Tensor = self.dropout(found)
        return features


def _table(size: int, width: int) -> nn.Embedding:
    """As fastText starts: uniform, at most 1 / width in size."""
    table = nn.Embedding(size, width)
    torch.nn.init.uniform_(table.weight, -1.0 / width, 1.0 / width)
    return table
