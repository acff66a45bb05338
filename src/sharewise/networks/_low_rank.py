"""Low-rank task updates: every task moves the shared weights by a small product of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._per_task import PerTask
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import known_width


class LowRank(MultiTaskNetwork):
    """Final. The encoder's weights ``W``, for a task ``W + (alpha / rank) B A`` (Hu et al., *LoRA: Low-Rank
    Adaptation of Large Language Models*, ICLR 2022, https://arxiv.org/abs/2106.09685, eq. 3).

    Any encoder in any layout: its linear layers and convolutions are updated, a kernel as the matrix ``(out,
    in * places)``. ``B`` starts at zero: training starts from the shared trunk. The encoder is not
    duplicated but runs once a task. Of a task alone are its updates and head; freeze `shared_parameters` to
    learn tasks on a trained trunk, as in the paper. Features are by task, in any form the heads take.

    Args:
        rank: Of an update; for smaller matrices at most their shorter side.
        alpha: The update's scale is ``alpha / rank``.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        rank: int = 4,
        alpha: float = 4.0,
    ) -> None:
        if rank < 1 or alpha <= 0:
            raise OptionError(
                f"rank is at least 1 and alpha above 0; got {rank} and {alpha:g}. Correct them."
            )
        super().__init__(heads)
        check_width(self.heads, known_width(encoder))
        weights = {
            f"{name}.weight" if name else "weight": module.weight
            for name, module in encoder.named_modules()
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))
        }
        if not weights:
            raise OptionError(
                f"low-rank updates need an encoder with linear layers or convolutions; {type(encoder).__name__} has "
                "none. Take another architecture."
            )
        self.encoder = encoder
        self.names = tuple(weights)
        self.updates = PerTask(
            {
                task: nn.ModuleList(Update(weight, rank, alpha / rank) for weight in weights.values())
                for task in self.tasks
            }
        )

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        return {task: apply(self._of(task), x, "the encoder") for task in tasks}

    def _of(self, task: str) -> Callable[[Any], Any]:
        """The encoder with a task's weights; statistics it gathers are the encoder's own."""
        moved = {
            name: update(self.encoder.get_parameter(name))
            for name, update in zip(self.names, self.updates[task], strict=True)
        }
        return lambda x: functional_call(self.encoder, moved, (x,))

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert isinstance(features, dict)
        return self.heads(features, tasks)  # type: ignore[no-any-return]

    def _own(self, task: str) -> Iterable[nn.Module]:
        return (self.updates[task],)


class Update(nn.Module):
    """Final. A task's change of one weight, ``scale * up @ down``."""

    def __init__(self, weight: Tensor, rank: int, scale: float) -> None:
        super().__init__()
        outputs, inputs = len(weight), weight[0].numel()
        rank = min(rank, outputs, inputs)
        self.scale = scale
        self.down = nn.Parameter((torch.rand(rank, inputs) * 2 - 1) / math.sqrt(inputs))  # A
        self.up = nn.Parameter(torch.zeros(outputs, rank))  # B

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, moved; of any shape ``(out, ...)``."""
        return weight + self.scale * (self.up @ self.down).view_as(weight)
