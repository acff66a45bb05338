"""How the budget is divided, what tuning proposes, and which trials train together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from sharewise.families import FAMILIES, Configuration, Dimension, Space, configuration
from sharewise.problems import Problem
from sharewise.studies import Protocol, Spec, run_trial
from sharewise.studies._jobs import MOST_STACKED, trial_jobs
from sharewise.studies._spend import (
    FEW_GROUPS,
    FEWEST_PROPOSALS,
    GROUPS_OF_SEPARATE,
    PROPOSALS,
    Costs,
    Spend,
    choose_spend,
)
from sharewise.studies._trial import run_trials
from sharewise.studies._tuning import propose

COSTS = Costs(round=2.0, proposal=1.0, group=0.5, most_groups=20, separate=15.0, curve=4.0, refit=1.0)


def _spend(left: float | None, costs: Costs = COSTS, *, rounds: int = 5) -> Spend:
    return choose_spend(costs, left, effort=2, rounds=rounds, most_rounds=10)


def _cost(spend: Spend) -> float:
    curve = COSTS.curve if spend.curve else 0.0
    work = spend.proposals * COSTS.proposal + spend.groups * COSTS.group + (spend.rounds - 1) * COSTS.round
    return work + curve + COSTS.refit


def test_without_a_bound_everything_is_done() -> None:
    assert _spend(None) == Spend(PROPOSALS[2], 20, 10, True)


@pytest.mark.parametrize("left", [2.0, 5.0, 9.0, 12.0, 20.0, 40.0, 80.0, 200.0])
def test_the_division_fits_what_is_left(left: float) -> None:
    spend = _spend(left)
    assert spend.rounds >= 2, "one round has no interval"
    if left >= 9.0:
        assert spend.rounds >= 5
        assert _cost(spend) <= left


def test_more_time_never_buys_less() -> None:
    found = [_spend(left) for left in np.geomspace(3, 500, 40)]
    for name in ("rounds", "proposals", "groups"):
        values = [getattr(one, name) for one in found]
        most = getattr(_spend(None), name)
        assert values[-1] == (most if name != "groups" else GROUPS_OF_SEPARATE * COSTS.separate / COSTS.group)
    rounds = [one.rounds for one in found]
    assert rounds == sorted(rounds)
    assert all(one.proposals == 0 or one.proposals >= FEWEST_PROPOSALS for one in found)


def test_what_has_nothing_to_tune_spends_nothing_on_it() -> None:
    assert _spend(500.0, replace(COSTS, proposal=0.0)).proposals == 0
    assert _spend(500.0, replace(COSTS, group=0.0)).groups == 0


def test_groups_get_less_than_separate_models_got() -> None:
    assert _spend(500.0, replace(COSTS, separate=10.0)).groups == 12
    assert _spend(500.0, replace(COSTS, separate=0.1)).groups == FEW_GROUPS


# --- proposals ----------------------------------------------------------------------------------------------

SPACE: Space = {
    "bowl": {"x": Dimension(0.01, 10.0, log=True), "k": Dimension(1, 9, whole=True)},
    "flat": {"y": Dimension(0.0, 1.0)},
}


def _loss(one: Configuration) -> float:
    if one.learner == "flat":
        return 1.0
    return abs(np.log(one.get("x", 1.0) / 0.3)) / 5 + abs(one.get("k", 1) - 4) / 20


def _tuned(rounds: int, seed: int) -> list[Configuration]:
    tried = [configuration("bowl", x=5.0, k=8)]
    for _ in range(rounds):
        seen = [(one, _loss(one)) for one in tried]
        tried += propose(SPACE, seen, 4, seed, "separate/bowl")
    return tried


def test_proposals_lie_in_the_space_and_are_new() -> None:
    tried = _tuned(6, 0)
    assert len(set(tried)) == len(tried) == 25
    for one in tried:
        for name, value in one.options:
            dimension = SPACE[one.learner][name]
            assert dimension.low <= value <= dimension.high
            assert isinstance(value, int) or not dimension.whole


def test_proposals_repeat_with_their_arguments() -> None:
    assert _tuned(3, 1) == _tuned(3, 1)
    assert _tuned(3, 1) != _tuned(3, 2)
    seen = [(one, 0.5) for one in _tuned(1, 0)]
    assert propose(SPACE, seen, 2, 0, "joint/bowl") != propose(SPACE, seen, 2, 0, "separate/bowl")


def test_proposals_learn_from_what_was_tried() -> None:
    early, late = [], []
    for seed in range(6):
        losses = [_loss(one) for one in _tuned(10, seed)]
        early.append(np.mean(losses[1:9]))
        late.append(np.mean(losses[-8:]))
    assert np.mean(late) < 0.6 * np.mean(early)


def test_what_failed_or_has_no_space_is_no_obstacle() -> None:
    seen = [(configuration("bowl", x=5.0, k=8), None), (configuration("elsewhere", z=1), 0.1)]
    assert len(propose(SPACE, seen, 3, 0, "a")) == 3
    assert propose({}, seen, 3, 0, "a") == []
    narrow: Space = {"two": {"k": Dimension(1, 2, whole=True)}}
    assert len(propose(narrow, [], 10, 0, "a")) == 2, "no more than there are"


# --- jobs ---------------------------------------------------------------------------------------------------


def _specs(*triples: tuple[str, str, Configuration]) -> list[Spec]:
    return [Spec(0, 0, None, *one) for one in triples]


def test_networks_of_one_shape_train_in_one_job() -> None:
    small = [
        configuration("mlp", width=64, learning_rate=rate, dropout=0.1, weight_decay=0.01)
        for rate in (0.001, 0.01)
    ]
    large = configuration("mlp", width=128, learning_rate=0.001, dropout=0.1, weight_decay=0.01)
    ridge = Configuration("ridge")
    specs = _specs(
        ("separate", "network", small[0]), ("separate", "linear", ridge), ("separate", "network", small[1]),
        ("separate", "network", large), ("joint", "network", small[0]), ("chained", "network", small[0]),
        ("chained", "network", small[1]),
    )  # fmt: skip
    jobs = trial_jobs(_protocol(), specs)
    together = [[spec.configuration for spec in _given(job)] for job in jobs]
    assert together == [small, [ridge], [large], [small[0]], [small[0]], [small[1]]]
    many = [
        ("separate", "network", replace(small[0], options=(("dropout", d / 50), ("width", 64))))
        for d in range(20)
    ]
    sizes = [len(_given(job)) for job in trial_jobs(_protocol(), _specs(*many))]
    assert sum(sizes) == 20
    assert max(sizes) == MOST_STACKED


def _given(job: object) -> tuple[Spec, ...]:
    assert isinstance(job, partial)
    specs: tuple[Spec, ...] = job.args[1]
    return specs


def _protocol() -> Protocol:
    return Protocol("known", 0, ("separate", "joint"), ("linear", "network"))


def test_trials_run_together_say_what_each_says_alone() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3))
    frame = {f"x{j}": x[:, j] for j in range(3)} | {"a": x[:, 0] + rng.normal(size=90), "b": x[:, 1] * 2}
    problem = Problem.from_frame(frame, targets=["a", "b"])
    mild = configuration("mlp", width=64, learning_rate=0.002, dropout=0.1, weight_decay=0.01)
    wild = configuration("mlp", width=64, learning_rate=0.008, dropout=0.3, weight_decay=0.2)
    specs = _specs(("joint", "network", mild), ("joint", "network", wild))
    assert FAMILIES["network"].configurations(problem, effort=0, together=True)
    both = run_trials(problem, _protocol(), specs, None)
    for spec, result in zip(specs, both, strict=True):
        alone = run_trial(problem, _protocol(), spec, None)
        assert (result.spec, result.status, alone.status) == (spec, "done", "done"), result.message
        for one, other in zip(result.test + result.held_out, alone.test + alone.held_out, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-3)
    assert not np.allclose(both[0].test[0], both[1].test[0], atol=1e-3)
