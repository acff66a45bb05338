"""TorchJD's scalarizers, weightings and aggregators as balancers.

TorchJD is not needed to use sharewise; who passes one of its instances has it. Its own numbers are kept as they are:
nothing is rescaled, unlike sharewise's balancers by default.

Symbols: ``T`` tasks, ``P`` parameters.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Balancer, Combined, Scalarizer, Weighting
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]


class ForeignScalarizer:
    """Final. A TorchJD scalarizer."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def combine(self, losses: Tensor, *, present: NDArray[np.bool_] | None = None) -> Combined:
        """As `Scalarizer.combine`; ``present`` is not told, TorchJD knows no absent tasks."""
        watched = losses.view_as(losses)
        total: Tensor = self.module(watched)
        (weights,) = torch.autograd.grad(total, [watched], retain_graph=True)
        return Combined(total, weights.detach())


class ForeignWeighting:
    """Final. A TorchJD weighting of a Gramian, or an aggregator that combines rows with weights.

    A weighting of the Jacobian gets it in the exact mode. In the others it gets a square root of the Gramian, rows of
    the same lengths and angles, which is the same to all weightings but those that look at single coordinates.
    """

    def __init__(self, weighting: Any, *, of_gramian: bool) -> None:
        self.weighting = weighting
        self.of_gramian = of_gramian

    def __call__(
        self, gramian: Array, losses: Array | None = None, *, present: NDArray[np.bool_] | None = None
    ) -> Array:
        """Weights ``(T,)`` of a Gramian ``(T, T)``."""
        given = gramian if self.of_gramian else _root(gramian)
        return self.of_rows(torch.from_numpy(given).to(torch.get_default_dtype()))

    def of_rows(self, rows: Tensor) -> Array:
        """Weights ``(T,)`` of a Jacobian ``(T, P)``, or of the Gramian where that is what the weighting takes."""
        with torch.no_grad():
            weights = self.weighting(rows)
        found: Array = weights.double().cpu().numpy()
        if not np.isfinite(found).all():
            raise DataError(
                f"Weights must be finite; {type(self.weighting).__name__} gave {found}. Choose another balancer."
            )
        return found


class ForeignAggregator:
    """Final. A TorchJD aggregator without weights: it combines the Jacobian coordinate by coordinate."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def combine_rows(self, rows: Tensor) -> Tensor:
        """``(T, P)`` to ``(P,)``."""
        with torch.no_grad():
            found: Tensor = self.module(rows)
        return found


Rule = Scalarizer | Weighting | ForeignScalarizer | ForeignWeighting | ForeignAggregator


def rule_of(balancer: object) -> Rule:
    """What `backward` was given, with a face that it knows.

    Raises:
        OptionError: if it is no balancer.
    """
    if isinstance(balancer, Scalarizer | Weighting):
        return balancer
    kinds = {kind.__module__.partition(".")[0] for kind in type(balancer).__mro__}
    found = _foreign(balancer) if "torchjd" in kinds else None
    if found is None:
        what = repr(balancer) if isinstance(balancer, type | str | Balancer) else type(balancer).__name__
        raise OptionError(
            "A balancer is an instance of sharewise's Scalarizer or Weighting, or of TorchJD's Scalarizer, Weighting "
            f"or Aggregator; got {what}. Pass for instance sharewise.balancing.BALANCERS['mgda']()."
        )
    return found


def _foreign(balancer: Any) -> Rule | None:
    try:
        aggregation = importlib.import_module("torchjd.aggregation")
        scalarization = importlib.import_module("torchjd.scalarization")
    except ImportError as error:
        raise OptionError(
            f"TorchJD's balancers need the package torchjd, which cannot be imported ({error}). "
            "Install sharewise with the extra 'torchjd'."
        ) from error
    if isinstance(balancer, scalarization.Scalarizer):
        return ForeignScalarizer(balancer)
    weighted = getattr(aggregation, "GramianWeightedAggregator", None)
    inner = getattr(balancer, "gramian_weighting", None)
    if inner is not None and (weighted is None or isinstance(balancer, weighted)):
        return ForeignWeighting(inner, of_gramian=True)
    if isinstance(balancer, aggregation.Weighting):
        by_rows = any(kind.__name__ == "_MatrixWeighting" for kind in type(balancer).__mro__)
        return ForeignWeighting(balancer, of_gramian=not by_rows)
    if isinstance(getattr(balancer, "weighting", None), aggregation.Weighting):
        return ForeignWeighting(balancer.weighting, of_gramian=False)
    return ForeignAggregator(balancer) if isinstance(balancer, aggregation.Aggregator) else None


def _root(gramian: Array) -> Array:
    """L with L L' = G, ``(T, T)``."""
    values, vectors = np.linalg.eigh(gramian)
    found: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    return found
