"""Deployed models of networks as one torch module: blends, groups and constants over the networks of their leaves.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels of a task column (1 without), ``W`` columns of a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.families import Model
from sharewise.families.texts._networks import TextNets
from sharewise.serving._program_modules import Floors, Values, module_of
from sharewise.strategies import BlendModel
from sharewise.strategies._constant import ConstantModel
from sharewise.strategies._grouped import GroupModel

Inputs = tuple[Tensor, ...]
"""Encoded rows ``(n, …)``, one a leaf."""


@final
class Whole(nn.Module):
    """Final. Encoded rows, one a leaf, and codes ``(n,)`` of the task column behind them where there is one; to every
    target's predictions."""

    def __init__(self, model: Model, leaves: list[Model], *, with_level: bool) -> None:
        super().__init__()
        self.part, self.with_level = part_of(model, leaves), with_level

    def forward(self, *given: Tensor) -> Values:
        """Those."""
        inputs, level = (given[:-1], given[-1]) if self.with_level else (given, None)
        return cast("Values", self.part(inputs, level))


def part_of(model: Model, leaves: list[Model]) -> nn.Module:
    """The module of a model; networks that it meets are put into ``leaves``.

    Raises:
        OptionError: It is none of networks.
    """
    if isinstance(model, BlendModel):
        return Blended(model, leaves)
    if isinstance(model, GroupModel):
        return Grouped(model, leaves)
    if isinstance(model, ConstantModel):
        return Constant(model)
    module = module_of(model)
    if module is None:
        raise OptionError(
            f"a .pt2 file holds networks; this model has a {type(model).__name__}. Use model.save and sw.load, or export "
            "it to an .onnx file."
        )
    leaves.append(model)
    return Leaf(module, len(leaves) - 1)


@final
class Leaf(nn.Module):
    """Final. A network over its own inputs."""

    def __init__(self, module: nn.Module, place: int) -> None:
        super().__init__()
        self.module, self.place = module, place

    def forward(self, inputs: Inputs, level: Tensor | None) -> Values:
        """Of all leaves' inputs."""
        return cast("Values", self.module(inputs[self.place], level))


@final
class Constant(nn.Module):
    """Final. The same for every row of a level."""

    def __init__(self, model: ConstantModel) -> None:
        super().__init__()
        self.floors = Floors(list(model.values))

    def forward(self, inputs: Inputs, level: Tensor | None) -> Values:
        """Of all leaves' inputs, whose number of rows is what is read of them."""
        return tuple(self.floors(inputs[0], level))


@final
class Grouped(nn.Module):
    """Final. A model of some cells; NaN elsewhere."""

    def __init__(self, model: GroupModel, leaves: list[Model]) -> None:
        super().__init__()
        self.part = part_of(model.model, leaves)
        self.targets, self.widths = model.targets, model.widths
        self.alone = [bool(own[0]) for own in model.members]  # in a wide problem
        self.register_buffer("members", torch.from_numpy(np.array(model.members)))
        self.inside = None if model.levels is None else torch.from_numpy(np.array(model.levels))

    def forward(self, inputs: Inputs, level: Tensor | None) -> Values:
        """Of all leaves' inputs."""
        rows = inputs[0].shape[0]
        nothing = torch.full((), float("nan"), dtype=torch.float64)
        found = [nothing.expand(rows, width) for width in self.widths]
        own = None if self.inside is None or level is None else self.inside[level]
        values = self.part(inputs, None if own is None else own.clamp(min=0))
        for place, value in zip(self.targets, values, strict=True):
            if own is None or level is None:
                found[place] = value if self.alone[place] else found[place]
                continue
            held = (own >= 0) & self.get_buffer("members")[place][level]
            found[place] = torch.where(held[:, None], value, found[place])
        return tuple(found)


@final
class Blended(nn.Module):
    """Final. A weighted mean, target by target and level by level."""

    def __init__(self, model: BlendModel, leaves: list[Model]) -> None:
        super().__init__()
        self.used = [place for place in range(len(model.members)) if (model.weights[:, :, place] > 0).any()]
        self.parts = nn.ModuleList(part_of(model.members[place], leaves) for place in self.used)
        self.register_buffer("weights", torch.from_numpy(np.array(model.weights)))

    def forward(self, inputs: Inputs, level: Tensor | None) -> Values:
        """Of all leaves' inputs."""
        weights = self.get_buffer("weights")
        found: Sequence[Tensor] = ()
        for place, part in zip(self.used, self.parts, strict=True):
            shares = weights[:, :, place]  # (D, L)
            own = shares[:, :1].T if level is None else shares[:, level].T  # (1, D) or (n, D)
            said = []
            for target, value in enumerate(part(inputs, level)):
                share = own[:, target].reshape(-1, *[1] * (value.ndim - 1)).to(value.dtype)
                # What a member says where it has no weight may be NaN.
                said.append(torch.where(share > 0, share * value, torch.zeros_like(value)))
            found = [so_far + more for so_far, more in zip(found, said, strict=True)] if found else said
        return tuple(found)


def input_of(model: Model) -> object:
    """What makes a leaf's inputs of a table: its encoder, or None of what reads tensors as they are."""
    return model.inputs if isinstance(model, TextNets) else getattr(model, "encoder", None)
