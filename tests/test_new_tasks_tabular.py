"""Answers to new tasks that are not networks: values by hand, invariants, and a safe trip to disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression

from sharewise.errors import DataError
from sharewise.families import Run, configuration
from sharewise.modalities import TabularEncoder
from sharewise.problems import Column, Table
from sharewise.serving._known import KNOWN
from sharewise.serving._state import decode, encode
from sharewise.strategies.new_tasks import Adapter, TaskSample
from sharewise.strategies.new_tasks import _boosted as boosted
from sharewise.strategies.new_tasks import _class_means as class_means
from sharewise.strategies.new_tasks import _constant as constant
from sharewise.strategies.new_tasks import _mixed as mixed
from sharewise.strategies.new_tasks import _neighbours as neighbours
from sharewise.strategies.new_tasks import _own as own
from sharewise.strategies.new_tasks import _pooled as pooled
from sharewise.strategies.new_tasks import _prior as prior
from sharewise.strategies.new_tasks import _rows as rows_
from sharewise.strategies.new_tasks._softmax import Directions, fit_softmax, softmax
from sharewise.tasks import Binary, Multiclass, Regression

RNG = np.random.default_rng


def schools(kind: Any, *, tasks: int = 40, rows: int = 24, seed: int = 0, text: bool = False) -> TaskSample:
    """Tasks with slopes and offsets of their own; a third of them validation tasks."""
    rng = RNG(seed)
    task = np.repeat(np.arange(tasks), rows)
    n = len(task)
    X = rng.normal(size=(n, 3))
    place = rng.integers(3, size=n)
    slope = np.array([1.0, -0.5, 0.0]) + 0.3 * rng.normal(size=(tasks, 3))
    y = (X * slope[task]).sum(axis=1) + rng.normal(size=tasks)[task] + 0.5 * rng.normal(size=n) + 0.4 * place
    X[rng.random((n, 3)) < 0.03] = np.nan
    if kind.width > 1:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, kind.width + 1)[1:-1])).astype(np.float64)
    columns = [Column(f"x{j}", "number", X[:, j]) for j in range(3)]
    columns.append(Column("place", "category", np.array(list("abc"), dtype=object)[place]))
    if text:
        columns.append(
            Column("note", "text", np.array(["so dark a note", "what a bright day", "rain"], object)[place])
        )
    return TaskSample(
        Table(tuple(columns), n), y, task, kind, kind.metric(), task < 2 * tasks // 3, (1, 2, 5, 10)
    )


def pool(*, text: bool = False, tensors: bool = False) -> TaskSample:
    """Fourteen classes in six dimensions, two of which are noise of great spread."""
    rng = RNG(3)
    task = np.repeat(np.arange(14), 15)
    X = rng.normal(size=(14, 6))[task] * 2 + rng.normal(size=(len(task), 6))
    X[:, :2] = 5 * rng.normal(size=(len(task), 2))
    columns = [Column(f"x{j}", "number", X[:, j]) for j in range(6)]
    if text:
        words = [" ".join(rng.choice([f"w{c}a", f"w{c}b", "and", "the"], 5)) for c in task]
        columns = [Column("words", "text", np.array(words, dtype=object))]
    if tensors:
        columns = [Column("image", "tensor", X.reshape(-1, 1, 2, 3).astype(np.float32))]
    kind = Multiclass(3)
    return TaskSample(
        Table(tuple(columns), len(task)),
        task.astype(np.float64),
        task,
        kind,
        kind.metric(),
        task < 9,
        (1, 3, 5),
        ways=3,
    )


NONE = configuration("whatever")
FITS: dict[str, Any] = {
    "constant": lambda s, r: constant.Constant().fit(s, "none", NONE, r, seconds=5),
    "neighbours": lambda s, r: neighbours.Neighbours().fit(s, "none", NONE, r, seconds=5),
    "own linear": lambda s, r: own.Own().fit(s, "linear", NONE, r, seconds=5),
    "own trees": lambda s, r: own.Own().fit(s, "trees", NONE, r, seconds=5),
    "mixed": lambda s, r: mixed.fit_mixed(s, configuration("mixed", own="slopes"), r, 5),
    "mixed offset": lambda s, r: mixed.fit_mixed(s, configuration("mixed", own="offset"), r, 5),
    "pooled linear": lambda s, r: pooled.Pooled().fit(s, "linear", NONE, r, seconds=5),
    "pooled trees": lambda s, r: pooled.Pooled().fit(s, "trees", NONE, r, seconds=5),
    "boosted": lambda s, r: boosted.fit_boosted(s, configuration("boosting", leaves=6), r, 0.7),
}
SAMPLES: dict[str, Any] = {
    "numbers": lambda: schools(Regression(), text=True),
    "two classes": lambda: schools(Binary(("no", "yes"))),
    "three classes": lambda: schools(Multiclass(3), tasks=24),
    "pool": pool,
    "words": lambda: pool(text=True),
}
LONG_ONLY = {"pooled linear", "pooled trees", "boosted", "mixed offset"}
CASES = [(s, f) for s in SAMPLES for f in FITS if not (s in ("pool", "words") and f in LONG_ONLY)]


def known() -> Mapping[str, type]:
    """What a model file may name."""
    return KNOWN


def trip(thing: Any) -> Any:
    tree, arrays, texts = encode(thing, known())
    return decode(tree, arrays, texts, known())


def error(adapter: Adapter, sample: TaskSample, *, count: int = 3) -> list[float]:
    """Mean error on tasks drawn from the validation tasks, by size of the support."""
    X = adapter.encode(sample.table)
    found = []
    draws = sample.draws(train=False, count=count, seed=5)
    for place in range(len(sample.shots)):
        jobs = [(d.supports[place], d.support_y[place], d) for d in draws if d.supports[place] is not None]
        if not jobs:
            found.append(np.nan)
            continue
        predicted = adapter.predict_each(X, [(s, y, d.query) for s, y, d in jobs], sample.classes)
        pairs = zip(predicted, jobs, strict=True)
        found.append(
            float(np.mean([sample.metric.error(sample.metric(d.query_y, p)) for p, (_, _, d) in pairs]))
        )
    return found


@pytest.mark.parametrize(("data", "name"), CASES, ids=[" - ".join(case) for case in CASES])
def test_adapters_keep_the_rules(data: str, name: str) -> None:
    sample = SAMPLES[data]()
    adapter = FITS[name](sample, Run(1, effort=0))
    X = adapter.encode(sample.table)
    before = encode(adapter, known())
    draws = sample.draws(train=False, count=1, seed=0)[:3]
    jobs = [
        (s, y, d.query)
        for d in draws
        for s, y in zip(d.supports, d.support_y, strict=True)
        if s is not None and y is not None
    ]
    together = adapter.predict_each(X, jobs, sample.classes)
    stored = trip(adapter)
    assert np.array_equal(stored.encode(sample.table), X, equal_nan=True)
    for (support, y, query), predicted in zip(jobs, together, strict=True):
        part = adapter.adapt(X[support], y, sample.classes)
        alone = part.predict(X[query])
        assert alone.shape == (len(query), sample.width)
        assert np.isfinite(alone).all()
        assert alone == pytest.approx(predicted, abs=1e-9)
        assert np.array_equal(trip(part).predict(X[query]), alone)
        assert np.array_equal(stored.adapt(X[support], y, sample.classes).predict(X[query]), alone)
        if sample.classes:
            assert alone.sum(axis=1) == pytest.approx(1.0)
            assert (alone > 0).all()
    after = encode(adapter, known())
    assert before[0] == after[0]
    assert before[2] == after[2]
    assert all(np.array_equal(a, after[1][key], equal_nan=True) for key, a in before[1].items())


def test_constants_are_the_mean_and_laplace_shares() -> None:
    assert constant.constant_of(np.array([1.0, 2.0, 6.0]), None).tolist() == [3.0]
    assert constant.constant_of(np.array([0.0, 0.0, 0.0]), 2) == pytest.approx([0.8, 0.2])


def test_neighbours_weigh_by_distance() -> None:
    X, Y = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [1.0], [3.0]])
    # Neighbours of 0 at distances 0 and 1, 0.5 on average: weights 2 and 2/3.
    assert neighbours.NearestPart(X, Y, 2, False).predict(np.zeros((1, 1))) == pytest.approx(
        np.array([[0.25]])
    )
    hot = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    shares = neighbours.NearestPart(X, hot, 1, True).predict(np.zeros((1, 1)))
    assert shares == pytest.approx(np.array([[0.75, 0.25]]))  # one neighbour, one label spread evenly


def test_neighbours_left_out_are_those_of_the_other_rows() -> None:
    rng = RNG(0)
    X, y = rng.normal(size=(14, 2)), rng.normal(size=(14, 1))
    losses = {}
    for count in (1, 2, 3, 5, 8, 13):
        others = [np.arange(14) != row for row in range(14)]
        found = [neighbours.NearestPart(X[o], y[o], count, False).predict(X[~o])[0, 0] for o in others]
        losses[count] = float(((np.array(found) - y[:, 0]) ** 2).mean())
    assert neighbours.best_count(X, y, False) == min(losses, key=lambda count: losses[count])


def test_ridge_weighs_penalties_by_explicitly_left_out_rows() -> None:
    rng = RNG(1)
    X, y = rng.normal(size=(9, 4)), rng.normal(size=9)
    new = rng.normal(size=(3, 4))
    length = ((X - X.mean(axis=0)) ** 2).sum() / 9

    def ridge(A: Any, b: Any, share: float, at: Any) -> Any:
        centre = A.mean(axis=0)
        gram = (A - centre).T @ (A - centre) + share * length * np.eye(4)
        return b.mean() + (at - centre) @ np.linalg.solve(gram, (A - centre).T @ (b - b.mean()))

    finite = [min(float(share), 1e12) for share in own.SHARES]
    everyone = [np.arange(9) != row for row in range(9)]
    losses = np.array(
        [np.mean([(y[~o] - ridge(X[o], y[o], s, X[~o])) ** 2 for o in everyone]) for s in finite]
    )
    trust = losses**-4.5
    expected = np.average([ridge(X, y, s, new) for s in finite], axis=0, weights=trust)
    # Leaving a row out moves the centre too, which the closed form knows.
    assert own.ridge_left_out(X, y).predict(new)[:, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("k", [1, 2])
def test_own_ridge_on_one_or_two_rows_is_their_mean(k: int) -> None:
    y = np.array([3.0, 5.0])[:k]
    part = own.ridge_left_out(RNG(0).normal(size=(k, 6)), y)
    assert part.predict(np.ones((2, 6))) == pytest.approx(np.full((2, 1), y.mean()))


def test_softmax_is_scikit_learns_with_an_offset_and_rows_left_out() -> None:
    rng = RNG(2)
    X, y = rng.normal(size=(40, 5)), rng.integers(3, size=40)
    Y = np.eye(3)[y]
    directions = Directions.of(X)
    rows = np.ones((2, 40))
    rows[1, :10] = 0.0
    B = fit_softmax(directions, Y, np.full((2, 5), 0.7), rows=rows)
    for place, used in enumerate((slice(0, 40), slice(10, 40))):
        theirs = LogisticRegression(C=1 / 0.7, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
            X[used], y[used]
        )
        assert directions.axes @ B[place] == pytest.approx(theirs.coef_.T, abs=2e-5)
    offset = rng.normal(size=(40, 3))
    (B,) = fit_softmax(directions, Y, np.full((1, 5), 0.7), offset=offset)
    slope = directions.A.T @ (softmax(directions.A @ B + offset) - Y) + 0.7 * B
    assert np.abs(slope).max() < 1e-3


def test_own_logistic_is_sound_with_a_row_a_class_and_with_one_class() -> None:
    X = np.array([[1.0, 0.0], [-1.0, 0.0]])
    shares = own.logistic_held_out(X, np.array([0.0, 1.0]), 2).predict(X)
    assert shares[0, 0] == pytest.approx(shares[1, 1])
    assert 0.5 < shares[0, 0] < 0.95
    alone = own.logistic_held_out(X, np.zeros(2), 3).predict(X)
    assert (alone[:, 0] > 0.4).all()
    assert (alone > 0.01).all()


def tasks_of(seed: int = 0, tasks: int = 6, rows: int = 5) -> tuple[Any, Any, Any, list[slice]]:
    rng = RNG(seed)
    n = tasks * rows
    X = rng.normal(size=(n, 2))
    X = np.column_stack([X, X[:, 0], np.zeros(n)])  # a collinear and a constant column
    x, z = mixed.designs(X, np.eye(4))
    return x, z, rng.normal(size=n) + 1.0, [slice(t * rows, (t + 1) * rows) for t in range(tasks)]


def dense(x: Any, z: Any, y: Any, tasks: list[slice], p: prior.Prior) -> float:
    found = 0.0
    for rows in tasks:
        V = p.noise * np.eye(len(y[rows])) + z[rows] * p.spread @ z[rows].T
        found += float(multivariate_normal(x[rows] @ p.mean, V).logpdf(y[rows]))
    return found


def test_the_prior_gains_evidence_at_every_step_and_it_is_the_dense_one() -> None:
    x, z, y, tasks = tasks_of()
    sums = prior.Sums.of(x, z, y, None, tasks)
    p = prior.Prior(np.zeros(5), np.full(5, 0.2), 0.8, 1e8)
    evidence, expected = [], []
    for _ in range(30):
        found = prior.step(sums, p)
        # The evidence of a step is that of its new mean under the variances before it.
        expected.append(dense(x, z, y, tasks, replace(p, mean=found.prior.mean)))
        evidence.append(found.evidence)
        p = replace(found.prior, slack=1e8)
    shift = np.array(expected) - np.array(evidence)
    assert shift == pytest.approx(np.full(30, -0.5 * len(y) * np.log(2 * np.pi)), abs=1e-5)
    assert (np.diff(evidence) > -1e-9).all()
    assert np.isfinite(p.mean).all()
    assert np.isfinite(p.spread).all()


def test_a_task_without_rows_has_the_prior_and_others_the_dense_posterior() -> None:
    x, z, y, _ = tasks_of()
    p = prior.Prior(RNG(1).normal(size=5), np.array([1.0, 0.5, 0.2, 0.1, 0.0]), 0.3, 1.0)
    assert prior.posterior(p, x[:0], z[:0], y[:0]).tolist() == [0.0] * 5
    for k in (1, 3, 20):
        V = z[:k] * p.spread @ z[:k].T + p.noise * np.eye(k)
        expected = (z[:k] * p.spread).T @ np.linalg.solve(V, y[:k] - x[:k] @ p.mean)
        assert prior.posterior(p, x[:k], z[:k], y[:k]) == pytest.approx(expected, abs=1e-9)


def test_an_offsets_posterior_by_hand() -> None:
    """Offset variance 4, noise 2, residuals 3 and 6: 4/(4 + 2/2) of their mean."""
    p = prior.Prior(np.array([1.0]), np.array([4.0]), 2.0, 1.0)
    ones = np.ones((2, 1))
    assert prior.posterior(p, ones, ones, np.array([4.0, 7.0])) == pytest.approx([0.8 * 4.5])


def test_variances_of_simulated_tasks_are_found() -> None:
    sample = schools(Regression(), tasks=150, rows=20)
    adapter = mixed.fit_mixed(sample, configuration("mixed", own="slopes"), Run(0), 10)
    (found,) = adapter.priors
    assert found.spread[0] == pytest.approx(1.0, rel=0.35)
    assert found.spread[1:4] == pytest.approx(np.full(3, 0.09), rel=0.5)
    assert found.noise == pytest.approx(0.25, rel=0.3)


@pytest.mark.parametrize("kind", [Regression(), Binary(("no", "yes"))], ids=["numbers", "classes"])
def test_mixed_and_boosted_beat_pooled_and_own_where_tasks_differ(kind: Any) -> None:
    sample = schools(kind, tasks=60, rows=30)
    compared = [name for name in FITS if name not in ("own trees", "mixed offset")]
    errors = {name: np.array(error(FITS[name](sample, Run(0)), sample)) for name in compared}
    served = ~np.isnan(errors["mixed"])
    for name in ("pooled linear", "own linear", "constant", "neighbours"):
        assert (errors["mixed"] <= errors[name])[served].all(), name
    assert (errors["boosted"] <= errors["pooled trees"])[served].all()
    assert errors["mixed"][-1] < 0.9 * errors["pooled linear"][-1]


def test_class_effects_are_a_mode_and_zero_without_rows() -> None:
    rng = RNG(4)
    z, y, offset, spread = (
        rng.normal(size=(12, 3)),
        rng.integers(3, size=12),
        rng.normal(size=(12, 3)),
        np.ones(3),
    )
    spread[1] = 0.25
    effects = mixed.class_effects(z, y.astype(float), offset, spread)
    slope = z.T @ (softmax(z @ effects + offset) - np.eye(3)[y]) + effects / spread[:, None]
    assert np.abs(slope).max() < 1e-3
    assert not mixed.class_effects(z[:0], y[:0].astype(float), offset[:0], spread).any()


def test_class_means_by_hand() -> None:
    """ψ = 1: one row at 2 gives mean 1 and variance 1.5; a class without rows keeps mean 0 and variance 2."""
    part = class_means.class_means(np.array([[2.0]]), np.array([0.0]), 2, np.ones(1), 1.0)
    assert part.means.tolist() == [[1.0], [0.0]]
    assert part.variances.tolist() == [[1.5], [2.0]]
    expected = [-0.5 * (4 / 1.5 + np.log(1.5)), -0.5 * (9 / 2 + np.log(2))]
    assert part.scores(np.array([[3.0]]))[0] == pytest.approx(expected)


def test_class_means_learn_which_directions_are_noise() -> None:
    sample = pool()
    learnt = error(FITS["mixed"](sample, Run(0)), sample, count=25)
    for name in ("neighbours", "constant", "own linear"):
        assert learnt[0] < error(FITS[name](sample, Run(0)), sample, count=25)[0], name


def test_statistics_by_hand() -> None:
    """Residuals 1 and 3 under a penalty of 2: an offset of 4/4; spread (2 + 3·4)/5 beside 4; slope 2/(2 + 10)."""
    statistics = boosted.Statistics(Regression(), 2.0, np.array([1.0, 2.0]))
    scores, y = np.array([[0.0], [2.0]]), np.array([1.0, 5.0])
    assert statistics.offset(scores, y) == pytest.approx([1.0])
    assert statistics.of(scores, y) == pytest.approx([np.log(2), 1.0, 1.0, np.sqrt(2.8) / 2, 2 / 12])
    classes = boosted.Statistics(Binary((0, 1)), 0.5, np.ones(2))
    # Two rows at even odds, both of the second class: 1 missed, curvature ½, penalty ½.
    assert classes.offset(np.zeros((2, 1)), np.ones(2)) == pytest.approx([1.0])


def test_a_query_rows_label_is_in_no_statistic() -> None:
    sample = schools(Regression())
    rows = np.flatnonzero(sample.train)
    jobs = boosted.simulated(sample, rows, 0)
    assert {len(support) for support, _, _ in jobs} >= {1, 2, 5, 10}
    statistics = boosted.Statistics(sample.kind, 1.0, np.ones(2))
    scores = RNG(0).normal(size=(len(sample.y), 1))
    for support, y, query in jobs[:40]:
        assert not set(support) & set(query)
        assert set(sample.task[support]) == set(sample.task[query])
        changed = sample.y.copy()
        changed[query] += 100.0
        assert np.array_equal(y, changed[support])
    _, offsets, numbers = boosted.job_rows(scores, jobs[:2], statistics)
    support, y, query = jobs[0]
    assert offsets[0] == pytest.approx(statistics.offset(scores[support], y))
    assert numbers[: len(query)] == pytest.approx(np.tile(statistics.of(scores[support], y), (len(query), 1)))


def test_first_scores_know_no_label_of_the_rows_own_task() -> None:
    sample = schools(Regression(), tasks=12)
    learn, stop = pooled.split(sample, 0)
    X = TabularEncoder.fit(sample.table, "trees").transform(sample.table)
    changed = sample.y.copy()
    mine = sample.task == 3
    changed[mine] += RNG(0).normal(size=int(mine.sum()))
    before, after = (
        boosted._first(X, replace(sample, y=y), learn, stop, (), NONE, Run(0), 20)[0]
        for y in (sample.y, changed)
    )
    assert np.array_equal(before[mine], after[mine])
    assert not np.array_equal(before[~mine], after[~mine])


def test_tensors_are_laid_flat_and_codes_refused() -> None:
    sample = pool(tensors=True)
    X = rows_.RowReader.fit(sample).transform(sample.table)
    assert X.shape == (len(sample.y), 6)
    assert X[sample.train].mean() == pytest.approx(0, abs=1e-6)
    assert X[sample.train].std() == pytest.approx(1, abs=1e-6)
    tokens = Column("tokens", "tensor", np.zeros((len(sample.y), 4), dtype=np.int64))
    coded = replace(sample, table=Table((tokens,), len(sample.y)))
    assert not own.Own().configurations(coded, "linear", effort=1)
    assert not mixed.mixed_configurations(coded)
    with pytest.raises(DataError, match=r"got tokens\. Use the network family"):
        rows_.RowReader.fit(coded)


def test_who_serves_what() -> None:
    long, drawn = schools(Regression(), tasks=6), pool()
    for family in ("linear", "trees"):
        assert pooled.Pooled().configurations(long, family, effort=1)
        assert not pooled.Pooled().configurations(drawn, family, effort=1)
        assert own.Own().configurations(drawn, family, effort=1)
    assert not boosted.boosted_configurations(drawn)
    for sample in (long, drawn):
        assert own.Own().configurations(sample, "network", effort=1)
    assert pooled.Pooled().configurations(long, "network", effort=1)
    assert not pooled.Pooled().configurations(drawn, "network", effort=1)
    assert not constant.Constant().configurations(long, "linear", effort=1)


def test_learning_ends_with_its_seconds() -> None:
    sample = schools(Regression(), tasks=60)
    begin = time.process_time()
    mixed.fit_mixed(sample, configuration("mixed", own="slopes"), Run(0), 0.0)
    boosted.fit_boosted(sample, configuration("boosting"), Run(0), 0.0)
    assert time.process_time() - begin < 2.0
