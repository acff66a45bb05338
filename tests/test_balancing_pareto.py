"""Fronts by preference vectors. `T` tasks, `K` preferences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sharewise.balancing import (
    STCH,
    Aim,
    ParetoFront,
    Scalarizer,
    UPGrad,
    Weighted,
    aims_of,
    nondominated,
    preference_lattice,
)
from sharewise.errors import DataError, OptionError


def test_lattice() -> None:
    lattice = preference_lattice(3, 4, least=0.0)
    assert lattice.shape == (15, 3)
    assert lattice.sum(axis=1) == pytest.approx(np.ones(15))
    assert len({tuple(row) for row in lattice.round(9)}) == 15
    assert set(np.unique(lattice)) == {0.0, 0.25, 0.5, 0.75, 1.0}


def test_lattice_keeps_off_the_corners() -> None:
    lattice = preference_lattice(3, 2, least=0.1)
    assert lattice.min() == pytest.approx(0.1)
    assert lattice.max() == pytest.approx(0.8)
    assert lattice.sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("wrong", [(1, 3, 0.0), (3, 0, 0.0), (3, 2, 0.5), (30, 20, 0.0)])
def test_lattice_refuses(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(OptionError):
        preference_lattice(wrong[0], wrong[1], least=wrong[2])


def test_nondominated_by_hand() -> None:
    points = [[1.0, 4.0], [2.0, 2.0], [4.0, 1.0], [2.0, 3.0], [4.0, 4.0], [2.0, 2.0]]
    assert nondominated(points).tolist() == [True, True, True, False, False, True]


def test_nondominated_agrees_with_the_definition() -> None:
    points = np.random.default_rng(0).integers(0, 5, size=(60, 3)).astype(float)
    for place, kept in enumerate(nondominated(points)):
        beaten = any((other <= points[place]).all() and (other != points[place]).any() for other in points)
        assert kept == (not beaten)


def test_hypervolume_by_hand() -> None:
    front = ParetoFront.of(
        ("a", "b"), [[0.2, 0.8], [0.8, 0.2], [0.5, 0.5]], [[1.0, 2.0], [2.0, 1.0], [2.5, 2.5]]
    )
    assert front.on_front.tolist() == [True, True, False]
    assert front.hypervolume([3.0, 3.0]) == pytest.approx(3.0)  # 2 x 1 + 1 x 2 - 1 x 1
    assert front.hypervolume([1.0, 1.0]) == 0.0
    cube = ParetoFront.of(("a", "b", "c"), [[1.0, 1.0, 1.0]], [[0.0, 1.0, 1.0]])
    assert cube.hypervolume([2.0, 2.0, 3.0]) == pytest.approx(2.0 * 1.0 * 2.0)


def test_hypervolume_against_counting() -> None:
    """Share of random points that some model dominates."""
    rng = np.random.default_rng(1)
    losses = rng.random((8, 3))
    front = ParetoFront.of(("a", "b", "c"), np.ones((8, 3)), losses)
    spots = rng.random((40_000, 3))
    hit = (losses[None] <= spots[:, None]).all(axis=2).any(axis=1).mean()
    assert front.hypervolume([1.0, 1.0, 1.0]) == pytest.approx(hit, abs=0.01)


def test_nearest_follows_the_preference() -> None:
    losses = [[0.0, 1.0], [0.4, 0.4], [1.0, 0.0], [0.9, 0.9]]
    front = ParetoFront.of(("a", "b"), np.ones((4, 2)), losses)
    assert [front.nearest(preference) for preference in ([0.9, 0.1], [0.5, 0.5], [0.1, 0.9])] == [0, 1, 2]


def test_front_refuses_what_does_not_fit() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        ParetoFront.of(("a", "b"), np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(DataError, match="failed"):
        ParetoFront.of(("a",), [[1.0]], [[np.nan]])
    with pytest.raises(OptionError):
        ParetoFront.of(("a",), [[1.0]], [[1.0]]).hypervolume([1.0, 1.0])
    with pytest.raises(OptionError):
        ParetoFront.of(("a",), [[1.0]], [[1.0]]).nearest([1.0, 1.0])


def test_aims() -> None:
    aims = aims_of([[0.25, 0.75], [0.5, 0.5]])
    assert [aim.preference for aim in aims] == [(0.25, 0.75), (0.5, 0.5)]
    assert all(isinstance(aim.balancer, STCH) for aim in aims)
    (own,) = aims_of([[0.25, 0.75]], make=lambda preference: UPGrad(preference))
    assert isinstance(own.balancer, UPGrad)


def test_stch_reaches_a_concave_front_where_sums_cannot() -> None:
    """Fonseca and Fleming's problem: all minima of weighted sums lie at the two ends of its concave front."""

    def reached(aim: Aim) -> np.ndarray:
        x = torch.full((2,), 0.1, dtype=torch.float64, requires_grad=True)
        for _ in range(120):
            losses = torch.stack([1 - torch.exp(-((x - sign / 2**0.5) ** 2).sum()) for sign in (1.0, -1.0)])
            assert isinstance(aim.balancer, Scalarizer)
            (slope,) = torch.autograd.grad(aim.balancer(losses), x)
            x.data -= 0.05 * slope
        return losses.detach().numpy()

    def between(found: np.ndarray) -> int:
        return int(((found > 0.2) & (found < 0.9)).all(axis=1).sum())

    preferences = preference_lattice(2, 4)
    smooth = np.array([reached(aim) for aim in aims_of(preferences, make=lambda p: STCH(0.02, preference=p))])
    linear = np.array([reached(aim) for aim in aims_of(preferences, make=lambda p: Weighted(p))])
    assert between(smooth) >= 3
    assert between(linear) <= 1  # the even preference stays on the ridge between the ends
    front = ParetoFront.of(("a", "b"), preferences, smooth)
    order = np.argsort(preferences[:, 0])
    assert (np.diff(smooth[order, 0]) < 0).all()  # who is preferred more, gets more
    assert front.on_front.all()
    assert front.hypervolume([1.0, 1.0]) > ParetoFront.of(("a", "b"), preferences, linear).hypervolume(
        [1.0, 1.0]
    )
