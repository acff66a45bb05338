"""A fitted network committee as plain arrays, computed with NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._parts import softmax
from sharewise.families._sample import Model, Predictions
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.tasks import Array, Classification, Kind

if TYPE_CHECKING:
    from torch import Tensor

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Net:
    """The committee of one target.

    Symbols: ``M`` members, ``P`` inputs, ``H`` width, ``W`` columns of the target, ``L`` levels.

    Attributes:
        first, first_bias: ``(M, P, H)``, ``(M, 1, H)``.
        second, second_bias: ``(M, H, H)``, ``(M, 1, H)``.
        head, head_bias: ``(M, H, W)``, ``(M, 1, W)``, in the target's own units (the bias in float64).
        level_embedding: ``(M, L, H)``, with ``level_head`` ``(M, L, H, W)`` and ``level_bias``
            ``(M, L, W)``; None where the level does not enter. All weights are None where no member
            serves.
        serves: ``(G, K)`` members averaged for each of ``G`` levels (one row for all where ``G`` is 1);
            -1 for none.
        constant: ``(G, W)`` prediction where no member serves.
        kind: What is predicted.
    """

    first: Weights | None
    first_bias: Weights | None
    second: Weights | None
    second_bias: Weights | None
    head: Weights | None
    head_bias: Array | None
    level_embedding: Weights | None
    level_head: Weights | None
    level_bias: Weights | None
    serves: NDArray[np.int64]
    constant: Array
    kind: Kind

    def member(self, place: int, X: Weights, level: NDArray[np.intp] | None) -> Array:
        """One member's prediction ``(n, W)`` in the target's own units."""
        before = X @ _there(self.first)[place] + _there(self.first_bias)[place]
        if self.level_embedding is not None:
            before += self.level_embedding[place][level]
        hidden = np.maximum(before, 0.0)
        hidden = np.maximum(hidden @ _there(self.second)[place] + _there(self.second_bias)[place], 0.0)
        scores = hidden @ _there(self.head)[place] + _there(self.head_bias)[place]
        if self.level_head is not None and self.level_bias is not None:
            own = np.einsum("nh,nhw->nw", hidden, self.level_head[place][level])
            scores = scores + own + self.level_bias[place][level]
        exact = scores.astype(np.float64)
        return softmax(exact) if isinstance(self.kind, Classification) else exact

    def predict(self, X: Weights, level: NDArray[np.intp] | None) -> Array:
        """``(n, W)``."""
        if len(self.serves) == 1:
            return self._average(0, X, level)
        assert level is not None
        out = np.empty((len(X), self.kind.width))
        for code in np.unique(level):
            rows = np.flatnonzero(level == code)
            out[rows] = self._average(int(code), X[rows], level[rows])
        return out

    def _average(self, code: int, X: Weights, level: NDArray[np.intp] | None) -> Array:
        members = [int(place) for place in self.serves[code] if place >= 0]
        if not members:
            return np.tile(self.constant[code], (len(X), 1))
        average: Array = np.mean([self.member(place, X, level) for place in members], axis=0)
        return average


def _there(weights: NDArray[Any] | None) -> NDArray[Any]:
    assert weights is not None  # a member is only asked where one serves
    return weights


@dataclass(frozen=True)
class NetworkModel(Model):
    """A `Net` a target over shared inputs."""

    encoder: TabularEncoder
    nets: tuple[Net, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = self.encoder.transform(table).astype(np.float32)
        return [net.predict(X, level) for net in self.nets]


TRUNK = ("first", "first_bias", "second", "second_bias", "level_embedding")
HEADS = ("head", "level_head", "level_bias")


def committee(members: Sequence[Mapping[str, Tensor]], mean: Array, spread: Array) -> dict[str, Any]:
    """The weights of a `Net` from those of its members, outputs in the target's own units; None where
    nothing serves.

    Args:
        members: Weights by name, heads with the target's columns only.
        mean, spread: ``(M,)`` scale of each member's target.
    """
    found: dict[str, Any] = dict.fromkeys((*TRUNK, *HEADS, "head_bias"))
    if not members:
        return found
    for name in members[0]:
        values = np.stack([weights[name].numpy() for weights in members])
        if name in TRUNK:
            found[name] = values
            continue
        scale = spread.reshape(-1, *[1] * (values.ndim - 1))
        if name in HEADS:
            found[name] = np.ascontiguousarray(values * scale, dtype=np.float32)
        else:
            found[name] = values.astype(np.float64) * scale + mean[:, None, None]
    return found
