"""The update that is as long along every gradient."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Seen, Weighting
from sharewise.balancing._solvers import cosines_of, definite

Array = NDArray[np.float64]


@final
class IMTLG(Weighting):
    """J'w with the same projection onto every unit gradient: G w ∝ d, d_t = |g_t|.

    L. Liu et al., *Towards Impartial Multi-task Learning*, ICLR 2021 (https://openreview.net/forum?id=IMPnRXEWpvr),
    gradient balance (IMTL-G): its closed form in differences of gradients is the same linear system. The paper's
    weights sum to one, which turns the update uphill when that sum is negative; here the projections are
    positive always and raw weights sum to one or minus one. A singular Gramian has `_solvers.RIDGE` on its cosines.
    """

    name: ClassVar[str] = "imtl-g"
    nonnegative: ClassVar[bool] = False
    scale_free: ClassVar[bool] = True

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        scaled = cosines_of(gramian)
        weights = np.linalg.solve(definite(scaled.cosines), np.ones(len(gramian))) / scaled.lengths
        total = abs(float(weights.sum()))
        return np.asarray(weights / total) if total > 0 else weights
