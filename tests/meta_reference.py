"""Meta-gradients by an explicit loop over tasks, steps and rows, with torch's own layers; what learners are held against.

Nothing of `sharewise.meta` is used but the record of episodes. Symbols as there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from sharewise.meta._episodes import Episodes

Weights = dict[str, Tensor]
Task = tuple[Tensor, Tensor, Tensor, Tensor, int | None]


def tasks_of(episodes: Episodes) -> list[Task]:
    """Support inputs and labels, query inputs and labels, and ways of each task, without padding."""
    found = []
    for place in range(len(episodes)):
        support, query = episodes.support_mask[place], episodes.query_mask[place]
        ways = None if episodes.ways is None else int(episodes.ways[place])
        own = (episodes.support_x[place][support], episodes.support_y[place][support])
        found.append((*own, episodes.query_x[place][query], episodes.query_y[place][query], ways))
    return found


def loss(network: nn.Module, weights: Weights, x: Tensor, y: Tensor, ways: int | None) -> Tensor:
    """Of rows, with batch normalisation by their own statistics (the network is in training mode)."""
    outputs = functional_call(network, weights, (x,))
    return F.mse_loss(outputs[:, 0], y) if ways is None else F.cross_entropy(outputs[:, :ways], y)


def judged(network: nn.Module, weights: Weights, task: Task) -> Tensor:
    """The query loss with batch normalisation by the statistics of the support rows."""
    sx, _, qx, qy, ways = task
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        axes = [0, *range(2, inputs[0].ndim)]
        seen[layer] = inputs[0].mean(axes), inputs[0].var(axes, correction=0)

    def use(layer: _BatchNorm, inputs: tuple[Tensor], _: Tensor) -> Tensor:
        mean, var, weight, bias = (
            part.reshape(-1, *[1] * (inputs[0].ndim - 2)) for part in (*seen[layer], layer.weight, layer.bias)
        )
        return (inputs[0] - mean) / (var + layer.eps).sqrt() * weight + bias

    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    for hook, x in ((note, sx), (use, qx)):
        handles = [layer.register_forward_hook(hook) for layer in norms]
        outputs = functional_call(network, weights, (x,))
        for handle in handles:
            handle.remove()
    return F.mse_loss(outputs[:, 0], qy) if ways is None else F.cross_entropy(outputs[:, :ways], qy)


def stepped(
    network: nn.Module,
    start: Weights,
    rates: float | Weights,
    rows: list[tuple[Tensor, Tensor]],
    ways: int | None,
    *,
    only: str = "",
    graph: bool = True,
) -> Weights:
    """Weights after a step for each of `rows`, of those whose path begins with `only`."""
    weights = dict(start)
    for x, y in rows:
        moved = {path: weight for path, weight in weights.items() if path.startswith(only)}
        found = torch.autograd.grad(
            loss(network, weights, x, y, ways), list(moved.values()), create_graph=graph, retain_graph=True
        )
        for (path, weight), gradient in zip(moved.items(), found, strict=True):
            weights[path] = weight - (rates if isinstance(rates, float) else rates[path]) * gradient
    return weights
