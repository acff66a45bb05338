"""Self-supervised pretraining: an encoder learns from inputs alone, unlabelled ones too.

>>> import torch
>>> encoder = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
>>> rows = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
>>> found = pretrain(encoder, Scarf(inputs=6, width=4), rows, steps=30, rate=0.01)
>>> found.status, found.losses[-1] < found.losses[0]
('finished', True)

Symbols: `N` rows, `P` the shape of an input.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from sharewise.errors import DataError
from sharewise.meta._contrastive import Contrastive
from sharewise.meta._masked_features import MaskedFeatures
from sharewise.meta._masked_tokens import MaskedTokens
from sharewise.meta._objective import Objective
from sharewise.meta._rotations import Rotations
from sharewise.meta._rows_loop import Batches, learn_rows
from sharewise.meta._scarf import Scarf
from sharewise.meta._train import MetaTrained

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective for objective in (MaskedFeatures, Scarf, Rotations, Contrastive, MaskedTokens)
}
"""By name."""

JUDGING = 2**32
"""Where the seeds begin by which held-out rows are masked, the same at each validation."""


def pretrain(
    encoder: nn.Module,
    objective: Objective,
    inputs: Tensor,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch: int = 128,
    rate: float = 1e-3,
    decay: float = 0.0,
    warmup: float = 0.05,
    clip: float | None = None,
    held_out: Tensor | None = None,
    every: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> MetaTrained:
    """Trains the encoder, and the objective's own heads, in place, for a number of steps or of CPU seconds.

    With `held_out`, the weights of the least loss on these inputs are kept (masks and views of theirs are the same at
    each validation, and each is judged in evaluation mode); without, the last ones.

    Args:
        objective: What is lowered; it moves to the encoder's device.
        inputs: (N, *P), as the encoder reads them.
        steps: Budget in updates; or
        seconds: in CPU seconds of this process, validations included.
        batch: Rows of a step; a contrast needs many.
        rate: Of Adam, which rises over the first `warmup` of the budget and falls to zero along a cosine.
        decay: Weight decay (AdamW).
        clip: Longest gradient, over all parameters.
        every: Share of the budget between validations.
        progress: Called after each step with the step, the share of the budget that is used, and the loss.

    Returns:
        The record; `judged` has the held-out losses.

    Raises:
        OptionError: Not exactly one of `steps` and `seconds` is given, or an option is out of its range.
        DataError: There are fewer than two rows, or not of the objective's kind.
    """
    if len(inputs) < 2 or (held_out is not None and len(held_out) < 2):
        raise DataError(
            f"Pretraining reads two rows or more, and to be held out two or more; got {len(inputs)} and "
            f"{'none' if held_out is None else len(held_out)}. Pass more rows."
        )
    device = next((weight.device for weight in encoder.parameters()), inputs.device)
    objective.to(device)
    batches = Batches(len(inputs), max(batch, 2), seed)

    def loss_of(step: int) -> Tensor:
        return objective.loss(encoder, inputs[batches.at(step)].to(device), _generator(seed, step))

    def judge() -> tuple[float, float]:
        assert held_out is not None
        modes = encoder.training, objective.training
        encoder.eval(), objective.eval()
        with torch.no_grad():
            whole = Batches(len(held_out), max(batch, 2), seed)
            count = len(held_out) // whole.size
            losses = [
                objective.loss(encoder, held_out[whole.at(part)].to(device), _generator(seed, JUDGING + part))
                for part in range(count)
            ]
        encoder.train(modes[0]), objective.train(modes[1])
        mean = float(torch.stack(losses).mean())
        return mean, -mean

    return learn_rows(
        loss_of,
        [encoder, objective],
        encoder,
        steps=steps,
        seconds=seconds,
        rate=rate,
        decay=decay,
        warmup=warmup,
        clip=clip,
        judge=None if held_out is None else judge,
        every=every,
        seed=seed,
        progress=progress,
    )


def _generator(seed: int, step: int) -> torch.Generator:
    """The randomness of a step, on the CPU."""
    state = np.random.SeedSequence([seed, step, 1]).generate_state(1)[0]
    return torch.Generator().manual_seed(int(state))
