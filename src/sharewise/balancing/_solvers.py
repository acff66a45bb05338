"""The two convex problems behind most gradient methods, solved to rounding in float64.

`T` tasks with gradients g_i (rows of J), lengths d_i = |g_i|, cosines C_ij = g_i'g_j / (d_i d_j).

Every solver works on cosines, so that tasks of very different scales cost no digits, and adds `RIDGE` to their unit
diagonal, i.e. G gets RIDGE * d_i² on its diagonal. That makes the answer unique where gradients depend on one
another (a singular Gramian), and finite where some mixture of them vanishes (a Pareto-stationary point).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[np.float64]

RIDGE = 1e-12
"""Added to the cosines' unit diagonal; float64 leaves noise of about 1e-15 there."""
STEPS = 500
"""Most Newton steps: 5 to 10 are usual, singular Gramians of bad scales took up to 489 of them."""
TOLERANCE = 1e-13
"""Newton's method ends when both sides differ by less than this share of what is summed up to get them."""
STAY = 0.9
"""Share of the way to the nearest y_i = 0 or x_i = 0 that a Newton step may go."""
FLAT = 1e-6
"""Below this a mixture of unit gradients is too short to tell how far to go along it."""


class Cosines(NamedTuple):
    """A Gramian taken apart."""

    cosines: Array
    """(T, T) with the ridge on the diagonal."""
    lengths: Array
    """(T,) lengths of the gradients, all above zero."""

    def root(self) -> Array:
        """(T, T) R with R'R = cosines."""
        values, vectors = np.linalg.eigh(self.cosines)
        return np.asarray(np.sqrt(np.maximum(values, RIDGE))[:, None] * vectors.T)


def length_of(weights: Array, products: Array) -> float:
    """|J'w| of `weights` (T,) for `products` (T, T) = JJ'; rounding below zero counts as zero."""
    return math.sqrt(max(float(weights @ products @ weights), 0.0))


def cosines_of(gramian: Array) -> Cosines:
    """Lengths and ridged cosines of a Gramian whose diagonal is above zero."""
    lengths = np.sqrt(gramian.diagonal())
    cosines = gramian / lengths[:, None] / lengths
    cosines.flat[:: len(cosines) + 1] = 1.0 + RIDGE
    return Cosines(cosines, lengths)


def definite(cosines: Array) -> Array:
    """`cosines`, lifted if they have directions of negative length: products summed in float32 do that."""
    least = float(np.linalg.eigvalsh(cosines)[0])
    return cosines if least > 0 else cosines + (RIDGE - 2.0 * least) * np.eye(len(cosines))


def nearest(root: Array, target: Array) -> Array:
    """The z >= 0 that minimises |root z - target|² (T,): Lawson and Hanson's active sets."""
    return np.asarray(nnls(root, target, maxiter=50 * root.shape[1])[0], dtype=np.float64)


def cone_weights(root: Array, pull: Array) -> tuple[Array, float]:
    """(u, s) with u >= 0, s >= 0 such that v = u / s minimises v'Cv / 2 - pull'v over v >= 0, where C = root'root.

    s is 0 where that is unbounded. The u of pull > 0 has the direction of the v >= 0 with pull'v = 1 and least v'Cv.
    Both are the problem min over u >= 0 of u'Cu + (pull'u - 1)² (Lawson and Hanson 1974, ch. 23, least distance).
    """
    rows = np.concatenate((root, pull[None, :]))
    target = np.zeros(len(rows))
    target[-1] = 1.0
    u = nearest(rows, target)
    return u, max(1.0 - float(pull @ u), 0.0)


def power_balance(cosines: Array, share: Array, power: float) -> Array:
    """The y > 0 (T,) with C y = share * y^-power, for share > 0 (T,) and power > 0.

    It is the minimum of the strictly convex f(y) = y'Cy / 2 - sum_i share_i F(y_i), F'(y) = y^-power, found by
    Newton's method on y and the slopes x = share * y^-power together (as in primal-dual interior-point methods:
    the conditions C y = x and x = share * y^-power are linearised, and a step never leaves y, x > 0).
    """
    cosines = definite(cosines)
    y = share ** (1.0 / (1.0 + power))  # the answer where all cosines are 0
    own, wanted = y @ cosines @ y, share @ y ** (1.0 - power)
    if own > FLAT * wanted:  # the multiple of it that fits best
        y = y * (wanted / own) ** (1.0 / (1.0 + power))
    x = pull = share * y**-power
    push = cosines @ y
    sizes, newton = np.abs(cosines), cosines.copy()
    diagonal = cosines.diagonal()
    for _ in range(STEPS):
        if (np.abs(push - pull) <= TOLERANCE * (sizes @ y + pull)).all():
            break
        newton.flat[:: len(y) + 1] = diagonal + power * x / y
        dy = np.linalg.solve(newton, pull - push) / y
        dx = pull / x - 1.0 - power * dy
        nearest_wall = -min(dy.min(), dx.min())
        step = 1.0 if nearest_wall <= STAY else STAY / nearest_wall
        y, x = y * (1.0 + step * dy), x * (1.0 + step * dx)
        push, pull = cosines @ y, share * y**-power
    return np.asarray(y, dtype=np.float64)
