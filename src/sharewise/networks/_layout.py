"""Where the channels of features stand: vectors, sequences, and maps under one set of operations.

Symbols: ``B`` rows, ``C`` channels, ``L`` places. A vector is ``(B, C)``, a sequence ``(B, L, C)``, a map
``(B, C, H, W)``; ``(B, ...)`` stands for any of them.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import shape_of

VECTOR, SEQUENCE, MAP = 2, 3, 4
"""Numbers of axes."""


class Pointwise(nn.Module):
    """Final. A linear layer over the channels, the same at every place of a sequence or map (there a 1×1
    convolution); initialised as ``nn.Linear``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` with ``inputs`` channels to the same places with ``outputs`` channels."""
        _check(x)
        if x.ndim == MAP:
            return F.conv2d(x, self.linear.weight[:, :, None, None], self.linear.bias)
        return F.linear(x, self.linear.weight, self.linear.bias)


def channel_axis(x: Tensor) -> int:
    """Of a vector, sequence, or map."""
    _check(x)
    return 1 if x.ndim == MAP else x.ndim - 1


def pooled(x: Tensor) -> Tensor:
    """``(B, C)``: the mean over places. A view where there are none, never ``x`` itself."""
    _check(x)
    if x.ndim == VECTOR:
        return x.view_as(x)
    return x.mean(dim=1) if x.ndim == SEQUENCE else x.mean(dim=(2, 3))


def spread(vector: Tensor, x: Tensor) -> Tensor:
    """``(B, C)`` with the axes that let it multiply ``x`` ``(B, ...)``."""
    _check(x)
    return vector if x.ndim == VECTOR else vector[:, None] if x.ndim == SEQUENCE else vector[:, :, None, None]


def resized(x: Tensor, like: Tensor) -> Tensor:
    """``x`` with the places of another stage's output: means of neighbours, over all places for a vector."""
    if like.ndim == VECTOR:
        return pooled(x)
    if x.ndim != like.ndim:
        raise OptionError(
            f"a stage gives the layout of the stage before it, or a vector; got {shape_of(x)} and then "
            f"{shape_of(like)}. Put both into one stage."
        )
    if like.ndim == MAP:
        return (
            x if x.shape[2:] == like.shape[2:] else F.adaptive_avg_pool2d(x, (like.shape[2], like.shape[3]))
        )
    if x.shape[1] == like.shape[1]:
        return x
    return F.adaptive_avg_pool1d(x.transpose(1, 2), like.shape[1]).transpose(1, 2)


def _check(x: Tensor) -> None:
    if x.ndim not in (VECTOR, SEQUENCE, MAP):
        raise OptionError(
            f"features are a vector (B, D), a sequence (B, L, D), or a map (B, C, H, W); got {shape_of(x)}. "
            "Let the encoder end in one of these."
        )
