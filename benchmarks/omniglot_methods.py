"""The methods that `omniglot.py` compares: how each is built and trained, all on one backbone.

Nothing to run. A method is a function of pools, a budget in CPU seconds and a seed; `METHODS` has them by name: every
learner of `sharewise.meta.META_LEARNERS` that serves new classes of pictures, and transfer.

Learners that read features train on the same episodes with the same settings, and so do those by gradient descent. Both
were chosen on Korean characters, held out from the training alphabets: the former's for prototypes, the latter's for MAML
(batch normalisation by the support's statistics, kept for the query rows, where group normalisation came to half of its
accuracy; three inner steps at 0.1 before one at 0.4).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from sharewise import meta
from sharewise.meta import Episodes, MetaLearner
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from omniglot_data import Pools, warped

WIDTHS: Final = (32, 32, 64, 64)
"""Of the backbone: half the usual 64 at the first two stages, which cost most, buys three times the steps."""
WAYS: Final = 20
"""Of training episodes: more than the five of the test, as is usual for prototypes."""
PICTURES: Final = 6
"""Of each class in a training episode, support and query together."""
SHOTS: Final = (1, 1, 3)
"""One of these at random in each training step: one training serves one shot and five, and what a head learns about
more rows than one is learnt too."""
RATE: Final = 4e-3
BATCH: Final = 120
"""Pictures a step of the classifier, as many as an episode has."""
INNER_STEPS: Final = 3
INNER_RATE: Final = 0.1
OUTER_RATE: Final = 2e-3
"""For learners by gradient descent, whose head has the five ways of the test; four tasks a step."""


@dataclass(frozen=True)
class Ready:
    """A learner that is to be judged, and what it took.

    Attributes:
        seconds: CPU seconds of training.
        encoder: What embeds each picture by itself, where the learner reads features; every picture is then embedded
            once instead of in each episode that shows it.
    """

    learner: MetaLearner
    seconds: float
    steps: int
    encoder: nn.Module | None = None


Method = Callable[[Pools, float, int], Ready]


def backbone() -> nn.Sequential:
    """28×28 pixels to 64 features."""
    return meta.conv4(1, WIDTHS, channels_last=True)


def support_normalised() -> nn.Sequential:
    """The same widths with batch normalisation, whose statistics in adaptation are those of the support."""
    stages: list[nn.Module] = []
    for before, after in pairwise((1, *WIDTHS)):
        stages += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*stages, nn.Flatten())


def on_episodes(
    build: Callable[[], MetaLearner],
    pools: Pools,
    seconds: float,
    seed: int,
    *,
    ways: int = WAYS,
    tasks: int = 1,
    rate: float = RATE,
) -> Ready:
    """Trains a learner on episodes of warped pictures."""
    torch.manual_seed(seed)
    learner = build()

    def draw(rng: np.random.Generator) -> Episodes:
        shots = int(rng.choice(SHOTS))
        found = pools.train.draw(rng, ways=ways, shots=shots, queries=PICTURES - shots, episodes=tasks)
        support, query = (
            warped(x.flatten(0, 1), rng).unflatten(0, x.shape[:2]) for x in (found.support_x, found.query_x)
        )
        return replace(found, support_x=support, query_x=query)

    trained = meta.meta_train(learner, draw, seconds=seconds, rate=rate, seed=seed)
    encoder = getattr(learner, "encoder", None) if ways == WAYS else None
    if encoder is not None:
        learner.encoder = nn.Identity()
    return Ready(learner, trained.seconds, trained.steps, encoder)


def by_gradient(build: Callable[[nn.Module, nn.Module], MetaLearner]) -> Method:
    """Trains a learner of an encoder and a head for five ways."""
    return partial(
        on_episodes,
        lambda: build(support_normalised(), nn.Linear(WIDTHS[-1], 5)),
        ways=5,
        tasks=4,
        rate=OUTER_RATE,
    )


def transfer(pools: Pools, seconds: float, seed: int) -> Ready:
    """A classifier of all training characters; then the nearest mean of its centred, normalised features (Wang et al.
    2019, https://arxiv.org/abs/1911.04623)."""
    torch.manual_seed(seed)
    pool, trunk = pools.train, backbone()
    head = nn.Linear(WIDTHS[-1], len(pool.units))
    parameters = [*trunk.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    labels = torch.from_numpy(pool.labels)
    steps, began = 0, time.process_time()
    while (share := (time.process_time() - began) / seconds) < 1:
        rng = np.random.default_rng([seed, steps])
        rows = torch.from_numpy(rng.integers(len(labels), size=BATCH))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 20 * share + 0.01) * (0.5 + 0.5 * math.cos(math.pi * share))
        loss = cross_entropy(head(trunk(warped(pool.inputs[rows], rng))), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    some = torch.from_numpy(np.random.default_rng(seed).integers(len(labels), size=2000))
    with torch.no_grad():
        middle = trunk(pool.inputs[some]).mean(0)
    encoder = nn.Sequential(trunk, Centred(middle))
    return Ready(meta.Prototypes(nn.Identity()), time.process_time() - began, steps, encoder)


class Centred(nn.Module):
    """Features around the mean of the training pictures', of length one."""

    def __init__(self, middle: Tensor) -> None:
        super().__init__()
        self.register_buffer("middle", middle)

    def forward(self, features: Tensor) -> Tensor:
        return normalize(features - self.middle, dim=-1)


def as_it_is(build: Callable[[], MetaLearner], pools: Pools, seconds: float, seed: int) -> Ready:
    """A learner that learns nothing across tasks."""
    return Ready(build(), 0.0, 0)


def fresh(outputs: int) -> nn.Module:
    """What is trained from scratch on a support set: a narrow backbone and a linear layer."""
    return nn.Sequential(meta.conv4(1, (16, 16, 32, 32)), nn.Linear(32, outputs))


METHODS: dict[str, Method] = {
    "prototypes": partial(on_episodes, lambda: meta.Prototypes(backbone())),
    "ridge": partial(on_episodes, lambda: meta.Ridge(backbone())),
    "lda": partial(on_episodes, lambda: meta.LDA(backbone(), variance=WIDTHS[-1] / 10)),
    "logistic": partial(on_episodes, lambda: meta.Logistic(backbone())),
    "maml": by_gradient(
        lambda trunk, head: meta.MAML(nn.Sequential(trunk, head), steps=INNER_STEPS, rate=INNER_RATE)
    ),
    "first-order-maml": by_gradient(
        lambda trunk, head: meta.FirstOrderMAML(
            nn.Sequential(trunk, head), steps=INNER_STEPS, rate=INNER_RATE
        )
    ),
    "anil": by_gradient(lambda trunk, head: meta.ANIL(trunk, head, steps=INNER_STEPS, rate=INNER_RATE)),
    "reptile": by_gradient(
        lambda trunk, head: meta.Reptile(nn.Sequential(trunk, head), steps=INNER_STEPS, rate=INNER_RATE)
    ),
    "meta-sgd": by_gradient(lambda trunk, head: meta.MetaSGD(nn.Sequential(trunk, head), rate=INNER_RATE)),
    "transfer": transfer,
    "neighbours": partial(as_it_is, meta.Neighbours),
    "scratch": partial(as_it_is, lambda: meta.FromScratch(fresh, steps=30, rate=3e-3)),
    "constant": partial(as_it_is, meta.Constant),
}
