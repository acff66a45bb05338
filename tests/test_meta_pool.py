"""Episodes, the pools they are drawn from, training and evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sharewise.errors import DataError, OptionError
from sharewise.meta import (
    ClassPool,
    Constant,
    Episodes,
    MetaTrained,
    Neighbours,
    Prototypes,
    Ridge,
    TaskPool,
    check_apart,
    conv4,
    evaluate,
    meta_train,
    split,
)


def classes(count: int = 8, rows: int = 6, width: int = 3) -> ClassPool:
    """Inputs whose first number is the class and whose second is the row, so that draws can be read."""
    labels = np.repeat(np.arange(count), rows)
    x = torch.zeros(count * rows, width)
    x[:, 0], x[:, 1] = torch.from_numpy(labels).float(), torch.arange(count * rows)
    return ClassPool(x, labels)


def schools(count: int = 5, kind: str = "numbers") -> TaskPool:
    """Tasks of 4, 5, 6 … rows; the input says the task and the row."""
    tasks = np.repeat(np.arange(count), np.arange(count) + 4)
    x = torch.stack([torch.from_numpy(tasks).float(), torch.arange(len(tasks)).float()], 1)
    y = x[:, 1] * 2 if kind == "numbers" else torch.arange(len(tasks)) % 2
    return TaskPool(tasks, x, y)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_an_episode_has_ways_shots_and_queries_of_their_classes():
    found = classes().draw(rng(), ways=3, shots=2, queries=4, episodes=5)
    assert found.support_x.shape == (5, 6, 3)
    assert found.query_x.shape == (5, 12, 3)
    assert found.ways.tolist() == [3] * 5
    assert found.width == 3
    assert len(found) == 5
    for episode in range(5):
        named = {
            (int(place), int(x[0]))
            for side in (
                zip(found.support_y[episode], found.support_x[episode], strict=True),
                zip(found.query_y[episode], found.query_x[episode], strict=True),
            )
            for place, x in side
        }
        assert len(named) == 3  # one class a place on both sides
        rows = torch.cat([found.support_x[episode, :, 1], found.query_x[episode, :, 1]])
        assert len(rows.unique()) == 18  # no row twice


def test_draws_depend_on_the_seed_alone():
    one, same, other = (classes().draw(rng(seed), ways=3, shots=1, queries=2) for seed in (0, 0, 1))
    assert torch.equal(one.support_x, same.support_x)
    assert torch.equal(one.query_x, same.query_x)
    assert not torch.equal(one.support_x, other.support_x)


def test_every_class_is_drawn_equally_often():
    found = classes().draw(rng(), ways=4, shots=1, queries=1, episodes=2000)
    counts = np.bincount(found.support_x[..., 0].flatten().long().numpy())
    assert abs(counts / 1000 - 1).max() < 0.15


def test_splits_keep_classes_and_groups_whole():
    pool = classes()
    train, test = split(pool, 0.25, seed=1)
    assert sorted([*train, *test]) == list(range(8))
    assert len(test) == 2
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    train, test = split(pool, 0.3, seed=0, groups=groups)
    assert not set(groups[train]) & set(groups[test])
    assert [part.tolist() for part in split(pool, 0.3, seed=0, groups=groups)] == [
        train.tolist(),
        test.tolist(),
    ]
    drawn = pool.only(test).draw(rng(), ways=2, shots=1, queries=1, episodes=50)
    assert set(drawn.support_x[..., 0].flatten().tolist()) <= set(test.tolist())


def test_examples_on_both_sides_are_refused():
    pool = classes()
    check_apart(pool.only([0, 1]), pool.only([2, 3]))
    doubled = ClassPool(torch.cat([pool.inputs, pool.inputs[:2]]), np.append(pool.labels, [8, 8]))
    with pytest.raises(DataError, match="2 inputs stand in both"):
        check_apart(doubled.only([0, 1]), doubled.only([2, 8]))


def test_tasks_give_support_and_the_rest():
    pool = schools()
    found = pool.of(rng(), [0, 4], shots=3)
    assert found.ways is None
    assert found.support_x.shape == (2, 3, 2)
    assert found.query_mask.sum(1).tolist() == [1, 5]
    assert (found.support_x[1, :, 0] == 4).all()
    assert torch.equal(found.query_y[found.query_mask], 2 * found.query_x[found.query_mask][:, 1])
    few = pool.of(rng(), [0, 4], shots=3, queries=2)
    assert few.query_mask.sum(1).tolist() == [1, 2]
    assert len(set(pool.draw(rng(), shots=2, episodes=5).support_x[:, 0, 0].tolist())) == 5


def test_classes_of_tasks_all_stand_in_the_support():
    found = schools(kind="classes").draw(rng(), shots=2, episodes=40)
    assert found.ways.tolist() == [2] * 40
    assert (found.support_y.sort(1).values == torch.tensor([0, 1])).all()


def test_uneven_tasks_are_padded():
    rows = [(torch.ones(n, 2), torch.arange(n)) for n in (2, 3)]
    found = Episodes.of(rows, rows[::-1], ways=[2, 3])
    assert found.support_mask.tolist() == [[True, True, False], [True] * 3]
    assert found.query_mask.tolist() == [[True] * 3, [True, True, False]]
    assert found[1:].support_y.tolist() == [[0, 1, 2]]
    assert found.to(torch.float64).query_x.dtype == torch.float64
    assert found.to(torch.float64).query_y.dtype == torch.int64


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: classes().draw(rng(), ways=9, shots=1, queries=1),
            "as many ways as there are classes; got 9",
        ),
        (lambda: classes().draw(rng(), ways=1, shots=1, queries=1), "two or more ways"),
        (lambda: classes().draw(rng(), ways=2, shots=5, queries=2), "6 rows for 5 shots and 2 queries"),
        (lambda: schools().of(rng(), [0], shots=4), "query rows beside its support; task 0 has 4 rows"),
        (lambda: schools(kind="classes").of(rng(), [0], shots=1), "each of the 2 classes"),
        (lambda: classes().only([0, 99]), "99 is not"),
        (lambda: schools().of(rng(), [99], shots=1), "99 is not"),
        (lambda: ClassPool(torch.zeros(3, 1), [0, 1]), "3 examples and 2 labels"),
        (lambda: split(classes(2), 0.0, seed=0), "leaves one empty"),
        (
            lambda: Episodes.of([(torch.zeros(2, 1), torch.zeros(2))], [(torch.zeros(0, 1), torch.zeros(0))]),
            "at least one query row; episode 0 has none",
        ),
    ],
)
def test_draws_that_break_a_rule_are_refused(call, sentence):
    with pytest.raises((DataError, OptionError), match=sentence):
        call()


@pytest.mark.parametrize(
    ("x", "y", "more", "sentence"),
    [
        (torch.ones(3, 2), [0, 0, 0], {}, "at least two classes; that of episode 0 holds one"),
        (torch.ones(3, 2), [1, 1, 1], {"ways": 2}, "at least two classes; that of episode 0 holds one of 2"),
        (torch.ones(3, 2), [0, 1, 1], {"ways": 3}, "3 ways but rows of 2 classes"),
        (torch.ones(3, 2), [0, 1, 2], {"ways": 2}, "0 to 1; episode 0 holds 2"),
        (torch.tensor([[1.0], [torch.nan], [torch.inf]]), [0, 1, 1], {}, "NaN or infinity in 2 of its rows"),
        (torch.ones(1, 2), [0], {"support_mask": torch.tensor([False])}, "this one has none"),
    ],
)
def test_supports_that_break_a_rule_are_refused(x, y, more, sentence):
    with pytest.raises(DataError, match=sentence):
        Prototypes(nn.Identity()).adapt(x, torch.tensor(y), **more)


def test_labels_that_are_nan_are_refused():
    with pytest.raises(DataError, match="Support labels are finite"):
        Constant().adapt(torch.ones(2, 1), torch.tensor([1.0, torch.nan]))


def test_evaluation_by_hand():
    # Nearest neighbour of 0 and 10: of the queries 1, 9, 4, 6 the last is labelled wrongly.
    x = torch.tensor([[[0.0], [10.0]]])
    query = torch.tensor([[[1.0], [9.0], [4.0], [6.0]]])
    there, all_there = torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 4, dtype=torch.bool)
    wrong = Episodes(
        x, torch.tensor([[0, 1]]), there, query, torch.tensor([[0, 1, 0, 0]]), all_there, torch.tensor([2])
    )
    right = Episodes(
        x, torch.tensor([[0, 1]]), there, query, torch.tensor([[0, 1, 0, 1]]), all_there, torch.tensor([2])
    )
    found = evaluate(Neighbours(), [wrong, right])
    assert found.per_episode.tolist() == [0.75, 1.0]
    assert found.mean == 0.875
    assert found.half_width == pytest.approx(12.7062 * 0.125, rel=1e-4)  # t of 1 degree of freedom
    assert "inductive, 2 episodes" in str(found)
    numbers = Episodes(x, torch.tensor([[1.0, 3.0]]), there, query, torch.full((1, 4), 4.0), all_there)
    assert evaluate(Constant(), [numbers]).mean == 4.0
    with pytest.raises(DataError, match="one kind; got 2"):
        evaluate(Constant(), [numbers, right])
    with pytest.raises(DataError, match="got 0 kinds"):
        evaluate(Constant(), [])


def noisy() -> ClassPool:
    found = np.random.default_rng(0)
    centres, labels = found.normal(size=(12, 2)), np.repeat(np.arange(12), 10)
    x = np.concatenate([centres[labels] + 0.2 * found.normal(size=(120, 2)), found.normal(size=(120, 4))], 1)
    return ClassPool(torch.from_numpy(x).float(), labels)


def draw(generator: np.random.Generator) -> Episodes:
    return noisy().draw(generator, ways=3, shots=1, queries=3, episodes=2)


def linear(seed: int = 0) -> Prototypes:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Prototypes(nn.Linear(6, 3))


def test_paused_training_gives_the_same_weights():
    whole, halves = linear(), linear()
    meta_train(whole, draw, steps=8, optimizer=torch.optim.Adam(whole.parameters(), lr=0.01))
    optimizer = torch.optim.Adam(halves.parameters(), lr=0.01)
    first = meta_train(halves, draw, steps=8, until=3, optimizer=optimizer)
    second = meta_train(halves, draw, steps=8, start=first.steps, optimizer=optimizer)
    assert (first.steps, second.steps, len(second.losses)) == (3, 8, 5)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), halves.parameters(), strict=True))


def test_best_weights_are_kept():
    learner = linear()
    test = [noisy().draw(rng(), ways=5, shots=1, queries=5, episodes=20)]
    found = meta_train(learner, draw, steps=20, rate=0.3, every=0.2, validate=test)
    best = max(found.judged, key=lambda one: one.score)
    assert evaluate(learner, test).mean == pytest.approx(best.score)
    assert [one.step for one in found.judged][-1] == 20


def test_seconds_are_kept_to_and_progress_is_told():
    told = []
    found = meta_train(linear(), draw, seconds=0.2, progress=lambda *now: told.append(now))
    assert 0.2 <= found.seconds < 1.0
    assert found.steps == len(told) == len(found.losses) > 3
    assert all(0 <= share < 1 for _, share, _ in told)


def test_what_learns_nothing_says_so():
    found = meta_train(Neighbours(), draw, steps=5)
    assert isinstance(found, MetaTrained)
    assert found.status == "nothing to learn"
    assert "neighbours" in found.because


def test_training_that_diverges_says_so():
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([torch.inf]))

        def forward(self, x):
            return x * self.weight

    found = meta_train(Prototypes(Broken()), draw, steps=50)
    assert found.status == "diverged"
    assert found.steps == 10
    assert "not finite" in found.because


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "one budget"),
        ({"steps": 1, "seconds": 1.0}, "one budget"),
        ({"steps": 0}, "above zero"),
        ({"steps": 5, "start": 3, "until": 2}, "forwards"),
        ({"steps": 5, "every": 0.0}, "between 0 and 1"),
    ],
)
def test_options_of_training_are_checked(options, word):
    with pytest.raises(OptionError, match=word):
        meta_train(linear(), draw, **options)


def test_numbers_alone_move_faster():
    learner = Ridge(nn.Linear(6, 3), penalty=1.0)
    before = {name: value.detach().clone() for name, value in learner.named_parameters()}
    meta_train(learner, draw, steps=1, rate=1e-3, warmup=0.0)
    moved = {
        name: float((value.detach() - before[name]).abs().max()) for name, value in learner.named_parameters()
    }
    assert moved["log_penalty"] == pytest.approx(1e-2, rel=1e-3)
    assert moved["encoder.weight"] == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("pool_first", [False, True])
def test_backbone(pool_first):
    network = conv4(1, (8, 8, 16, 16), groups=4, pool_first=pool_first, channels_last=True).eval()
    x = torch.rand(3, 1, 28, 28)
    assert network(x).shape == (3, 16)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))
    with pytest.raises(OptionError, match="groups"):
        conv4(1, (10,), groups=4)
