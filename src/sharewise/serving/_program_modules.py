"""Fitted networks as one torch module each: encoded rows in, every target's predictions out.

What `Model.predict` does with NumPy around its networks (softmax, scales, the mean of a committee, whose task a row is of)
stands inside, so that the module by itself is the model.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels of a task column (1 without), ``K`` inner folds, ``W`` columns of a
target; a *cell* is one (target, level), its code ``target * L + level``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.families._module_nets import ModuleNets, name_of
from sharewise.families._net import Net, NetworkModel
from sharewise.families.pictures._build import read
from sharewise.families.pictures._model import PictureNets
from sharewise.families.pictures._predict import rebuilt
from sharewise.families.texts._encoder import build_encoder
from sharewise.families.texts._networks import TextNets
from sharewise.tasks import BoxRows, Classification, Kind, MaskRows
from sharewise.tasks.dense import to_size

Values = tuple[Tensor, ...]
"""``(n, W)`` in double a target; ``(n, classes, H, W)`` in float of masks."""


@final
class Committees(nn.Module):
    """Of `ModuleNets`: the trained networks, over the encoder they were trained with."""

    def __init__(self, nets: ModuleNets) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            networks = [network.eval().requires_grad_(False) for network in nets._networks()]
        self.networks = nn.ModuleList(networks)
        self.kinds, self.levels, self.serves = nets.kinds, nets.levels, nets.serves
        self.scales = nets.mean, nets.spread
        self.floors = Floors(list(nets.constant))

    def forward(self, x: Tensor, level: Tensor | None = None) -> Values:
        """Inputs ``(n, …)`` and codes ``(n,)`` of the task column, where there is one."""
        outputs = [network(x) for network in self.networks]
        mean, spread = self.scales

        def one(cell: int, fold: int, place: int) -> Tensor:
            kind = self.kinds[cell // self.levels]
            raw = outputs[place][name_of(cell)]
            return as_said(raw, kind, float(mean[cell, fold]), float(spread[cell, fold]))

        return gathered(len(self.kinds), self.serves, one, self.floors(x, level), level)


@final
class PictureCommittees(nn.Module):
    """Of `PictureNets`, from bytes.

    Raises:
        OptionError: It finds boxes, whose decoding is no arithmetic on tensors of known size.
    """

    def __init__(self, nets: PictureNets) -> None:
        super().__init__()
        refuse_boxes(nets)
        self.design, self.serves, self.scales = nets.design, nets.serves, (nets.mean, nets.spread)
        shared, networks = rebuilt(nets)
        self.shared, self.networks = shared, nn.ModuleList(networks)
        masks = [isinstance(kind, MaskRows) for kind in nets.design.kinds]
        self.floors = Floors(
            [held[None] if mask else held for held, mask in zip(nets.constant, masks, strict=True)]
        )

    def forward(self, x: Tensor, level: Tensor | None = None) -> Values:
        """Bytes ``(n, C, H, W)`` and codes ``(n,)`` of the task column, where there is one."""
        pixels = read(self.design, x)
        maps = None if self.shared is None else self.shared(pixels)
        outputs = [
            network(network.backbone(pixels) if maps is None else maps)  # type: ignore[operator]
            for network in self.networks
        ]
        mean, spread = self.scales

        def one(cell: int, fold: int, place: int) -> Tensor:
            kind, raw = self.design.kind(cell), outputs[place][cell]
            if isinstance(kind, MaskRows):
                return to_size(raw, *self.design.shape[1:]).softmax(1)
            return as_said(raw, kind, float(mean[cell, fold]), float(spread[cell, fold]))

        return gathered(len(self.design.kinds), self.serves, one, self.floors(x, level), level)


@final
class Perceptrons(nn.Module):
    """Of `NetworkModel`: all members of a target in one product."""

    def __init__(self, model: NetworkModel) -> None:
        super().__init__()
        self.nets = model.nets
        self.floors = Floors([net.constant for net in model.nets])
        self.held = nn.ModuleList(_weights(net) for net in model.nets)

    def forward(self, x: Tensor, level: Tensor | None = None) -> Values:
        """Encoded rows ``(n, P)`` in float and codes ``(n,)`` of the task column, where there is one."""
        found = []
        for net, held, floor in zip(self.nets, self.held, self.floors(x, level), strict=True):
            if net.first is None:
                found.append(floor)
                continue
            said = self._members(net, held, x, level)
            if len(net.serves) == 1:
                used = [int(place) for place in net.serves[0] if place >= 0]
                found.append(said[used].mean(0))
                continue
            assert level is not None
            shares = held.get_buffer("share")
            share = shares[level].T[:, :, None]
            served = shares.sum(1)[level][:, None] > 0
            found.append(torch.where(served, (said * share).sum(0), floor))
        return tuple(found)

    @staticmethod
    def _members(net: Net, held: nn.Module, x: Tensor, level: Tensor | None) -> Tensor:
        """``(M, n, W)`` in the target's own units."""
        of = held.get_buffer
        before = x @ of("first") + of("first_bias")
        if net.level_embedding is not None:
            before = before + of("level_embedding")[:, level]
        hidden = (before.relu() @ of("second") + of("second_bias")).relu()
        scores = (hidden @ of("head")).double() + of("head_bias").double()
        if net.level_head is not None:
            own = (hidden.unsqueeze(2) @ of("level_head")[:, level]).squeeze(2)
            scores = scores + own.double() + of("level_bias")[:, level].double()
        return scores.softmax(2) if isinstance(net.kind, Classification) else scores


@final
class Floors(nn.Module):
    """What is said where no network serves."""

    def __init__(self, constants: list[NDArray[np.generic]]) -> None:
        super().__init__()
        for place, constant in enumerate(constants):
            self.register_buffer(f"constant{place}", torch.from_numpy(np.array(constant)))
        self.count = len(constants)

    def forward(self, x: Tensor, level: Tensor | None) -> list[Tensor]:
        """``(n, …)`` a target."""
        held = [self.get_buffer(f"constant{place}") for place in range(self.count)]
        if level is not None:
            return [one[level] if len(one) > 1 else one.expand(x.shape[0], *one.shape[1:]) for one in held]
        return [one.expand(x.shape[0], *one.shape[1:]) for one in held]


def as_said(raw: Tensor, kind: Kind, mean: float, spread: float) -> Tensor:
    """Outputs as probabilities, or as numbers in the target's own units; in double."""
    values = raw.double()
    return values.softmax(-1) if isinstance(kind, Classification) else values * spread + mean


def gathered(
    targets: int,
    serves: NDArray[np.int64],
    one: Callable[[int, int, int], Tensor],
    floors: list[Tensor],
    level: Tensor | None,
) -> Values:
    """Means of the committees, each on the rows of its level.

    Args:
        serves: ``(D·L, K)`` the network of each fold, -1 for none.
        one: What the network at a place says of a (cell, fold).
    """
    levels = len(serves) // targets
    found = list(floors)
    for cell in np.flatnonzero((serves >= 0).any(axis=1)).tolist():
        target, at = divmod(cell, levels)
        members = [one(cell, fold, place) for fold, place in enumerate(serves[cell].tolist()) if place >= 0]
        mean = torch.stack(members).mean(0)
        if level is None:
            found[target] = mean
            continue
        mine = (level == at).reshape(-1, *[1] * (mean.ndim - 1))
        found[target] = torch.where(mine, mean, found[target])
    return tuple(found)


def _weights(net: Net) -> nn.Module:
    """What a net holds, as buffers; its members' shares of each level besides."""
    held = nn.Module()
    for name in ("first", "first_bias", "second", "second_bias", "head", "head_bias", "level_embedding", "level_head",
                 "level_bias"):  # fmt: skip
        value = getattr(net, name)
        if value is not None:
            held.register_buffer(name, torch.from_numpy(value.copy()))
    members = 0 if net.first is None else len(net.first)
    counts = (net.serves[:, :, None] == np.arange(members)).sum(axis=1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    held.register_buffer("share", torch.from_numpy(shares.astype(np.float64)))
    return held


def module_of(model: object) -> nn.Module | None:
    """The module of a fitted network, in evaluation mode; None of what is none.

    Raises:
        OptionError: The model has a part that no module has.
    """
    made: nn.Module
    if isinstance(model, TextNets):
        made = Committees(nets_of(model))
    elif isinstance(model, ModuleNets):
        made = Committees(model)
    elif isinstance(model, PictureNets):
        made = PictureCommittees(model)
    elif isinstance(model, NetworkModel):
        made = Perceptrons(model)
    else:
        return None
    return made.eval()


def nets_of(model: TextNets) -> ModuleNets:
    """The networks of a model of texts, over the encoder that they were trained with."""
    with torch.random.fork_rng(devices=[]):
        encoder = build_encoder(model.learner, model.inputs, 0.0)
    return model.nets.with_encoder(encoder)


def refuse_boxes(nets: PictureNets) -> None:
    """Refuse what gives as many answers as a picture has.

    Raises:
        OptionError: It finds boxes.
    """
    if any(isinstance(kind, BoxRows) for kind in nets.design.kinds):
        raise OptionError(
            "a graph gives values of a known shape; the boxes that this model finds in a picture are as many as there "
            "are. Use model.save and sw.load, or compare without the boxes."
        )
