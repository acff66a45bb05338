"""Tasks bargain over the update."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Seen, Weighting
from sharewise.balancing._solvers import cosines_of, power_balance

Array = NDArray[np.float64]


@final
class NashMTL(Weighting):
    """G w = 1 / w: the update with the greatest product of gains, the Nash bargain.

    A. Navon et al., *Multi-Task Learning as a Bargaining Game*, ICML 2022 (https://arxiv.org/abs/2202.01017), claim
    3.1. Instead of the paper's sequence of convex approximations, the equation is solved as it stands: it is the
    minimum of w'Gw / 2 - sum_t log w_t. A task's units do not matter. Where some mixture of the gradients vanishes the
    equation has no answer; `_solvers.RIDGE` on the cosines then gives one.
    """

    name: ClassVar[str] = "nash-mtl"
    scale_free: ClassVar[bool] = True

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        scaled = cosines_of(gramian)
        return power_balance(scaled.cosines, np.ones(len(gramian)), 1.0) / scaled.lengths
