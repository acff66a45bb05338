"""Gains shrunk for having picked the best.

The greatest of many noisy gains is too great. Read as draws around a task's mean gain over the groups it was
trained in, each gain is moved towards that mean by the share of their scatter that is noise (empirical Bayes
for normal means: Efron and Morris 1975, *Data analysis using Stein's estimator and its generalizations*,
eq. 1.7 with unequal variances). The posterior mean of what was picked is then free of the winner's curse, as
far as gains are normal.

Symbols: ``T`` tasks, ``n`` groups.
"""

from __future__ import annotations

import numpy as np

from sharewise.tasks import Array


def shrunken(gains: Array, errors: Array) -> Array:
    """Posterior means ``(n, T)`` of gains ``(n, T)`` with standard errors ``(n, T)``; NaN where no gain is.

    An unknown error is taken to be like the others; where none is known nothing is shrunk. The true scatter
    is estimated over all tasks together: one task alone has seldom enough groups for it.
    """
    known = ~np.isnan(gains)
    if not known.any():
        return gains
    typical = (
        float(np.mean(errors[known & ~np.isnan(errors)] ** 2)) if (known & ~np.isnan(errors)).any() else 0.0
    )
    noise = np.where(np.isnan(errors), typical, errors**2)
    count = known.sum(axis=0)
    middle = np.where(known, gains, 0.0).sum(axis=0) / np.maximum(count, 1)
    # The mean over a task's few groups is itself uncertain: it moves towards the mean over tasks.
    overall = float(gains[known].mean())
    between = max(float(np.var(middle[count > 0])), 1e-12)
    unsure = np.where(known, noise, 0.0).sum(axis=0) / np.maximum(count, 1) ** 2
    middle = overall + between / (between + unsure) * (middle - overall)
    freedom = max(int((count[count > 0] - 1).sum()), 1)
    scatter = float(np.where(known, (gains - middle) ** 2, 0.0).sum()) / freedom
    true = max(scatter - float(noise[known].mean()), 0.0)
    keep = true / np.maximum(true + noise, 1e-300) if true > 0 else np.zeros_like(noise)
    keep = np.where(noise == 0, 1.0, keep)
    found: Array = np.where(known, middle + keep * (gains - middle), np.nan)
    return found
