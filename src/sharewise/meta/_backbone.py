"""The convolutional network that few-shot pictures are mostly compared on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from sharewise.errors import OptionError


def conv4(
    channels: int = 1,
    widths: Sequence[int] = (64, 64, 64, 64),
    *,
    groups: int = 8,
    pool_first: bool = False,
    channels_last: bool = False,
) -> nn.Sequential:
    """Pictures (N, channels, H, W) to features, (N, widths[-1]) for 28×28 pixels and four widths.

    Vinyals et al. (2016, https://arxiv.org/abs/1606.04080): each stage is a 3×3 convolution, a normalisation, a
    rectifier and 2×2 pooling. The paper's batch normalisation is group normalisation here, which reads no other row
    (no transduction) and whose second-order gradients through ``vmap`` are right.

    Args:
        groups: Of channels that are normalised together; a divisor of every width.
        pool_first: Whether pictures shrink before they are normalised rather than after: the same convolutions, a
            third to half less time a step, as most of the rest is spent on the first stage's large maps.
        channels_last: Weights in that memory layout, up to twice as fast on CPUs outside ``vmap``.

    Raises:
        OptionError: There is no width, or one that the groups do not divide.
    """
    sizes = (channels, *widths)
    if not widths or min(*sizes, groups) < 1 or any(width % groups for width in widths):
        raise OptionError(
            f"A conv4 has widths that its groups divide; got channels={channels}, widths={tuple(widths)} and "
            f"groups={groups}. Correct them."
        )
    stages = [_stage(before, after, groups, pool_first) for before, after in pairwise(sizes)]
    network = nn.Sequential(*stages, nn.Flatten())
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def _stage(before: int, after: int, groups: int, pool_first: bool) -> nn.Sequential:
    rest: list[nn.Module] = [nn.GroupNorm(groups, after), nn.ReLU()]
    rest.insert(0 if pool_first else 2, nn.MaxPool2d(2))
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), *rest)
