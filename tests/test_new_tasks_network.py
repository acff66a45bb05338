"""Meta-learners of the network family as answers for new tasks."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.errors import DataError, NotFittedError, OptionError, StorageError
from sharewise.families import OutOfTime, Run, configuration
from sharewise.meta import ANIL, META_LEARNERS
from sharewise.modalities import TABULAR_STATE
from sharewise.problems import Column, Table
from sharewise.serving._state import decode, encode
from sharewise.strategies.new_tasks import Adapter, TaskSample
from sharewise.strategies.new_tasks._learners import make_learner
from sharewise.strategies.new_tasks._meta_learned import MetaLearned, network_configurations
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter, NetworkPart
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._network_training import fit_learner
from sharewise.strategies.new_tasks._own_network import (
    OwnNetwork,
    Rescaled,
    fit_own_network,
    own_network_configurations,
)
from sharewise.strategies.new_tasks._pooled_network import fit_pooled_network, pooled_network_configurations
from sharewise.strategies.new_tasks._text_grams import ProjectedText
from sharewise.tasks import Multiclass, Regression

KNOWN = {
    kind.__name__: kind
    for kind in (
        *(NetworkAdapter, NetworkPart, NetworkInputs, ProjectedText, OwnNetwork, Rescaled, *TABULAR_STATE),
    )
}


def numbers(tasks: int = 24, rows: int = 16) -> TaskSample:
    """Each task's line has its own level and slope; one column in three is a category that says nothing."""
    rng = np.random.default_rng(0)
    task = np.repeat(np.arange(tasks), rows)
    x = rng.normal(size=(len(task), 2))
    level, slope = rng.normal(5, 3, tasks), rng.normal(2, 0.5, tasks)
    y = level[task] + slope[task] * x[:, 0] + rng.normal(0, 0.3, len(task))
    colour = np.array(["red", "blue", None], dtype=object)[rng.integers(0, 3, len(task))]
    columns = (
        Column("a", "number", x[:, 0]),
        Column("b", "number", x[:, 1]),
        Column("c", "category", colour),
    )
    kind = Regression()
    return TaskSample(
        Table(columns, len(task)), y, task, kind, kind.metric(), task < 18, (1, 5, 10), queries=5
    )


def classes() -> TaskSample:
    """Three classes that all tasks have in common; rows of each class in every task."""
    rng = np.random.default_rng(1)
    task = np.repeat(np.arange(20), 18)
    y = np.tile(np.arange(3.0), 120)
    x = np.stack([y, -y], 1) + rng.normal(0, 0.4, (len(y), 2)) + rng.normal(0, 1, (20, 2))[task]
    columns = (Column("a", "number", x[:, 0]), Column("b", "number", x[:, 1]))
    kind = Multiclass(("p", "q", "r"))
    return TaskSample(Table(columns, len(y)), y, task, kind, kind.metric(), task < 15, (3, 9), queries=6)


def pool() -> TaskSample:
    """Classes are words: of each some rows that hold it beside others."""
    rng = np.random.default_rng(2)
    words = [
        "apple",
        "river",
        "stone",
        "cloud",
        "piano",
        "tiger",
        "lemon",
        "chess",
        "socks",
        "nurse",
        "pilot",
        "bread",
    ]
    task = np.repeat(np.arange(12), 10)
    other = rng.integers(0, 4, (len(task), 2))
    rows = [
        f"{['my', 'your', 'the', 'a'][i]} {words[t]} number {j}"
        for t, (i, j) in zip(task, other, strict=True)
    ]
    text = np.array(rows, dtype=object)
    kind = Multiclass((0, 1, 2))
    table = Table((Column("text", "text", text),), len(task))
    return TaskSample(
        table, task.astype(float), task, kind, kind.metric(), task < 8, (1, 3), ways=3, queries=4
    )


def pictures() -> TaskSample:
    """Bytes, which the user's own encoder makes numbers of."""
    rng = np.random.default_rng(3)
    task = np.repeat(np.arange(10), 8)
    shapes = rng.integers(0, 255, (10, 4, 4))
    values = np.clip(shapes[task] + rng.normal(0, 20, (len(task), 4, 4)), 0, 255).astype(np.uint8)
    kind = Multiclass((0, 1, 2))
    return TaskSample(
        Table((Column("picture", "tensor", values),), len(task)), task.astype(float), task, kind, kind.metric(),
        task < 6, (1, 2), ways=3, queries=3, encoder=Bytes(),
    )  # fmt: skip


class Bytes(nn.Module):
    """(N, 4, 4) bytes to (N, 6)."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.layer = nn.Linear(16, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.layer(x.flatten(1).float() / 255))


SAMPLES: dict[str, Callable[[], TaskSample]] = {
    "numbers": numbers,
    "classes": classes,
    "pool": pool,
    "pictures": pictures,
}


def jobs_of(sample: TaskSample) -> list[tuple[Any, Any, Any]]:
    """Draws of validation tasks with supports and queries of uneven sizes."""
    return [
        (support, y, draw.query[: 2 + place % 3])
        for place, draw in enumerate(sample.draws(train=False, count=3 if sample.ways else 1, seed=5))
        for support, y in zip(draw.supports, draw.support_y, strict=True)
        if support is not None and y is not None
    ]


def learnt(sample: TaskSample, learner: str = "ridge", updates: int = 4, **options: Any) -> NetworkAdapter:
    return fit_learner(sample, configuration(learner, updates=updates, **options), Run(seed=3), 1.0)


def stored(what: Any) -> Any:
    tree, arrays, texts = encode(what, KNOWN)
    return decode(tree, arrays, texts, KNOWN)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_configuration_adapts_as_it_predicts_many(name: str) -> None:
    """One by one or together, the same predictions, finite and of the right shape; chances sum to one."""
    sample = SAMPLES[name]()
    jobs = jobs_of(sample)[::2]
    found = network_configurations(sample, 3)
    assert {entry.learner for entry in found} <= set(META_LEARNERS)
    for entry in found:
        adapter = learnt(sample, entry.learner, updates=1, **dict(entry.options))
        X = adapter.encode(sample.table)
        together = adapter.predict_each(X, jobs, sample.classes)
        for (support, y, query), values in zip(jobs, together, strict=True):
            one = adapter.adapt(X[support], y, sample.classes).predict(X[query])
            assert values.shape == (len(query), sample.width)
            assert np.isfinite(values).all()
            np.testing.assert_allclose(one, values, rtol=2e-3, atol=2e-4, err_msg=str(entry))
            if sample.classes is not None:
                np.testing.assert_allclose(values.sum(1), 1.0, atol=1e-5)


STORED = [("numbers", "bayes"), ("numbers", "maml"), ("pool", "prototypes"), ("classes", "tnp")]


@pytest.mark.parametrize(("name", "learner"), STORED)
def test_a_stored_adapter_and_its_tasks_predict_the_same(name: str, learner: str) -> None:
    sample = SAMPLES[name]()
    options = {"hidden": 8} if learner != "tnp" else {}
    adapter = learnt(sample, learner, **options)
    support, y, query = jobs_of(sample)[-1]
    table = sample.table.take(query)
    part = adapter.adapt(adapter.encode(sample.table.take(support)), y, sample.classes)
    expected = part.predict(adapter.encode(table))
    again, again_part = stored((adapter, part))
    assert again_part.adapter is again  # the trunk is kept once
    np.testing.assert_array_equal(again_part.predict(again.encode(table)), expected)
    anew = again.adapt(again.encode(sample.table.take(support)), y, sample.classes)
    np.testing.assert_array_equal(anew.predict(again.encode(table)), expected)


def test_adapting_changes_nothing() -> None:
    sample = numbers()
    for learner in ("ridge", "maml", "bayes", "cnp"):
        adapter = learnt(sample, learner)
        X = adapter.encode(sample.table)
        (support, y, query), (other, other_y, _) = jobs_of(sample)[0], jobs_of(sample)[-1]
        before = {name: value.copy() for name, value in adapter.weights.items()}
        first = adapter.adapt(X[support], y, None)
        said = first.predict(X[query])
        adapter.adapt(X[other], other_y, None)
        np.testing.assert_array_equal(first.predict(X[query]), said)
        for name, value in adapter.rebuilt().state_dict().items():
            np.testing.assert_array_equal(value.numpy(), before[name])


def test_training_by_updates_is_deterministic_and_follows_the_seed() -> None:
    sample = numbers()
    one, same = (learnt(sample, "ridge") for _ in range(2))
    other = fit_learner(sample, configuration("ridge", updates=4), Run(seed=4), 1.0)
    for name, value in one.weights.items():
        np.testing.assert_array_equal(value, same.weights[name])
    assert any((value != other.weights[name]).any() for name, value in one.weights.items())


def test_what_was_learnt_across_tasks_beats_a_single_label() -> None:
    """With one label, a prior over lines is better than a flat line through it and than the mean of all tasks."""
    sample = numbers(tasks=60)
    adapter = fit_learner(
        sample, configuration("bayes", hidden=0, meta_rate=0.05, spread=2.0, updates=120), Run(seed=0), 9.0
    )
    X = adapter.encode(sample.table)
    jobs = [
        (draw.supports[0], draw.support_y[0], draw.query)
        for draw in sample.draws(train=False, count=4, seed=1)
    ]
    truth = [sample.y[query] for *_, query in jobs]
    found = adapter.predict_each(X, jobs, None)  # type: ignore[arg-type]
    error = np.mean([np.mean((v[:, 0] - y) ** 2) for v, y in zip(found, truth, strict=True)])
    flat = np.mean([np.mean((s[0] - y) ** 2) for (_, s, _), y in zip(jobs, truth, strict=True)])  # type: ignore[index]
    everyone = np.mean([np.mean((sample.y.mean() - y) ** 2) for y in truth])
    assert error < 0.6 * min(flat, everyone)


def test_numbers_are_told_in_their_own_units() -> None:
    """A target that is moved and stretched moves and stretches predictions: nothing depends on its units."""
    sample = numbers()
    other = TaskSample(**{**sample.__dict__, "y": 100.0 * sample.y - 7.0})
    support, y, query = jobs_of(sample)[-1]
    one, two = learnt(sample, "ridge"), learnt(other, "ridge")
    X = one.encode(sample.table)
    expected = 100.0 * one.adapt(X[support], y, None).predict(X[query]) - 7.0
    np.testing.assert_allclose(
        two.adapt(X[support], 100.0 * y - 7.0, None).predict(X[query]), expected, rtol=1e-3
    )


def test_an_encoder_of_the_users_own_is_asked_for_after_loading() -> None:
    sample = pictures()
    untouched = deepcopy(sample.encoder.state_dict())
    adapter = learnt(sample, "prototypes")
    for name, value in sample.encoder.state_dict().items():
        assert torch.equal(value, untouched[name])
    X = adapter.encode(sample.table)
    assert X.dtype == np.uint8
    support, y, query = jobs_of(sample)[0]
    expected = adapter.adapt(X[support], y, 3).predict(X[query])
    again = stored(adapter)
    assert again.needs_encoder
    assert not adapter.needs_encoder
    with pytest.raises(NotFittedError, match="encoder=module"):
        again.adapt(X[support], y, 3)
    with pytest.raises(StorageError, match="same module"):
        again.with_encoder(Bytes(5)).adapt(X[support], y, 3)
    part = again.with_encoder(Bytes()).adapt(X[support], y, 3)
    np.testing.assert_array_equal(part.predict(X[query]), expected)


def test_a_support_that_cannot_be_learnt_from_is_refused() -> None:
    sample = classes()
    adapter = learnt(sample, "logistic")
    X = adapter.encode(sample.table)
    with pytest.raises(DataError, match="rows of 2 classes"):
        adapter.adapt(X[:2], np.array([0.0, 1.0]), 3)
    with pytest.raises(DataError, match="NaN"):
        adapter.adapt(X[:3], np.array([0.0, 1.0, np.nan]), 3)
    with pytest.raises(DataError, match="NaN"):
        adapter.adapt(np.full_like(X[:3], np.nan), np.arange(3.0), 3)
    with pytest.raises(DataError, match="labels"):
        fit_learner(
            TaskSample(**{**sample.__dict__, "shots": (50,)}),
            configuration("logistic", updates=1),
            Run(seed=0),
            1.0,
        )


def test_the_deadline_ends_training() -> None:
    with pytest.raises(OutOfTime):
        fit_learner(numbers(), configuration("ridge"), Run(seed=0, deadline=0.0), 60.0)


def test_seconds_bound_the_training() -> None:
    run = Run(seed=0)
    fit_learner(numbers(), configuration("ridge"), run, 0.3)
    assert run.steps > 1
    assert run.fits == 1


def test_options_are_the_encoders_the_learners_or_refused() -> None:
    learner = make_learner("anil", {"hidden": 8, "depth": 2, "rate": 0.5}, shape=(3,), width=1)
    assert isinstance(learner, ANIL)
    assert learner.rate == 0.5
    assert learner.get_parameter("network.head.weight").shape == (1, 11)
    with pytest.raises(OptionError, match="got 'depht'"):
        make_learner("anil", {"depht": 2}, shape=(3,), width=1)
    with pytest.raises(OptionError, match="got 'nothing'"):
        make_learner("nothing", {}, shape=(3,), width=1)
    with pytest.raises(NotFittedError):
        make_learner("ridge", {}, shape=(3, 4), width=1)


def test_more_effort_adds_learners_and_tensors_come_later() -> None:
    for sample in (numbers(), classes(), pool(), pictures()):
        listed = [network_configurations(sample, effort) for effort in (0, 1, 2)]
        assert 2 <= len(listed[0]) <= len(listed[1]) <= len(listed[2])
        assert set(listed[0]) <= set(listed[1]) <= set(listed[2])
    assert "anil" in {entry.learner for entry in network_configurations(pool(), 1)}
    assert "anil" not in {entry.learner for entry in network_configurations(pictures(), 1)}
    assert MetaLearned().configurations(numbers(), "none", effort=2) == ()


def test_a_network_from_scratch_knows_nothing_of_other_labels() -> None:
    """Its predictions stay when all other labels change, follow the support's units, and with one label are that."""
    sample = numbers()
    entry = own_network_configurations(sample, 2)[0]
    own = fit_own_network(sample, entry, Run(seed=0), 1.0)
    other = fit_own_network(TaskSample(**{**sample.__dict__, "y": -9.0 * sample.y}), entry, Run(seed=0), 1.0)
    X = own.encode(sample.table)
    support, y, query = jobs_of(sample)[-1]
    said = own.adapt(X[support], y, None).predict(X[query])
    np.testing.assert_array_equal(other.adapt(X[support], y, None).predict(X[query]), said)
    np.testing.assert_allclose(
        own.adapt(X[support], 10 * y + 1, None).predict(X[query]), 10 * said + 1, rtol=1e-3
    )
    np.testing.assert_allclose(
        own.adapt(X[:1], y[:1], None).predict(X[query]), np.full((len(query), 1), y[0])
    )
    many = own.predict_each(X, [(support, y, query)] * 3, None)
    np.testing.assert_allclose(many[2], said, rtol=1e-3, atol=1e-4)
    assert np.std(said) > 0.1 * np.std(y)
    np.testing.assert_array_equal(stored(own).adapt(X[support], y, None).predict(X[query]), said)


def test_a_pooled_network_ignores_the_support() -> None:
    sample = classes()
    (entry,) = pooled_network_configurations(sample)
    adapter: Adapter = fit_pooled_network(
        sample, configuration(entry.learner, updates=30, hidden=8), Run(seed=0), 1.0
    )
    X = adapter.encode(sample.table)
    jobs = jobs_of(sample)
    query = jobs[0][2]
    first, last = (adapter.adapt(X[s], y, 3).predict(X[query]) for s, y, _ in (jobs[0], jobs[-1]))
    np.testing.assert_array_equal(first, last)
    assert pooled_network_configurations(pool()) == ()


def test_projected_text_keeps_angles_between_documents() -> None:
    documents = [
        f"{a} {b} of the {c}"
        for a in ("red", "green", "old")
        for b in ("house", "boat")
        for c in ("king", "queen")
    ]
    text = ProjectedText.fit(documents, 2048)
    values = text.transform([*documents, ""])
    np.testing.assert_allclose(np.linalg.norm(values[:-1], axis=1), 1.0)
    assert not values[-1].any()
    raw = np.asarray(text.grams.transform(documents).todense())
    assert np.abs(values[:-1] @ values[:-1].T - raw @ raw.T).max() < 0.15
    np.testing.assert_array_equal(stored(text).transform(documents), values[:-1])
