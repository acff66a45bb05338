"""The best direction for the worst-off task near the mean gradient."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Norm, Seen, Weighting
from sharewise.balancing._solvers import Cosines, cone_weights, cosines_of, length_of
from sharewise.errors import OptionError

Array = NDArray[np.float64]

ROUNDS = 100
"""Most values of t tried; 3 to 6 are usual."""
PRECISION = 1e-13
"""The rounds end when t changes by less than this share."""
VANISHED = 1e-4
"""A mixture of gradients shorter than this share of its parts is none: the point is Pareto-stationary."""


@final
class CAGrad(Weighting):
    """max over d with |d - g_0| <= c |g_0| of min_t g_t'd, where g_0 is the mean gradient.

    B. Liu et al., *Conflict-Averse Gradient Descent for Multi-task Learning*, NeurIPS 2021
    (https://arxiv.org/abs/2110.14048), eq. 3. Its dual, min over the simplex of F(w) = g_w'g_0 + c |g_0| |g_w|
    (eq. 4), gives d = g_0 + c |g_0| g_w / |g_w|. c = 0 is the mean; c < 1 still converges to a minimum of the mean.
    Where g_w vanishes, the gain of the worst-off task is zero at best, and d is the nearest to g_0 that harms no task. A
    singular Gramian has `_solvers.RIDGE` on its cosines.

    The value t = min_w F(w) is a number: for a given t, the nearest d to g_0 with all g_t'd >= t is a least-distance
    problem (active sets), and the t whose d lies at distance c |g_0| is found from above, by Newton's steps (each is F
    of the current w, so t never falls below the answer) and by solving for t on the current active set.
    """

    name: ClassVar[str] = "cagrad"

    def __init__(self, c: float = 0.5, *, norm: Norm = "sum") -> None:
        """`c` >= 0: radius around the mean gradient as a share of its length."""
        super().__init__(norm)
        if not 0 <= c < np.inf:
            raise OptionError(
                f"CAGrad's c is a finite radius, not below zero; got {c}. The paper uses 0.2 to 0.8."
            )
        self.c = c

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        mean = np.full(len(gramian), 1.0 / len(gramian))
        scaled = cosines_of(gramian)
        mixture = scaled.lengths * mean
        mean_length = length_of(mixture, scaled.cosines)
        if self.c == 0 or mean_length <= VANISHED * mixture.sum():
            return mean
        # From here on in units of |g_0| = 1 and with v_t = λ_t d_t.
        unit = Cosines(scaled.cosines, scaled.lengths / mean_length)
        parts = _worst_mixture(unit, self.c)
        length = length_of(parts, unit.cosines)
        if length <= VANISHED * parts.sum():
            harmless, room = cone_weights(unit.root(), -unit.cosines @ unit.lengths / len(mean))
            return np.asarray(mean + harmless / room / unit.lengths)
        return np.asarray(mean + (self.c / length) * parts / unit.lengths)


def _worst_mixture(scaled: Cosines, radius: float) -> Array:
    """Parts v = w * d up to a factor, for the w of the simplex that minimises F(w) = b'w + radius * |g_w|, where |g_0| = 1.

    In v: minimise b̂'v + radius * sqrt(v'Cv) over a'v = 1, with a = 1 / d and b̂ = C d / T, the g_t'g_0 over d_t.
    """
    root = scaled.root()
    a = 1.0 / scaled.lengths
    b = scaled.cosines @ scaled.lengths / len(a)
    single = int(np.argmin((b + radius) * scaled.lengths))  # the best F of one task alone
    best = np.zeros(len(a))
    best[single] = scaled.lengths[single]
    t = above = float((b[single] + radius) * scaled.lengths[single])
    below = -np.inf
    for _ in range(ROUNDS):
        v = cone_weights(root, t * a - b)[0]
        scale = abs(t)
        solved = np.nan
        if (total := float(a @ v)) > 0:
            v = v / total
            value = float(b @ v) + radius * length_of(v, scaled.cosines)
            scale += abs(float(b @ v))
            best, above = (v, value) if value < above else (best, above)
            below = max(below, t) if value > t else below  # F never is below the answer: t was too low
            solved = _on_active_set(scaled.cosines, a, b, v > 0, radius)
        else:  # not above min b, which g_0 itself reaches
            below = t
        following = solved if below < solved < above else above
        if abs(following - t) <= PRECISION * scale or above - below <= PRECISION * scale:
            break
        t = following
    return best


def _on_active_set(cosines: Array, a: Array, b: Array, active: NDArray[np.bool_], radius: float) -> float:
    """The larger t with |λ|_C = radius, where C λ = t a - b on `active` and λ = 0 elsewhere; nan where there is none."""
    sides = np.stack((a[active], b[active]), axis=1)
    by_a, by_b = np.linalg.solve(cosines[np.ix_(active, active)], sides).T
    aa, ab, bb = a[active] @ by_a, a[active] @ by_b, b[active] @ by_b
    under = ab**2 - aa * (bb - radius**2)
    return float((ab + np.sqrt(under)) / aa) if under >= 0 and aa > 0 else float("nan")
