"""Low-rank adapters: a pretrained model's own weights stand still, small products beside them learn.

Unlike ``sharewise.networks.LowRank`` these are one change for all tasks: they tune an encoder that tasks then share.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from sharewise.errors import OptionError


class LowRankChange(nn.Module):
    """Final. ``W + (alpha / rank) B A`` in the place of a weight ``W`` (Hu et al., *LoRA*, ICLR 2022,
    https://arxiv.org/abs/2106.09685, eq. 3); ``B`` starts at zero, so training starts from ``W``."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        rank = min(rank, outputs, inputs)
        self.scale = alpha / rank
        self.down = nn.Parameter((torch.rand(rank, inputs) * 2 - 1) / math.sqrt(inputs))  # A
        self.up = nn.Parameter(torch.zeros(outputs, rank))  # B

    def forward(self, weight: Tensor) -> Tensor:
        """The weight ``(out, in)``, changed."""
        return weight + self.scale * (self.up @ self.down)


def adapt_low_rank(model: nn.Module, *, rank: int = 8, alpha: float = 16.0) -> int:
    """Freezes a model and puts a `LowRankChange` on every linear layer of it, in place; how many.

    Raises:
        OptionError: The rank is below 1, or there is no linear layer.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if rank < 1 or alpha <= 0:
        raise OptionError(f"a rank is at least 1 and alpha above 0; got {rank} and {alpha:g}. Correct them.")
    if not layers:
        raise OptionError(
            f"low-rank adapters need linear layers; {type(model).__name__} has none. Fine-tune it whole."
        )
    model.requires_grad_(False)
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRankChange(layer.weight, rank, alpha))
    return len(layers)
