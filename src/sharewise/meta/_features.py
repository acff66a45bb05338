"""Features of a stated width: what a learner whose own layers start from them is given.

Symbols: `E` tasks, `R` rows, `D` features, `P` the shape of a row's inputs.
"""

from __future__ import annotations

from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import encode


def features_of(encoder: nn.Module, x: Tensor, width: int) -> Tensor:
    """Features (E, R, D) of inputs (E, R, *P).

    Raises:
        OptionError: D is not `width`.
    """
    found = encode(encoder, x)
    if found.shape[-1] != width:
        raise OptionError(
            f"A learner is told how many features its encoder gives; it was told {width} and got {found.shape[-1]}. "
            f"Pass features={found.shape[-1]}."
        )
    return found


def check_sizes(**sizes: int) -> None:
    """Refuses sizes below one.

    Raises:
        OptionError: One is.
    """
    for name, size in sizes.items():
        if size < 1:
            raise OptionError(f"{name} counts from one; got {size}. Raise it.")
