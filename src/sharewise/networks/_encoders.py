"""Plain encoders, for whoever brings none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from sharewise.errors import OptionError


def mlp(inputs: int, widths: Sequence[int], *, dropout: float = 0.0) -> nn.Sequential:
    """An encoder for tables: ``(B, inputs)`` or ``(B, L, inputs)`` to the last of ``widths``.

    Each stage is a linear layer, a rectifier and, if asked for, dropout.
    """
    sizes = (inputs, *widths)
    if not widths or min(sizes) < 1:
        raise OptionError(
            f"an MLP has inputs and one or more widths, all at least 1; got {sizes}. Correct them."
        )
    return nn.Sequential(
        *(
            nn.Sequential(nn.Linear(before, after), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else []))
            for before, after in pairwise(sizes)
        )
    )


def small_cnn(channels: int, widths: Sequence[int] = (16, 32, 64), *, pool: bool = True) -> nn.Sequential:
    """An encoder for pictures ``(B, channels, H, W)``, sides of 8 pixels or more for three widths.

    Each stage is a 3×3 convolution, group normalisation (which knows no batch), a rectifier and 2×2 pooling.

    Args:
        pool: Mean over the picture at the end, giving a vector ``(B, widths[-1])``; else a map
            ``(B, widths[-1], H / 2**len(widths), W / 2**len(widths))``.
    """
    sizes = (channels, *widths)
    if not widths or min(sizes) < 1:
        raise OptionError(
            f"a CNN has channels and one or more widths, all at least 1; got {sizes}. Correct them."
        )
    stages: list[nn.Module] = [
        nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.GroupNorm(1, after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        for before, after in pairwise(sizes)
    ]
    return nn.Sequential(*stages, *([nn.AdaptiveAvgPool2d(1), nn.Flatten()] if pool else []))
