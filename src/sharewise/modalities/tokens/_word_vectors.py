"""A word by itself as a vector: of the word, of its affixes and shape, and of its letters by a small convolution.

Symbols: ``B`` sentences, ``L`` places, ``U`` different words, ``C`` letters, ``D`` width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.modalities.tokens._affixes import AFFIXES
from sharewise.modalities.tokens._lexical_inputs import LexicalBatch, LexicalSizes
from sharewise.modalities.tokens._vocabulary import PADDING, UNKNOWN


class WordVectors(nn.Module):
    """Final. ``(B, L, D)`` from a `LexicalBatch`, without looking at neighbours.

    Letters are read as by Ma and Hovy (*End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF*, ACL 2016,
    https://arxiv.org/abs/1603.01354, section 2.1): a convolution of three letters and the maximum over the word. Affixes
    are spaCy's idea of hashed embeddings, one table for all, side by side. Both are computed once for each different
    word of a batch.

    Args:
        width: ``D``.
        forget: Share of words whose own vector is replaced by that of unknown words while training.
    """

    def __init__(
        self,
        sizes: LexicalSizes,
        width: int,
        *,
        word: int = 64,
        affix: int = 24,
        letters: int = 32,
        dropout: float = 0.3,
        forget: float = 0.1,
    ) -> None:
        super().__init__()
        self.forget = forget
        self.words = nn.Embedding(sizes.words, word, padding_idx=PADDING)
        self.affixes = nn.Embedding(sizes.buckets, affix, padding_idx=PADDING)
        self.letters = nn.Embedding(sizes.letters, 16, padding_idx=PADDING)
        self.spelling = nn.Conv1d(16, letters, 3, padding=1)
        for table in (self.words, self.affixes, self.letters):
            # Of the size that the sum after them wants; torch's unit normals drown what is learnt first.
            nn.init.normal_(table.weight, std=0.1)
            with torch.no_grad():
                table.weight[PADDING] = 0.0
        self.mix = nn.Linear(word + AFFIXES * affix + letters, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: LexicalBatch) -> Tensor:
        """Vectors ``(B, L, D)``."""
        spelled = self.letters(batch.letters).transpose(1, 2)  # (U, 16, C)
        spelled = self.spelling(spelled)
        # Places beyond a word's end do not take part in the maximum, whoever is longer beside it.
        spelled = spelled.masked_fill((batch.letters == PADDING).unsqueeze(1), -1e4).amax(dim=2).relu()
        forms = torch.cat([self.affixes(batch.affixes).flatten(1), spelled], dim=1)  # (U, …)
        both = torch.cat(
            [self.words(self._forgotten(batch.words)), F.embedding(batch.spelled, forms)], dim=-1
        )
        mixed: Tensor = self.dropout(torch.relu(self.norm(self.mix(both))))
        return mixed

    def _forgotten(self, words: Tensor) -> Tensor:
        if not self.training or not self.forget:
            return words
        lost = (torch.rand(words.shape, device=words.device) < self.forget) & (words != PADDING)
        return torch.where(lost, UNKNOWN, words)
