"""The same answers as TorchJD's on the same Jacobians and losses, where its solver converges. `T` tasks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sharewise import balancing as ours

jd = pytest.importorskip("torchjd.aggregation", reason="TorchJD is not installed (pip install torchjd)")
scalars = pytest.importorskip("torchjd.scalarization", reason="TorchJD without scalarizers")


def jacobians(count: int, seed: int = 0) -> list[np.ndarray]:
    """Independent rows, of 2 to 8 tasks, some in conflict, of lengths within a factor of 10."""
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(T, 12)) * 10.0 ** rng.uniform(-0.5, 0.5, size=T)[:, None]
        for T in rng.integers(2, 9, size=count)
    ]


def assert_same_update(
    mine: np.ndarray, theirs: torch.Tensor, J: np.ndarray, tolerance: float = 1e-4
) -> None:
    """J'w alike, relative to its length."""
    one, other = mine @ J, theirs.numpy() @ J
    assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other)


def gramian_of(J: np.ndarray) -> tuple[np.ndarray, torch.Tensor]:
    return J @ J.T, torch.from_numpy(J @ J.T)


def test_mgda() -> None:
    """TorchJD's Frank-Wolfe is given 600 steps; ours must never be the longer."""
    converged = 0
    for J in jacobians(20):
        G, theirs_in = gramian_of(J)
        mine = ours.MGDA(norm="raw")(G)
        theirs = jd.MGDA(epsilon=1e-9, max_iters=600).gramian_weighting(theirs_in)
        length = float(theirs @ theirs_in @ theirs)
        assert mine @ G @ mine <= length * (1 + 1e-9)
        to_go = length - float((theirs_in @ theirs).min())  # Frank and Wolfe's own measure
        if to_go < 1e-9 * length:
            converged += 1
            assert_same_update(mine, theirs, J)
    assert converged >= 3


def test_imtl_g() -> None:
    compared = 0
    for J in jacobians(30):
        G, theirs_in = gramian_of(J)
        theirs = jd.IMTLG().gramian_weighting(theirs_in)
        mine = ours.IMTLG(norm="raw")(G)
        unscaled = np.linalg.solve(G, np.sqrt(G.diagonal()))
        compared += 1
        assert_same_update(
            mine * np.sign(unscaled.sum()), theirs, J
        )  # theirs points uphill where the sum is negative
    assert compared == 30


@pytest.mark.parametrize("scale", ["min", "median", "rmse"])
def test_aligned_mtl(scale: str) -> None:
    for J in jacobians(30):
        if scale == "median" and len(J) % 2 == 0:
            continue  # torch's median of an even number is the lower one, NumPy's the mean of both
        G, theirs_in = gramian_of(J)
        mine = ours.AlignedMTL(scale=scale, norm="raw")(G)  # type: ignore[arg-type]
        assert_same_update(mine, jd.AlignedMTL(scale_mode=scale).gramian_weighting(theirs_in), J)


def test_upgrad() -> None:
    pytest.importorskip("quadprog", reason="TorchJD's UPGrad needs qpsolvers and quadprog")
    from torchjd.linalg import QuadprogProjector

    exact = QuadprogProjector(norm_eps=1e-12, reg_eps=1e-10)
    rng = np.random.default_rng(5)
    for J in jacobians(30):
        G, theirs_in = gramian_of(J)
        theirs = jd.UPGrad(projector=exact).gramian_weighting(theirs_in)
        assert_same_update(ours.UPGrad(norm="raw")(G), theirs, J)
        preference = rng.uniform(0.1, 1.0, size=len(J))
        theirs = jd.UPGrad(torch.from_numpy(preference), projector=exact).gramian_weighting(theirs_in)
        assert_same_update(ours.UPGrad(preference.tolist(), norm="raw")(G), theirs, J)


@pytest.mark.parametrize("c", [0.2, 0.5, 1.0])
def test_cagrad(c: float) -> None:
    pytest.importorskip("clarabel", reason="TorchJD's CAGrad needs cvxpy and clarabel")
    pytest.importorskip("cvxpy", reason="TorchJD's CAGrad needs cvxpy and clarabel")
    compared = 0
    for J in jacobians(20):
        G, theirs_in = gramian_of(J)
        mine, theirs = ours.CAGrad(c, norm="raw")(G), jd.CAGrad(c).gramian_weighting(theirs_in)
        gain, theirs_gain = (
            (G @ mine).min(),
            float((theirs_in @ theirs).min()),
        )  # of the worst-off task: maximised
        assert gain >= theirs_gain - 1e-9 * abs(gain)
        if theirs_gain >= gain - 5e-5 * abs(
            gain
        ):  # Clarabel stops at 1e-8 of the dual, which can be 1e-3 of this gain
            compared += 1
            assert_same_update(mine, theirs, J)
    assert compared >= 10


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 5.0])
def test_fairgrad(alpha: float) -> None:
    compared = 0
    for J in jacobians(15):
        G, theirs_in = gramian_of(J)
        theirs = jd.FairGrad(alpha).gramian_weighting(theirs_in)
        residual = (theirs_in @ theirs) / theirs ** (-1 / alpha) - 1
        if residual.abs().max() < 1e-5:
            compared += 1
            assert_same_update(ours.FairGrad(alpha, norm="raw")(G), theirs, J)
    assert compared >= 5


@pytest.mark.filterwarnings("ignore:.*:UserWarning", "ignore:.*:FutureWarning", "ignore:.*:RuntimeWarning")
def test_nash_mtl() -> None:
    """Theirs approaches G w = 1 / w by convex steps: compared where it got there."""
    pytest.importorskip("ecos", reason="TorchJD's Nash-MTL needs cvxpy and ecos")
    pytest.importorskip("cvxpy", reason="TorchJD's Nash-MTL needs cvxpy and ecos")
    compared = 0
    for J in jacobians(12):
        G = J @ J.T
        theirs = jd.NashMTL(len(J), max_norm=0.0, optim_niter=100).weighting(torch.from_numpy(J)).double()
        residual = theirs * (torch.from_numpy(G) @ theirs) - 1
        if residual.abs().max() < 1e-5:
            compared += 1
            assert_same_update(ours.NashMTL(norm="raw")(G), theirs, J)
    assert compared >= 4


def test_pcgrad_of_two_tasks_has_no_chance_in_it() -> None:
    for J in jacobians(40):
        G, theirs_in = gramian_of(J[:2])
        assert_same_update(ours.PCGrad(norm="raw")(G), jd.PCGrad().gramian_weighting(theirs_in), J[:2])


def test_pcgrad_in_expectation() -> None:
    """Means over 600 random orders each differ by no more than five standard errors."""
    draws = 600
    for J in jacobians(3, seed=2):
        G, theirs_in = gramian_of(J)
        mine = ours.PCGrad(norm="raw")
        ones = np.array([mine(G) for _ in range(draws)])
        torch.manual_seed(0)
        others = np.array([jd.PCGrad().gramian_weighting(theirs_in).numpy() for _ in range(draws)])
        error = np.sqrt((ones.var(axis=0) + others.var(axis=0)) / draws)
        assert (np.abs(ones.mean(axis=0) - others.mean(axis=0)) <= 5 * error + 1e-9).all()


def test_gradvac_of_two_tasks_step_by_step() -> None:
    """The running means meet too: the same updates over five steps."""
    for seed in range(5):
        mine, theirs = ours.GradVac(beta=0.5, norm="raw"), jd.GradVac(beta=0.5, eps=0.0)
        for J in jacobians(5, seed=seed):
            G, theirs_in = gramian_of(J[:2])
            assert_same_update(mine(G), theirs.gramian_weighting(theirs_in), J[:2])


def gradients(total: torch.Tensor, losses: torch.Tensor) -> np.ndarray:
    (found,) = torch.autograd.grad(total, losses)
    return found.numpy()


LOSSES = [
    torch.tensor([0.3, 1.2, 2.5], dtype=torch.float64),
    torch.tensor([0.2, 1.3, 1.9], dtype=torch.float64),
]

PAIRS = {
    "sum": (ours.Sum, scalars.Sum),
    "weighted": (
        lambda norm: ours.Weighted([1, 2, 3], norm=norm),
        lambda: scalars.Constant(torch.tensor([1.0, 2, 3])),
    ),
    "geometric mean": (ours.GeometricMean, scalars.GeometricMean),
    "stch": (
        lambda norm: ours.STCH(0.5, preference=[0.2, 0.3, 0.5], ideal=[0.1, 0.1, 0.0], norm=norm),
        lambda: scalars.STCH(
            0.5,
            weights=torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64),
            reference=torch.tensor([0.1, 0.1, 0.0], dtype=torch.float64),
        ),
    ),
    "uncertainty": (lambda norm: ours.Uncertainty(3, norm=norm), lambda: scalars.UW(3)),
    "imtl-l": (lambda norm: ours.IMTLL(3, norm=norm), lambda: scalars.IMTLL(3)),
}


@pytest.mark.parametrize("name", sorted(PAIRS))
def test_scalarizers_and_their_slopes(name: str) -> None:
    """Over a few steps of gradient descent on the balancers' own parameters, if they have any."""
    mine, theirs = PAIRS[name][0](norm="raw"), PAIRS[name][1]()
    for values in LOSSES * 2:
        one, other = values.clone().requires_grad_(), values.clone().requires_grad_()
        left, right = mine(one), theirs(other)
        assert left.item() == pytest.approx(right.item(), rel=1e-6)
        left.backward()
        right.backward()
        assert one.grad is not None
        assert other.grad is not None
        assert one.grad.numpy() == pytest.approx(other.grad.numpy(), rel=1e-6)
        with torch.no_grad():
            for parameter in (*mine.parameters(), *theirs.parameters()):
                if parameter.grad is not None:
                    parameter -= 0.3 * parameter.grad
                    parameter.grad = None


def test_dwa_epoch_by_epoch() -> None:
    mine, theirs = ours.DWA(norm="raw"), scalars.DWA()
    for epoch in range(4):
        for batch in range(3):
            losses = LOSSES[0] * 0.9**epoch * torch.tensor([1.0, 1.0 + 0.1 * epoch, 1.0 + 0.05 * batch])
            assert mine(losses).item() == pytest.approx(theirs(losses).item(), rel=1e-9)
        mine.after_epoch()
        theirs.step()


def test_famo_step_by_step() -> None:
    mine, theirs = ours.FAMO(lr=0.3, norm="raw"), scalars.FAMO(3, lr=0.3)
    for step in range(6):
        before = (LOSSES[step % 2] * (1 + step)).requires_grad_()
        left, right = mine(before), theirs(before)
        assert left.item() == pytest.approx(right.item(), rel=1e-4, abs=1e-5)
        assert gradients(left, before) == pytest.approx(gradients(right, before), rel=1e-4)
        after = before.detach() * torch.tensor([0.9, 0.5, 1.1])
        mine.after_step(after)
        theirs.update(after)
