"""The worst weighted loss, smoothed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen
from sharewise.balancing._preference import as_preference
from sharewise.errors import OptionError


@final
class STCH(Scalarizer):
    """μ log sum_t exp(λ_t (L_t - z_t) / μ): a smooth max_t λ_t (L_t - z_t).

    X. Lin et al., *Smooth Tchebycheff Scalarization for Multi-Objective Optimization*, ICML 2024
    (https://arxiv.org/abs/2402.19078). Its minima for preferences λ > 0 over the simplex are exactly the
    weakly Pareto-optimal models (μ small enough), also where the front is not convex, which no weighted sum
    reaches. Losses must be of comparable size: divide by what a first model reaches, or say so with λ.
    """

    name: ClassVar[str] = "stch"

    def __init__(
        self,
        mu: float = 0.1,
        *,
        preference: Sequence[float] | None = None,
        ideal: Sequence[float] | None = None,
        norm: Norm = "sum",
    ) -> None:
        """`mu` > 0 in units of λ L: smaller follows the worst task more closely. `preference` λ (T,), as given (by
        default 1/T each); `ideal` z (T,), the losses to dream of (default 0)."""
        super().__init__(norm)
        if not mu > 0:
            raise OptionError(f"STCH's mu is above zero; got {mu}. 0.1 suits losses of about 1.")
        self.mu = mu
        self.preference = None if preference is None else as_preference(preference, "preferences")
        self.ideal = None if ideal is None else tuple(float(value) for value in ideal)

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        share = (
            np.full(seen.total, 1.0 / seen.total)[seen.tasks]
            if self.preference is None
            else self.preference.of(seen)
        )
        weights = losses.new_tensor(share)
        above = losses - losses.new_tensor(self._ideal_of(seen))
        scaled = weights * above / self.mu
        return Combined(self.mu * torch.logsumexp(scaled, 0), (weights * torch.softmax(scaled, 0)).detach())

    def _ideal_of(self, seen: Seen) -> list[float]:
        if self.ideal is None:
            return [0.0] * len(seen.tasks)
        if len(self.ideal) != seen.total:
            raise OptionError(
                f"An ideal has one loss a task; got {len(self.ideal)} of them and {seen.total} tasks."
            )
        return [self.ideal[place] for place in seen.tasks]
