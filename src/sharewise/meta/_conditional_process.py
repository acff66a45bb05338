"""A conditional neural process: a task is the mean of its encoded rows."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.meta._base import State
from sharewise.meta._features import check_sizes
from sharewise.meta._neural_process import NeuralProcess
from sharewise.meta._ridge import masked_mean


@final
class ConditionalProcess(NeuralProcess):
    """CNP (Garnelo et al. 2018, https://arxiv.org/abs/1807.01613).

    Each support row is encoded with its label, r_i = h(x_i, y_i) (eq. 1); a task is their mean r (eq. 2), whatever
    their number and order; a query row is decoded beside it, g(x, r) (eq. 3), to a Gaussian or to logits. Trained by the
    likelihood of the query rows alone (the paper's eq. 4 asks for the support's too). One mean of `width` numbers is
    all that is kept of a support: cheap, and known to underfit labels that are without noise. Smooth activations
    where the paper has ReLU.

    Args:
        features, ways, encoder, shuffle, floor: As `NeuralProcess` says.
        width: Of hidden layers and of a task's r.
        depth: Linear layers of h, and of g.
    """

    name: ClassVar[str] = "cnp"

    def __init__(
        self,
        features: int,
        ways: int | None = None,
        *,
        encoder: nn.Module | None = None,
        width: int = 64,
        depth: int = 3,
        shuffle: bool = False,
        floor: float = 0.02,
    ) -> None:
        super().__init__(features, ways, encoder=encoder, shuffle=shuffle, floor=floor)
        check_sizes(width=width, depth=depth)
        self.rows = layers(self.row_width, width, width, depth)
        self.decoder = layers(features + width, width, self.outputs, depth)

    def _read(self, rows: Tensor, mask: Tensor) -> State:
        return {"task": masked_mean(self.rows(rows), mask[..., None])}

    def _decode(self, state: State, features: Tensor) -> Tensor:
        task = state["task"].expand(-1, features.shape[1], -1)
        return self.decoder(torch.cat([features, task], -1))  # type: ignore[no-any-return]


def layers(inputs: int, width: int, outputs: int, depth: int) -> nn.Sequential:
    """`depth` linear layers with GELU between."""
    sizes = [inputs, *[width] * (depth - 1), outputs]
    stack: list[nn.Module] = []
    for before, after in pairwise(sizes):
        stack += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*stack[:-1])
