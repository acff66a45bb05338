"""Gradients pulled towards the similarity that their tasks usually have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Norm, Seen, Weighting, array_of
from sharewise.balancing._orders import orders
from sharewise.errors import OptionError

Array = NDArray[np.float64]

ALIGNED = 1e-12
"""Where the target's sine is below this (target cosine 1), there is no finite pull; none is made."""


@final
class GradVac(Weighting):
    """PCGrad with a target: g_t takes in as much of g_j as brings their cosine up to its running mean φ̂_tj.

    Z. Wang, Y. Tsvetkov, O. Firat, Y. Cao, *Gradient Vaccine: Investigating and Improving Multi-task Optimization in
    Massively Multilingual Models*, ICLR 2021 (https://arxiv.org/abs/2010.05874), eq. 3 (the pull) and 4 (the running
    mean, with `beta` the share of the newest cosine; the paper uses 0.01). With one running mean a pair of tasks and the
    whole gradient; the orders depend on `seed` and the step's number.
    """

    name: ClassVar[str] = "gradvac"
    stateful: ClassVar[bool] = True
    equivariant: ClassVar[bool] = False

    def __init__(self, beta: float = 0.01, seed: int = 0, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        if not 0 <= beta <= 1:
            raise OptionError(f"GradVac's beta is a share between 0 and 1; got {beta}. The paper uses 0.01.")
        self.beta = beta
        self.seed = seed
        self._start(0)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        lengths = np.sqrt(gramian.diagonal())
        mixed = np.eye(len(gramian))
        products = gramian.copy()  # row t: g_t^PC ' g_j for every j
        squared = gramian.diagonal().copy()  # |g_t^PC|²
        rows = np.arange(len(gramian))
        for other in orders(len(gramian), (self.seed, self._step)).T:
            place = (seen.tasks, seen.tasks[other])
            own = np.sqrt(np.maximum(squared, 0.0))
            cosine = np.divide(
                products[rows, other], own * lengths[other], out=np.zeros(len(own)), where=own > 0
            )
            cosine = np.clip(cosine, -1.0, 1.0)
            target = self._targets[place]
            sine, target_sine = np.sqrt(1.0 - cosine**2), np.sqrt(np.maximum(1.0 - target**2, 0.0))
            pulled = (cosine < target) & (target_sine > ALIGNED)
            share = np.zeros(len(own))
            np.divide(
                own * (target * sine - cosine * target_sine),
                lengths[other] * target_sine,
                share,
                where=pulled,
            )
            squared += 2 * share * products[rows, other] + share**2 * gramian[other, other]
            products += share[:, None] * gramian[other]
            mixed[rows, other] += share  # eq. 3
            self._targets[place] = (1 - self.beta) * target + self.beta * cosine  # eq. 4
        self._step += 1
        return np.asarray(mixed.sum(axis=0))

    def _start(self, tasks: int) -> None:
        self._targets = np.zeros((tasks, tasks))
        self._step = 0

    def _state(self) -> Mapping[str, Array | int]:
        return {"targets": self._targets, "step": self._step}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._targets = array_of(state["targets"])
        self._step = int(state["step"] or 0)
