"""A small transformer, trained from nothing."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError
from sharewise.modalities.text._base import TextEncoder, masked_mean


@final
class SmallTransformer(TextEncoder):
    """Final. Self-attention over the tokens, averaged over the text (Vaswani et al., *Attention Is All You Need*,
    NeurIPS 2017, https://arxiv.org/abs/1706.03762).

    Positions are sines (section 3.5), so that no length is the longest. Unlike there each block normalises first, which
    trains without a warm-up (Xiong et al. 2020, https://arxiv.org/abs/2002.04745), and by the root mean square, whose
    gradients of gradients are right under ``vmap``.

    Args:
        size: Ids of the vocabulary.
        width: ``D``, a multiple of ``2 * heads``.
        layers, heads: Blocks, and heads of each.
        dropout: Of embeddings and of what blocks add, while training.
        padding: The id that says nothing.
    """

    def __init__(
        self,
        size: int,
        *,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        padding: int = 0,
    ) -> None:
        if layers < 1 or heads < 1 or width < 1 or width % (2 * heads):
            raise OptionError(
                "a transformer has one layer or more, and a width that is a multiple of twice its heads; "
                f"got layers={layers}, heads={heads}, width={width}. Correct them."
            )
        super().__init__(size, width, padding=padding)
        self.words = nn.Embedding(size, width)
        nn.init.normal_(self.words.weight, std=1.0 / math.sqrt(width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.RMSNorm(width)

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        scale = math.sqrt(self.out_features)  # section 3.4
        x = self.dropout(self.words(ids) * scale + positions(ids.shape[1], self.words.weight))
        seen = mask[:, None, None, :]  # nobody looks at padding
        for block in self.blocks:
            x = block(x, seen)
        return masked_mean(self.norm(x), mask)


class Block(nn.Module):
    """Final. Attention, then two layers at each place, each added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.RMSNorm(width), nn.RMSNorm(width)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """``x`` ``(B, L, D)`` to the same; ``seen`` ``(B, 1, 1, L)`` where a token may be looked at."""
        rows, places, width = x.shape
        mixed = self.mixed(self.before(x)).view(rows, places, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # each (B, heads, L, D / heads)
        # Eq. 1, written out: the fused kernel has neither a rule for ``vmap`` nor a second derivative.
        score = (query @ key.transpose(2, 3)) / math.sqrt(width // self.heads)
        found = score.masked_fill(~seen, -math.inf).softmax(3) @ value
        x = x + self.dropout(self.out(found.transpose(1, 2).reshape(rows, places, width)))
        added: Tensor = self.down(F.gelu(self.up(self.between(x))))  # eq. 2, rectified smoothly
        result: Tensor = x + self.dropout(added)
        return result


def positions(places: int, like: Tensor) -> Tensor:
    """``(L, D)`` sines and cosines of each place (section 3.5), on the device and in the type of ``like`` ``(_, D)``."""
    half = like.shape[1] // 2
    rate = torch.exp(torch.arange(half, device=like.device) * (-math.log(10_000.0) / half))
    angle = torch.arange(places, device=like.device)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], 1).to(like.dtype)
