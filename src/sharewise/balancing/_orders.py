"""Random orders of the other tasks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def orders(tasks: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """(T, T - 1): row t holds all tasks but t, shuffled; the same for the same `seed` (of the user, step)."""
    others = np.arange(tasks - 1)[None, :] + (np.arange(tasks - 1)[None, :] >= np.arange(tasks)[:, None])
    return np.random.default_rng(seed).permuted(others, axis=1)
