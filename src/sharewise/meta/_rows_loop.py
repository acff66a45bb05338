"""Learning from rows rather than from episodes: minibatches, a budget, the best weights.

What transfer and self-supervised pretraining have in common; what a step lowers, and what is judged, they say themselves.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._train import (
    PATIENCE,
    Judged,
    MetaTrained,
    adam_for,
    check_budget,
    rate_course,
    share_used,
)


@final
class Batches:
    """Which rows a step reads: all rows once an epoch, in an order that depends on seed and epoch alone.

    Args:
        count: Rows.
        size: Of a batch; an epoch's last rows that fill none are left out, unless there are fewer in all.

    Raises:
        OptionError: A batch would hold nothing.
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        if size < 1 or count < 1:
            raise OptionError(f"A batch holds rows; got batch={size} of {count} rows. Raise them.")
        self.count, self.size, self.seed = count, min(size, count), seed
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def at(self, step: int) -> Tensor:
        """Places of the rows of a step, counted from 0."""
        epoch, place = divmod(step, self.count // self.size)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = epoch, np.random.default_rng([self.seed, epoch]).permutation(self.count)
        return torch.from_numpy(self._epoch[1][place * self.size : (place + 1) * self.size])


def learn_rows(
    loss_of: Callable[[int], Tensor],
    learnt: Sequence[nn.Module],
    kept: nn.Module,
    *,
    steps: int | None,
    seconds: float | None,
    rate: float,
    decay: float = 0.0,
    warmup: float = 0.05,
    clip: float | None = None,
    judge: Callable[[], tuple[float, float]] | None = None,
    every: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> MetaTrained:
    """Adam down a loss until the budget is used, rates and record as `meta_train` has them.

    Args:
        loss_of: The loss of a step, (), counted from 0; torch's generator is set for it.
        learnt: Modules whose trainable parameters move.
        kept: The module whose best weights are put back at the end.
        decay: Weight decay, decoupled from the rate of change (AdamW); 0 for none.
        judge: The score to show, and the same with its sign such that more is better; None to keep the last weights.

    Raises:
        OptionError: Not exactly one of `steps` and `seconds` is given, or an option is out of its range.
    """
    check_budget(steps, seconds, 0, None, warmup, every)
    parameters = list({id(p): p for part in learnt for p in part.parameters() if p.requires_grad}.values())
    found = MetaTrained("finished", 0, 0.0)
    if not parameters:
        return MetaTrained("nothing to learn", 0, 0.0, because="no parameter of the network is trainable.")
    optimizer = (
        torch.optim.AdamW(parameters, rate, weight_decay=decay) if decay else adam_for(parameters, rate)
    )
    full = [group["lr"] for group in optimizer.param_groups]
    best: tuple[float, dict[str, Tensor]] | None = None
    began, judged_at, bad = time.process_time(), 0.0, 0
    modes = [(module, module.training) for part in learnt for module in part.modules()]

    def judged() -> tuple[float, dict[str, Tensor]] | None:
        if judge is None:
            return None
        shown, score = judge()
        found.judged.append(Judged(found.steps, shown))
        if best is None or score > best[0]:
            return score, copy.deepcopy(kept.state_dict())
        return best

    with torch.random.fork_rng(devices=[]):
        for part in learnt:
            part.train()
        while (share := share_used(found.steps, steps, seconds, began)) < 1:
            for group, highest in zip(optimizer.param_groups, full, strict=True):
                group["lr"] = highest * rate_course(share, warmup)
            torch.manual_seed(int(np.random.SeedSequence([seed, found.steps]).generate_state(1)[0]))
            loss = loss_of(found.steps)
            value = float(loss.detach())
            bad = 0 if math.isfinite(value) else bad + 1
            if not bad:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                if clip is not None:
                    nn.utils.clip_grad_norm_(parameters, clip)
                optimizer.step()
            found.steps += 1
            found.losses.append(math.nan if bad else value)
            if bad == PATIENCE:
                found.status = "diverged"
                found.because = (
                    f"the loss was not finite for {PATIENCE} steps in a row; lower the rate or clip."
                )
                break
            if progress is not None:
                progress(found.steps, share, value)
            if share - judged_at >= every:
                judged_at, best = share, judged()
        if found.status == "finished":
            best = judged()
    if best is not None:
        kept.load_state_dict(best[1])
    for module, training in modes:
        module.training = training
    found.seconds = time.process_time() - began
    return found
