"""The same fitting for one network of all tasks and for one network a task: settings, early stopping, best weights.

Nothing to run; `faces.py` uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from sharewise.networks import MultiTaskNetwork, heads
from sharewise.tasks import Array
from torch import Tensor, nn

from faces_data import Faces, Split

WIDTH: Final = 64
"""Of the features that heads read."""
Learn = Callable[..., Iterator[MultiTaskNetwork]]
"""The training loop: gives the network after every epoch."""


@dataclass(frozen=True)
class Setting:
    """One configuration: learning rate, weight decay, channels of the first convolution."""

    rate: float
    decay: float
    channels: int

    def __str__(self) -> str:
        return f"rate {self.rate:g}, decay {self.decay:g}, {self.channels} channels"


SETTINGS: Final = (
    Setting(0.003, 0.01, 16),
    Setting(0.001, 0.01, 16),
    Setting(0.003, 0.3, 16),
    Setting(0.003, 0.01, 8),
)


@dataclass(frozen=True)
class Effort:
    """What every side gets: settings, seeds of the chosen one, epochs at most, epochs without improvement."""

    settings: tuple[Setting, ...] = SETTINGS
    seeds: int = 3
    epochs: int = 50
    patience: int = 8
    folds: int = 5


@dataclass(frozen=True)
class Trained:
    """One network's run.

    Attributes:
        valid: Each task's least validation log loss, as a share of blind guessing's.
        own: Probabilities ``(n, classes)`` of the test rows by task, from the weights of its own best epoch.
        common: The same from one set of weights: the epoch that is best for the mean over tasks.
    """

    valid: dict[str, float]
    own: dict[str, Array]
    common: dict[str, Array]


def make_encoder(channels: int) -> nn.Sequential:
    """Your own module: two convolutions that turn ``(B, 1, 30, 32)`` into ``(B, WIDTH)``."""
    return nn.Sequential(
        *(nn.Conv2d(1, channels, 5, stride=2, padding=2), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(2 * channels * 3 * 4, WIDTH), nn.ReLU()),
    ).to(memory_format=torch.channels_last)


def train(
    learn: Learn,
    faces: Faces,
    split: Split,
    outputs: Mapping[str, int],
    setting: Setting,
    seed: int,
    effort: Effort,
    balancer: Callable[[], object],
) -> Trained:
    """One network: the loop until no task improves on the validation rows any more.

    Pixels are standardised by the training rows. What is kept are the weights of each task's best epoch, for a
    network of one task and of several alike.
    """
    torch.manual_seed(seed)
    mean, spread = faces.x[split.train].mean(), faces.x[split.train].std()
    x = {name: (faces.x[getattr(split, name)] - mean) / spread for name in ("train", "valid", "test")}
    y = {name: {task: faces.y[task][getattr(split, name)] for task in outputs} for name in ("train", "valid")}
    best = dict.fromkeys([*outputs, ""], math.inf)  # the empty name stands for the mean over tasks
    weights: dict[str, dict[str, Tensor]] = {}
    last = 0
    encoder, tops = make_encoder(setting.channels), heads(outputs, WIDTH)
    epochs = learn(encoder, tops, x["train"], y["train"], setting.rate, setting.decay, balancer())
    for epoch, network in zip(range(effort.epochs), epochs, strict=False):
        losses = {
            task: float(F.cross_entropy(found, y["valid"][task])) / math.log(outputs[task])
            for task, found in scores(network, x["valid"]).items()
        }
        now = losses | {"": float(np.mean(list(losses.values())))}
        better = [name for name in best if now[name] < best[name]]
        if better:
            state = {name: value.clone() for name, value in network.state_dict().items()}
            weights.update(dict.fromkeys(better, state))
            best.update({name: now[name] for name in better})
            last = epoch
        if epoch - last >= effort.patience:
            break
    probabilities = {}
    for name, state in weights.items():
        network.load_state_dict(state)
        probabilities[name] = {
            task: found.softmax(1).double().numpy() for task, found in scores(network, x["test"]).items()
        }
    del best[""]
    return Trained(best, {task: probabilities[task][task] for task in outputs}, probabilities[""])


@torch.no_grad()
def scores(network: MultiTaskNetwork, x: Tensor) -> dict[str, Tensor]:
    """Outputs of all tasks without dropout; the network is left as it trains."""
    network.eval()
    found = network(x)
    network.train()
    return found
