"""Transfer and pretraining as answers to new tasks: what competes, what is chosen, what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.errors import OptionError
from sharewise.families import Configuration, OutOfTime, Run, configuration
from sharewise.meta import evaluate
from sharewise.modalities import TABULAR_STATE
from sharewise.problems import Column, Table
from sharewise.serving._state import decode, encode
from sharewise.strategies.new_tasks import TaskSample
from sharewise.strategies.new_tasks._by_labels import ByLabels
from sharewise.strategies.new_tasks._learners import make_learner
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._network_training import prepare, validation
from sharewise.strategies.new_tasks._pretrained import (
    Pretrained,
    columns_of,
    learnt_part,
    make_objective,
)
from sharewise.strategies.new_tasks._transfer import STEPS, TransferStrategy, choose_steps
from sharewise.tasks import METRICS, Binary, Multiclass, Regression


def table(x: np.ndarray) -> Table:
    return Table(tuple(Column(f"x{at}", "number", values) for at, values in enumerate(x.T)), len(x))


def schools(tasks: int = 20, rows: int = 24, *, classes: bool = False) -> TaskSample:
    """Numbers that are a plane all tasks have in common, and each a level of its own."""
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(tasks), rows)
    x = rng.normal(size=(len(task), 4))
    y = 2 * x[:, 0] + 2 * x[:, 1] + rng.normal(size=tasks)[task] + 0.1 * rng.normal(size=len(task)) + 5
    kind, metric = Regression(), METRICS["rmse"]
    if classes:
        y, kind, metric = (y > 5).astype(float), Binary(("low", "high")), METRICS["accuracy"]
    return TaskSample(table(x), y, task, kind, metric, task < tasks - 5, (2, 8))


def intents(classes: int = 24, rows: int = 16) -> TaskSample:
    """Classes that differ in four of twelve numbers, mixed with noise."""
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(classes), rows)
    x = 1.5 * rng.normal(size=(len(task), 12))
    x[:, :4] = 0.5 * rng.normal(size=(len(task), 4)) + 2 * rng.normal(size=(classes, 4))[task]
    x = x @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    return TaskSample(
        table(x),
        task.astype(float),
        task,
        Multiclass(("a", "b", "c")),
        METRICS["accuracy"],
        task < 16,
        (1, 5),
        ways=3,
    )


def pictures(classes: int = 10, rows: int = 10) -> TaskSample:
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(classes), rows)
    x = rng.normal(size=(classes, 1, 8, 8))[task] + rng.normal(size=(len(task), 1, 8, 8))
    columns = Table((Column("picture", "tensor", x.astype(np.float32)),), len(task))
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    return TaskSample(
        columns, task.astype(float), task, Multiclass(("a", "b", "c")), METRICS["accuracy"], task < 6, (1, 3), 3, encoder=encoder
    )  # fmt: skip


def names(found: tuple[Configuration, ...], option: str | None = None) -> list[str]:
    return [one.learner if option is None else one.word(option, "") for one in found]


def error(adapter, sample: TaskSample, at: int) -> float:
    """Mean error over draws of the validation tasks, at one number of labels."""
    draws = sample.draws(train=False, count=10, seed=5)
    jobs = [(draw.supports[at], draw.support_y[at], draw.query) for draw in draws]
    answers = adapter.predict_each(adapter.encode(sample.table), jobs, sample.classes)
    scores = []
    for answer, draw in zip(answers, draws, strict=True):
        if sample.classes is None:
            scores.append(np.mean((answer[:, 0] - draw.query_y) ** 2))
        else:
            scores.append(np.mean(answer.argmax(axis=1) != draw.query_y))
    return float(np.mean(scores))


# What competes


def test_configurations_of_transfer_follow_effort_and_inputs():
    strategy = TransferStrategy()
    assert names(strategy.configurations(schools(), "network", effort=0), "tune") == ["head", "whole"]
    every = names(strategy.configurations(intents(), "network", effort=1), "tune")
    assert every == ["head", "whole", "l2-sp", "gradual"]
    assert names(strategy.configurations(pictures(), "network", effort=0), "tune") == ["head"]
    assert names(strategy.configurations(pictures(), "network", effort=1), "tune") == ["head", "whole"]
    assert strategy.configurations(schools(), "linear", effort=3) == ()


def test_configurations_of_pretraining_follow_effort_and_inputs():
    strategy = Pretrained()
    assert names(strategy.configurations(schools(), "network", effort=1)) == ["scarf", "masked"]
    assert names(strategy.configurations(schools(), "network", effort=0)) == ["scarf"]
    assert names(strategy.configurations(pictures(), "network", effort=1)) == ["contrastive", "rotations"]
    heads = [
        names(strategy.configurations(sample, "network", effort=0), "head")[0]
        for sample in (schools(), schools(classes=True), intents())
    ]
    assert heads == ["bayes", "logistic", "lda"]
    sample = schools()
    alone = replace(sample, table=Table(sample.table.columns[:1], len(sample.table)))
    assert strategy.configurations(alone, "network", effort=3) == ()
    assert strategy.configurations(sample, "trees", effort=3) == ()


# Learning and adapting


@pytest.mark.parametrize(
    ("sample", "tune"),
    [(schools(), "head"), (schools(classes=True), "gradual"), (intents(), "whole"), (schools(), "l2-sp")],
)
def test_transfer_serves_tasks_alone_as_it_serves_them_together(sample, tune):
    one = configuration("transfer", tune=tune, hidden=8, updates=10)
    adapter = TransferStrategy().fit(sample, "network", one, Run(0), seconds=0.1)
    X, draws = adapter.encode(sample.table), sample.draws(train=False, count=2, seed=1)
    jobs = [
        (d.supports[at], d.support_y[at], d.query)
        for d in draws
        for at in (0, 1)
        if d.supports[at] is not None
    ]
    together = adapter.predict_each(X, jobs, sample.classes)
    for (support, y, query), answer in list(zip(jobs, together, strict=True))[:4]:
        alone = adapter.adapt(X[support], y, sample.classes).predict(X[query])
        assert alone.shape == (len(query), sample.width if sample.classes else 1)
        np.testing.assert_allclose(alone, answer, rtol=1e-3, atol=1e-3)


def test_one_seed_gives_one_model_and_tunings_share_their_start():
    found = []
    for tune, seed in (("head", 0), ("head", 0), ("whole", 0), ("head", 1)):
        one = configuration("transfer", tune=tune, hidden=16, updates=15)
        adapter = TransferStrategy().fit(schools(), "network", one, Run(seed), seconds=0.1)
        found.append(adapter.rungs[0][1].weights)
    first, again, whole, other = found
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert all(np.array_equal(first[name], whole[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_steps_are_chosen_for_each_number_of_labels():
    one = configuration("transfer", tune="head", hidden=16, updates=30)
    adapter = TransferStrategy().fit(schools(), "network", one, Run(0), seconds=3.0)
    assert [least for least, _ in adapter.rungs] == [2, 8]
    assert all((rung.options["steps"], rung.options["rate"]) in STEPS["adam"] for _, rung in adapter.rungs)
    assert adapter.rungs[0][1].weights is adapter.rungs[1][1].weights


@pytest.mark.parametrize("tune", ["head", "whole"])
def test_steps_are_chosen_as_by_evaluating_each(tune):
    """Features that no step moves are read once; what is chosen does not depend on it."""
    sample = intents()
    data = prepare(sample)
    options = {"tune": tune, "hidden": 8, "reach": 8}
    learner = make_learner("transfer", options, shape=data.inputs.shape, width=sample.width)
    batches = validation(sample, data, 0)
    found = choose_steps(learner, batches, Run(0), np.inf)
    assert learner.moves_encoder is (tune == "whole")
    for batch, (least, steps, rate) in zip(batches, found, strict=True):
        assert least == int(batch.support_mask.sum(1).max())
        scores = {}
        for entry in STEPS["adam"]:
            learner.steps, learner.rate = entry
            scores[entry] = evaluate(learner, [batch]).mean
        assert scores[steps, rate] == pytest.approx(max(scores.values()), abs=0.02)


def test_without_validation_tasks_a_new_task_is_served_by_the_start():
    sample = replace(schools(), train=np.ones(480, dtype=bool))
    one = configuration("transfer", tune="whole", hidden=16, updates=5)
    adapter = TransferStrategy().fit(sample, "network", one, Run(0), seconds=1.0)
    assert [(least, rung.options["steps"]) for least, rung in adapter.rungs] == [(1, 0)]


@pytest.mark.parametrize("sample", [schools(), intents()], ids=["numbers", "pool"])
def test_transfer_beats_a_constant(sample):
    one = configuration("transfer", tune="head", hidden=16, updates=200)
    adapter = TransferStrategy().fit(sample, "network", one, Run(0), seconds=3.0)
    constant = sample.y.var() if sample.classes is None else 2 / 3
    assert error(adapter, sample, 1) < 0.5 * constant
    assert error(adapter, sample, 1) < error(adapter, sample, 0)


@pytest.mark.parametrize(
    ("objective", "sample", "head"), [("masked", schools(), "bayes"), ("scarf", intents(), "lda")]
)
def test_pretrained_serves_tables(objective, sample, head):
    one = configuration(objective, head=head, hidden=16, depth=2, updates=40)
    adapter = Pretrained().fit(sample, "network", one, Run(0), seconds=1.0)
    assert isinstance(adapter, NetworkAdapter)
    constant = sample.y.var() if sample.classes is None else 2 / 3
    assert error(adapter, sample, 1) < 0.8 * constant
    again = Pretrained().fit(sample, "network", one, Run(0), seconds=1.0)
    assert all(np.array_equal(adapter.weights[name], again.weights[name]) for name in adapter.weights)


@pytest.mark.parametrize("name", ["rotations", "contrastive"])
def test_pretrained_serves_pictures_and_leaves_the_users_encoder(name):
    sample = pictures()
    before = {key: value.clone() for key, value in sample.encoder.state_dict().items()}
    one = configuration(name, head="lda", updates=5)
    adapter = Pretrained().fit(sample, "network", one, Run(0), seconds=1.0)
    assert 0 <= error(adapter, sample, 0) < 0.9
    assert all(torch.equal(value, before[key]) for key, value in sample.encoder.state_dict().items())


def test_rows_without_labels_are_learnt_from():
    sample = schools()
    one = configuration("masked", head="ridge", hidden=16, depth=2, updates=10)
    more = replace(sample, unlabelled=table(np.random.default_rng(1).normal(size=(100, 4))))
    weights = [
        Pretrained().fit(each, "network", one, Run(0), seconds=1.0).weights["encoder.deep.0.0.weight"]
        for each in (sample, more)
    ]
    assert not np.array_equal(*weights)


def test_transfer_of_pictures_goes_through_the_users_encoder():
    sample = pictures()
    one = configuration("transfer", tune="head", updates=10)
    adapter = TransferStrategy().fit(sample, "network", one, Run(0), seconds=1.0)
    assert 0 <= error(adapter, sample, 0) < 0.9


def test_what_is_stored_predicts_the_same():
    sample = intents()
    one = configuration("transfer", tune="whole", hidden=16, updates=20)
    adapter = TransferStrategy().fit(sample, "network", one, Run(0), seconds=0.1)
    known = {kind.__name__: kind for kind in (ByLabels, NetworkAdapter, NetworkInputs, *TABULAR_STATE)}
    tree, arrays, texts = encode(adapter, known)
    loaded = decode(tree, arrays, texts, known)
    assert error(loaded, sample, 1) == error(adapter, sample, 1)
    weights = sum(value.size for value in adapter.rungs[0][1].weights.values())
    assert sum(array.size for array in arrays.values()) < 1.5 * weights  # held once, however many rungs


# Parts


def test_coordinates_know_their_columns():
    numbers = np.array([[1.0, 2.0], [np.nan, 4.0], [3.0, 5.0], [2.0, 1.0]])
    levels = np.array(["a_b", "c", "a_b", "d"], dtype=object)
    words = np.array(["one two", "three", "two", "four"], dtype=object)
    columns = (
        Column("n", "number", numbers[:, 0]), Column("m", "number", numbers[:, 1]),
        Column("l", "category", levels), Column("k", "category", levels), Column("t", "text", words),
    )  # fmt: skip
    inputs = NetworkInputs.fit(Table(columns, 4))
    # Two numbers and the first one's gaps, three levels twice, then the text's coordinates.
    found = columns_of(inputs)
    assert found[:9] == [0, 1, 0, 2, 2, 2, 3, 3, 3]
    assert found[9:] == list(range(4, 4 + inputs.shape[0] - 9))


def test_unknown_objectives_are_refused():
    inputs = NetworkInputs.fit(schools().table)
    with pytest.raises(OptionError, match="scarf, masked"):
        make_objective("colours", nn.Linear(4, 3), inputs)


def test_a_deadline_stops_both():
    for strategy, one in (
        (TransferStrategy(), configuration("transfer", tune="head", hidden=8)),
        (Pretrained(), configuration("masked", head="ridge", hidden=8, depth=1)),
    ):
        with pytest.raises(OutOfTime):
            strategy.fit(schools(), "network", one, Run(0, deadline=0.0), seconds=5.0)


def test_the_perceptron_beside_the_inputs_is_what_is_pretrained():
    learner = make_learner("ridge", {"hidden": 8}, shape=(4,), width=1)
    assert learnt_part(learner) is learner.encoder.deep
