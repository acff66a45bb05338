"""What the bases do for all balancers: refusals, common lengths, gaps, state. `T` tasks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sharewise import balancing
from sharewise.balancing import (
    BALANCERS,
    DWA,
    FAMO,
    MGDA,
    Balancer,
    GradVac,
    NashMTL,
    Sum,
    Uncertainty,
    Weighted,
    Weighting,
)
from sharewise.balancing._base import LONGEST_PARTS
from sharewise.errors import DataError, OptionError, SharewiseError

WEIGHTINGS = sorted(name for name, method in BALANCERS.items() if issubclass(method, Weighting))


def test_lengths_are_those_of_the_sum_and_the_mean() -> None:
    J = np.random.default_rng(0).normal(size=(4, 9)) + 0.5
    G, plain = J @ J.T, np.linalg.norm(J.sum(axis=0))
    for name in WEIGHTINGS:
        long, short = (BALANCERS[name](norm=norm)(G, np.ones(4)) for norm in ("sum", "mean"))
        assert np.linalg.norm(long @ J) == pytest.approx(plain), name
        assert long == pytest.approx(4 * short), name


def test_an_update_fades_next_to_a_stationary_point() -> None:
    """The parts cancel to a millionth, and are not stretched back to full length."""
    J = np.array([[1.0, 0.0, 1e-6], [-1.0, 0.0, 1e-6], [0.0, 5.0, 0.0]])
    weights = MGDA()(J @ J.T)
    assert np.abs(weights) @ np.linalg.norm(J, axis=1) == pytest.approx(LONGEST_PARTS * 7.0)
    assert np.linalg.norm(weights @ J) < 1e-3 * np.linalg.norm(J.sum(axis=0))


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_task_without_gradient_changes_nothing_for_the_rest(name: str) -> None:
    J = np.random.default_rng(1).normal(size=(3, 6))
    wide = np.insert(J, 1, 0.0, axis=0)
    rest = BALANCERS[name]()(J @ J.T, np.array([1.0, 2.0, 3.0]))
    weights = BALANCERS[name]()(wide @ wide.T, np.array([1.0, 0.5, 2.0, 3.0]))
    assert weights[1] == 0.0
    if BALANCERS[name].equivariant:  # else it draws other orders
        assert weights[[0, 2, 3]] == pytest.approx(rest)


def test_no_gradient_at_all_gives_the_plain_weights() -> None:
    assert MGDA()(np.zeros((2, 2))).tolist() == [1.0, 1.0]
    assert MGDA(norm="mean")(np.zeros((2, 2))).tolist() == [0.5, 0.5]


def test_lengths_at_the_edges_of_float64() -> None:
    for size in (1e-150, 1e150):
        assert NashMTL()(np.diag([size, 4 * size])) == pytest.approx(NashMTL()(np.diag([1.0, 4.0])))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: MGDA()(np.ones((2, 3))), r"shape \(2, 3\)"),
        (lambda: MGDA()(np.zeros((0, 0))), r"shape \(0, 0\)"),
        (lambda: MGDA()(np.array([[1.0, 2.0], [0.0, 1.0]])), "symmetric"),
        (lambda: MGDA()(np.diag([1.0, -1.0])), "squared lengths"),
        (lambda: MGDA()(np.diag([1.0, np.nan])), r"nan at tasks \(1, 1\)"),
        (lambda: balancing.GradNorm()(np.eye(2)), "got none"),
        (lambda: balancing.GradNorm()(np.eye(2), np.ones(3)), r"shape \(3,\)"),
        (lambda: balancing.DBMTL()(np.eye(2), np.array([1.0, -1.0])), "negative"),
        (lambda: Sum()(torch.ones(2, 2)), r"shape \(2, 2\)"),
        (lambda: Sum()(torch.ones(2, dtype=torch.int64)), "floats"),
        (lambda: Sum()(torch.tensor([1.0, float("inf")])), "loss 1 is inf"),
        (lambda: balancing.GeometricMean()(torch.tensor([1.0, -0.5])), "loss 1 is -0.5"),
        (lambda: FAMO()(torch.tensor([1.0, -0.5])), "floor="),
        (lambda: Sum()(torch.ones(2), present=np.array([True, False])), "marks 1 beside 2"),
    ],
)
def test_bad_numbers_are_refused_in_one_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: MGDA(norm="max"), "'max'"),  # type: ignore[arg-type]
        (lambda: Weighted([]), r"\[\]"),
        (lambda: Weighted([1.0, -1.0]), "-1.0"),
        (lambda: Weighted([0.0, 0.0]), "not all zero"),
        (lambda: Weighted([1.0])(torch.ones(2)), "1 of them and 2"),
        (lambda: balancing.STCH(0.0), "got 0.0"),
        (lambda: balancing.STCH(ideal=[1.0])(torch.ones(2)), "1 of them and 2"),
        (lambda: balancing.FAMO(lr=-1.0), "-1.0"),
        (lambda: FAMO(floor=[0.0])(torch.ones(2)), "1 of them and 2"),
        (lambda: DWA(0.0), "above zero"),
        (lambda: DWA(every=0), "every=0"),
        (lambda: balancing.CAGrad(-0.1), "-0.1"),
        (lambda: balancing.FairGrad(0.0), "got 0.0"),
        (lambda: balancing.GradNorm(alpha=-1.0), "-1.0"),
        (lambda: GradVac(beta=2.0), "got 2.0"),
        (lambda: balancing.DBMTL(1.0), "got 1.0"),
        (lambda: balancing.AlignedMTL(scale="max"), "'max'"),  # type: ignore[arg-type]
        (lambda: Sum().start(0), "at least one task"),
    ],
)
def test_bad_options_are_refused_in_one_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        call()


def test_a_balancer_that_learns_serves_one_number_of_tasks() -> None:
    balancer = DWA()
    balancer(torch.ones(3))
    with pytest.raises(OptionError, match="state for 3 and got 2"):
        balancer(torch.ones(2))
    assert balancer(torch.ones(2), present=np.array([True, False, True])).item() == pytest.approx(2.0)


def test_one_without_state_serves_any_number() -> None:
    solve = MGDA()
    assert [len(solve(np.eye(T))) for T in (2, 5, 3)] == [2, 5, 3]


def test_state_of_a_task_is_found_again_after_a_gap() -> None:
    """Task 1 is away in the second step; its s is neither used nor moved, task 2's is."""
    balancer = Uncertainty(3, norm="raw")
    (s,) = balancer.parameters()
    s.data[:] = torch.tensor([0.0, 1.0, 2.0])
    values = torch.ones(2, requires_grad=True)
    combined = balancer.combine(values, present=np.array([True, False, True]))
    assert combined.weights.tolist() == pytest.approx([0.5, 0.5 * np.exp(-2.0)])
    combined.total.backward()
    assert s.grad is not None
    assert s.grad[1] == 0.0
    assert s.grad[2] != 0.0


def test_gradvac_keeps_pairs_apart_over_gaps() -> None:
    solve = GradVac(beta=1.0, norm="raw")
    solve(np.array([[1.0, 0.5], [0.5, 1.0]]), present=np.array([True, False, True]))
    targets = solve.state_dict()["targets"]
    assert isinstance(targets, torch.Tensor)
    assert targets.tolist() == [[0.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]


def test_a_state_of_another_method_is_refused() -> None:
    saved = DWA()
    saved(torch.ones(2))
    with pytest.raises(DataError, match="famo keeps"):
        FAMO().load_state_dict(saved.state_dict())


def test_a_state_is_a_copy() -> None:
    balancer = DWA()
    balancer(torch.ones(2))
    saved = balancer.state_dict()
    balancer(torch.ones(2))
    assert isinstance(saved["sums"], torch.Tensor)
    assert saved["sums"].tolist() == [1.0, 1.0]


def test_an_empty_state_is_a_fresh_balancer() -> None:
    balancer = DWA()
    balancer.load_state_dict(DWA().state_dict())
    assert balancer.state_dict() == {"tasks": None}


def test_float32_losses_stay_float32() -> None:
    for name, method in BALANCERS.items():
        balancer: Balancer = method()
        if isinstance(balancer, balancing.Scalarizer):
            combined = balancer.combine(torch.rand(3, requires_grad=True) + 0.5)
            assert combined.total.dtype == combined.weights.dtype == torch.float32, name
            assert not combined.weights.requires_grad, name


def test_it_says_what_it_is() -> None:
    assert repr(balancing.CAGrad(0.3)) == "CAGrad(norm='sum', c=0.3)"
    assert issubclass(OptionError, SharewiseError)
