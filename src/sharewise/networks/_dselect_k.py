"""DSelect-k: each task chooses at most k of the experts, by a gate that is smooth everywhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._base import Features, for_task
from sharewise.networks._experts import ExpertFactory
from sharewise.networks._heads import Heads
from sharewise.networks._mixture import Mixture
from sharewise.networks._per_task import PerTask


class DSelectK(Mixture):
    """Final. Experts mixed by sparse gates (Hazimeh et al., *DSelect-k: Differentiable Selection in the Mixture
    of Experts with Applications to Multi-Task Learning*, NeurIPS 2021, https://arxiv.org/abs/2106.03760).

    As `MMoE`, but a gate is the mean, by learnt weights, of ``k`` selectors, each of which ends up choosing
    one expert. All experts are computed, also those that no task chose.

    Args:
        experts: ``E``, a power of two: a selector writes an expert's number in binary. (The paper takes other
            numbers with a further penalty; here they are refused.)
        k: Most experts that a task uses.
        per_example: Each row has its own choice (the paper's per-example gating); else each task has one
            (static gating).
        gamma: Width of the smooth step; a narrower one decides sooner.
        entropy: Factor of the selectors' mean entropy (natural logarithm) in `penalties`, which makes them
            decide; 0 for none.
        expert, example: As for `MMoE`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        experts: int = 4,
        k: int = 2,
        per_example: bool = False,
        gamma: float = 1.0,
        entropy: float = 0.0,
        expert: ExpertFactory | None = None,
        example: Any = None,
    ) -> None:
        if experts < 2 or experts & (experts - 1):
            raise OptionError(f"DSelect-k takes 2, 4, 8, … experts; got {experts}. Take a power of two.")
        if not 1 <= k <= experts:
            raise OptionError(f"k is between 1 and the number of experts ({experts}); got {k}. Correct it.")
        if gamma <= 0 or entropy < 0:
            raise OptionError(
                f"gamma is above 0 and entropy at least 0; got {gamma:g} and {entropy:g}. Correct them."
            )
        super().__init__(encoder, heads, experts, expert, example)
        self.entropy = entropy
        width = self.width if per_example else None
        self.gates = PerTask({task: Selector(experts, k, width, gamma) for task in self.tasks})

    def penalties(self, features: Features, tasks: Sequence[str] | None = None) -> dict[str, Tensor]:
        """The entropy of each task's selectors times its factor; nothing where the factor is 0."""
        if not self.entropy:
            return {}
        found: dict[str, Tensor] = {}
        for task in self._named(tasks):
            _, read = for_task(features, task)
            chances = self.gates[task].chances(read)
            found[task] = self.entropy * torch.special.entr(chances).sum(dim=-1).mean()
        return found

    def _weights(self, x: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        return {task: self.gates[task](x) for task in tasks}

    def _own(self, task: str) -> Iterable[nn.Module]:
        return (self.gates[task],)


class Selector(nn.Module):
    """Final. One task's gate: ``k`` selectors of one expert each, and their weights (section 3 of the paper)."""

    codes: Tensor
    logits: nn.Parameter | None
    scores: nn.Parameter | None
    to_logits: nn.Linear | None
    to_scores: nn.Linear | None

    def __init__(self, experts: int, k: int, width: int | None, gamma: float) -> None:
        super().__init__()
        self.k, self.gamma = k, gamma
        self.bits = int(math.log2(experts))
        place = torch.arange(experts)[:, None] >> torch.arange(self.bits)
        self.register_buffer("codes", (place & 1).bool(), persistent=False)  # (E, bits)
        # Near the middle of the step, where no expert is chosen yet. One selector needs no weight.
        self.logits = self.scores = None
        self.to_logits = self.to_scores = None
        if width is None:
            self.logits = nn.Parameter((torch.rand(k, self.bits) - 0.5) * gamma / 50)
            self.scores = nn.Parameter((torch.rand(k) - 0.5) / 5) if k > 1 else None
        else:
            self.to_logits = nn.Linear(width, k * self.bits, bias=False)
            self.to_scores = nn.Linear(width, k, bias=False) if k > 1 else None
            with torch.no_grad():
                self.to_logits.weight.mul_(gamma / 5)

    def forward(self, x: Tensor) -> Tensor:
        """Weights ``(B, E)`` that sum to one, from ``(B, C)``: the selectors' chances, averaged by a softmax."""
        chances = self.chances(x)
        if self.k == 1:
            return chances[:, 0]
        scores = self.to_scores(x) if self.to_scores is not None else self.scores
        assert scores is not None
        return torch.einsum("bk,bke->be", scores.softmax(dim=-1).expand(x.shape[0], -1), chances)

    def chances(self, x: Tensor) -> Tensor:
        """``(B, k, E)``: expert e's is the product over its bits of the step, or of one minus the step."""
        if self.to_logits is not None:
            logits = self.to_logits(x).view(x.shape[0], self.k, self.bits)
        else:
            assert self.logits is not None
            logits = self.logits.expand(x.shape[0], -1, -1)
        step = smooth_step(logits, self.gamma)[:, :, None]  # (B, k, 1, bits)
        return torch.where(self.codes, step, 1 - step).prod(dim=-1)


def smooth_step(t: Tensor, gamma: float) -> Tensor:
    """A cubic from 0 at ``-gamma / 2`` to 1 at ``gamma / 2``, flat outside: it reaches 0 and 1 exactly."""
    inside = t.clamp(-gamma / 2, gamma / 2)
    return -2 / gamma**3 * inside**3 + 3 / (2 * gamma) * inside + 0.5
