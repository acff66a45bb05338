"""How often tasks with inputs of their own have their turn.

An epoch holds as many batches as all loaders together, whatever the rule; the rule says how they are shared
out. A step takes one batch of every task whose turn it is, so that tasks meet in steps as often as they can,
and a balancer sees them together.

Symbols: ``T`` tasks, ``S`` steps an epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError

Sampling = Literal["proportional", "sqrt", "uniform", "temperature"]


def exponent_of(sampling: Sampling, temperature: float) -> float:
    """The power of a loader's length that its share goes by.

    One for ``proportional``, a half for ``sqrt``, zero for ``uniform``, and one over the temperature for
    ``temperature`` (Aharoni et al. 2019, `arXiv:1907.05019 <https://arxiv.org/abs/1907.05019>`_, section 3.3):
    1 is proportional, 2 the square root, large ones near uniform.

    Raises:
        OptionError: An unknown rule, or a temperature that is not positive.
    """
    if sampling not in get_args(Sampling):
        raise OptionError(f"sampling is one of {', '.join(get_args(Sampling))}; got '{sampling}'.")
    if not temperature > 0:
        raise OptionError(f"a sampling temperature is above 0; got {temperature}. 1 samples by size.")
    return {"proportional": 1.0, "sqrt": 0.5, "uniform": 0.0, "temperature": 1.0 / temperature}[sampling]


def quotas(lengths: Sequence[int], exponent: float) -> tuple[int, ...]:
    """Batches of each task in an epoch: at least one each, together (nearly) the sum of the lengths.

    Args:
        lengths: Batches in each task's loader, ``(T,)``, all at least 1.
        exponent: 1 reads every loader once an epoch.
    """
    total = sum(lengths)
    weights = np.asarray(lengths, dtype=float) ** exponent
    wanted = total * weights / weights.sum()
    whole = np.floor(wanted + 1e-9).astype(int)
    # What is left over goes to the largest remainders, the first task first where they are equal.
    order = np.argsort(-(wanted - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return tuple(int(q) for q in np.maximum(whole, 1))


def turns(quota: Sequence[int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whose turn it is at which step, ``(S, T)`` with ``S`` the largest quota.

    A task's turns lie evenly over the epoch, from a random start (systematic sampling).
    """
    steps = max(quota)
    found = np.zeros((steps, len(quota)), dtype=bool)
    for task, count in enumerate(quota):
        places = np.floor((np.arange(count) + rng.random()) * steps / count).astype(int)
        found[np.minimum(places, steps - 1), task] = True
    return found
