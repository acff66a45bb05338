"""Vectorised and looped meta-gradients beside an explicit loop with torch's own layers, and central differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import meta_reference as reference
from sharewise.meta._anil import ANIL
from sharewise.meta._episodes import Episodes
from sharewise.meta._first_order_maml import FirstOrderMAML
from sharewise.meta._gradient import GradientLearner
from sharewise.meta._maml import MAML
from sharewise.meta._meta_sgd import MetaSGD
from sharewise.meta._reptile import Reptile

STEPS, RATE = 3, 0.2
WAYS = 3
MODES = ("vectorised", "looped")


def of_rows(norm: Callable[[int], nn.Module]) -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Linear(4, 6), norm(6), nn.Tanh(), nn.Linear(6, 6), norm(6), nn.Tanh()),
        nn.Linear(6, WAYS),
    )


def of_pictures(norm: Callable[[int], nn.Module]) -> nn.Sequential:
    stage = (nn.Conv2d(1, 4, 2), norm(4), nn.Softplus())
    return nn.Sequential(nn.Sequential(*stage, nn.Flatten()), nn.Linear(16, WAYS))


NORMS: dict[str, Callable[[], nn.Sequential]] = {
    "none": lambda: of_rows(lambda _: nn.Identity()),
    "batch-1d": lambda: of_rows(nn.BatchNorm1d),
    "batch-2d": lambda: of_pictures(nn.BatchNorm2d),
    "layer": lambda: of_rows(nn.LayerNorm),
    "group": lambda: of_rows(lambda width: nn.GroupNorm(2, width)),
    "instance": lambda: of_pictures(lambda width: nn.InstanceNorm2d(width, affine=True)),
    "rms": lambda: of_rows(nn.RMSNorm),
}


def network_of(norm: str) -> nn.Sequential:
    """In double precision, with scales and shifts that are not one and zero."""
    torch.manual_seed(0)
    network = NORMS[norm]().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def episodes_for(network: nn.Sequential, *, seed: int = 1) -> Episodes:
    """Three tasks of uneven sizes and ways."""
    draw = torch.Generator().manual_seed(seed)
    shape = (1, 3, 3) if isinstance(network[0][0], nn.Conv2d) else (4,)
    ways = (2, 3, 3)

    def rows(counts: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
        sizes = zip(counts, ways, strict=True)
        return [
            (torch.randn(n, *shape, generator=draw, dtype=torch.float64), torch.arange(n) % w)
            for n, w in sizes
        ]

    return Episodes.of(rows((4, 7, 5)), rows((5, 3, 4)), ways)


def central(
    value: Callable[[dict[str, Tensor]], Tensor], at: dict[str, Tensor], found: dict[str, Tensor]
) -> float:
    """How far the slope along a random direction is off, relative to the gradient's length."""
    draw = torch.Generator().manual_seed(2)
    way = {path: torch.randn(part.shape, generator=draw, dtype=part.dtype) for path, part in at.items()}
    step = 1e-5
    ahead, behind = (
        {path: (part + sign * step * way[path]).detach() for path, part in at.items()} for sign in (1, -1)
    )
    # The inner loop needs gradients by what it starts from.
    values = [
        value({path: part.requires_grad_() for path, part in side.items()}).detach()
        for side in (ahead, behind)
    ]
    slope = sum((found[path] * way[path]).sum() for path in at)
    length = sum(part.square().sum() for part in found.values()).sqrt()
    return float(((values[0] - values[1]) / (2 * step) - slope).abs() / length)


def farthest(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> float:
    assert found.keys() == wanted.keys()
    return max(float((found[path] - wanted[path]).abs().max()) for path in found)


def gradient_of(learner: GradientLearner, episodes: Episodes) -> tuple[float, dict[str, Tensor]]:
    """By path in the network; Meta-SGD's rates keep their own."""
    learner.zero_grad()
    value = learner.meta_loss(episodes)
    value.backward()
    gradients = {path: weight.grad for path, weight in learner.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    return value.item(), {path.removeprefix("network."): g for path, g in gradients.items() if g is not None}


def query_loss(
    network: nn.Sequential,
    weights: dict[str, Tensor],
    episodes: Episodes,
    rates: float | dict[str, Tensor],
    only: str,
) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for task in reference.tasks_of(episodes):
        steps = [task[:2]] * STEPS
        own = reference.stepped(network, weights, rates, steps, task[4], only=only)
        total = total + reference.judged(network, own, task) / len(episodes)
    return total


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("method", ["maml", "anil"])
def test_gradients_through_the_steps_are_those_of_an_explicit_loop(method: str, norm: str) -> None:
    network = network_of(norm)
    episodes = episodes_for(network)
    weights = dict(network.named_parameters())
    only = "1." if method == "anil" else ""
    wanted_value = query_loss(network, weights, episodes, RATE, only)
    wanted = dict(zip(weights, torch.autograd.grad(wanted_value, list(weights.values())), strict=True))
    for mode in MODES:
        if method == "anil":
            learner: GradientLearner = ANIL(network[0], network[1], steps=STEPS, rate=RATE, mode=mode)
        else:
            learner = MAML(network, steps=STEPS, rate=RATE, mode=mode)
        value, found = gradient_of(learner, episodes)
        found = {
            p.replace("encoder.", "0.").replace("head.", "1."): gradient for p, gradient in found.items()
        }
        assert value == pytest.approx(wanted_value.item(), abs=1e-10)
        assert farthest(found, wanted) < 1e-10
    off = central(lambda moved: query_loss(network, moved, episodes, RATE, only), weights, found)
    assert off < 1e-5


@pytest.mark.parametrize("norm", NORMS)
def test_meta_sgd_learns_weights_and_rates_as_an_explicit_loop_does(norm: str) -> None:
    network = network_of(norm)
    episodes = episodes_for(network)
    weights = dict(network.named_parameters())
    rates = {path: torch.full_like(weight, RATE).requires_grad_() for path, weight in weights.items()}
    places = {path: f"rates.{place}" for place, path in enumerate(weights)}

    def value_of(moved: dict[str, Tensor]) -> Tensor:
        own = {path: moved[place] for path, place in places.items()}
        return query_loss(network, {path: moved[path] for path in weights}, episodes, own, "")

    everything = {**weights, **{places[path]: rate for path, rate in rates.items()}}
    wanted_value = value_of(everything)
    wanted = dict(zip(everything, torch.autograd.grad(wanted_value, list(everything.values())), strict=True))
    for mode in MODES:
        learner = MetaSGD(network, steps=STEPS, rate=RATE, mode=mode)
        value, found = gradient_of(learner, episodes)
        assert value == pytest.approx(wanted_value.item(), abs=1e-10)
        assert farthest(found, wanted) < 1e-10
    assert central(value_of, everything, found) < 1e-5


@pytest.mark.parametrize("norm", NORMS)
def test_first_order_maml_takes_the_query_gradient_at_the_adapted_weights(norm: str) -> None:
    network = network_of(norm)
    episodes = episodes_for(network)
    weights = dict(network.named_parameters())
    tasks = reference.tasks_of(episodes)
    ends = [
        reference.stepped(network, weights, RATE, [task[:2]] * STEPS, task[4], graph=False) for task in tasks
    ]
    jumps = [{path: (end[path] - weights[path]).detach() for path in weights} for end in ends]

    def value_of(moved: dict[str, Tensor]) -> Tensor:
        """MAML's loss with the steps' displacements held fixed."""
        own = [{path: moved[path] + jump[path] for path in moved} for jump in jumps]
        parts = [reference.judged(network, at, task) for at, task in zip(own, tasks, strict=True)]
        return torch.stack(parts).mean()

    wanted = dict(zip(weights, torch.autograd.grad(value_of(weights), list(weights.values())), strict=True))
    for mode in MODES:
        _, found = gradient_of(FirstOrderMAML(network, steps=STEPS, rate=RATE, mode=mode), episodes)
        assert farthest(found, wanted) < 1e-10
    assert central(value_of, weights, found) < 1e-5


@pytest.mark.parametrize("norm", NORMS)
def test_reptile_sums_the_gradients_along_the_way(norm: str) -> None:
    network = network_of(norm)
    episodes = episodes_for(network)
    weights = dict(network.named_parameters())
    tasks = reference.tasks_of(episodes)
    wanted = {path: torch.zeros_like(weight) for path, weight in weights.items()}
    stops: list[tuple[dict[str, Tensor], tuple[Tensor, Tensor], int | None]] = []
    for task in tasks:
        at = dict(weights)
        for step in range(STEPS):
            rows = task[2:4] if step % 2 else task[:2]
            stops.append(({p: (w - weights[p]).detach() for p, w in at.items()}, rows, task[4]))
            at = reference.stepped(network, at, RATE, [rows], task[4], graph=False)
        for path in wanted:
            wanted[path] += ((weights[path] - at[path]) / RATE / len(tasks)).detach()

    def value_of(moved: dict[str, Tensor]) -> Tensor:
        """Losses at each stop, the way there held fixed: their slope is the sum of the steps' gradients."""
        parts = [
            reference.loss(network, {p: moved[p] + way[p] for p in moved}, *rows, ways)
            for way, rows, ways in stops
        ]
        return torch.stack(parts).sum() / len(tasks)

    for mode in MODES:
        _, found = gradient_of(Reptile(network, steps=STEPS, rate=RATE, mode=mode), episodes)
        assert farthest(found, wanted) < 1e-10
    assert central(value_of, weights, found) < 1e-5


def test_a_plain_step_by_hand() -> None:
    """One weight w, loss (w x − y)²: w' = w − 2 α x (w x − y), and dL/dw = 2 q (w' q − r) (1 − 2 α x²)."""
    network = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(network.weight, 0.5)
    there = torch.ones(1, 1, dtype=torch.bool)
    rows = [
        torch.tensor([[[2.0]]]),
        torch.tensor([[3.0]]),
        there,
        torch.tensor([[[1.5]]]),
        torch.tensor([[1.0]]),
        there,
    ]
    episodes = Episodes(*rows).to(torch.float64)
    moved = 0.5 - 2 * 0.1 * 2.0 * (0.5 * 2.0 - 3.0)
    slope = 2 * 1.5 * (moved * 1.5 - 1.0)
    value, found = gradient_of(MAML(network, steps=1, rate=0.1), episodes)
    assert value == pytest.approx((moved * 1.5 - 1.0) ** 2)
    assert found["weight"].item() == pytest.approx(slope * (1 - 2 * 0.1 * 4.0))
    assert gradient_of(FirstOrderMAML(network, steps=1, rate=0.1), episodes)[1][
        "weight"
    ].item() == pytest.approx(slope)
    reptile = gradient_of(Reptile(network, steps=1, rate=0.1), episodes)[1]["weight"].item()
    assert reptile == pytest.approx((0.5 - moved) / 0.1)
    rated = gradient_of(MetaSGD(network, steps=1, rate=0.1), episodes)[1]
    assert rated["rates.0"].item() == pytest.approx(slope * -2 * 2.0 * (0.5 * 2.0 - 3.0))
