"""Scores on validation rows: a loss and a metric a task, each over all its labelled rows at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from sharewise.tasks import Kind
from sharewise.tasks._torch_loss import check_outputs, labelled, loss_sum, predict_of
from sharewise.training._batchloss import BatchLoss
from sharewise.training._devices import Devices
from sharewise.training._feed import Feed
from sharewise.training._record import Score
from sharewise.training._survey import empty_task
from sharewise.training._tree import map_tensors


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network as it predicts; at the end every module is in the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate(run: BatchLoss, feed: Feed, kinds: Mapping[str, Kind], devices: Devices) -> dict[str, Score]:
    """Scores by task. Every process scores all rows, so that all come to the same judgement.

    Raises:
        DataError: A task has no validation label; labels out of range; a loader yields nothing.
    """
    totals = dict.fromkeys(kinds, 0.0)
    truths: dict[str, list[np.ndarray]] = {task: [] for task in kinds}
    guesses: dict[str, list[np.ndarray]] = {task: [] for task in kinds}
    with evaluating(run.network), torch.no_grad():
        for batch in feed.every_row():
            tasks = tuple(batch.targets)
            x = map_tensors(batch.x, lambda value: value.to(devices.device))
            _, outputs = run.outputs(x, tasks)
            for task in tasks:
                kind, target = kinds[task], batch.targets[task]
                check_outputs(kind, outputs[task], len(target), task)
                known = labelled(kind, target)
                if bool(known.any()):
                    totals[task] += float(loss_sum(kind, outputs[task], target.to(devices.device)).total)
                    truths[task].append(target[known].double().cpu().numpy())
                    guesses[task].append(predict_of(kind, outputs[task])[known.cpu().numpy()])
    found = {}
    for task, kind in kinds.items():
        if not truths[task]:
            raise empty_task(task, "validation")
        truth, guess = np.concatenate(truths[task]), np.concatenate(guesses[task])
        metric = kind.metric()
        value = metric(truth, guess) if np.isfinite(guess).all() else float("nan")
        found[task] = Score(totals[task] / len(truth), value, metric.error(value))
    return found
