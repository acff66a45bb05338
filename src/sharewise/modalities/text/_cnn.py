"""Convolutions over words, the strongest window of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.text._base import TextEncoder

START = 0.25
"""Embeddings start as small as Kim's for words unknown to word2vec; with PyTorch's unit variance the filters learn the
noise of a few thousand texts before they learn the words."""


@final
class TextCNN(TextEncoder):
    """Final. Several filters a window size, the maximum of each over the text (Kim, *Convolutional Neural Networks
    for Sentence Classification*, EMNLP 2014, https://arxiv.org/abs/1408.5882, equations 2 to 4).

    Windows reach over both ends of the text (with zeros there), so that a text of one word has windows too; windows
    without any token count for nothing. ``D`` is ``channels`` times the number of window sizes.

    Args:
        size: Ids of the vocabulary.
        width: Of an embedding.
        windows: Words that a filter sees at once.
        channels: Filters a window size.
        dropout: Of features, while training (section 2.1).
        padding: The id that says nothing.
    """

    def __init__(
        self,
        size: int,
        *,
        width: int = 64,
        windows: Sequence[int] = (3, 4, 5),
        channels: int = 64,
        dropout: float = 0.5,
        padding: int = 0,
    ) -> None:
        if not windows or min(*windows, 1) < 1 or channels < 1 or width < 1:
            raise OptionError(
                "a text CNN has windows, channels and a width of at least 1; "
                f"got {tuple(windows)}, {channels} and {width}. Correct them."
            )
        super().__init__(size, channels * len(windows), padding=padding)
        self.words = nn.Embedding(size, width)
        nn.init.uniform_(self.words.weight, -START, START)
        self.filters = nn.ModuleList(
            nn.Conv1d(width, channels, window, padding=window - 1) for window in windows
        )
        self.dropout = nn.Dropout(dropout)

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = (self.words(ids) * mask.unsqueeze(2)).transpose(1, 2)  # (B, width, L)
        place = torch.arange(1, ids.shape[1] + 1, device=ids.device)
        length = (mask * place).amax(1, keepdim=True)  # up to the last token
        found: list[Tensor] = []
        for convolve in self.filters:
            strength = convolve(x).relu()  # eq. 2: (B, channels, L + window - 1)
            windows = strength.shape[2]
            # A rectified window is at least 0, so 0 is what leaves the maximum alone.
            there = torch.arange(windows, device=ids.device) < length + (windows - ids.shape[1])
            found.append((strength * there.unsqueeze(1)).amax(2))  # eq. 4, the maximum over time
        features: Tensor = self.dropout(torch.cat(found, 1))
        return features
