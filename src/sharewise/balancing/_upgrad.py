"""Each gradient moved as little as it takes to harm nobody, then summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Norm, Seen, Weighting
from sharewise.balancing._preference import as_preference
from sharewise.balancing._solvers import cosines_of, nearest

Array = NDArray[np.float64]


@final
class UPGrad(Weighting):
    """sum_t p_t π(g_t), π the projection onto the directions that lower no task's descent (the dual cone of J).

    P. Quinton, V. Rey, *Jacobian Descent for Multi-Objective Optimization*, 2024 (https://arxiv.org/abs/2406.16232),
    eq. 3. By its proposition 1, π(J'u) = J'v with v the minimum of v'Gv over v >= u: one least-squares problem
    with bounds a task. `preference` p (T,), by default 1/T each. A singular Gramian has `_solvers.RIDGE` on its cosines.
    """

    name: ClassVar[str] = "upgrad"

    def __init__(self, preference: Sequence[float] | None = None, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        self.preference = None if preference is None else as_preference(preference, "preferences")

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        scaled = cosines_of(gramian)
        root, lengths = scaled.root(), scaled.lengths
        share = (
            np.full(len(lengths), 1.0 / seen.total) if self.preference is None else self.preference.of(seen)
        )
        # v = u + z with z >= 0 and u = d_t e_t in lengths: z / d_t is the nearest root z to -root[:, t].
        extra = sum(
            share[t] * lengths[t] * nearest(root, -root[:, t]) for t in range(len(lengths)) if share[t] > 0
        )
        return np.asarray(share + extra / lengths)
