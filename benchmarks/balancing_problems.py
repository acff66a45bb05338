"""Networks and tasks for ``benchmarks/balancing.py``; nothing to run.

Symbols: ``B`` rows, ``T`` tasks, ``D`` width of the features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Problem:
    """An encoder, one linear head a task, and batches of what they learn."""

    name: str
    encoder: nn.Module
    heads: nn.ModuleList
    draw: Callable[[], tuple[Tensor, Tensor]]
    """A batch: inputs ``(B, ...)`` and targets ``(B, T)``."""

    def losses(self, features: Tensor, targets: Tensor) -> list[Tensor]:
        return [
            nn.functional.mse_loss(head(features)[:, 0], targets[:, task])
            for task, head in enumerate(self.heads)
        ]

    def clear(self) -> None:
        for parameter in (*self.encoder.parameters(), *self.heads.parameters()):
            parameter.grad = None

    def direction(self) -> Tensor:
        """The shared parameters' gradients, one after another."""
        return torch.cat([p.grad.flatten() for p in self.encoder.parameters() if p.grad is not None])

    def train(self, steps: int) -> None:
        """Some steps on the plain sum of losses: gradients at random weights say little about training."""
        optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.heads.parameters()], 1e-3)
        for _ in range(steps):
            inputs, targets = self.draw()
            optimizer.zero_grad()
            torch.stack(self.losses(self.encoder(inputs), targets)).sum().backward()
            optimizer.step()


def mlp(tasks: int, seed: int, rows: int) -> Problem:
    """64-256-256-256, a rectifier after each layer."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(
        *(nn.Linear(64, 256), nn.ReLU()), *(nn.Linear(256, 256), nn.ReLU()), *(nn.Linear(256, 256), nn.ReLU())
    )
    return Problem("MLP", encoder, _heads(256, tasks), _drawer((64,), tasks, rows))


def cnn(tasks: int, seed: int, rows: int) -> Problem:
    """Three convolutions on 32×32, each with a rectifier and pooling; a linear layer makes the features."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(*_stages(), nn.Flatten(), nn.Linear(64 * 16, 128), nn.ReLU())
    return Problem("CNN", encoder, _heads(128, tasks), _drawer((3, 32, 32), tasks, rows))


def cnn_pooled(tasks: int, seed: int, rows: int) -> Problem:
    """The same convolutions and no linear layer: the mean over the picture makes the features."""
    torch.manual_seed(seed)
    encoder = nn.Sequential(*_stages(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Problem("CNN, pooled", encoder, _heads(64, tasks), _drawer((3, 32, 32), tasks, rows))


def _stages() -> list[nn.Module]:
    stages: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64)):
        stages += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return stages


def _heads(width: int, tasks: int) -> nn.ModuleList:
    return nn.ModuleList([nn.Linear(width, 1) for _ in range(tasks)])


def _drawer(shape: tuple[int, ...], tasks: int, rows: int) -> Callable[[], tuple[Tensor, Tensor]]:
    """Regressions on a random network's standardised outputs, from alike to contrary, times 1/e to e by task."""
    numbers = int(torch.tensor(shape).prod())
    first = torch.randn(numbers, 64) * 2 / numbers**0.5
    second = torch.randn(64, 32) / 8
    mix = torch.randn(32, tasks) + torch.randn(32, 1)
    scales = torch.exp(torch.linspace(-1, 1, tasks))

    def outputs(inputs: Tensor) -> Tensor:
        return torch.tanh(inputs.flatten(1) @ first) @ second @ mix

    spread = outputs(torch.randn(1000, *shape)).std(0)

    def draw() -> tuple[Tensor, Tensor]:
        inputs = torch.randn(rows, *shape)
        return inputs, outputs(inputs) / spread * scales

    return draw
