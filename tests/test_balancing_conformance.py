"""Every balancer keeps what the shipped suite asks, and the suite catches one that does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch

from sharewise import balancing
from sharewise.balancing import BALANCERS, Combined, Scalarizer, Seen, Weighting
from sharewise.balancing.conformance import check_balancer


@pytest.mark.parametrize("norm", ["sum", "mean", "raw"])
@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_balancer_keeps_its_promises(name: str, norm: Any) -> None:
    check_balancer(lambda: BALANCERS[name](norm=norm))


OPTIONS: dict[str, Callable[[], balancing.Balancer]] = {
    "dwa by steps": lambda: balancing.DWA(1.0, every=2),
    "rlw seeded": lambda: balancing.RLW(seed=3),
    "famo with a floor": lambda: balancing.FAMO(floor=-1.0),
    "pcgrad seeded": lambda: balancing.PCGrad(seed=9),
    "gradvac, quick": lambda: balancing.GradVac(beta=0.5),
    "cagrad, wide": lambda: balancing.CAGrad(2.0),
    "cagrad of nothing": lambda: balancing.CAGrad(0.0),
    "aligned-mtl, rmse": lambda: balancing.AlignedMTL(scale="rmse"),
    "fairgrad, steep": lambda: balancing.FairGrad(10.0),
    "db-mtl without memory": lambda: balancing.DBMTL(0.0),
    "gradnorm, strong": lambda: balancing.GradNorm(0.5, lr=0.5),
    "stch, sharp": lambda: balancing.STCH(0.001),
}


@pytest.mark.parametrize("options", sorted(OPTIONS))
def test_options_keep_the_promises(options: str) -> None:
    check_balancer(OPTIONS[options])


def test_names_are_keys_and_unique() -> None:
    assert all(method.name == name for name, method in BALANCERS.items())
    assert len(BALANCERS) == 20


@final
class Sloppy(Weighting):
    """Breaks one promise at a time."""

    name: ClassVar[str] = "sloppy"

    def __init__(self, fault: str) -> None:
        super().__init__("raw")
        self.fault = fault
        self.calls = 0

    def _weights(self, gramian: np.ndarray, seen: Seen) -> np.ndarray:
        self.calls += 1
        weights = np.ones(len(gramian))
        match self.fault:
            case "shape":
                return weights[:, None]
            case "finite":
                weights[0] = np.nan
            case "negative":
                weights[0] = -1.0
            case "memory":
                weights[0] = self.calls
            case "order":
                weights[0] = 2.0
        return weights


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("shape", "shape"),
        ("finite", "not finite"),
        ("negative", "promises weights >= 0"),
        ("memory", "after save and load"),
        ("order", "depends on tasks' order"),
    ],
)
def test_suite_catches_a_broken_weighting(fault: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_balancer(lambda: Sloppy(fault))


@final
class Liar(Scalarizer):
    """Tells other weights than it has."""

    name: ClassVar[str] = "liar"

    def _combine(self, losses: torch.Tensor, seen: Seen) -> Combined:
        return Combined((losses**2).sum(), torch.ones_like(losses))


def test_suite_catches_weights_that_are_no_derivative() -> None:
    with pytest.raises(AssertionError, match="says its weights are"):
        check_balancer(Liar)


def test_suite_catches_random_weights() -> None:
    rng = np.random.default_rng(0)

    @final
    class Dice(Weighting):
        name: ClassVar[str] = "dice"

        def _weights(self, gramian: np.ndarray, seen: Seen) -> np.ndarray:
            return rng.random(len(gramian))

    with pytest.raises(AssertionError, match="other weights when run once more"):
        check_balancer(Dice)
