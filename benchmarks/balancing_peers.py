"""Other ways to a balanced gradient for ``benchmarks/balancing.py``; nothing to run.

All take the same losses and features, form the Gramian of the tasks' gradients, and combine the gradients with the same
fixed weights, so that what is timed is the backward pass and not the solver.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sharewise.balancing import Weighting
from sharewise.balancing._base import Array, Seen
from torch import Tensor, nn
from torchjd.aggregation import ConstantWeighting, GramianWeightedAggregator
from torchjd.autojac import jac_to_grad, mtl_backward


class Fixed(Weighting):
    """Weights known beforehand."""

    name = "fixed"

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__(norm="raw")
        self.weights = np.array(weights)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        return self.weights[seen.tasks]


class Torchjd:
    """TorchJD's `mtl_backward` and `jac_to_grad`, which takes the Gramian of the Jacobian."""

    def __init__(self, weights: Sequence[float], chunk: int | None) -> None:
        self.aggregator = GramianWeightedAggregator(ConstantWeighting(torch.tensor(weights)))
        self.chunk = chunk

    def __call__(self, losses: list[Tensor], features: Tensor, shared: list[nn.Parameter]) -> None:
        mtl_backward(losses, features=features, parallel_chunk_size=self.chunk)
        jac_to_grad(shared, self.aggregator)


class PassPerTask:
    """LibMTL's documented procedure for gradients of shared parameters, in own words.

    A backward pass of each loss through the whole network, the shared parameters' gradients copied into one row of a
    matrix and cleared; then the weighted sum of rows, cut up into the parameters' gradients. (LibMTL itself requires
    torchvision at import, which the benchmark does not.) Heads collect their gradients on the way.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = torch.tensor(weights)

    def __call__(self, losses: list[Tensor], features: Tensor, shared: list[nn.Parameter]) -> None:
        sizes = [parameter.numel() for parameter in shared]
        rows = torch.zeros(len(losses), sum(sizes))
        for task, loss in enumerate(losses):
            loss.backward(retain_graph=task < len(losses) - 1)
            rows[task] = torch.cat([p.grad.view(-1) for p in shared if p.grad is not None])
            for parameter in shared:
                parameter.grad = None
        torch.mm(rows, rows.t())
        combined = torch.einsum("t,tp->p", self.weights, rows)
        for parameter, part in zip(shared, combined.split(sizes), strict=True):
            parameter.grad = part.view(parameter.shape).clone()
