"""What a pretrained encoder that stands still says of words, computed once, and a small network over it.

Symbols: ``B`` sentences, ``L`` places, ``F`` features of a word, ``D`` width.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.modalities.tokens._affixes import bucket_of, shape_of
from sharewise.modalities.tokens._base import TokenEncoder, TokenInputs, Words
from sharewise.modalities.tokens._batches import rows_by_length
from sharewise.modalities.tokens._pretrained import load_pretrained
from sharewise.modalities.tokens._recurrent import BothWays, turned
from sharewise.modalities.tokens._subword_encoder import WINDOWS
from sharewise.modalities.tokens._subword_inputs import SHAPES, SubwordBatch, SubwordInputs
from sharewise.modalities.tokens._vocabulary import PADDING

Key = tuple[str, tuple[str, ...]]
"""A model's name and a sentence."""
Features = NDArray[np.float16]

BYTES = 384 * 2**20
"""Features that a process remembers at most."""
PLACES = 3000
"""Places that the pretrained model reads at once."""


class FrozenBatch(NamedTuple):
    """Features of a batch.

    Attributes:
        features: ``(B, L, F)``, zero where no word stands.
        shape: ``(B, L)``, each word's shape, as in `SubwordBatch`.
        mask: ``(B, L)``.
    """

    features: Tensor
    shape: Tensor
    mask: Tensor


class FrozenFeatures(TokenInputs):
    """Final. Each word's first sub-word in a pretrained encoder's middle and last layer, side by side.

    Middle layers tell more of words, last layers more of what the model was tuned for (Tenney et al., *BERT
    Rediscovers the Classical NLP Pipeline*, ACL 2019, https://arxiv.org/abs/1905.05950). No label enters, so what is
    known of a sentence holds for all folds and tasks: a process remembers it, by its words.

    Attributes:
        width: ``F``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        tokenizer, self.model = loaded(name)
        self.pieces = SubwordInputs(tokenizer)
        config: Any = self.model.config
        self.layers = (config.num_hidden_layers // 2, config.num_hidden_layers)
        self.width = int(config.hidden_size) * len(self.layers)

    def _batch(self, sentences: Sequence[Words]) -> FrozenBatch:
        found = self._features([tuple(words) for words in sentences])
        longest = max(len(words) for words in sentences)
        features = np.zeros((len(sentences), longest, self.width), dtype=np.float32)
        shape = np.zeros((len(sentences), longest), dtype=np.int64)
        for row, (words, own) in enumerate(zip(sentences, found, strict=True)):
            features[row, : len(words)] = own
            shape[row, : len(words)] = [bucket_of(shape_of(word), SHAPES) for word in words]
        codes = torch.from_numpy(shape)
        return FrozenBatch(torch.from_numpy(features), codes, codes != PADDING)

    def _features(self, sentences: Sequence[tuple[str, ...]]) -> list[Features]:
        """``(L, F)`` of each sentence, in half precision as they are remembered."""
        keys: list[Key] = [(self.name, words) for words in sentences]
        held = {key: _MEMORY.held[key] for key in keys if key in _MEMORY.held}
        new = [words for name, words in dict.fromkeys(keys) if (name, words) not in held]
        made: dict[Key, Features] = {}
        for rows in rows_by_length([len(words) for words in new], PLACES):
            chosen = [new[row] for row in rows]
            for words, own in zip(chosen, self._computed(chosen), strict=True):
                made[self.name, words] = own
        _MEMORY.add(made)
        held |= made
        return [held[key] for key in keys]

    @torch.no_grad()
    def _computed(self, sentences: Sequence[tuple[str, ...]]) -> list[Features]:
        batch: SubwordBatch = self.pieces.batch(sentences)
        parts = []
        for ids, there in zip(
            torch.split(batch.pieces, WINDOWS), torch.split(batch.attention, WINDOWS), strict=True
        ):
            hidden = self.model(input_ids=ids, attention_mask=there, output_hidden_states=True).hidden_states
            parts.append(torch.cat([hidden[layer] for layer in self.layers], dim=-1))
        words = torch.cat(parts)[batch.window, batch.place].half().numpy()
        return [row[: len(sentence)].copy() for row, sentence in zip(words, sentences, strict=True)]


class FrozenEncoder(TokenEncoder):
    """Final. A small recurrent network over `FrozenFeatures`: what the pretrained model knows, for these tasks."""

    def __init__(self, features: int, width: int = 64, *, shapes: int = 16, dropout: float = 0.2) -> None:
        super().__init__()
        self.out_features = 4 * width
        self.norm = nn.LayerNorm(features)
        self.shapes = nn.Embedding(SHAPES, shapes, padding_idx=PADDING)
        self.mix = nn.Linear(features + shapes, 2 * width)
        self.both = BothWays(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def _encode(self, batch: FrozenBatch) -> Tensor:
        given = torch.cat([self.norm(batch.features), self.shapes(batch.shape)], dim=-1)
        words = self.dropout(torch.relu(self.mix(self.dropout(given))))
        # Beside its neighbours a word keeps a straight way to the heads.
        return torch.cat([words, self.dropout(self.both(words, turned(batch.mask)))], dim=-1)


@cache
def loaded(name: str) -> tuple[Any, nn.Module]:
    """Tokenizer and frozen model of `load_pretrained`, once a process; who changes the model takes a copy."""
    tokenizer, model = load_pretrained(name)
    model.requires_grad_(False)
    return tokenizer, model.eval()


class _Memory:
    """Features by model and words, the oldest forgotten first."""

    def __init__(self) -> None:
        self.held: OrderedDict[Key, Features] = OrderedDict()
        self.bytes = 0

    def add(self, made: dict[Key, Features]) -> None:
        for key, features in made.items():
            self.held[key] = features
            self.bytes += features.nbytes
        while self.bytes > BYTES and self.held:
            self.bytes -= self.held.popitem(last=False)[1].nbytes


_MEMORY = _Memory()
