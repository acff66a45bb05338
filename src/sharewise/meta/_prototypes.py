"""Prototypical networks: a class is the mean of its embedded rows."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.meta._base import MetaLearner, State, encode, refuse_batch_statistics
from sharewise.meta._episodes import Support


@final
class Prototypes(MetaLearner):
    """Nearest class mean in a learnt space (Snell et al. 2017, https://arxiv.org/abs/1703.05175).

    A logit is minus the squared Euclidean distance to the class's prototype (eq. 2), divided by the width D of the
    features and multiplied by a learnt scale, so that the softmax's temperature is learnt and does not depend on D.

    Args:
        encoder: (N, *P) to features, flattened to (N, D).
        scale: Where the learnt scale starts.
    """

    name: ClassVar[str] = "prototypes"

    def __init__(self, encoder: nn.Module, *, scale: float = 10.0) -> None:
        super().__init__()
        self.encoder = refuse_batch_statistics(encoder)
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def _fit(self, support: Support) -> State:
        return {"prototypes": class_means(encode(self.encoder, support.x), support.one_hot)}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        features = encode(self.encoder, x)
        return -self.log_scale.exp() / features.shape[-1] * squared_distances(features, state["prototypes"])


def class_means(features: Tensor, one_hot: Tensor) -> Tensor:
    """Means (E, W, D) of features (E, S, D) by class (eq. 1); zero for a class without rows."""
    weights = one_hot.to(features.dtype)
    return weights.mT @ features / weights.sum(1).clamp_min(1)[..., None]


def squared_distances(one: Tensor, other: Tensor) -> Tensor:
    """Squared Euclidean distances (E, Q, W) between rows (E, Q, D) and (E, W, D).

    Expanded to one matrix product; rounding may leave a distance near zero a hair below it.
    """
    squares = one.square().sum(-1)[:, :, None] + other.square().sum(-1)[:, None, :]
    return squares - 2 * one @ other.mT
