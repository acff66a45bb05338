"""A transformer neural process: query rows look up what they need among the support rows.

Symbols: `E` episodes, `S` support rows, `Q` query rows, `R` either, `H` heads, `D` width of a token, `L` layers.
"""

from __future__ import annotations

import math
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError
from sharewise.meta._base import State
from sharewise.meta._features import check_sizes
from sharewise.meta._neural_process import NeuralProcess


@final
class TransformerProcess(NeuralProcess):
    """TNP-D (Nguyen & Grover 2022, https://arxiv.org/abs/2207.04179), in-context learning from rows as tokens.

    A token is a row's features beside its label, or beside zeros where it is asked for. Support tokens attend to each
    other, query tokens to the support alone, so that no prediction depends on the other query rows; predictions are
    independent given the support (the paper's diagonal form). No token has a position: the order of rows is nothing.
    What a task keeps are the keys and values of its support rows in each layer, so a query row costs O(L S D).

    Layers normalise first (the paper's last), which trains without a long warm-up. Normalisations have no weights of
    their own, which the linear maps after them take in: the same functions, and right under ``torch.func`` too. So is
    attention, which is written out.

    Args:
        features, ways, encoder, shuffle, floor: As `NeuralProcess` says.
        width: D, a multiple of `heads`.
        depth: L.
        heads: H.
    """

    name: ClassVar[str] = "tnp"

    def __init__(
        self,
        features: int,
        ways: int | None = None,
        *,
        encoder: nn.Module | None = None,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        shuffle: bool = False,
        floor: float = 0.02,
    ) -> None:
        super().__init__(features, ways, encoder=encoder, shuffle=shuffle, floor=floor)
        check_sizes(width=width, depth=depth, heads=heads)
        if width % heads:
            raise OptionError(
                f"The width is shared out among the heads; got width={width} and heads={heads}. Pass a multiple."
            )
        self.embed = nn.Sequential(nn.Linear(self.row_width, width), nn.GELU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(depth))
        self.head = nn.Sequential(bare_norm(width), nn.Linear(width, self.outputs))

    def _read(self, rows: Tensor, mask: Tensor) -> State:
        tokens, memories = self.embed(rows), []
        for place, layer in enumerate(self._layers()):
            memories.append(layer.memory(tokens))
            if place + 1 < len(self.layers):  # after the last layer nothing reads support tokens
                tokens = layer(tokens, memories[-1], mask)
        return {"memory": torch.stack(memories, 1), "mask": mask}

    def _decode(self, state: State, features: Tensor) -> Tensor:
        tokens = self.embed(F.pad(features, (0, self.row_width - self.features)))
        for place, layer in enumerate(self._layers()):
            tokens = layer(tokens, state["memory"][:, place], state["mask"])
        return self.head(tokens)  # type: ignore[no-any-return]

    def _layers(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]


@final
class Layer(nn.Module):
    """One layer of tokens that attend to a memory, and then are each mapped by themselves."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = bare_norm(width)
        self.ask, self.keep, self.mix = (nn.Linear(width, size) for size in (width, 2 * width, width))
        self.each = nn.Sequential(
            bare_norm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def memory(self, tokens: Tensor) -> Tensor:
        """Keys and values (E, S, 2D) of tokens (E, S, D)."""
        return self.keep(self.norm(tokens))  # type: ignore[no-any-return]

    def forward(self, tokens: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Tokens (E, R, D) to the same shape; memory (E, S, 2D) of rows that are there, (E, S) bool."""
        found = attention(self.ask(self.norm(tokens)), memory, mask, self.heads)
        tokens = tokens + self.mix(found)
        return tokens + self.each(tokens)  # type: ignore[no-any-return]


def attention(asked: Tensor, memory: Tensor, mask: Tensor, heads: int) -> Tensor:
    """softmax(QK'/√d) V (E, R, D) in H heads, for Q (E, R, D) and K, V side by side (E, S, 2D).

    Written out, as fused kernels have no second derivative.
    """
    keys, values = memory.chunk(2, -1)
    q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (asked, keys, values))
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~mask[:, None, None], -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(-2)


def bare_norm(width: int) -> nn.LayerNorm:
    """Layer normalisation without weights."""
    return nn.LayerNorm(width, elementwise_affine=False)
