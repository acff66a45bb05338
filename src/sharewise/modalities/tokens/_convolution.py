"""Words in their sentence by convolutions: each layer looks one word further to both sides."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.modalities.tokens._base import TokenEncoder
from sharewise.modalities.tokens._lexical_inputs import LexicalBatch, LexicalSizes
from sharewise.modalities.tokens._word_vectors import WordVectors


class ConvolutionEncoder(TokenEncoder):
    """Final. `WordVectors`, then gated convolutions over three words with residual connections (Dauphin et al.,
    *Language Modeling with Gated Convolutional Networks*, ICML 2017, https://arxiv.org/abs/1612.08083, eq. 1).

    No step waits for the one before, unlike a recurrent network's. A word sees ``layers`` neighbours to each side.

    Args:
        width: Of a word's vector.
    """

    def __init__(
        self, sizes: LexicalSizes, width: int = 128, *, layers: int = 4, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.out_features = width
        self.words = WordVectors(sizes, width, dropout=dropout)
        self.layers = nn.ModuleList(_Gated(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def _encode(self, batch: LexicalBatch) -> Tensor:
        there = batch.mask.unsqueeze(-1)
        vectors = self.words(batch)
        for layer in self.layers:
            vectors = vectors + layer(vectors, there)
        out: Tensor = self.norm(vectors)
        return out


class _Gated(nn.Module):
    """One layer: normalised, convolved over three words, gated."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolve = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, there: Tensor) -> Tensor:
        # Zero beyond the sentence's end, as the convolution's own padding is: neighbours in the batch change nothing.
        given = (self.norm(vectors) * there).transpose(1, 2)
        out: Tensor = self.dropout(F.glu(self.convolve(given), dim=1).transpose(1, 2))
        return out
