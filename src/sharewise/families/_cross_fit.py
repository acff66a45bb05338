"""Choosing a setting by held-out error without flattering what was chosen.

The best of sixty penalties on a dozen held-out rows looks far better than it is. So a fold's held-out
predictions are taken at the setting that the *other* folds prefer; the setting that serves is the one
that all folds together prefer.

Symbols: ``K`` inner folds, ``C`` candidate settings, ``n`` rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.families._sample import Fold
from sharewise.tasks import Array


def choose(losses: Array) -> tuple[NDArray[np.intp], int]:
    """For each fold the candidate the others prefer ``(K,)``, and the one that all prefer.

    Args:
        losses: ``(K, C)`` summed loss of each candidate on each fold's held-out rows.
    """
    total = losses.sum(axis=0)
    others = total - losses if len(losses) > 1 else losses
    return others.argmin(axis=1), int(total.argmin())


def choose_rows(held: Array, losses: Array, folds: Sequence[Fold]) -> tuple[Array, int]:
    """Held-out predictions ``(n, W)`` at each fold's cross-fitted choice, and the overall choice.

    Args:
        held: ``(C, n, W)`` held-out predictions of every candidate.
        losses: ``(C, n)`` their losses; NaN where a row has no label or was never held out.
    """
    by_fold = np.array([np.nansum(losses[:, valid], axis=1) for _, valid in folds])
    own, overall = choose(by_fold)
    chosen = np.full(held.shape[1:], np.nan)
    for candidate, (_, valid) in zip(own, folds, strict=True):
        chosen[valid] = held[candidate, valid]
    return chosen, overall
