"""Which ways of sharing inside a network a study may try: architectures and balancers as a search space."""

from __future__ import annotations

from copy import deepcopy
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from sharewise.errors import OptionError
from sharewise.families._base import Choice, Configuration, Dimension, Space

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sharewise.networks import MultiTaskNetwork

PLAIN: Final = ("mlp", "encoder")
"""Learners that are hard sharing where tasks learn together: a perceptron over a table, a problem's own encoder."""
FEWEST, MOST = 2, 16
"""Tasks between which architectures with parts for every task are tried: their time grows with the tasks."""

Rates = dict[str, Dimension | Choice]


def sharing_space(rates: Rates, fitting: tuple[str, ...]) -> Space:
    """Architectures in which tasks learn together, each with every balancer.

    Args:
        rates: Dimensions of all of them.
        fitting: Architectures to be tried.
    """
    from sharewise.balancing import BALANCERS

    balanced = {**rates, "balancing": Choice(tuple(sorted(BALANCERS)))}
    return dict.fromkeys(fitting, balanced)


def fitting_architectures(encoder: nn.Module, width: int, example: Tensor) -> tuple[str, ...]:
    """The architectures that can be built over an encoder that gives ``(B, width)``."""
    from sharewise.networks import ARCHITECTURES

    found = []
    for name in ARCHITECTURES:
        try:
            network = build_network(Configuration(name), deepcopy(encoder), {"a": 1, "b": 1}, width, example)
            network.eval()(example)
        except OptionError:
            continue  # it says that it does not fit this encoder
        except Exception as error:
            if ARCHITECTURES.plugin(name) is None:
                raise
            ARCHITECTURES.leave_out(name, error)
            continue
        found.append(name)
    return tuple(found)


def build_network(
    configuration: Configuration, encoder: nn.Module, outputs: dict[str, int], width: int, example: Tensor
) -> MultiTaskNetwork:
    """The network of a configuration over an encoder, which becomes part of it.

    Args:
        outputs: Numbers that each task's head gives.
        width: The encoder gives ``(B, width)``.
        example: A few rows of inputs.

    Raises:
        OptionError: There is no such architecture, or it does not fit the encoder.
    """
    from sharewise.networks import ARCHITECTURES, HardSharing, heads

    made = heads(outputs, width)
    if configuration.learner in PLAIN:
        return HardSharing(encoder, made)
    if configuration.learner not in ARCHITECTURES:
        raise OptionError(
            f"an architecture is one of {', '.join(sorted(ARCHITECTURES))}; got '{configuration.learner}'. "
            "Choose one of them."
        )
    build: Any = ARCHITECTURES[configuration.learner]
    options = {"example": example} if "example" in signature(build).parameters else {}
    network: MultiTaskNetwork = build(encoder, made, **options)
    return network
