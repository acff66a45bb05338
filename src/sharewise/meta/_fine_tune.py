"""Fine-tuning: a task's weights after full-batch steps down its support's loss, for many tasks at once.

What moves when is decided here (`TUNES`), from names of weights alone, and applied by `fine_tune`.

Symbols: `E` tasks, `N` rows of a task. Weights are named by their path in a network of an `encoder` and a `head`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from sharewise.meta._inner import Pass, Rows, Weights, row_losses

Names = frozenset[str]
Schedule = tuple[Names, ...]
"""Of each step, the weights that move in it."""


class Rule(ABC):
    """Abstract. How a gradient becomes a step; one instance serves one fine-tuning."""

    @abstractmethod
    def moved(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """The weight after a step; as every operation is element by element, tasks stay apart."""


@final
class Descent(Rule):
    """Plain gradient descent."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def moved(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """The weight, less the rate times the gradient."""
        return torch.sub(weight, gradient, alpha=self.rate)


@final
class Adam(Rule):
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1), β = 0.9 and 0.999.

    A weight's count of steps begins when it first moves, so one that is unfrozen late starts at full length.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._memory: dict[str, tuple[Tensor, Tensor, int]] = {}

    def moved(self, name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        """The weight after the step that its own past gradients and this one give."""
        zero = torch.zeros_like(gradient)
        first, second, count = self._memory.get(name, (zero, zero, 0))
        first = torch.lerp(first, gradient, 0.1)
        second = torch.lerp(second, gradient.square(), 0.001)
        self._memory[name] = first, second, count + 1
        unbiased = (second / (1 - 0.999 ** (count + 1))).sqrt_().add_(1e-8)
        return torch.addcdiv(weight, first, unbiased, value=-self.rate / (1 - 0.9 ** (count + 1)))


RULES: dict[str, Callable[[float], Rule]] = {"adam": Adam, "sgd": Descent}
"""By name, each from a rate."""


@dataclass(frozen=True)
class Pull:
    """L2-SP's penalty (Li et al. 2018, https://arxiv.org/abs/1802.01483, eq. 3).

    Attributes:
        start: α, of the squared distance to where transferred weights started.
        zero: β, of the squared length of weights that are new.
        new: Names of these.
    """

    start: float
    zero: float
    new: Names

    def __call__(self, weights: Weights, start: Weights) -> Tensor:
        """α/2 |w_S − w_S⁰|² + β/2 |w_S̄|², summed over tasks, ()."""
        terms = [
            0.5 * self.zero * weight.square().sum()
            if name in self.new
            else 0.5 * self.start * (weight - start[name]).square().sum()
            for name, weight in weights.items()
        ]
        return torch.stack(terms).sum()


def fine_tune(
    run: Pass, start: Weights, rows: Rows, schedule: Schedule, rule: Rule, pull: Pull | None = None
) -> Weights:
    """Weights after one full-batch step for each entry of the schedule; those that never move are `start`'s own.

    A task's loss is the mean over its rows of cross-entropy or of squared error, and the pull where there is one.

    Args:
        start: Weights by name, each (E, …), or, looped, without E.
        rows: Of all tasks, or of one without E.
    """
    anchor = {name: weight.detach() for name, weight in start.items()}
    weights = dict(anchor)
    for moving in schedule:
        leaves = {name: weights[name].detach().requires_grad_() for name in weights if name in moving}
        loss = row_losses(run.kept({**weights, **leaves}, rows.x), rows).sum()
        if pull is not None:
            loss = loss + pull(leaves, anchor)
        found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        for (name, leaf), gradient in zip(leaves.items(), found, strict=True):
            weights[name] = rule.moved(name, leaf.detach(), gradient)
    return weights


@dataclass(frozen=True)
class Tune:
    """A way of fine-tuning.

    Attributes:
        schedule: From names of the head's weights, those of the encoder's blocks from input to output, and a number
            of steps, to what moves in each step.
        pulled: Whether L2-SP's penalty holds weights back.
    """

    schedule: Callable[[Names, Sequence[Names], int], Schedule]
    pulled: bool = False


def everything(head: Names, blocks: Sequence[Names], steps: int) -> Schedule:
    """All weights move in every step."""
    return (head.union(*blocks),) * steps


def head_alone(head: Names, blocks: Sequence[Names], steps: int) -> Schedule:
    """The head moves, the encoder stays."""
    return (head,) * steps


def from_the_top(head: Names, blocks: Sequence[Names], steps: int) -> Schedule:
    """Gradual unfreezing (Howard & Ruder 2018, https://arxiv.org/abs/1801.06146, section 3.3): first the head alone,
    then with one block more at a time, the last before the first; each stage has its equal share of the steps."""
    stages = [head.union(*blocks[len(blocks) - count :]) for count in range(len(blocks) + 1)]
    return tuple(stages[step * len(stages) // steps] for step in range(steps))


TUNES: dict[str, Tune] = {
    "whole": Tune(everything),
    "head": Tune(head_alone),
    "gradual": Tune(from_the_top),
    "l2-sp": Tune(everything, pulled=True),
}
"""By name."""


def blocks_of(encoder: nn.Module, prefix: str = "") -> list[Names]:
    """Names of the trainable weights of each block, from input to output: the module's children that have any; a
    lone child is opened. Weights of the module's own go with the first block."""
    own = [name for name, weight in encoder.named_parameters(recurse=False) if weight.requires_grad]
    parts = [
        (name, child)
        for name, child in encoder.named_children()
        if any(weight.requires_grad for weight in child.parameters())
    ]
    if len(parts) == 1 and not own:
        name, child = parts[0]
        return blocks_of(child, f"{prefix}{name}.")
    found = [
        frozenset(
            f"{prefix}{name}.{path}" for path, weight in child.named_parameters() if weight.requires_grad
        )
        for name, child in parts
    ]
    mine = frozenset(prefix + name for name in own)
    if not mine:
        return found
    return [mine.union(*found[:1]), *found[1:]]
