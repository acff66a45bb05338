"""What `fit` may be told, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sharewise.balancing._backward import Mode
from sharewise.errors import OptionError
from sharewise.training._keeper import Judge, Keep
from sharewise.training._precision import Precision

MakeOptimizer = Callable[[Any], Optimizer]
MakeSchedule = Callable[[Optimizer, int], LRScheduler]
Scale = Literal["constant", "none"] | Mapping[str, float]
WhenStopped = Literal["stay", "leave"]


@dataclass(frozen=True)
class Options:
    """Plain numbers and words of a run; `fit` documents them.

    Raises:
        OptionError: In one sentence.
    """

    epochs: int
    mode: Mode
    clip: float | None
    accumulate: int
    precision: Precision
    patience: int | None
    keep: Keep
    by: Judge
    when_stopped: WhenStopped
    max_bad_steps: int
    every: int | None
    seed: int
    compile: bool | str

    def __post_init__(self) -> None:
        for name, value in (
            ("epochs", self.epochs),
            ("accumulate", self.accumulate),
            ("max_bad_steps", self.max_bad_steps),
            ("patience", self.patience),
            ("every", self.every),
        ):
            if value is not None and value < 1:
                raise OptionError(f"{name} is at least 1; got {value!r}.")
        if self.clip is not None and not self.clip > 0:
            raise OptionError(f"clip is a length above 0, or None; got {self.clip!r}.")
        for name, word, words in (
            ("mode", self.mode, get_args(Mode)),
            ("keep", self.keep, get_args(Keep)),
            ("by", self.by, get_args(Judge)),
            ("when_stopped", self.when_stopped, get_args(WhenStopped)),
        ):
            if word not in words:
                raise OptionError(f"{name} is one of {', '.join(words)}; got {word!r}.")


def make_optimizer(make: MakeOptimizer | None, network: nn.Module, balancer: Any, tasks: int) -> Optimizer:
    """The optimizer of a network, and of what a balancer learns besides (without weight decay).

    Raises:
        OptionError: Nothing to train, or no factory.
    """
    if hasattr(balancer, "start"):
        balancer.start(tasks)
    own = [p for p in getattr(balancer, "parameters", tuple)() if p.requires_grad]
    moved = [p for p in network.parameters() if p.requires_grad]
    if not moved:
        raise OptionError("a network to be trained has parameters that require a gradient; got none.")
    groups = [{"params": moved}, {"params": own, "weight_decay": 0.0}] if own else moved
    fused = moved[0].device.type in ("cpu", "cuda")  # one kernel for all parameters
    found = AdamW(groups, lr=1e-3, fused=fused) if make is None else make(groups)  # type: ignore[arg-type]
    if not isinstance(found, Optimizer):
        raise OptionError(
            f"optimizer is a function from parameters to a torch optimizer; it gave a {type(found).__name__}. "
            "For example: optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1)."
        )
    return found


def make_schedule(
    make: MakeSchedule | None, optimizer: Optimizer, batches: int | None, options: Options
) -> LRScheduler | None:
    """The schedule over all updates of a run, or None.

    Raises:
        OptionError: The number of updates is not known beforehand.
    """
    if make is None:
        return None
    if batches is None:
        raise OptionError("a schedule needs to know how many updates there are; this loader has no length.")
    return make(optimizer, options.epochs * math.ceil(batches / options.accumulate))
