"""Gradient methods on values worked out by hand. `T` tasks."""

from __future__ import annotations

import numpy as np
import pytest

from sharewise.balancing import (
    DBMTL,
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    FairGrad,
    GradNorm,
    GradVac,
    NashMTL,
    PCGrad,
    UPGrad,
)
from sharewise.balancing._orders import orders

CONFLICT = np.array([[1.0, -1.0], [-1.0, 2.0]])
"""Of g_1 = (1, 0) and g_2 = (-1, 1)."""
UNEQUAL = np.diag([1.0, 4.0])
"""Of two orthogonal gradients, the second twice as long."""


def test_mgda() -> None:
    assert MGDA(norm="raw")(np.array([[2.0, 1.0], [1.0, 5.0]])) == pytest.approx([0.8, 0.2])
    collinear = np.array([[1.0, 3.0], [3.0, 9.0]])
    assert MGDA(norm="raw")(collinear) == pytest.approx([1.0, 0.0])  # the shorter of two alike
    opposed = np.array([[1.0, -3.0], [-3.0, 9.0]])
    assert MGDA(norm="raw")(opposed) == pytest.approx([0.75, 0.25])  # they cancel


def test_pcgrad() -> None:
    """g_1 + g_2 / 2 and g_2 + g_1."""
    assert PCGrad(norm="raw")(CONFLICT) == pytest.approx([2.0, 1.5])
    assert PCGrad(norm="raw")(UNEQUAL) == pytest.approx([1.0, 1.0])


def test_pcgrad_draws_new_orders_each_step() -> None:
    J = np.array([[1.0, 0.0, 0.1], [-1.0, 0.5, 0.2], [0.2, -1.0, 0.3], [-0.5, -0.5, 1.0]])
    solve = PCGrad(norm="raw")
    assert len({tuple(solve(J @ J.T).round(9)) for _ in range(20)}) > 1


def test_gradvac_starts_as_pcgrad_for_two_tasks() -> None:
    assert GradVac(norm="raw")(CONFLICT) == pytest.approx([2.0, 1.5])


def test_gradvac_pulls_up_to_the_remembered_cosine() -> None:
    solve = GradVac(beta=1.0, norm="raw")
    assert solve(np.array([[1.0, 0.5], [0.5, 1.0]])) == pytest.approx([1.0, 1.0])  # better than the target 0
    pulled = solve(np.eye(2))  # tan 30° of the other turns a unit vector to a cosine of 1/2
    assert pulled == pytest.approx(np.full(2, 1 + 1 / 3**0.5))
    mixture = np.array([1.0, 1 / 3**0.5])
    assert mixture[1] / np.linalg.norm(mixture) == pytest.approx(0.5)


def test_cagrad() -> None:
    assert CAGrad(0.0, norm="raw")(CONFLICT) == pytest.approx([0.5, 0.5])
    assert CAGrad(0.4, norm="raw")(np.eye(2)) == pytest.approx([0.7, 0.7])  # (1 + c) g_0
    # c = 1, orthogonal lengths 1 and 2: g_0 = (1/2, 1), and F's slopes 1/2 + w |g_0| / |g_w| and
    # 2 + 4 (1 - w) |g_0| / |g_w| leave all to the first task.
    assert CAGrad(1.0, norm="raw")(UNEQUAL) == pytest.approx([0.5 + 1.25**0.5, 0.5])


def test_cagrad_of_opposed_gradients() -> None:
    """1 and -3 on a line: d lies within c of -1; at c = 1/2 it is -1/2, at c = 2 it can be zero and harm nobody."""
    opposed = np.array([[1.0, -3.0], [-3.0, 9.0]])
    line = np.array([1.0, -3.0])
    assert CAGrad(0.5, norm="raw")(opposed) @ line == pytest.approx(-0.5)
    assert CAGrad(2.0, norm="raw")(opposed) @ line == pytest.approx(0.0, abs=1e-6)


def test_cagrad_where_a_mixture_vanishes_harms_nobody() -> None:
    """(1, 0), (-1, 0) and (1, 1): the mean (1/3, 1/3) less its part along the first two."""
    J = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 1.0]])
    assert CAGrad(0.9, norm="raw")(J @ J.T) @ J == pytest.approx([0.0, 1 / 3], abs=1e-6)


def by_hand(J: np.ndarray, solve: PCGrad | GradVac, steps: int) -> list[np.ndarray]:
    """The sum of the changed gradients after each step, on vectors and in loops, with the method's own orders."""
    targets, found = np.zeros((len(J), len(J))), []
    beta = solve.beta if isinstance(solve, GradVac) else 0.0
    for step in range(steps):
        changed = J.copy()
        for t, order in enumerate(orders(len(J), (solve.seed, step))):
            for j in order:
                mine, other = np.linalg.norm(changed[t]), np.linalg.norm(J[j])
                cosine, target = changed[t] @ J[j] / (mine * other), targets[t, j]
                if cosine < target:
                    sines = np.sqrt(1 - cosine**2), np.sqrt(1 - target**2)
                    changed[t] += mine * (target * sines[0] - cosine * sines[1]) / (other * sines[1]) * J[j]
                targets[t, j] += beta * (cosine - target)
        found.append(changed.sum(axis=0))
    return found


@pytest.mark.parametrize(
    "solve", [PCGrad(3, norm="raw"), GradVac(0.3, 3, norm="raw")], ids=["pcgrad", "gradvac"]
)
def test_walks_on_coefficients_are_walks_on_vectors(solve: PCGrad | GradVac) -> None:
    J = np.random.default_rng(4).normal(size=(6, 5))
    for expected in by_hand(J, solve, 4):
        assert solve(J @ J.T) @ J == pytest.approx(expected)


def test_imtl_g() -> None:
    assert IMTLG(norm="raw")(UNEQUAL) == pytest.approx([2 / 3, 1 / 3])


def test_imtl_g_goes_downhill_where_the_paper_does_not() -> None:
    """g_1 long and nearly along g_2: weights of sum one would turn both projections negative."""
    G = np.array([[100.0, 9.0], [9.0, 1.0]])
    assert np.linalg.solve(G, np.sqrt(G.diagonal())).sum() > 0
    G = np.array([[1.0, -0.9, 0.3], [-0.9, 1.0, 0.05], [0.3, 0.05, 0.02]])
    G = G * np.outer([1.0, 1.0, 10.0], [1.0, 1.0, 10.0]) + np.eye(3) * 9.5
    assert (G @ IMTLG(norm="raw")(G)).min() > 0


def test_nash_mtl() -> None:
    assert NashMTL(norm="raw")(UNEQUAL) == pytest.approx([1.0, 0.5])
    a = NashMTL(norm="raw")(CONFLICT)
    assert CONFLICT @ a == pytest.approx(1 / a)


def test_fairgrad() -> None:
    assert FairGrad(2.0, norm="raw")(np.diag([1.0, 16.0])) == pytest.approx([1.0, 16 ** (-2 / 3)])
    assert FairGrad(1.0, norm="raw")(CONFLICT) == pytest.approx(NashMTL(norm="raw")(CONFLICT))


def test_fairgrad_goes_from_nash_to_the_worst_off() -> None:
    """Gains G w even out as alpha rises."""
    gains = [UNEQUAL @ FairGrad(alpha, norm="raw")(UNEQUAL) for alpha in (0.2, 1.0, 10.0)]
    ratios = [gain[1] / gain[0] for gain in gains]
    assert ratios[0] > ratios[1] > ratios[2] > 1


def test_aligned_mtl() -> None:
    assert AlignedMTL(norm="raw")(UNEQUAL) == pytest.approx([0.5, 0.25])
    assert AlignedMTL([1.0, 0.0], norm="raw")(UNEQUAL) == pytest.approx([1.0, 0.0])
    assert AlignedMTL(scale="rmse", norm="raw")(UNEQUAL) == pytest.approx(np.array([0.5, 0.25]) * 2.5**0.5)


def test_aligned_mtl_leaves_out_what_is_rounding() -> None:
    """A gradient twice: one component, not a second one of 1e-16."""
    G = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-15]])
    assert AlignedMTL(norm="raw")(G) == pytest.approx([0.5, 0.5])


def test_upgrad() -> None:
    """The means of g_1 + g_2 / 2 and g_2 + g_1, as PCGrad halved."""
    assert UPGrad(norm="raw")(CONFLICT) == pytest.approx([1.0, 0.75])
    assert UPGrad([1.0, 0.0], norm="raw")(CONFLICT) == pytest.approx([1.0, 0.5])


def test_db_mtl() -> None:
    """Logarithms' gradients have lengths 2 / 1 and 4 / 2: nothing but the losses' own scale is left."""
    assert DBMTL(0.0, norm="raw")(np.diag([4.0, 16.0]), np.array([1.0, 2.0])) == pytest.approx([1.0, 0.5])


def test_db_mtl_remembers_lengths() -> None:
    solve = DBMTL(0.9, norm="raw")
    solve(np.diag([1.0, 1.0]), np.ones(2))
    kept = 0.9 / 2**0.5
    length = (kept * 1.0 + (1 - kept) * 9.0) ** 0.5
    assert solve(np.diag([1.0, 9.0]), np.ones(2)) == pytest.approx([length, 1.0])


def test_gradnorm() -> None:
    """Lengths 1/2 and 3/2 of their mean, target 1: slopes -1/2 and 3/2, then a sum of two."""
    solve = GradNorm(lr=0.1, norm="raw")
    G, losses = np.diag([1.0, 9.0]), np.array([3.0, 0.7])
    assert solve(G, losses) == pytest.approx([1.0, 1.0])
    assert solve(G, losses) == pytest.approx(np.array([1.05, 0.85]) * 2 / 1.9)


def test_gradnorm_speeds_up_the_task_that_lags() -> None:
    solve = GradNorm(lr=0.05, norm="raw")
    for step in range(30):
        weights = solve(np.eye(2), np.array([1.0, 0.97**step]))
    assert weights[0] > 1.3
    assert weights.sum() == pytest.approx(2.0)
