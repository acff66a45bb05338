"""Learning across tasks: draw episodes, lower the meta-loss, stop at the budget, keep the best.

Symbols: `E` episodes in a batch.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sharewise.errors import OptionError
from sharewise.meta._base import MetaLearner
from sharewise.meta._episodes import Episodes
from sharewise.meta._evaluate import evaluate

Draw = Callable[[np.random.Generator], Episodes]
"""Episodes of a step, of whatever number; all randomness from the generator."""

ALONE = 10.0
"""How many times the rate at which parameters of a single number (temperatures, penalties on a log scale) move."""
PATIENCE = 10
"""Steps in a row without a finite loss after which training has diverged."""


@dataclass(frozen=True)
class Judged:
    """One validation: after how many steps, and the mean score."""

    step: int
    score: float


@dataclass(eq=False)
class MetaTrained:
    """What a training came to.

    Attributes:
        status: Whether the budget was used up, the loss stopped being finite, or there is nothing to learn.
        steps: Updates taken, those of earlier parts of the run included.
        seconds: CPU seconds of this call, validations included.
        losses: Meta-loss of each step of this call; NaN where it was not finite and the step left out.
        judged: Validations, in order; the learner holds the weights of the best.
        because: A sentence where the training did not finish.
    """

    status: Literal["finished", "diverged", "nothing to learn"]
    steps: int
    seconds: float
    losses: list[float] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    because: str = ""


def meta_train(
    learner: MetaLearner,
    draw: Draw,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    start: int = 0,
    until: int | None = None,
    rate: float = 1e-3,
    optimizer: Optimizer | None = None,
    warmup: float = 0.05,
    clip: float | None = None,
    validate: Sequence[Episodes] = (),
    every: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> MetaTrained:
    """Trains the learner in place, for a number of steps or of CPU seconds.

    Rates rise over the first `warmup` of the budget and fall to zero along a cosine. What step i draws depends on
    `seed` and i alone: with `steps`, a call with ``until=n`` and one with ``start=n`` (and the same optimizer) give
    what one call gives.

    Args:
        draw: Gives the episodes of a step.
        steps: Budget in updates; or
        seconds: in CPU seconds of this process, so that a busy machine takes nothing away.
        start: Updates already taken.
        until: Where to pause; None for the whole budget.
        rate: Of Adam, where no optimizer is passed; parameters of a single number move `ALONE` times as fast.
        clip: Longest gradient, over all parameters.
        validate: Batches of episodes of tasks held out; the weights of the best mean score are kept.
        every: Share of the budget between validations.
        progress: Called after each step with the step, the share of the budget that is used, and the loss.

    Raises:
        OptionError: Not exactly one of `steps` and `seconds` is given, or an option is out of its range.
        DataError: The drawn episodes cannot be learnt from.
    """
    check_budget(steps, seconds, start, until, warmup, every)
    parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if not parameters:
        return MetaTrained(
            "nothing to learn", start, 0.0, because=f"{learner.name} has no parameters to learn."
        )
    chosen = adam_for(parameters, rate) if optimizer is None else optimizer
    full = [group["lr"] for group in chosen.param_groups]
    found = MetaTrained("finished", start, 0.0)
    best: dict[str, Tensor] | None = None
    began, judged_at, bad, modes = time.process_time(), 0.0, 0, learner.training
    learner.train()
    with torch.random.fork_rng(devices=[]):
        while (share := share_used(found.steps, steps, seconds, began)) < 1 and found.steps != until:
            for group, highest in zip(chosen.param_groups, full, strict=True):
                group["lr"] = highest * rate_course(share, warmup)
            loss = _step(learner, draw, chosen, parameters, clip, seed, found.steps)
            found.steps += 1
            found.losses.append(loss)
            bad = 0 if math.isfinite(loss) else bad + 1
            if bad == PATIENCE:
                found.status = "diverged"
                found.because = (
                    f"the meta-loss was not finite for {PATIENCE} steps in a row; lower the rate or clip."
                )
                break
            if progress is not None:
                progress(found.steps, share, loss)
            if validate and share - judged_at >= every:
                judged_at, best = share, _judge(learner, validate, found, best)
    for group, highest in zip(chosen.param_groups, full, strict=True):
        group["lr"] = highest
    if validate and found.status == "finished":
        best = _judge(learner, validate, found, best)
    if best is not None:
        learner.load_state_dict(best)
    learner.train(modes)
    found.seconds = time.process_time() - began
    return found


def _step(
    learner: MetaLearner,
    draw: Draw,
    optimizer: Optimizer,
    parameters: Sequence[nn.Parameter],
    clip: float | None,
    seed: int,
    step: int,
) -> float:
    """One update; none where the loss is not finite."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1)[0]))
    loss = learner.meta_loss(draw(np.random.default_rng([seed, step])))
    value = float(loss.detach())
    if not math.isfinite(value):
        return math.nan
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip is not None:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()
    return value


def _judge(
    learner: MetaLearner, validate: Sequence[Episodes], found: MetaTrained, best: dict[str, Tensor] | None
) -> dict[str, Tensor]:
    """The better of the best weights so far and those of now."""
    result = evaluate(learner, validate)
    score = result.mean if result.metric == "accuracy" else -result.mean
    better = best is None or score > max(_signed(past.score, result.metric) for past in found.judged)
    found.judged.append(Judged(found.steps, result.mean))
    return copy.deepcopy(learner.state_dict()) if better or best is None else best


def _signed(score: float, metric: str) -> float:
    return score if metric == "accuracy" else -score


def adam_for(parameters: Sequence[nn.Parameter], rate: float) -> Optimizer:
    """Adam, with parameters of a single number at `ALONE` times the rate."""
    alone = [parameter for parameter in parameters if parameter.ndim == 0]
    rest = [parameter for parameter in parameters if parameter.ndim > 0]
    groups = [{"params": rest, "lr": rate}, {"params": alone, "lr": ALONE * rate}]
    return torch.optim.Adam([group for group in groups if group["params"]], lr=rate)


def share_used(step: int, steps: int | None, seconds: float | None, began: float) -> float:
    """Of the budget, how much is used."""
    if steps is not None:
        return step / steps
    return (time.process_time() - began) / (seconds or 1.0)


def rate_course(share: float, warmup: float) -> float:
    """Factor of the rate: a short way up, then down a half cosine."""
    rise = min(1.0, (share + 0.01) / warmup) if warmup > 0 else 1.0
    return rise * (0.5 + 0.5 * math.cos(math.pi * min(share, 1.0)))


def check_budget(
    steps: int | None, seconds: float | None, start: int, until: int | None, warmup: float, every: float
) -> None:
    """Refuses a training without an end, or shares that are none.

    Raises:
        OptionError: One of the arguments is off.
    """
    if (steps is None) == (seconds is None):
        raise OptionError(
            f"A training has one budget, steps or seconds; got steps={steps} and seconds={seconds}. Pass one of them."
        )
    if (steps or seconds or 0) <= 0 or start < 0 or (until is not None and until < start):
        raise OptionError(
            "A training has a budget above zero and goes forwards; got "
            f"steps={steps}, seconds={seconds}, start={start}, until={until}. Raise them."
        )
    if not 0 <= warmup < 1 or not 0 < every <= 1:
        raise OptionError(
            f"Shares of the budget lie between 0 and 1; got warmup={warmup} and every={every}. Correct them."
        )
