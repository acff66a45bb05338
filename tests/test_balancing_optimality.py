"""Solvers against the conditions that only the optimum meets, on 1,000 Gramians.

Half of the Gramians are singular, two fifths have tasks' scales apart by up to 1e12. Residuals are relative to each task's
own length |g_t| and to what is summed up to get them, i.e. they say how little the Gramian's cosines would have to be
changed for the answer to be exact. `T` tasks.
"""

from __future__ import annotations

import numpy as np
import pytest

from balancing_gramians import jacobians, well_posed
from sharewise.balancing import IMTLG, MGDA, AlignedMTL, CAGrad, FairGrad, NashMTL, UPGrad
from sharewise.balancing._solvers import RIDGE, cone_weights, cosines_of, power_balance

COUNT = 1000
GRAMIANS = [J @ J.T for J in jacobians(COUNT)]


def simplex_residual(slope: np.ndarray, weights: np.ndarray, lengths: np.ndarray, size: float) -> float:
    """How far `weights` are from a minimum over the simplex where the objective's derivative is `slope`.

    There, slope_t >= weights'slope for all t, with equality where weights_t > 0.
    """
    above = (slope - weights @ slope) / lengths / size
    share = weights * lengths / (weights @ lengths)
    return float(max(-above.min(), share @ np.maximum(above, 0.0)))


def test_the_thousand_hold_what_they_should() -> None:
    singular = [np.linalg.matrix_rank(cosines_of(G).cosines, tol=1e-8) < len(G) for G in GRAMIANS]
    spreads = [G.diagonal().max() / G.diagonal().min() for G in GRAMIANS]
    assert sum(singular) > COUNT / 2
    assert sum(spread > 1e8 for spread in spreads) > COUNT / 3
    assert max(len(G) for G in GRAMIANS) >= 49


def test_mgda_is_the_shortest_mixture() -> None:
    """Slope of w'Gw / 2 is Gw."""
    solve, worst = MGDA(norm="raw"), 0.0
    for G in GRAMIANS:
        w, d = solve(G), np.sqrt(G.diagonal())
        assert w.min() >= 0
        assert w.sum() == pytest.approx(1.0, abs=1e-12)
        worst = max(worst, simplex_residual(G @ w, w, d, w @ d))
    assert worst < 1e-10


@pytest.mark.parametrize("power", [1.0, 0.5, 2.0, 0.2])
def test_nash_and_fairgrad_solve_their_equation(power: float) -> None:
    """G w = w^-power (Nash-MTL: power 1; FairGrad: 1 / alpha)."""
    solve = NashMTL(norm="raw") if power == 1.0 else FairGrad(1 / power, norm="raw")
    backward, forward = 0.0, 0.0
    for number, G in enumerate(GRAMIANS):
        w = solve(G)
        assert w.min() > 0
        left, right = (G + RIDGE * np.diag(G.diagonal())) @ w, w**-power
        backward = max(backward, float((np.abs(left - right) / (np.abs(G) @ w + right)).max()))
        if well_posed(number):
            forward = max(forward, float(np.abs(G @ w / right - 1).max()))
    assert backward < 1e-12
    assert forward < 1e-8


@pytest.mark.parametrize("c", [0.2, 0.5, 0.9, 1.5])
def test_cagrad_solves_its_dual(c: float) -> None:
    """Slope of F(w) = w'G1/T + c |g_0| |g_w| is G1/T + c |g_0| Gw / |g_w|; it is read off the primal weights."""
    solve, residuals, stationary = CAGrad(c, norm="raw"), [], 0
    for number, G in enumerate(GRAMIANS):
        T, d = len(G), np.sqrt(G.diagonal())
        extra = solve(G) - 1 / T  # c |g_0| / |g_w| times the dual w
        assert extra.min() >= -1e-12
        if np.sqrt(max(G.sum(), 0.0)) < 1e-4 * d.sum():  # the mean gradient itself vanishes
            assert not extra.any()
            continue
        g0 = np.sqrt(max(G.sum(), 0.0)) / T
        if np.sqrt(max(extra @ G @ extra, 0.0)) < c * g0 * (1 - 1e-3):
            assert not well_posed(number)
            unit = G / np.outer(d, d)
            mixture = MGDA(norm="raw")(unit)
            assert (
                mixture @ unit @ mixture < 4e-8
            )  # a mixture vanishes, so that no update has a worst gain above zero
            assert ((G @ (extra + 1 / T)) / d).min() >= -1e-3 * g0
            stationary += 1
            continue
        assert np.sqrt(extra @ G @ extra) == pytest.approx(c * g0, rel=1e-3)  # on the ball's surface
        w = np.maximum(extra, 0.0) / extra.sum()
        slope = G.mean(axis=1) + c * g0 * (G @ w) / np.sqrt(w @ G @ w)
        residuals.append(simplex_residual(slope, w, d, g0))
    assert np.quantile(residuals, 0.98) < 1e-8
    assert max(residuals) < 1e-4  # next to Pareto-stationary, |g_w| itself has few digits
    assert stationary < COUNT / 3


def test_upgrad_projects_onto_the_dual_cone() -> None:
    """The update helps every task; and it is the mean of v with v >= u, Gv >= 0, (v - u)'Gv = 0 (KKT)."""
    worst = 0.0
    for G in GRAMIANS[::5]:
        d = np.sqrt(G.diagonal())
        for place in range(min(3, len(G))):
            preference = np.eye(len(G))[place]
            v = UPGrad(preference.tolist(), norm="raw")(G)
            slope = (G @ v) / d / (v @ d)
            extra = (v - preference) * d / (v @ d)
            worst = max(worst, float(-slope.min()), float(-extra.min()), float(np.abs(extra * slope).max()))
    assert worst < 1e-9


def test_imtl_g_has_one_projection_on_all() -> None:
    for number, G in enumerate(GRAMIANS):
        if well_posed(number):
            projections = G @ IMTLG(norm="raw")(G) / np.sqrt(G.diagonal())
            assert np.ptp(projections) < 1e-8 * projections.max()
            assert projections.min() > 0  # downhill for every task


def test_aligned_mtl_makes_an_orthogonal_mean() -> None:
    """With the rows of J replaced by B J, B G B' is the identity times the least eigenvalue."""
    for J in jacobians(50, seed=3)[::5]:  # independent rows
        G = J @ J.T
        if np.linalg.matrix_rank(G) < len(G):
            continue
        B = np.stack([AlignedMTL(row.tolist(), norm="raw")(G) for row in np.eye(len(G))])
        assert np.allclose(B @ G @ B.T, np.linalg.eigvalsh(G)[0] * np.eye(len(G)), atol=1e-8 * np.trace(G))


def test_float32_products_do_not_upset_the_solvers() -> None:
    """Summed in float32, a singular Gramian has directions of negative length."""
    negative = 0
    for number, J in list(enumerate(jacobians(60, seed=8)))[3::5]:  # a row twice
        single = J.astype(np.float32)
        G = (single @ single.T).astype(np.float64)
        negative += np.linalg.eigvalsh(G)[0] < 0
        for solve in (MGDA(), CAGrad(), NashMTL(), FairGrad(), UPGrad(), IMTLG(), AlignedMTL()):
            assert np.isfinite(solve(G)).all()
        if number % 7:  # no two are opposed
            w = NashMTL(norm="raw")(G)
            assert w * (G @ w) == pytest.approx(np.ones(len(G)), abs=1e-2)
    assert negative > 3


def test_cone_weights_by_hand() -> None:
    """min v'v / 2 - v_1 + v_2 over v >= 0 is v = (1, 0); without curvature it is unbounded."""
    u, s = cone_weights(np.eye(2), np.array([1.0, -1.0]))
    assert u / s == pytest.approx([1.0, 0.0])
    u, s = cone_weights(np.zeros((2, 2)), np.array([1.0, -1.0]))
    assert s == pytest.approx(0.0)
    assert u == pytest.approx([1.0, 0.0])


def test_power_balance_by_hand() -> None:
    """2 y = 8 / y has y = 2; with cosines of 1 the two tasks share: 2 a = 1 / a."""
    assert power_balance(np.array([[2.0]]), np.array([8.0]), 1.0) == pytest.approx([2.0])
    assert power_balance(np.ones((2, 2)), np.ones(2), 1.0) == pytest.approx(np.full(2, 0.5**0.5))
