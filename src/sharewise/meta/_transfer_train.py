"""The first half of sequential transfer: plain supervised training on the source's rows.

>>> rng = torch.Generator().manual_seed(0)
>>> school, x = torch.arange(20).repeat_interleave(10), torch.randn(200, 3, generator=rng)
>>> y = x.sum(1) + torch.randn(20, generator=rng)[school]
>>> learner = Transfer(nn.Linear(3, 8), 8, outputs=1, tune="head", steps=10, rate=0.1, optimizer="sgd")
>>> transfer_train(learner, x, y, school, steps=100, rate=0.01).status
'finished'
>>> model = learner.adapt(x[:4], y[:4])  # a school by four of its pupils
>>> model.predict(x[4:10]).shape
torch.Size([6])

Symbols: `N` rows, `P` the shape of an input, `T` tasks, `C` classes of the source, `W` outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta._episodes import Episodes
from sharewise.meta._evaluate import evaluate
from sharewise.meta._rows_loop import Batches, learn_rows
from sharewise.meta._task_heads import NewHead, PooledHead
from sharewise.meta._train import MetaTrained
from sharewise.meta._transfer import Transfer

CENTRE_ROWS = 2048
"""Rows at most whose mean feature is the source's centre."""


def transfer_train(
    learner: Transfer,
    inputs: Tensor,
    labels: Tensor | ArrayLike,
    tasks: ArrayLike | None = None,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    batch: int = 64,
    rate: float = 1e-3,
    decay: float = 0.0,
    warmup: float = 0.05,
    clip: float | None = None,
    offset_rows: float = 5.0,
    validate: Sequence[Episodes] = (),
    every: float = 0.1,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> MetaTrained:
    """Trains the learner's encoder and head in place, for a number of steps or of CPU seconds.

    *A pool of classes* (the learner has no ``outputs``): one softmax over all C classes, whose weights are dropped
    afterwards; what stays is the encoder, the scale of logits, and the mean feature that new heads are centred on.

    *A long table* (it has): one head for all rows, and for each task an offset to its outputs, which a new task starts
    without. The penalty on offsets counts as `offset_rows` rows of the task at zero, so tasks with few rows keep near
    the common head. Numbers should have about unit variance.

    With `validate`, the weights with the best mean score of these episodes after adaptation (accuracy, or squared
    error) are kept; without, the last ones.

    Args:
        inputs: (N, *P).
        labels: (N,) codes of classes for a pool; for a long table numbers, or class places as integers.
        tasks: (N,) codes; None for one task, or for a pool.
        steps: Budget in updates; or
        seconds: in CPU seconds of this process, validations included.
        batch: Rows of a step.
        rate: Of Adam, which rises over the first `warmup` of the budget and falls to zero along a cosine.
        decay: Weight decay (AdamW).
        clip: Longest gradient, over all parameters.
        every: Share of the budget between validations.
        progress: Called after each step with the step, the share of the budget that is used, and the loss.

    Raises:
        OptionError: Not exactly one of `steps` and `seconds` is given, or an option is out of its range.
        DataError: Rows do not match, hold NaN, or labels are of another kind than the learner's head.
    """
    y = _places(learner, inputs, labels, tasks, offset_rows)
    head, device = learner.head, learner.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed]).generate_state(1)[0]))
        source = head.source(0 if head.transferred else int(y.max()) + 1)
    offsets = (
        Offsets(np.zeros(len(y)) if tasks is None else tasks, head.count, offset_rows).to(device)
        if isinstance(head, PooledHead)
        else None
    )
    batches = Batches(len(y), batch, seed)

    def loss_of(step: int) -> Tensor:
        rows = batches.at(step)
        _put_centre(head, None)
        outputs = source(learner.encoder(inputs[rows].to(device)).flatten(1))
        here = y[rows].to(device)
        if offsets is None:
            return F.cross_entropy(outputs, here)
        outputs = outputs + offsets(rows)
        if here.is_floating_point():
            return F.mse_loss(outputs[:, 0], here) + offsets.penalty(rows)
        return F.cross_entropy(outputs, here) + offsets.penalty(rows)

    def judge() -> tuple[float, float]:
        _put_centre(head, _mean_feature(learner, inputs, seed))
        result = evaluate(learner, validate)
        return result.mean, result.mean if result.metric == "accuracy" else -result.mean

    found = learn_rows(
        loss_of,
        [learner, source, *([] if offsets is None else [offsets])],
        learner,
        steps=steps,
        seconds=seconds,
        rate=rate,
        decay=decay,
        warmup=warmup,
        clip=clip,
        judge=judge if validate else None,
        every=every,
        seed=seed,
        progress=progress,
    )
    if not found.judged:
        _put_centre(head, _mean_feature(learner, inputs, seed))
    return found


@final
class Offsets(nn.Module):
    """What a source task adds to the common head's outputs.

    Args:
        tasks: (N,) codes of the rows' tasks.
        outputs: W.
        rows: ν, rows at zero that the penalty is worth.
    """

    place: Tensor
    weight: Tensor

    def __init__(self, tasks: ArrayLike, outputs: int, rows: float) -> None:
        super().__init__()
        _, place, counts = np.unique(np.asarray(tasks), return_inverse=True, return_counts=True)
        self.added = nn.Parameter(torch.zeros(len(counts), outputs))
        self.register_buffer("place", torch.from_numpy(place))
        self.register_buffer("weight", torch.from_numpy(rows / counts).to(self.added))

    def forward(self, rows: Tensor) -> Tensor:
        """(n, W) offsets of the rows at these places."""
        return self.added[self.place[rows.to(self.place.device)]]

    def penalty(self, rows: Tensor) -> Tensor:
        """(): mean over rows of ν |b_t|² / n_t. Over all rows the offset of a task so weighs ν |b_t|², and with squared
        errors r the best offset is Σ r / (n_t + ν)."""
        own = self.place[rows.to(self.place.device)]
        return (self.weight[own] * self.added[own].square().sum(1)).mean()


def _put_centre(head: nn.Module, centre: Tensor | None) -> None:
    """Where new heads centre features; None for nowhere, as while the source is learnt."""
    if isinstance(head, NewHead):
        with torch.no_grad():
            head.centre.zero_() if centre is None else head.centre.copy_(centre)


def _mean_feature(learner: Transfer, inputs: Tensor, seed: int) -> Tensor | None:
    """(D,) over at most `CENTRE_ROWS` rows."""
    if not isinstance(learner.head, NewHead):
        return None
    rows = Batches(len(inputs), CENTRE_ROWS, seed).at(0)
    with learner._at_rest():
        parts = [
            learner.encoder(inputs[part].to(learner.device)).flatten(1).sum(0)
            for part in torch.split(rows, 256)
        ]
    return torch.stack(parts).sum(0) / len(rows)


def _places(
    learner: Transfer, inputs: Tensor, labels: Tensor | ArrayLike, tasks: ArrayLike | None, offset_rows: float
) -> Tensor:
    """Labels as they are learnt: numbers, or class places."""
    y = labels if isinstance(labels, Tensor) else torch.from_numpy(np.asarray(labels))
    count = len(y) if tasks is None else len(np.asarray(tasks))
    if not len(inputs) == len(y) == count or not count:
        raise DataError(
            f"Each source row has inputs and a label, and in a long table a task; got {len(inputs)} inputs, {len(y)} "
            f"labels and {count} tasks. Pass one of each a row."
        )
    for name, values in (("inputs", inputs), ("labels", y)):
        if values.is_floating_point() and not bool(values.isfinite().all()):
            raise DataError(
                f"Source {name} are finite; they hold NaN or infinity. Fill or leave out these rows."
            )
    if not 0 <= offset_rows < float("inf"):
        raise OptionError(
            f"Rows that an offset's penalty is worth are not negative; got {offset_rows}. Raise them."
        )
    head = learner.head
    if not isinstance(head, PooledHead):
        if y.is_floating_point():
            raise DataError(
                "A pool has integer class codes; got numbers. Pass codes, or make the learner with outputs=1 for numbers."
            )
        _, places = np.unique(y.cpu().numpy(), return_inverse=True)
        return torch.from_numpy(places)
    if y.is_floating_point() != (head.count == 1):
        raise DataError(
            f"A common head of {head.count} outputs learns {'numbers' if head.count == 1 else 'integer class places'}; "
            f"labels are {y.dtype}. Change the labels or outputs=."
        )
    if not y.is_floating_point() and not 0 <= int(y.min()) <= int(y.max()) < head.count:
        raise DataError(
            f"A class place lies between 0 and {head.count - 1}; labels run from {int(y.min())} to {int(y.max())}. "
            "Correct them, or raise outputs=."
        )
    return y if not y.is_floating_point() else y.to(inputs)
