"""Nearest neighbours, on inputs as they are or on a representation."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import Kind, MetaLearner, State, encode, refuse_batch_statistics
from sharewise.meta._episodes import Support
from sharewise.meta._prototypes import squared_distances

DOUBT = 0.1
"""How many votes are spread by distance, so that no class is impossible and votes that tie go to the nearer class."""


@final
class Neighbours(MetaLearner):
    """The k nearest support rows vote, or are averaged. Learns nothing by itself: a floor.

    Args:
        encoder: (N, *P) to features; None for the inputs as they are.
        k: How many, at most as many as the support has rows.
    """

    name: ClassVar[str] = "neighbours"
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def __init__(self, encoder: nn.Module | None = None, *, k: int = 1) -> None:
        super().__init__()
        if k < 1:
            raise OptionError(f"There is at least one neighbour; got k={k}. Raise it.")
        self.encoder, self.k = refuse_batch_statistics(encoder or nn.Identity()), k

    def _fit(self, support: Support) -> State:
        features = encode(self.encoder, support.x)
        values = support.y[..., None] if support.ways is None else support.one_hot
        return {"rows": features, "values": values.to(features.dtype), "mask": support.mask}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        values, there = state["values"], state["mask"]
        distances = squared_distances(encode(self.encoder, x), state["rows"])
        distances = distances.masked_fill(~there[:, None, :], torch.inf)
        k = min(self.k, distances.shape[-1])
        nearest = distances.topk(k, largest=False)
        weights = torch.zeros_like(distances).scatter(
            -1, nearest.indices, nearest.values.isfinite().to(values.dtype)
        )
        votes, count = weights @ values, weights.sum(-1, keepdim=True)
        if values.shape[-1] == 1:
            return (votes / count)[..., 0]
        strange = ~(values > 0).mT[:, None]  # (E, 1, W, S)
        nearer = -distances[:, :, None].masked_fill(strange, torch.inf).amin(-1).sqrt().log1p()
        return ((votes + DOUBT * nearer.softmax(-1)) / (count + DOUBT)).log()
