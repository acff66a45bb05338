"""What a population is given and what it gives back.

Symbols: ``N`` rows, ``P`` inputs, ``D`` targets, ``O`` outputs of all targets together, ``S`` slots (targets
of one member).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Data:
    """Rows common to all members, all on one device.

    Attributes:
        X: ``(N, P)`` floating numbers; training runs in their precision.
        Y: ``(N, D)`` of the same type: standardised numbers or class codes, NaN for gaps.
        level: ``(N,)`` int64, or None.
        columns: Each target's (start, stop) among the outputs.
        is_class: Whether each target is a class (cross-entropy) or a number (squared error).
    """

    X: Tensor
    Y: Tensor
    level: Tensor | None
    columns: tuple[tuple[int, int], ...]
    is_class: tuple[bool, ...]


@dataclass(frozen=True)
class Member:
    """One network: what it learns from, and how.

    Attributes:
        train, valid: Rows of the common data.
        targets: Places of the ``S`` targets it learns.
        group: Members of one group (the folds of a task) judge each other's epochs; slot by slot they learn
            the same, if each from a column standardised its own way.
        seed: Source of everything random in it: initial weights, batches, dropout.
        learning_rate, weight_decay: Of AdamW; the decay is decoupled.
        dropout: Share of hidden units left out in training, rounded to 1/256.
        loss_weights: Factor of each slot's loss, or None for one each. Stopping goes by each slot alone.
        start: Weights to begin from, by name, without the member axis; what is not named starts at random. Where it is
            given the start is judged as epoch 0, and kept where no epoch is better. None for a network from scratch.
        pull: Share of the way back to the start that weights go after each step: those of both hidden layers, those
            of the head; 1 keeps them where they are.
    """

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    targets: tuple[int, ...]
    group: int
    seed: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    loss_weights: tuple[float, ...] | None = None
    start: Mapping[str, Tensor] | None = field(default=None, compare=False, repr=False)
    pull: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Recipe:
    """What all members have in common: their shape, and AdamW (Loshchilov & Hutter 2019) at a constant rate
    with early stopping a target.

    Attributes:
        width: Of both hidden layers.
        epochs: At most.
        patience: Epochs without a better one, for any member and target, after which a group stops.
    """

    width: int = 96
    epochs: int = 200
    patience: int = 16


@dataclass(frozen=True)
class Trained:
    """One member's best weights, on the CPU.

    Attributes:
        epochs: For each slot the epoch its weights come from; 0 where no epoch had a finite loss, or none was better
            than the start that the member was given.
        kept: By parameter name, the snapshots that serve some slot, ``(at most S, …)``.
        place: For each slot its snapshot.
        columns: Each slot's (start, stop) among the member's own outputs.
    """

    epochs: tuple[int, ...]
    kept: dict[str, Tensor]
    place: tuple[int, ...]
    columns: tuple[tuple[int, int], ...]

    def weights(self, slot: int) -> dict[str, Tensor]:
        """One slot's weights by name, without the member axis, the heads cut to the slot's own columns."""
        columns = slice(*self.columns[slot])
        found = {name: value[self.place[slot]] for name, value in self.kept.items()}
        return {name: value[..., columns] if name in HEADS else value for name, value in found.items()}


HEADS = ("head", "head_bias", "level_head", "level_bias")
"""Parameters whose last axis is the outputs."""
