"""Architectures and balancers inside the network family: the conformance suite, the search space, a user's encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import sharewise as sw
from cli_runs import quicken
from conformance import (
    QUICK,
    SEED,
    Way,
    case,
    check_lone_row,
    check_no_leak,
    check_predictions,
    check_repeats,
    check_shapes,
    check_stops,
    check_stored,
    fitted,
    sample_of,
)
from sharewise.balancing import BALANCERS
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Choice, Run, Sample, _network, configuration
from sharewise.families._architectures import MOST, build_network, fitting_architectures
from sharewise.networks import ARCHITECTURES, mlp
from sharewise.problems import split
from sharewise.studies._tuning import propose

NETWORK = FAMILIES["network"]


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes, seeds and files do not depend on how long networks learn."""
    monkeypatch.setattr(_network, "EPOCHS", (3, 40, 80, 80))
    fitted.cache_clear()


def _way(learner: str, balancing: str = "sum") -> Way:
    return Way(
        NETWORK, configuration(learner, balancing=balancing, learning_rate=0.01, dropout=0.1), "together"
    )


@pytest.mark.parametrize(
    ("learner", "name"),
    [(learner, "wide_mixed") for learner in ARCHITECTURES]
    + [(learner, "long_binary") for learner in ("hard_sharing", "mmoe", "mtan", "conditioned")],
)
def test_every_architecture_predicts_what_a_problem_asks(learner: str, name: str) -> None:
    check_shapes(_way(learner), name)


@pytest.mark.parametrize("balancing", sorted(set(BALANCERS) - {"sum"}))
def test_every_balancer_trains(balancing: str) -> None:
    check_shapes(_way("hard_sharing", balancing), "wide_mixed")


@pytest.mark.parametrize("name", ["class_missing_from_fold", "mixed_columns", "long_uneven"])
def test_plain_sharing_predicts_on_odd_tables(name: str) -> None:
    check_shapes(_way("hard_sharing"), name)


@pytest.mark.parametrize(("learner", "name"), [("mmoe", "wide_mixed"), ("conditioned", "long_binary")])
def test_same_seed_gives_the_same_bits(learner: str, name: str) -> None:
    check_repeats(_way(learner, "pcgrad"), name)


def test_the_process_keeps_its_own_randomness() -> None:
    state = torch.random.get_rng_state()
    _way("mmoe", "rlw").fit(sample_of("wide_binary"), Run(SEED, effort=QUICK))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("learner", ["cross_stitch", "low_rank"])
def test_a_stored_model_predicts_the_same(learner: str, tmp_path: Path) -> None:
    check_stored(fitted(_way(learner), "mixed_columns"), case("mixed_columns"), tmp_path)


def test_a_deadline_ends_a_fit() -> None:
    check_stops(_way("ple").fit, sample_of("wide_regression"))


def test_a_lone_row_is_predicted_without_its_label() -> None:
    check_lone_row(_way("hard_sharing").fit)


@pytest.mark.slow
@pytest.mark.parametrize("table", ["wide_classes", "long_tiny"])
def test_held_out_predictions_know_nothing_of_noise(table: str) -> None:
    check_no_leak(_way("hard_sharing").fit, table)


def test_a_network_learns_what_is_there() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = np.stack([X[:, 0] * X[:, 1], X[:, 0] * X[:, 1] + X[:, 2]], axis=1)
    import pandas as pd

    frame = pd.DataFrame({**{f"x{j}": X[:, j] for j in range(4)}, "a": y[:, 0], "b": y[:, 1]})
    problem = sw.Problem.from_frame(frame, targets=["a", "b"])
    rows = np.arange(200)
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    fit = _way("mmoe", "nash-mtl").fit(sample, Run(0, effort=1))
    for place in range(2):
        error = np.mean((fit.held_out[place][:, 0] - y[:, place]) ** 2) / y[:, place].var()
        assert error < 0.5, place


# --- the search space ------------------------------------------------------------------------------------


def test_every_architecture_and_balancer_is_in_the_space_of_what_learns_together() -> None:
    usual, space = NETWORK.space(case("wide_mixed"), together=True), NETWORK.further_space(case("wide_mixed"))
    assert set(space) == set(ARCHITECTURES)
    assert set(usual) == {"mlp"}
    assert "balancing" not in usual["mlp"]
    for learner in ARCHITECTURES:
        dimension = space[learner]["balancing"]
        assert isinstance(dimension, Choice)
        assert set(dimension.options) == set(BALANCERS)
    assert set(NETWORK.space(case("wide_mixed"), together=False)) == {"mlp"}


def test_many_tasks_leave_architectures_out() -> None:
    problem = case("wide_regression")
    many = replace(problem, tasks=problem.tasks * MOST)
    assert set(NETWORK.space(many, together=True)) == {"mlp"}
    assert not NETWORK.further_space(many)


def test_proposals_name_architectures_and_balancers() -> None:
    space = NETWORK.further_space(case("wide_mixed"))
    found = propose(space, [], 12, 0, "joint/network")
    assert len(set(found)) == 12
    assert {one.word("balancing", "") for one in found} <= set(BALANCERS)
    again = propose(space, [(one, float(place)) for place, one in enumerate(found)], 4, 0, "joint/network")
    assert len(again) == 4
    assert not set(again) & set(found)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(OptionError, match="got 'magic'"):
        build_network(configuration("magic"), mlp(3, [4]), {"a": 1}, 4, torch.zeros(2, 3))


def test_architectures_that_need_a_chain_are_left_out_over_other_encoders() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.one(x), self.other(x).relu()], dim=1)

    found = fitting_architectures(Own(), 8, torch.zeros(2, 3))
    assert {"hard_sharing", "mmoe"} <= set(found)
    assert set(fitting_architectures(mlp(3, [4, 4]), 4, torch.zeros(2, 3))) == set(ARCHITECTURES)


# --- a user's own encoder ----------------------------------------------------------------------------------


class Bytes(nn.Module):
    """Reads pictures as bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x.float() / 255)  # type: ignore[no-any-return]


@pytest.fixture
def pictures() -> sw.Problem:
    """Two tasks on pictures whose left or upper half is lit; the second has half of the labels."""
    rng = np.random.default_rng(0)
    side, half = rng.integers(2, size=120), rng.integers(2, size=120)
    X = rng.integers(0, 120, size=(120, 1, 6, 6))
    X[side == 1, :, :, :3] += 80
    X[half == 1, :, :3, :] += 80
    x = torch.from_numpy(X.astype(np.uint8))
    torch.manual_seed(0)
    two = sw.tasks.Multiclass(2)
    return sw.Problem.from_datasets(
        {
            "side": (TensorDataset(x, torch.from_numpy(side)), two),
            "half": (TensorDataset(x[::2], torch.from_numpy(half[::2])), two),
        },
        encoder=Bytes(),
    )


@pytest.mark.parametrize("side", ["alone", "together"])
def test_a_users_encoder_learns_alone_and_together(pictures: sw.Problem, side: str) -> None:
    rows = np.arange(len(pictures))
    sample = Sample.of(pictures, rows, split(pictures, rows, folds=3, seed=0))
    assert pictures.encoder is not None
    before = {k: v.clone() for k, v in pictures.encoder.state_dict().items()}  # type: ignore[attr-defined]
    (configuration,) = NETWORK.configurations(pictures, effort=0, together=side == "together")
    fit = Way(NETWORK, configuration, side).fit(sample, Run(0, effort=2))
    check_predictions(fit.held_out, sample, known_only=True)
    for place in range(2):
        known = sample.known(place)
        right = fit.held_out[place][known].argmax(axis=1) == sample.labels[known, place]
        assert right.mean() > 0.85
    after = pictures.encoder.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(value, after[name]) for name, value in before.items()), (
        "the user's own is not trained"
    )
    few = sample.table.take(np.arange(4))
    whole = fit.model.predict(sample.table, None)
    for left, right in zip(whole, fit.model.predict(few, None), strict=True):
        np.testing.assert_allclose(left[:4], right, atol=1e-6)


@pytest.mark.slow
def test_a_study_of_datasets_ends_in_a_model(
    pictures: sw.Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(monkeypatch)
    study = sw.compare(
        pictures, budget="60s", workers=1, strategies=["separate", "joint"], out=tmp_path, quiet=True
    )
    assert study.verdict.outcome in {"share", "separate", "route", "equivalent", "undecided"}
    assert {"separate", "joint"} <= set(study.table()["strategy"])
    x = pictures.table.columns[0].values
    found = study.model.predict(x)
    assert list(found.columns) == ["side", "half"]
    torch.manual_seed(1)
    loaded = sw.load(tmp_path, encoder=Bytes())
    assert loaded.predict(x).equals(found)
    with pytest.raises(OptionError, match="encoder"):
        sw.load(tmp_path)


@pytest.mark.slow
def test_what_goes_beyond_hard_sharing_has_to_beat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from sharewise._arguments import protocol_of
    from sharewise.studies import Bench, Clock, TrialStore, _course, make_progress, make_workers
    from sharewise.studies._course import Course
    from sharewise.studies._protocol import Plan
    from sharewise.studies._tuned import tune

    monkeypatch.setattr(_course, "FURTHER_EFFORT", 0)
    problem = case("wide_regression")
    protocol = protocol_of("known", None, 0, 1, ["separate", "joint"], ["network"], 0.01)
    workers = make_workers(problem, 1)
    bench = Bench(problem, protocol, TrialStore(None), workers, Clock(None), make_progress(quiet=True))
    course = Course(bench, Plan(0, 2, None), 1.0)
    assert course.run_rounds(0, 1)
    tune(course, 4)
    workers.close()
    tried = [spec.recipe for spec in course.wanted[0]]
    learners = [recipe.configuration.learner for recipe in tried if recipe.strategy == "joint"]
    assert learners.count("mlp") == 1 + 2, "half of the proposals stay with hard sharing"
    assert len([one for one in learners if one in ARCHITECTURES]) == 2
    assert sum(recipe.strategy == "separate" for recipe in tried) == len(learners), "equal numbers"
    errors = course.inner_errors()
    staying = [r for r in course.entrants if r.configuration.learner in ARCHITECTURES]
    plain = min(errors[r] for r in tried if r.strategy == "joint" and r.configuration.learner == "mlp")
    best = min(errors[r] for r in tried if r.configuration.learner in ARCHITECTURES)
    assert len(staying) == int(best < plain)
    assert all(errors[recipe] == best for recipe in staying)
