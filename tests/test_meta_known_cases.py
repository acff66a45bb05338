"""Each learner on tasks whose best possible predictions are known, or that its paper reports.

MAML itself on sinusoids stands in ``test_meta_inner.py``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from meta_cases import (
    GaussianClasses,
    GaussianProcess,
    LinearTasks,
    ShiftedClasses,
    generator,
    normal,
    sinusoids,
    stream,
)
from sharewise.meta import (
    ANIL,
    LDA,
    MAML,
    META_LEARNERS,
    BayesianHead,
    ConditionalProcess,
    Constant,
    Episodes,
    FirstOrderMAML,
    FromScratch,
    Logistic,
    MetaLearner,
    MetaSGD,
    Neighbours,
    Prototypes,
    Reptile,
    Ridge,
    TransformerProcess,
    evaluate,
    meta_train,
)


def seeded(make: Callable[[], nn.Module], seed: int = 0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def error(learner: MetaLearner, episodes: Episodes) -> float:
    return evaluate(learner, [episodes]).mean


def regressor() -> nn.Sequential:
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


# Sinusoids (Finn et al. 2017), beside a network pretrained on all tasks' rows and then fine-tuned

BATCHES = 300


@pytest.fixture(scope="module")
def pretrained() -> nn.Module:
    """It has seen the rows that the learners see, those of support and of query."""
    network = seeded(regressor)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, BATCHES)
    draw = stream(sinusoids)
    for step in range(BATCHES):
        episodes = draw(np.random.default_rng([0, step]))
        x, y = (
            torch.cat([getattr(episodes, f"{side}_{part}") for side in ("support", "query")], 1)
            for part in "xy"
        )
        optimizer.zero_grad()
        nn.functional.mse_loss(network(x)[..., 0], y).backward()
        optimizer.step()
        course.step()
    return network


def by_descent(name: str) -> tuple[MetaLearner, int]:
    """The learner, and how many steps it takes to adapt."""
    network = seeded(regressor)
    if name == "anil":
        return ANIL(network[:-1], network[-1], steps=5, rate=0.05), 5
    if name == "reptile":
        return Reptile(network, steps=5, rate=0.02), 5
    if name == "meta-sgd":  # one step, as its paper's title says
        return MetaSGD(network, steps=1, rate=0.02), 1
    return FirstOrderMAML(network, steps=5, rate=0.01), 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "share"), [("anil", 0.5), ("meta-sgd", 0.5), ("reptile", 0.6), ("first-order-maml", 0.75)]
)
def test_on_sinusoids_descent_beats_fine_tuning_of_a_pretrained_network(
    name: str, share: float, pretrained: nn.Module
) -> None:
    """As many steps for both, and for the pretrained network the rate that is best for it on the test itself."""
    learner, steps = by_descent(name)
    meta_train(learner, stream(sinusoids), steps=BATCHES, rate=5e-3)
    unseen = sinusoids(generator(1), 100, 50)
    rates = (0.001, 0.003, 0.01, 0.02, 0.03)
    tuned = min(error(MAML(copy.deepcopy(pretrained), steps=steps, rate=rate), unseen) for rate in rates)
    assert error(learner, unseen) < share * tuned


# Gaussian processes, beside the exact posterior


def features() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())


PROCESSES: dict[str, tuple[Callable[[], MetaLearner], int, float]] = {
    "bayes": (lambda: BayesianHead(32, encoder=features()), 300, 1.15),
    "tnp": (lambda: TransformerProcess(1, width=32), 300, 1.25),
    "cnp": (lambda: ConditionalProcess(1, width=128), 800, 1.8),
}
"""Of each name a learner, how many steps it learns, and how many times the posterior's error it may make."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
def test_on_gaussian_processes_errors_are_near_the_exact_posteriors(name: str) -> None:
    make, steps, margin = PROCESSES[name]
    case, learner = GaussianProcess(), seeded(make)
    meta_train(learner, stream(case.draw), steps=steps, rate=5e-3)
    unseen = case.draw(generator(1), 200)
    best = float((case.best(unseen) - unseen.query_y).square().mean())
    learner = learner.double()
    assert error(learner, unseen) < margin * best
    assert error(learner, unseen) < 0.5 * error(Constant(), unseen)
    with torch.no_grad():
        mean, variance = learner.distribution(unseen)
    within = (unseen.query_y - mean).abs() < 1.645 * variance.sqrt()
    assert float(within.double().mean()) == pytest.approx(0.9, abs=0.05)  # and they know how far they are off


# Linear tasks from a known prior, beside its posterior


def correlated() -> LinearTasks:
    """Six slopes and a level that move together along three ways far, and alone a little."""
    draw = generator(5)
    mean = normal(draw, 7)
    return LinearTasks(mean, torch.cat([normal(draw, 7, 3), 0.3 * torch.eye(7).double()], 1), 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [None, 3])
def test_on_linear_tasks_the_bayesian_head_finds_the_prior(rank: int | None) -> None:
    case, learner = correlated(), seeded(lambda: BayesianHead(6, rank=rank))
    meta_train(learner, stream(lambda draw: case.draw(draw, 5, uneven=True)), steps=400, rate=0.1)
    learner = learner.double()
    for shots in (1, 5, 20):
        unseen = case.draw(generator(1), shots, 300)
        best = float((case.best(unseen) - unseen.query_y).square().mean())
        assert error(learner, unseen) < 1.15 * best
        if shots < 20:  # where a penalty alone does not know which way tasks differ
            assert error(Ridge(nn.Identity()).double(), unseen) > 2 * best
    prior = case.factor @ case.factor.T
    factor = learner.prior_factor.detach()
    assert float((learner.prior_mean.detach()[:, 0] - case.mean).norm() / case.mean.norm()) < 0.2
    assert float((factor @ factor.T - prior).norm() / prior.norm()) < 0.5
    assert learner.noise.item() == pytest.approx(case.noise**2, rel=0.2)


def test_on_linear_tasks_with_equal_slopes_ridge_finds_the_penalty() -> None:
    """Slopes from N(0, 0.49 I), any level, σ² = 0.25: the posterior is a ridge regression with λ = 0.25 / 0.49."""
    spreads = torch.tensor([0.7] * 6 + [1e3], dtype=torch.float64)
    case, learner = LinearTasks(torch.zeros(7).double(), spreads.diag(), 0.5), Ridge(nn.Identity()).double()
    wide = lambda rng: case.draw(generator(int(rng.integers(2**31))), 5)  # noqa: E731
    meta_train(learner, wide, steps=150, rate=0.02)
    assert math.exp(learner.log_penalty.item()) == pytest.approx(0.25 / 0.49, rel=0.15)
    for shots in (1, 5, 20):
        unseen = case.draw(generator(1), shots, 200)
        best = float((case.best(unseen) - unseen.query_y).square().mean())
        assert error(learner, unseen) < 1.01 * best


def test_of_levels_alone_the_constant_errs_by_a_known_amount() -> None:
    """The support's mean of k rows with noise σ² is off by σ² (1 + 1/k) in a square."""
    spreads = torch.tensor([0.0, 10.0], dtype=torch.float64)
    case = LinearTasks(torch.zeros(2).double(), spreads.diag(), 2.0)
    for shots in (1, 4):
        found = evaluate(Constant(), [case.draw(generator(1), shots, 2000)])
        assert found.mean == pytest.approx(4 * (1 + 1 / shots), abs=2 * found.half_width)
        assert found.half_width < 0.4


def test_from_scratch_a_linear_network_ends_at_least_squares() -> None:
    case = correlated()
    unseen = case.draw(generator(1), 30, 3)
    learner = FromScratch(lambda outputs: nn.Linear(6, outputs), steps=500, rate=0.05).double()
    found = learner.predict(unseen)
    for place in range(3):
        x, asked = (
            np.column_stack([part[place].numpy(), np.ones(30)]) for part in (unseen.support_x, unseen.query_x)
        )
        weights, *_ = np.linalg.lstsq(x, unseen.support_y[place].numpy())
        np.testing.assert_allclose(found[place].numpy(), asked @ weights, atol=1e-2)


# Gaussian classes, beside Bayes' rule


def accuracy_of(best: torch.Tensor, episodes: Episodes) -> float:
    return float((best == episodes.query_y).double().mean())


def tilted() -> GaussianClasses:
    """Half of the features are mostly noise, which neither distances nor one penalty know."""
    return GaussianClasses(torch.tensor([3.0] * 4 + [0.5] * 4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "below"), [("prototypes", 0.03), ("lda", 0.03), ("logistic", 0.04), ("ridge", 0.08)]
)
def test_on_new_gaussian_classes_heads_learn_to_come_near_bayes_rule(name: str, below: float) -> None:
    """Five ways, one shot; only what is learnt across tasks can tell noise from news."""
    case = tilted()
    learner = seeded(lambda: META_LEARNERS[name](nn.Linear(8, 8)))  # type: ignore[call-arg]
    unseen = case.draw(generator(1), 1, 200)
    best = accuracy_of(case.best(unseen), unseen)
    assert error(seeded(lambda: Prototypes(nn.Identity()).double()), unseen) < best - 0.3
    meta_train(learner, stream(lambda draw: case.draw(draw, 1)), steps=120, rate=0.02)
    found = error(learner.double(), unseen)
    assert best - below < found < best + 0.01


@pytest.mark.parametrize("name", ["lda", "logistic"])
def test_from_many_rows_a_linear_rule_is_bayes_rule(name: str) -> None:
    """Without any learning across tasks: equal covariances have a linear best rule, which 60 shots nearly
    give away."""
    case = tilted()
    unseen = case.draw(generator(1), 60, 4, 150)
    learner = LDA(nn.Identity()) if name == "lda" else Logistic(nn.Identity(), steps=10)
    assert error(learner.double(), unseen) == pytest.approx(accuracy_of(case.best(unseen), unseen), abs=0.02)


def test_of_neighbours_one_errs_as_cover_and_hart_say_and_many_as_bayes() -> None:
    """Two unit Gaussians at ±1 and η(x) the chance of the right one: one neighbour errs E[2η(1 − η)] in the limit of
    many rows (Cover & Hart 1967, https://doi.org/10.1109/TIT.1967.1053964), the rule of the sign Φ(−1)."""
    draw, rows, asked = generator(0), 2000, 3000
    y = torch.arange(rows + asked) % 2
    x = (2.0 * y - 1)[:, None] + normal(draw, rows + asked, 1)
    episodes = episodes_alone(x, y, rows)
    chance = lambda at: 1 / (1 + math.exp(-2 * at))  # noqa: E731
    density = lambda at: 0.5 * (stats.norm.pdf(at - 1) + stats.norm.pdf(at + 1))  # noqa: E731
    one = integrate.quad(lambda at: 2 * chance(at) * (1 - chance(at)) * density(at), -8, 8)[0]
    assert 1 - error(Neighbours(k=1), episodes) == pytest.approx(one, abs=0.02)
    assert 1 - error(Neighbours(k=101), episodes) == pytest.approx(stats.norm.cdf(-1), abs=0.02)


def episodes_alone(x: torch.Tensor, y: torch.Tensor, rows: int) -> Episodes:
    return Episodes.of([(x[:rows], y[:rows])], [(x[rows:], y[rows:])], [2])


@pytest.mark.parametrize("name", ["cnp", "tnp"])
def test_on_fixed_classes_with_a_shift_processes_come_near_bayes_rule(name: str) -> None:
    case = ShiftedClasses(torch.tensor([1.0, 0.5, 0.0], dtype=torch.float64))
    make = {"cnp": ConditionalProcess, "tnp": lambda *sizes: TransformerProcess(*sizes, width=32)}[name]
    learner = seeded(lambda: make(3, 2))
    meta_train(learner, stream(case.draw), steps=200, rate=5e-3)
    unseen = case.draw(generator(1), 300)
    best = accuracy_of(case.best(unseen), unseen)
    found = error(learner.double(), unseen)
    assert best - 0.03 < found < best + 0.01
    assert (
        error(Prototypes(nn.Identity()).double(), unseen) < found
    )  # which takes nothing over from other tasks
