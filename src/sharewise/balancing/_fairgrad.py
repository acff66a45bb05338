"""Tasks share the update as fairly as asked for."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Norm, Seen, Weighting
from sharewise.balancing._solvers import cosines_of, power_balance
from sharewise.errors import OptionError

Array = NDArray[np.float64]


@final
class FairGrad(Weighting):
    """G w = w^(-1/α): the update whose gains are α-fair.

    H. Ban, K. Ji, *Fair Resource Allocation in Multi-Task Learning*, ICML 2024 (https://arxiv.org/abs/2402.15638),
    eq. 4. α = 1 is `NashMTL`; a larger α cares more for the task that gains least, α → 0 is the plain mean. Solved as
    a convex problem. Where some mixture of the gradients vanishes, `_solvers.RIDGE` on the cosines gives an answer.
    """

    name: ClassVar[str] = "fairgrad"

    def __init__(self, alpha: float = 2.0, *, norm: Norm = "sum") -> None:
        """`alpha` of fairness, 0.1 to 10."""
        super().__init__(norm)
        if not 0.1 <= alpha <= 10:
            raise OptionError(
                f"FairGrad's alpha lies between 0.1 and 10; got {alpha}. The paper uses 1 to 10."
            )
        self.alpha = alpha

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        scaled = cosines_of(gramian)
        power = 1.0 / self.alpha
        # With y = w * d the equation is C y = d^(power - 1) * y^-power. A common unit u of d only makes w longer.
        unit = float(np.exp(np.log(scaled.lengths).mean()))
        y = power_balance(scaled.cosines, (scaled.lengths / unit) ** (power - 1.0), power)
        return np.asarray(y / (scaled.lengths / unit) * unit ** (-2.0 / (1.0 + power)))
