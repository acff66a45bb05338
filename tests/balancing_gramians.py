"""Random Gramians of every difficulty, for tests of solvers. `T` tasks."""

from __future__ import annotations

import numpy as np


def jacobians(count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` Jacobians (T, P), T from 2 to 12 and every tenth to 50; many singular, many of bad scales.

    By their number modulo 5: independent rows; dependent rows of scales 1e-6 to 1e6; rows of one tendency and
    such scales; a row twice; one row too many. Every seventh besides has two opposite rows (Pareto-stationary).
    """
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        T = int(rng.integers(2, 13)) if number % 10 else int(rng.integers(13, 51))
        kind = number % 5
        width = (T + 5, max(1, T // 2), 4 * T, T + 2, T - 1)[kind]
        J = rng.normal(size=(T, width))
        if kind in (2, 4):
            J += 2 * rng.normal(size=width)
        if kind == 3:
            J[-1] = J[0]
        if kind in (1, 2):
            J *= 10.0 ** rng.uniform(-6, 6, size=T)[:, None]
        if number % 7 == 0:
            J[0] = -J[1]
        found.append(J)
    return found


def well_posed(number: int) -> bool:
    """Whether the Gramian of that number is regular."""
    return number % 5 in (0, 2) and number % 7 != 0
