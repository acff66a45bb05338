"""Ridge regression as the last layer, solved for each task, its penalty learnt across tasks."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import Kind, MetaLearner, State, encode, refuse_batch_statistics
from sharewise.meta._episodes import Support
from sharewise.meta._solve import fit_ridge


@final
class Ridge(MetaLearner):
    """R2-D2: a differentiable ridge head (Bertinetto et al. 2019, https://arxiv.org/abs/1805.08136).

    The task's weights minimise |Xw − Y|² + λ|w|² on its support (eq. 4–5), with λ learnt across tasks. Features and
    targets are centred on the support's mean first, so the intercept is not penalised (the paper appends a constant
    feature, whose weight is). Classes are one-hot targets, and predictions times a learnt scale are logits (eq. 6,
    whose bias would not move a softmax).

    Args:
        encoder: (N, *P) to features, flattened to (N, D).
        penalty: λ, or where its learning starts.
        scale: Of logits, where its learning starts; numbers are predicted without it.
        learn_penalty: Whether λ is learnt.
    """

    name: ClassVar[str] = "ridge"
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def __init__(
        self, encoder: nn.Module, *, penalty: float = 1.0, scale: float = 10.0, learn_penalty: bool = True
    ) -> None:
        super().__init__()
        if penalty <= 0:
            raise OptionError(
                f"A ridge penalty is above zero; got {penalty}. Pass a small positive one for hardly any."
            )
        self.encoder = refuse_batch_statistics(encoder)
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log(), requires_grad=learn_penalty)
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def _fit(self, support: Support) -> State:
        features = encode(self.encoder, support.x)
        numbers = support.ways is None
        targets = support.y[..., None].to(features.dtype) if numbers else support.one_hot.to(features.dtype)
        there = support.mask[..., None]
        x_mean, y_mean = masked_mean(features, there), masked_mean(targets, there)
        # Padded rows become zeros on both sides, which a ridge system does not see.
        x, y = (features - x_mean).masked_fill(~there, 0), (targets - y_mean).masked_fill(~there, 0)
        weights = fit_ridge(x, self.log_penalty.exp(), y)
        return {"weights": weights, "intercept": y_mean - x_mean @ weights}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        outputs = encode(self.encoder, x) @ state["weights"] + state["intercept"]
        # One column of numbers, or W ≥ 2 of classes.
        return outputs[..., 0] if outputs.shape[-1] == 1 else self.log_scale.exp() * outputs


def masked_mean(values: Tensor, there: Tensor) -> Tensor:
    """Mean (E, 1, C) over the rows of values (E, S, C) that are there, (E, S, 1) bool."""
    return values.masked_fill(~there, 0).sum(1, keepdim=True) / there.sum(1, keepdim=True)
