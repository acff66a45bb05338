"""What the checks of `conformance` are made of: small encoders of every form, with inputs and heads that fit;
and the rules that they hold outputs against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sharewise.errors import SharewiseError
from sharewise.networks._base import MultiTaskNetwork
from sharewise.networks._encoders import mlp, small_cnn
from sharewise.networks._heads import Heads
from sharewise.networks._stacked_heads import heads

Factory = Callable[[nn.Module, "Heads | Mapping[str, nn.Module]"], MultiTaskNetwork]
"""An architecture, or one with its options filled in."""

ROWS, WIDTH = 6, 12
OUTPUTS = {"lang": 3, "net.worth": 1, "keys": 3}
"""Uneven heads; names that a module's attributes could not have."""
CLOSE = 1e-5
"""How far apart two ways of computing the same may round."""


@dataclass(frozen=True)
class Layout:
    """One form of encoder with inputs and heads that fit it.

    Attributes:
        encoder: Makes one.
        inputs: Shape of a row's inputs.
        places: Shape of a row's places in the outputs.
        heads: From the outputs of each task to heads on features ``WIDTH`` wide.
    """

    encoder: Callable[[], nn.Module]
    inputs: tuple[int, ...]
    places: tuple[int, ...]
    heads: Callable[[Mapping[str, int]], Heads | Mapping[str, nn.Module]]

    def x(self, rows: int = ROWS) -> Tensor:
        """Inputs of some rows."""
        return torch.randn(rows, *self.inputs)

    def network(
        self, factory: Factory, outputs: Mapping[str, int] = OUTPUTS, seed: int = 0
    ) -> MultiTaskNetwork:
        """A fresh network in evaluation mode, its random weights from the seed."""
        torch.manual_seed(seed)
        return factory(self.encoder(), self.heads(outputs)).eval()


def _pooling(outputs: Mapping[str, int]) -> dict[str, nn.Module]:
    return {
        task: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, count))
        for task, count in outputs.items()
    }


LAYOUTS: dict[str, Layout] = {
    "vector": Layout(lambda: mlp(5, [16, WIDTH]), (5,), (), lambda outputs: heads(outputs, WIDTH)),
    "sequence": Layout(
        lambda: mlp(5, [16, WIDTH]), (4, 5), (4,), lambda outputs: heads(outputs, WIDTH, hidden=[8])
    ),
    "map": Layout(lambda: small_cnn(1, [8, WIDTH], pool=False), (1, 8, 8), (), _pooling),
    "picture": Layout(lambda: small_cnn(1, [8, WIDTH]), (1, 8, 8), (), lambda outputs: heads(outputs, WIDTH)),
}
"""By name: tables, sequences, feature maps, and pictures that end in a vector."""


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether outputs are equal to the last bit."""
    return set(one) == set(other) and all(torch.equal(one[task], other[task]) for task in one)


def same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> None:
    """Outputs are of the same tasks and close."""
    must(tuple(found) == tuple(wanted), f"{what} are of tasks {tuple(wanted)}; got {tuple(found)}")
    for task in wanted:
        close = torch.allclose(found[task], wanted[task], rtol=CLOSE, atol=CLOSE)
        must(close, f"{what} are the same for '{task}'")


def refused(call: Callable[[], object], named: str) -> None:
    """A call raises a `SharewiseError` that holds a name."""
    try:
        call()
    except SharewiseError as error:
        must(named in str(error), f"a refusal names what it refuses ('{named}'); got: {error}")
    else:
        must(False, f"'{named}' is refused")


def must(holds: bool, rule: str) -> None:
    """A rule holds."""
    if not holds:
        raise AssertionError(rule)


def losses(network: MultiTaskNetwork, x: Tensor) -> dict[str, Tensor]:
    """By task, the squared distance of its outputs from one."""
    return {task: (outputs - 1).square().mean() for task, outputs in network(x).items()}


def stirred(network: MultiTaskNetwork) -> MultiTaskNetwork:
    """Off the start, where an architecture may have set weights to zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return network


def moves(slope: Tensor | None) -> bool:
    """Whether a gradient is there and not zero."""
    return slope is not None and bool(slope.any())
