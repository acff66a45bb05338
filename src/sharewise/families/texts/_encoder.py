"""From one row of `TextInputs` to features: a text encoder, and beside it the other columns.

Symbols: ``B`` rows, ``L`` tokens, ``P`` numbers of other columns.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from sharewise.families.texts._inputs import TextInputs
from sharewise.modalities.text import BagOfTokens, TextCNN
from sharewise.networks import mlp

WIDTH = 64
BAG_WIDTH = 32
BESIDE = 32
"""Features of the other columns."""
BUCKETS = 4_000
"""Of pairs of neighbours in the bag."""


@final
class TextAndNumbers(nn.Module):
    """Final. ``(B, L + P)`` to the text's features and those of the other columns.

    Args:
        text: From ids ``(B, L)``, or from frozen features ``(B, F)``, to ``(B, D)``.
        numbers: ``P``.
        ids: Whether the text comes as ids.
    """

    def __init__(self, text: nn.Module, width: int, numbers: int, *, ids: bool) -> None:
        super().__init__()
        self.text, self.numbers, self.ids = text, numbers, ids
        self.beside = mlp(numbers, (BESIDE,)) if numbers else None
        self.out_features = width + (BESIDE if numbers else 0)

    def forward(self, x: Tensor) -> Tensor:
        read = x[:, : x.shape[1] - self.numbers]
        found: Tensor = self.text(read.long() if self.ids else read)
        if self.beside is None:
            return found
        return torch.cat([found, self.beside(x[:, x.shape[1] - self.numbers :])], 1)


def build_encoder(learner: str, inputs: TextInputs, dropout: float) -> nn.Module:
    """The encoder of a learner, its weights drawn at random; ``dropout`` of the text's features, while training."""
    text: nn.Module
    if inputs.vocabulary is None:
        width = len(inputs.mean)
        text = nn.Sequential(nn.Dropout(dropout), mlp(width, (WIDTH,), dropout=dropout))
        return TextAndNumbers(text, WIDTH, inputs.numbers, ids=False)
    size = inputs.vocabulary.size
    if learner == "cnn":
        cnn = TextCNN(size, width=WIDTH, channels=WIDTH, dropout=dropout)
        return TextAndNumbers(cnn, cnn.out_features, inputs.numbers, ids=True)
    bag = BagOfTokens(size, width=BAG_WIDTH, pairs=BUCKETS, dropout=dropout)
    return TextAndNumbers(bag, BAG_WIDTH, inputs.numbers, ids=True)
