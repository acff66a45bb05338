"""An encoder as a chain of stages, between which tasks can be told apart; and how wide each stage is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._layout import channel_axis

_KEEPS_WIDTH = ("activation", "batchnorm", "dropout", "instancenorm", "normalization", "pooling")
"""Modules of torch.nn whose layers (but GLU) give as many channels as they take."""


def stages_of(encoder: nn.Module) -> list[nn.Module]:
    """An ``nn.Sequential`` cut before each child that holds a weight matrix or kernel; any other module is
    one stage. The modules are the encoder's own, not copies."""
    if type(encoder) is not nn.Sequential or not len(encoder):
        return [encoder]
    groups: list[list[nn.Module]] = [[]]
    for child in encoder:
        weighs = _weighs(child)
        if weighs and any(_weighs(before) for before in groups[-1]):
            groups.append([])
        groups[-1].append(child)
    return [group[0] if len(group) == 1 else nn.Sequential(*group) for group in groups]


def widths_of(stages: Sequence[nn.Module], example: Any = None) -> list[int]:
    """Channels that each stage gives: read from its layers, or seen with an example.

    Args:
        example: A small batch of inputs, or None. It is run without gradients, in evaluation mode, and leaves
            weights, statistics and torch's generator as they were.

    Raises:
        OptionError: A stage does not show its width and there is no example.
    """
    if example is not None:
        return _seen(stages, example)
    found = [known_width(stage) for stage in stages]
    for place, (stage, width) in enumerate(zip(stages, found, strict=True), start=1):
        if width is None:
            which = "the encoder" if len(stages) == 1 else f"stage {place} of the encoder"
            raise OptionError(
                f"this architecture must know how wide features are; {which} ({type(stage).__name__}) does not "
                "show it. Pass example= with a small batch of inputs."
            )
    return [width for width in found if width is not None]


def known_width(module: nn.Module) -> int | None:
    """Channels that a module gives, if its layers show them."""
    if type(module) is not nn.Sequential:
        named = getattr(module, "out_channels" if isinstance(module, nn.Conv2d) else "out_features", None)
        return named if isinstance(named, int) else None
    children = list(module)
    for place in reversed(range(len(children))):
        child = children[place]
        if (width := known_width(child)) is not None:
            return width
        if isinstance(child, nn.Flatten):
            if not (place and _to_one_place(children[place - 1])):
                return None
        elif not _keeps_width(child):
            return None
    return None


def _seen(stages: Sequence[nn.Module], example: Any) -> list[int]:
    modes = [(module, module.training) for stage in stages for module in stage.modules()]
    widths: list[int] = []
    try:
        for stage in stages:
            stage.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            x = example
            for place, stage in enumerate(stages, start=1):
                x = apply(stage, x, f"stage {place} of the encoder")
                widths.append(x.shape[channel_axis(x)])
    finally:
        for module, mode in modes:
            module.training = mode
    return widths


def _weighs(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _keeps_width(module: nn.Module) -> bool:
    home = type(module).__module__.removeprefix("torch.nn.modules.")
    return isinstance(module, nn.Identity) or (home in _KEEPS_WIDTH and not isinstance(module, nn.GLU))


def _to_one_place(module: nn.Module) -> bool:
    size = getattr(module, "output_size", None)
    return isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)) and size in (1, (1, 1))
