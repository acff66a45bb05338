"""Methods on losses alone, on values worked out by hand. `T` tasks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sharewise.balancing import (
    DWA,
    FAMO,
    IMTLL,
    RLW,
    STCH,
    GeometricMean,
    Scalarizer,
    Sum,
    Uncertainty,
    Weighted,
)
from sharewise.errors import NotFittedError


def losses(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def weights(balancer: Scalarizer, *values: float) -> list[float]:
    return balancer.combine(losses(*values)).weights.tolist()


def test_sum_and_weighted() -> None:
    assert Sum()(losses(1.0, 2.0)).item() == 3.0
    assert weights(Weighted([3.0, 1.0]), 1.0, 1.0) == [1.5, 0.5]
    assert weights(Weighted([3.0, 1.0], norm="raw"), 1.0, 1.0) == [3.0, 1.0]
    assert weights(Weighted(), 1.0, 1.0) == [1.0, 1.0]


def test_geometric_mean() -> None:
    balancer = GeometricMean(norm="raw")
    assert balancer(losses(1.0, 4.0)).item() == pytest.approx(2.0)
    assert weights(balancer, 1.0, 4.0) == pytest.approx([1.0, 0.25])


def test_geometric_mean_of_a_solved_task_still_trains_the_rest() -> None:
    values = losses(0.0, 4.0)
    GeometricMean()(values).backward()
    assert values.grad is not None
    assert values.grad.tolist() == pytest.approx([0.0, 2.0])


def test_uncertainty_and_imtl_l_learn_the_inverse_loss() -> None:
    """At the optimum exp(-s) L = 1 (uncertainty) and exp(s) L = 1 (IMTL-L): every scaled loss is alike."""
    for balancer in (Uncertainty(2, norm="raw"), IMTLL(2, norm="raw")):
        (s,) = balancer.parameters()
        for _ in range(400):
            (slope,) = torch.autograd.grad(balancer(losses(0.25, 8.0)), s)
            s.data -= 0.1 * slope
        found = weights(balancer, 0.25, 8.0)
        assert found[0] * 0.25 == pytest.approx(found[1] * 8.0, rel=1e-3)


def test_uncertainty_at_the_start() -> None:
    balancer = Uncertainty(2, norm="raw")
    assert balancer(losses(1.0, 5.0)).item() == pytest.approx(3.0)
    (parameter,) = balancer.parameters()
    (slope,) = torch.autograd.grad(balancer(losses(1.0, 5.0)), parameter)
    assert slope.tolist() == pytest.approx([0.0, -2.0])  # (1 - L) / 2


def test_parameters_are_asked_for_too_early() -> None:
    with pytest.raises(NotFittedError, match=r"start\(tasks\)"):
        list(Uncertainty().parameters())


def test_parameters_keep_their_identity() -> None:
    """An optimizer that holds them sees what reset and load do."""
    balancer = IMTLL(2)
    (held,) = balancer.parameters()
    held.data.fill_(3.0)
    saved = balancer.state_dict()
    balancer.reset()
    assert held.tolist() == [0.0, 0.0]
    balancer.load_state_dict(saved)
    assert held.tolist() == [3.0, 3.0]
    assert next(balancer.parameters()) is held


def test_dwa() -> None:
    """Ratios 0.5 and 1 at temperature 2."""
    balancer = DWA()
    for epoch in ((1.0, 1.0), (0.5, 1.0)):
        assert weights(balancer, *epoch) == [1.0, 1.0]
        balancer.after_epoch()
    a, b = math.exp(0.25), math.exp(0.5)
    assert weights(balancer, 1.0, 1.0) == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])


def test_dwa_by_steps_is_dwa_by_epochs() -> None:
    rng = np.random.default_rng(0)
    by_steps, by_epochs = DWA(every=3), DWA()
    for _ in range(4):
        for _ in range(3):
            values = rng.uniform(0.5, 1.5, size=3)
            assert weights(by_steps, *values) == pytest.approx(weights(by_epochs, *values))
        by_epochs.after_epoch()


def test_rlw_draws_are_fair_and_follow_the_seed() -> None:
    balancer = RLW(norm="raw")
    drawn = np.array([weights(balancer, 1.0, 1.0, 1.0) for _ in range(2000)])
    assert drawn.sum(axis=1) == pytest.approx(np.ones(2000))
    assert drawn.mean(axis=0) == pytest.approx(np.full(3, 1 / 3), abs=0.02)
    assert weights(RLW(1), 1.0, 1.0) == weights(RLW(1), 1.0, 1.0) != weights(RLW(2), 1.0, 1.0)


def test_stch() -> None:
    assert STCH(0.1, norm="raw")(losses(1.0, 1.0)).item() == pytest.approx(0.5 + 0.1 * math.log(2))
    sharp = STCH(1e-4, preference=[0.5, 0.5], ideal=[0.0, 2.0], norm="raw")
    assert sharp(losses(1.0, 2.5)).item() == pytest.approx(0.5, abs=1e-3)  # max of 0.5 and 0.25
    assert weights(sharp, 1.0, 2.5) == pytest.approx([0.5, 0.0])
    assert weights(STCH(1e3), 1.0, 5.0) == pytest.approx([1.0, 1.0], abs=1e-2)  # smooth as a sum


def test_famo_at_the_start() -> None:
    """z = 1/2: c = 1 / (1/2 + 1/8) = 1.6, weights c z / L."""
    assert weights(FAMO(norm="raw"), 1.0, 4.0) == pytest.approx([0.8, 0.2])


def test_famo_turns_to_the_task_that_falls_least() -> None:
    balancer = FAMO(norm="raw")
    before = weights(balancer, 1.0, 1.0)
    balancer.after_step(losses(0.99, 0.5))
    after = weights(balancer, 1.0, 1.0)
    assert after[0] > before[0]
    assert after[1] < before[1]
    assert sum(after) == pytest.approx(1.0)


def test_famo_without_the_second_look_stays() -> None:
    balancer = FAMO()
    first = weights(balancer, 1.0, 2.0)
    balancer.after_step(None)
    assert weights(balancer, 1.0, 2.0) == first


def test_famo_with_a_floor_takes_negative_losses() -> None:
    assert weights(FAMO(floor=-2.0, norm="raw"), -1.0, 2.0) == pytest.approx([0.8, 0.2])
