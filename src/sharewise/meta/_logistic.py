"""Multinomial logistic regression as the last layer, a few Newton steps for each task."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import MetaLearner, State, encode, masked_ways, refuse_batch_statistics
from sharewise.meta._episodes import Support


@final
class Logistic(MetaLearner):
    """Logistic regression with a squared penalty, by Newton steps that are differentiated through (Bertinetto et
    al. 2019, https://arxiv.org/abs/1805.08136, section 3.2, there for two classes).

    Minimises the summed cross-entropy + λ/2 |W|², with λ learnt across tasks. The steps run on the S×W outputs
    rather than on D×W weights (Rasmussen and Williams 2006, algorithm 3.3, with the linear kernel XX'/λ): W systems
    of S×S a step, whatever D. The intercept is the weight of a constant feature 1, penalised with the rest.

    Args:
        encoder: (N, *P) to features, flattened to (N, D).
        penalty: λ, or where its learning starts.
        steps: Newton steps from zero; five are mostly enough.
        learn_penalty: Whether λ is learnt.
    """

    name: ClassVar[str] = "logistic"

    def __init__(
        self, encoder: nn.Module, *, penalty: float = 1.0, steps: int = 5, learn_penalty: bool = True
    ) -> None:
        super().__init__()
        if penalty <= 0 or steps < 1:
            raise OptionError(
                f"A logistic head has a penalty above zero and at least one step; got {penalty} and {steps}. "
                "Raise them."
            )
        self.encoder, self.steps = refuse_batch_statistics(encoder), steps
        self.log_penalty = nn.Parameter(torch.tensor(penalty).log(), requires_grad=learn_penalty)
        self.log_scale = nn.Parameter(torch.tensor(1.0).log())

    def _fit(self, support: Support) -> State:
        rows = _with_constant(encode(self.encoder, support.x))
        rows = rows.masked_fill(~support.mask[..., None], 0)
        penalty = self.log_penalty.exp()
        kernel = rows @ rows.mT / penalty
        outputs = torch.zeros_like(support.one_hot, dtype=rows.dtype)
        dual = outputs
        for _ in range(self.steps):
            dual = _newton(kernel, outputs, support)
            outputs = kernel @ dual
        return {"weights": rows.mT @ dual / penalty}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        return self.log_scale.exp() * (_with_constant(encode(self.encoder, x)) @ state["weights"])


def _newton(kernel: Tensor, outputs: Tensor, support: Support) -> Tensor:
    """Dual weights (E, S, W) after one Newton step from outputs (E, S, W); the next outputs are K times these."""
    there = support.mask[..., None]
    chances = masked_ways(outputs, support.ways).softmax(-1).masked_fill(~there, 0)  # (E, S, W) π
    slope = support.one_hot.to(outputs.dtype) - chances
    # Of each class, sqrt of π down the side of an S×S system: I + √π K √π (E, W, S, S).
    root = torch.where(chances > 0, chances, torch.ones_like(chances)).sqrt() * (chances > 0)
    root = root.mT[..., None]
    eye = torch.eye(kernel.shape[-1], dtype=kernel.dtype, device=kernel.device)
    factor, _ = torch.linalg.cholesky_ex(eye + root * kernel[:, None] * root.mT)
    each = root * torch.cholesky_solve(root.mT * eye, factor)  # E_c = √π (I + √π K √π)⁻¹ √π
    # Rows that are padded have no part in M = Σ E_c; a one on the diagonal keeps it solvable.
    total, _ = torch.linalg.cholesky_ex(each.sum(1) + eye * ~there)
    # b = (diag π − Π Π') f + y − π
    right = chances * (outputs - (chances * outputs).sum(-1, keepdim=True)) + slope
    moved = _each(each, kernel @ right)  # c = E K b
    shared = torch.cholesky_solve(moved.sum(-1, keepdim=True), total)  # M⁻¹ R' c
    return right - moved + _each(each, shared.expand_as(moved))


def _each(systems: Tensor, columns: Tensor) -> Tensor:
    """Of each class its matrix (E, W, S, S) times its column of (E, S, W)."""
    return (systems @ columns.mT[..., None])[..., 0].mT


def _with_constant(features: Tensor) -> Tensor:
    return torch.cat([features, torch.ones_like(features[..., :1])], -1)
