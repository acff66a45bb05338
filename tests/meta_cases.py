"""Tasks from distributions that are known, beside the best that anything could predict for them.

Symbols: `E` tasks, `S` support rows, `Q` query rows, `D` features, `W` ways. Draws are in double precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sharewise.meta import Episodes

Draw = Callable[[np.random.Generator], Episodes]


def stream(draw: Callable[[torch.Generator], Episodes]) -> Draw:
    """As `meta_train` asks for episodes, in single precision."""
    return lambda rng: draw(generator(int(rng.integers(2**31)))).to(torch.float32)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(draw: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=draw, dtype=torch.float64)


def episodes_of(
    x: Tensor, y: Tensor, shots: int, kept: Tensor | None = None, ways: int | None = None
) -> Episodes:
    """The first `shots` rows of x (E, S + Q, D) as support, of which `kept` (E,) are there (None for all)."""
    tasks, rows = y.shape
    support = torch.ones(tasks, shots, dtype=torch.bool)
    if kept is not None:
        support = torch.arange(shots) < kept[:, None]
    query = torch.ones(tasks, rows - shots, dtype=torch.bool)
    wide = None if ways is None else torch.full((tasks,), ways)
    return Episodes(x[:, :shots], y[:, :shots], support, x[:, shots:], y[:, shots:], query, wide)


def any_number(draw: torch.Generator, tasks: int, most: int) -> Tensor:
    """(E,) from 1 to `most`."""
    return torch.randint(1, most + 1, (tasks,), generator=draw)


def sinusoids(draw: torch.Generator, tasks: int = 25, queries: int = 10) -> Episodes:
    """a sin(x − b), a in 0.1 to 5, b in 0 to π, x in −5 to 5, ten support rows (Finn et al. 2017, section 5.1)."""
    a, b = torch.rand(2, tasks, 1, generator=draw, dtype=torch.float64)
    x = 10 * torch.rand(tasks, 10 + queries, generator=draw, dtype=torch.float64) - 5
    return episodes_of(x[..., None], (0.1 + 4.9 * a) * (x - math.pi * b).sin(), 10).to(torch.float32)


@dataclass(frozen=True)
class GaussianProcess:
    """Functions on −2 to 2 with covariance exp(−(x − x')²/2), seen through noise, from 1 to 10 support rows."""

    noise: float = 0.1

    def draw(self, draw: torch.Generator, tasks: int = 32) -> Episodes:
        x = 4 * torch.rand(tasks, 30, generator=draw, dtype=torch.float64) - 2
        factor = torch.linalg.cholesky(self._gram(x, x) + self.noise**2 * torch.eye(30, dtype=torch.float64))
        y = (factor @ normal(draw, tasks, 30, 1))[..., 0]
        return episodes_of(x[..., None], y, 10, any_number(draw, tasks, 10))

    def best(self, episodes: Episodes) -> Tensor:
        """The posterior's mean (E, Q)."""
        found = []
        for place, there in enumerate(episodes.support_mask):
            x, asked = episodes.support_x[place][there][:, 0], episodes.query_x[place][:, 0]
            gram = self._gram(x, x) + self.noise**2 * torch.eye(len(x), dtype=torch.float64)
            found.append(self._gram(asked, x) @ torch.linalg.solve(gram, episodes.support_y[place][there]))
        return torch.stack(found)

    def _gram(self, one: Tensor, other: Tensor) -> Tensor:
        return (-0.5 * (one[..., :, None] - other[..., None, :]).square()).exp()


@dataclass(frozen=True)
class LinearTasks:
    """y = w'(x, 1) plus noise with w from N(mean, factor factor') and x from N(0, I)."""

    mean: Tensor
    factor: Tensor
    noise: float

    def draw(self, draw: torch.Generator, shots: int, tasks: int = 32, *, uneven: bool = False) -> Episodes:
        width, columns = self.factor.shape
        x = normal(draw, tasks, shots + 30, width - 1)
        weights = self.mean + normal(draw, tasks, columns) @ self.factor.T
        y = (_with_one(x) @ weights[..., None])[..., 0] + self.noise * normal(draw, tasks, shots + 30)
        return episodes_of(x, y, shots, any_number(draw, tasks, shots) if uneven else None)

    def best(self, episodes: Episodes) -> Tensor:
        """The posterior's mean (E, Q), by covariances of labels."""
        x, asked = _with_one(episodes.support_x), _with_one(episodes.query_x)
        prior = self.factor @ self.factor.T
        gram = x @ prior @ x.mT + self.noise**2 * torch.eye(x.shape[1], dtype=torch.float64)
        surprise = episodes.support_y - x @ self.mean
        return (
            asked @ self.mean + (asked @ prior @ x.mT @ torch.linalg.solve(gram, surprise[..., None]))[..., 0]
        )


@dataclass(frozen=True)
class GaussianClasses:
    """Classes anew in each task: means from N(0, I), rows around them with these standard deviations (D,)."""

    within: Tensor
    ways: int = 5

    def draw(self, draw: torch.Generator, shots: int, tasks: int = 16, queries: int = 10) -> Episodes:
        width, rows = len(self.within), shots + queries
        means = normal(draw, tasks, 1, self.ways, width)
        x = means + self.within * normal(draw, tasks, rows, self.ways, width)
        y = torch.arange(self.ways).expand(tasks, rows, self.ways)
        return episodes_of(x.flatten(1, 2), y.flatten(1), shots * self.ways, ways=self.ways)

    def best(self, episodes: Episodes) -> Tensor:
        """Classes (E, Q) by Bayes' rule: each one's predictive Gaussian given its support rows."""
        one_hot = episodes.support.one_hot
        shots = one_hot.sum(1)[..., None]
        precision = shots / self.within**2 + 1
        means = one_hot.mT @ episodes.support_x / self.within**2 / precision
        variance = self.within**2 + 1 / precision
        away = (episodes.query_x[:, :, None] - means[:, None]).square() / variance[:, None]
        return (away + variance.log()[:, None]).sum(-1).argmin(-1)


@dataclass(frozen=True)
class ShiftedClasses:
    """Two classes, the same for all tasks, at b ± step (D,) with b from N(0, 9 I) of the task's own; rows are N(·, I)
    around them, and 2 to 8 are labelled, of each class one at least."""

    step: Tensor

    def draw(self, draw: torch.Generator, tasks: int = 32, queries: int = 20) -> Episodes:
        y = torch.randint(0, 2, (tasks, 8 + queries), generator=draw)
        y[:, 0], y[:, 1] = 0, 1
        x = 3 * normal(draw, tasks, 1, len(self.step)) + normal(draw, *y.shape, len(self.step))
        x = x + (2 * y - 1)[..., None] * self.step
        return episodes_of(x, y, 8, any_number(draw, tasks, 7) + 1, ways=2)

    def best(self, episodes: Episodes) -> Tensor:
        """Classes (E, Q) by Bayes' rule: on which side of b's posterior mean a row stands."""
        there = episodes.support_mask[..., None]
        levels = episodes.support_x - (2 * episodes.support_y - 1)[..., None] * self.step
        shift = (levels * there).sum(1) / (there.sum(1) + 1 / 9)
        return ((episodes.query_x - shift[:, None]) @ self.step > 0).long()


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)
