"""Known tasks learnt one after another: where each begins, what it may see, and where it pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sharewise as sw
from conformance import (
    QUICK,
    SEED,
    case,
    check_independent,
    check_lone_row,
    check_no_leak,
    check_stops,
    sample_of,
)
from sharewise._arguments import protocol_of
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Configuration, Fit, Predictions, Run, Sample
from sharewise.families._module_fit import Learnt
from sharewise.families._network_pretrained import columns_of
from sharewise.families._network_transfer import HEAD, NEAR, TUNING, WHOLE, tuned
from sharewise.modalities import TabularEncoder
from sharewise.networks import StackedMLP
from sharewise.problems import Problem, split
from sharewise.strategies import STRATEGIES, USUAL, Strategy
from sharewise.tasks import Multiclass, Regression
from sharewise.training import Data, Member, Recipe, train_population
from sharewise.training._judge import Judge
from sharewise.training._warm import Pull

NETWORK = FAMILIES["network"]
SEPARATE, JOINT = STRATEGIES["separate"], STRATEGIES["joint"]
TRANSFER, PRETRAINED = STRATEGIES["transfer"], STRATEGIES["pretrained"]
WIDE, LONG = "wide_mixed", "both_at_once"
LATER = 3


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few epochs, and a few steps of pretraining."""
    monkeypatch.setattr("sharewise.families._network_pretrained.STEPS", (20,) * 4)
    for module in ("_network", "_network_transfer", "_warm_start"):
        monkeypatch.setattr(f"sharewise.families.{module}.EPOCHS", (6, 7, 8, 9))


def _fit(
    strategy: Strategy, sample: Sample, *, way: str = WHOLE, effort: int = QUICK, seed: int = SEED
) -> Fit:
    (configuration,) = NETWORK.configurations(case(WIDE), effort=QUICK, together=True)
    if sample.encoder is not None:
        configuration = Configuration("encoder", (("learning_rate", 0.003), ("weight_decay", 0.01)))
    own = tuned(configuration, way) if strategy is TRANSFER else configuration
    return strategy.fit(sample, NETWORK, own, Run(seed, effort=effort))


def _judged(monkeypatch: pytest.MonkeyPatch, *, latest: bool) -> None:
    """Let the first epoch that is judged be the best, or a later one, whatever the labels."""
    calls = iter(range(10**6))

    def losses(judge: Judge, losses: torch.Tensor, alive: torch.Tensor) -> torch.Tensor:
        value = next(calls)
        return torch.full_like(losses, -value if latest else value)

    def epoch(one: Learnt, cell: int, others: object) -> int:
        return LATER if latest else 0  # how many there are depends on a network's own held-out rows

    monkeypatch.setattr(Judge, "__call__", losses)
    monkeypatch.setattr(Learnt, "epoch", epoch)


def _pictures() -> Sample:
    """Small tensors, two tasks with gaps, behind an encoder of the user's own."""
    rng = torch.Generator().manual_seed(0)
    X = torch.randn(48, 6, generator=rng)
    sizes = [(x, float(x[0] + x[1])) for x in X[:36]]
    kinds = [(x, int(x[2] > 0) + int(x[2] > 1)) for x in X[12:]]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU())
    problem = Problem.from_datasets({"size": (sizes, Regression()), "kind": (kinds, Multiclass(3))}, encoder)
    rows = np.arange(len(problem))
    return Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))


def _sample(name: str) -> Sample:
    return _pictures() if name == "tensors" else sample_of(name)


# --- where a task begins ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("name", [WIDE, LONG, "tensors"])
def test_a_task_begins_with_what_the_joint_network_says_of_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _judged(monkeypatch, latest=False)  # of the joint network its first epoch, of going on the start
    sample = _sample(name)
    joint, own = _fit(JOINT, sample), _fit(TRANSFER, sample)
    for place, (one, other) in enumerate(zip(joint.held_out, own.held_out, strict=True)):
        known = sample.known(place)
        np.testing.assert_allclose(other[known], one[known], rtol=1e-4, atol=1e-5)
    found = zip(*(fit.model.predict(sample.table, sample.level) for fit in (joint, own)), strict=True)
    for one, other in found:
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


def _tiny(levels: int = 0) -> tuple[Data, list[Member]]:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(60, 4)))
    data = Data(X, X[:, :1] * 2.0, None, ((0, 1),), (False,))
    part = np.arange(60) % 3
    rows = np.arange(60)
    return data, [Member(rows[part != k], rows[part == k], (0,), 0, seed=k) for k in range(3)]


def test_a_start_that_is_never_bettered_is_kept() -> None:
    data, members = _tiny()
    first = train_population(data, members, Recipe(width=8, epochs=40))
    starts = [one.weights(0) for one in first]
    wild = [replace(m, start=start, learning_rate=3.0) for m, start in zip(members, starts, strict=True)]
    for one, start in zip(train_population(data, wild, Recipe(width=8, epochs=3)), starts, strict=True):
        assert one.epochs == (0,)
        for name, value in one.weights(0).items():
            torch.testing.assert_close(value, start[name], rtol=0.0, atol=0.0)


def test_held_weights_stay_where_they_are_and_the_others_move() -> None:
    data, members = _tiny()
    starts = [one.weights(0) for one in train_population(data, members, Recipe(width=8, epochs=2))]
    held = [
        replace(m, start=s, pull=(1.0, 0.0), learning_rate=0.01) for m, s in zip(members, starts, strict=True)
    ]
    for one, start in zip(train_population(data, held, Recipe(width=8, epochs=5)), starts, strict=True):
        assert one.epochs > (0,)
        for name, value in one.weights(0).items():
            assert torch.equal(value, start[name]) == (not name.startswith("head")), name


def test_a_start_of_one_member_is_no_affair_of_the_others() -> None:
    data, members = _tiny()
    recipe = Recipe(width=8, epochs=6)
    alone = train_population(data, members, recipe)
    warm = [
        replace(m, group=1, start=one.weights(0), pull=(0.1, 0.1))
        for m, one in zip(members, alone, strict=True)
    ]
    beside = train_population(data, [*members, *warm], recipe)[: len(members)]
    for one, other in zip(alone, beside, strict=True):
        assert one.epochs == other.epochs
        for name, value in one.weights(0).items():
            torch.testing.assert_close(other.weights(0)[name], value)


def test_the_pull_is_a_share_of_the_way_back() -> None:
    def net(value: float) -> StackedMLP:
        generators = [torch.Generator().manual_seed(k) for k in range(2)]
        made = StackedMLP.start(3, 4, 2, generators=generators)
        for tensor in made.tensors().values():
            tensor.fill_(value)
        return made

    moved, start, rows = net(5.0), net(1.0), np.arange(3)
    members = [Member(rows, rows, (0,), 0, pull=pull) for pull in ((0.25, 0.0), (0.0, 0.5))]
    Pull(moved, start, members)()
    for name, value in moved.tensors().items():
        first, second = (5.0, 3.0) if name.startswith("head") else (4.0, 5.0)
        assert value[0].unique().tolist() == [first], name
        assert value[1].unique().tolist() == [second], name


# --- what it may see ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("strategy", "name"),
    [(TRANSFER, WIDE), (TRANSFER, LONG), (TRANSFER, "tensors"), (PRETRAINED, WIDE), (PRETRAINED, LONG)],
    ids=lambda one: getattr(one, "name", one),
)
def test_held_out_labels_are_unknown_to_who_predicts_them(
    strategy: Strategy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _judged(monkeypatch, latest=True)  # else labels choose the epochs of the *other* folds' networks
    sample = _sample(name)
    valid = sample.folds[0][1]
    labels = sample.labels.copy()
    for place in range(labels.shape[1]):
        rows = valid[sample.known(place)[valid]]
        labels[rows, place] = labels[rows, place][::-1]
    assert not np.array_equal(labels, sample.labels, equal_nan=True)
    before, after = (_fit(strategy, one).held_out for one in (sample, replace(sample, labels=labels)))
    rest = np.setdiff1d(np.arange(len(sample)), valid)
    moved = False
    for place, (one, other) in enumerate(zip(before, after, strict=True)):
        known = sample.known(place)
        rows = valid[known[valid]]
        np.testing.assert_array_equal(one[rows], other[rows])
        moved |= not np.array_equal(one[rest[known[rest]]], other[rest[known[rest]]])
    assert moved  # who learnt from them says something else


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("strategy", [TRANSFER, PRETRAINED], ids=lambda one: one.name)
def test_noise_is_not_predicted(strategy: Strategy) -> None:
    check_no_leak(lambda sample, run: _fit(strategy, sample, seed=run.seed), "long_classes")
    check_lone_row(lambda sample, run: _fit(strategy, sample, seed=run.seed))


@pytest.mark.usefixtures("short")
def test_pretraining_shares_no_labels() -> None:
    assert not PRETRAINED.shares
    for name in (WIDE, LONG):
        check_independent(lambda sample, run: _fit(PRETRAINED, sample), sample_of(name))


@pytest.mark.usefixtures("short")
def test_pretraining_reads_rows_that_no_task_has_labelled() -> None:
    sample = sample_of(WIDE)
    more = replace(sample, unlabelled=sample.table.take(np.arange(30)))
    before, after = (_fit(PRETRAINED, one).held_out[0] for one in (sample, more))
    assert not np.array_equal(before, after, equal_nan=True)


def test_coordinates_of_a_column_are_masked_together() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"p": rng.normal(size=80), "q": rng.normal(size=80)})
    frame.loc[::7, "q"] = np.nan
    frame["colour"] = np.array(["red", "green", "blue"])[np.arange(80) % 3]
    frame["a"], frame["b"] = rng.normal(size=80), rng.normal(size=80)
    table = Problem.from_frame(frame, targets=["a", "b"]).table
    encoder = TabularEncoder.fit(table, "network")
    X = encoder.transform(table)
    places = np.array(columns_of(encoder, X.shape[1]))
    assert places[:3].tolist() == [0, 1, 1]  # two numbers, and whether the second has a gap
    assert places[-3:].tolist() == [2, 2, 2]
    for place, name in enumerate(("p", "q")):
        moved = frame.assign(**{name: frame[name].sample(frac=1.0, random_state=1).to_numpy()})
        other = encoder.transform(Problem.from_frame(moved, targets=["a", "b"]).table)
        assert set(places[(other != X).any(axis=0)]) == {place}


# --- where it pays ------------------------------------------------------------------------------------------


def _related(seed: int, rich: int = 300, poor: int = 20, new: int = 200) -> tuple[Problem, int]:
    """A task with many labels; one with few, of the same shape with an offset and a slope of its own. The last ``new``
    rows are the second's."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rich + poor + new, 4))
    is_rich = np.arange(len(X)) < rich
    y = np.sin(1.5 * X[:, 0]) + np.abs(X[:, 1]) - X[:, 0] * X[:, 2]
    y += np.where(is_rich, 0.0, 2.0 + 0.8 * X[:, 3]) + 0.1 * rng.normal(size=len(X))
    frame = pd.DataFrame(X, columns=list("pqrs")).assign(task=np.where(is_rich, "rich", "poor"), y=y)
    problem = Problem.from_frame(frame, targets=["y"], task="task", kinds={"y": "regression"})
    return problem, rich + poor


def test_a_task_with_few_labels_gains_from_going_on() -> None:
    errors: dict[str, list[float]] = {}
    for seed in range(2):
        problem, known = _related(seed)
        assert problem.level is not None
        rows = np.arange(known)
        sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=seed))
        new = np.arange(known, len(problem))
        for strategy in (SEPARATE, JOINT, TRANSFER):
            model = _fit(strategy, sample, effort=1, seed=seed).model
            found = model.predict(problem.table.take(new), problem.level[new])[0][:, 0]
            error = float(np.sqrt(np.mean((found - problem.labels[new, 0]) ** 2)))
            errors.setdefault(strategy.name, []).append(error)
    means = {name: np.mean(own) for name, own in errors.items()}
    assert means["transfer"] < 0.97 * min(means["separate"], means["joint"]), means


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("way", "name"), [(HEAD, WIDE), (NEAR, WIDE), (HEAD, "tensors"), (NEAR, "tensors")])
def test_ways_of_going_on_differ_and_stop_at_the_deadline(way: str, name: str) -> None:
    sample = _sample(name)
    fits: list[Predictions] = [_fit(TRANSFER, sample, way=one).held_out for one in (WHOLE, way)]
    assert any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(*fits, strict=True))
    learner = "mlp" if sample.encoder is None else "encoder"
    chosen = Configuration(learner, ((TUNING, way),))
    check_stops(lambda one, run: TRANSFER.fit(one, NETWORK, chosen, run), sample)


def test_who_goes_on_how_is_said_and_checked() -> None:
    ways = [c.word(TUNING, "") for c in TRANSFER.configurations(NETWORK, case(WIDE), effort=3)]
    assert ways == [WHOLE, HEAD, NEAR]
    assert [c.word(TUNING, "") for c in TRANSFER.configurations(NETWORK, case(WIDE), effort=1)] == [WHOLE]
    with pytest.raises(OptionError, match="tuning is one of whole, head, l2-sp; got 'tail'"):
        TRANSFER.fit(sample_of(WIDE), NETWORK, Configuration("mlp", ((TUNING, "tail"),)), Run(0))
    with pytest.raises(OptionError, match="'transfer' is there in the families network; got 'trees'"):
        TRANSFER.fit(sample_of(WIDE), FAMILIES["trees"], Configuration("boosting"), Run(0))


# --- in a study ---------------------------------------------------------------------------------------------


def test_they_compete_where_they_are_asked_for() -> None:
    def asked(strategies: list[str] | None) -> tuple[str, ...]:
        return protocol_of("known", None, 0, 1, strategies, None, 0.01).strategies

    assert asked(None) == USUAL
    assert not {"transfer", "pretrained"} & set(USUAL)
    assert asked(["transfer", "separate", "pretrained"]) == ("separate", "transfer", "pretrained")


@pytest.mark.usefixtures("short")
def test_a_study_runs_them_once_and_says_who_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("sharewise.studies._plan.LADDER", ((0, 2),))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    noise = 0.1 * rng.normal(size=90)
    frame = pd.DataFrame(X, columns=list("pqr")).assign(a=X[:, 0] + noise, b=X[:, 0] + X[:, 1])
    frame.loc[:9, ["a", "b"]] = np.nan  # rows for features alone
    problem = sw.Problem.from_frame(frame, targets=["a", "b"])
    settings: dict[str, Any] = {
        "budget": None, "workers": 1, "families": ("network", "linear"), "quiet": True, "out": tmp_path / "run",
        "strategies": ("separate", "transfer", "pretrained"),
    }  # fmt: skip
    study = sw.compare(problem, **settings)
    rows = {(row["name"], row["family"]): row for row in study.verdict.details["strategies"]}
    assert {("transfer", "network"), ("pretrained", "network")} <= set(rows)
    assert ("transfer", "linear") not in rows
    assert all(rows[name, "network"]["cost"]["train_seconds"] > 0 for name in ("transfer", "pretrained"))
    assert study.model.predict(frame).shape == (90, 2)
    again = sw.compare(problem, **settings)
    assert again.verdict.details["strategies"] == study.verdict.details["strategies"]
