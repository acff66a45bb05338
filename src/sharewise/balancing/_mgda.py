"""The shortest mixture of the gradients."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Seen, Weighting
from sharewise.balancing._solvers import cone_weights, cosines_of

Array = NDArray[np.float64]


@final
class MGDA(Weighting):
    """min over w >= 0, sum w = 1 of w'Gw: the common descent direction, zero only where no direction helps all tasks.

    J.-A. Désidéri, *Multiple-gradient descent algorithm (MGDA) for multiobjective optimization*, Comptes Rendus
    Mathématique 350, 2012; O. Sener, V. Koltun, *Multi-Task Learning as Multi-Objective Optimization*, NeurIPS 2018
    (https://arxiv.org/abs/1810.04650), eq. 3. Solved by active sets instead of Frank and Wolfe's slow steps. Short
    gradients weigh most; a Gramian that is singular has `_solvers.RIDGE` on its cosines.
    """

    name: ClassVar[str] = "mgda"

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        scaled = cosines_of(gramian)
        # In v_i = w_i d_i the problem is min v'Cv over sum_i v_i / d_i = 1.
        pull = scaled.lengths.min() / scaled.lengths
        weights = cone_weights(scaled.root(), pull)[0] * pull
        return np.asarray(weights / weights.sum())
