"""Strategies keep what families keep; chains, picks and blends do what they say."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import (
    QUICK,
    SEED,
    case,
    check_no_leak,
    check_predictions,
    check_stops,
    check_stored,
    same,
    sample_of,
)
from sharewise.families import FAMILIES, Configuration, Family, Model, Predictions, Run, Sample
from sharewise.problems import Problem, Table, split
from sharewise.strategies import (
    STRATEGIES,
    BlendModel,
    Chained,
    ChainedModel,
    Strategy,
    cell_codes,
    fit_constant_model,
    greedy,
    of_group,
    pick_by_task,
    pick_for_all,
)
from sharewise.strategies._chained import as_features
from sharewise.tasks import Binary, Multiclass, Regression

WIDE, LONG = "wide_mixed", "both_at_once"


def _first(strategy: Strategy, family: Family, name: str) -> Configuration:
    """A strategy's best guess; one that serves groups of tasks is given the group of all."""
    if strategy.partial:
        (configuration, *_) = family.configurations(case(name), effort=QUICK, together=True)
        return of_group(configuration, cell_codes(case(name)))
    return strategy.configurations(family, case(name), effort=QUICK)[0]


def _ways() -> list[object]:
    found = []
    for name in (WIDE, LONG):
        for strategy in STRATEGIES.values():
            if strategy.refusal(case(name)) is None:
                for family in FAMILIES.values():
                    if not strategy.partial and not strategy.configurations(family, case(name), effort=QUICK):
                        continue  # the family has no such way
                    configuration = _first(strategy, family, name)
                    id_ = f"{name}-{strategy.name}-{family.name}"
                    found.append(pytest.param(strategy, family, configuration, name, id=id_))
    return found


@pytest.mark.parametrize(("strategy", "family", "configuration", "name"), _ways())
def test_every_strategy_keeps_the_contract(
    strategy: Strategy, family: Family, configuration: Configuration, name: str, tmp_path: Path
) -> None:
    sample, problem = sample_of(name), case(name)
    one, other = (strategy.fit(sample, family, configuration, Run(SEED, effort=QUICK)) for _ in range(2))
    check_predictions(one.held_out, sample, known_only=True)
    found = one.model.predict(sample.table, sample.level)
    check_predictions(found, sample, known_only=False)
    same(one.held_out, other.held_out)
    same(found, other.model.predict(sample.table, sample.level))
    check_stored(one, problem, tmp_path / "model")
    check_stops(lambda s, run: strategy.fit(s, family, configuration, run), sample)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@pytest.mark.parametrize("table", ["wide", "wide_classes"])
def test_a_chain_tells_no_held_out_label(family: Family, table: str) -> None:
    # Targets of one row are nearly equal: a link that read the label before it would know its own.
    (configuration, *_) = family.configurations(case(WIDE), effort=QUICK, together=False)
    check_no_leak(partial(_chain, family, configuration), table)


def _chain(family: Family, configuration: Configuration, sample: Sample, run: Run):
    return Chained().fit(sample, family, configuration, run)


@pytest.mark.parametrize("table", ["wide", "long_tiny", "long_classes", "long_grouped"])
def test_the_floor_tells_no_held_out_label(table: str) -> None:
    check_no_leak(fit_constant_model, table)


@pytest.mark.parametrize("name", [WIDE, LONG, "long_uneven", "long_binary", "class_missing_from_fold"])
def test_the_floor_keeps_the_contract(name: str, tmp_path: Path) -> None:
    sample = sample_of(name)
    fit = fit_constant_model(sample, Run(0))
    check_predictions(fit.held_out, sample, known_only=True)
    check_predictions(fit.model.predict(sample.table, sample.level), sample, known_only=False)
    check_stored(fit, case(name), tmp_path / "model")


def test_the_floor_is_each_tasks_mean() -> None:
    sample = sample_of("long_uneven")
    assert sample.level is not None
    (values,) = fit_constant_model(sample, Run(0)).model.predict(sample.table, sample.level)
    for code in range(8):
        rows = sample.level == code
        np.testing.assert_allclose(values[rows, 0], sample.labels[rows, 0].mean())


# --- chains -------------------------------------------------------------------------------------------------


def _linked(n: int = 90, *, gap: bool = False) -> Problem:
    """``second`` equals ``first`` but for a little noise; ``first`` bends, so a line does not get it."""
    rng = np.random.default_rng(11)
    X = rng.normal(size=(n, 3))
    first = np.sign(X[:, 0]) * 3 + rng.normal(size=n)
    second = first + 0.05 * rng.normal(size=n)
    if gap:
        second[rng.random(n) < 0.7] = np.nan
    frame = {f"x{p}": X[:, p] for p in range(3)} | {"second": second, "first": first}
    return Problem.from_frame(frame, targets=["second", "first"])


def _sample(problem: Problem) -> Sample:
    rows = np.arange(len(problem))
    return Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))


def test_a_task_with_few_labels_gains_from_the_one_before_it() -> None:
    sample, family = _sample(_linked(gap=True)), FAMILIES["trees"]
    forest = Configuration("extra-trees", (("max_features", 1.0), ("min_samples_leaf", 4)))

    def error(fit: object) -> float:
        rows = sample.known(0)
        return float(np.mean((fit.held_out[0][rows, 0] - sample.labels[rows, 0]) ** 2))  # type: ignore[attr-defined]

    alone = family.alone(sample, forest, Run(SEED, effort=2))
    chained = Chained().fit(sample, family, forest, Run(SEED, effort=2))
    assert error(chained) < 0.9 * error(alone)


@pytest.mark.parametrize(("gap", "order"), [(True, (1, 0)), (False, (0, 1))])
def test_a_chain_starts_with_the_most_labels_then_in_the_users_order(
    gap: bool, order: tuple[int, ...]
) -> None:
    fit = Chained().fit(_sample(_linked(gap=gap)), FAMILIES["linear"], Configuration("ridge"), Run(SEED))
    assert isinstance(fit.model, ChainedModel)
    assert fit.model.order == order


class _Recorder(Family):
    """Remembers what each link was given; predicts zeros, held out ones."""

    name = "recorder"

    def __init__(self) -> None:
        self.seen: list[Sample] = []

    def table_configurations(self, problem, *, effort, together):
        return (Configuration("none"),)

    def table_space(self, problem, *, together):
        return {}

    def table_alone(self, sample, configuration, run):
        from sharewise.families import Fit

        self.seen.append(sample)
        return Fit(_Fixed((np.zeros(1),)), [np.ones((len(sample), 1))])

    def table_together(self, sample, configuration, run):
        raise AssertionError("a chain fits one task at a time")


class _Fixed(Model):
    """The same values for every row."""

    def __init__(self, values: tuple[np.ndarray, ...]) -> None:
        self.values = values

    def predict(self, table: Table, level: np.ndarray | None) -> Predictions:
        return [np.tile(value, (len(table), 1)) for value in self.values]


def test_links_learn_from_held_out_predictions() -> None:
    family, sample = _Recorder(), _sample(_linked(gap=True))
    Chained().fit(sample, family, Configuration("none"), Run(0))
    first, second = family.seen
    assert [target.name for target in first.targets + second.targets] == ["first", "second"]
    assert len(second.table.columns) == len(first.table.columns) + 1
    added = second.table.columns[-1]
    assert (added.name, added.kind) == ("first (predicted 0)", "number")
    np.testing.assert_array_equal(added.values, 1.0)  # what the link held out, not what it predicts


def test_rows_without_the_earlier_label_read_its_plain_prediction() -> None:
    problem = _linked()
    labels = problem.labels.copy()
    labels[:30, 1] = np.nan  # 'first', but 'second' loses more
    labels[20:60, 0] = np.nan
    rows = np.arange(len(problem))
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    sample = Sample(sample.table, sample.targets, labels, None, 1, sample.folds)
    family = _Recorder()
    Chained().fit(sample, family, Configuration("none"), Run(0))
    np.testing.assert_array_equal(family.seen[1].table.columns[-1].values, [0.0] * 30 + [1.0] * 60)


def test_classes_are_passed_on_as_shares() -> None:
    shares = np.array([[0.3, 0.7]])
    names, values = as_features("y", Binary(classes=("a", "b")), shares)
    assert names == ["y (predicted 0)"]
    np.testing.assert_array_equal(values, [[0.7]])
    names, values = as_features("y", Multiclass(classes=("a", "b", "c")), np.array([[0.2, 0.3, 0.5]]))
    assert len(names) == values.shape[1] == 3


def test_a_chain_refuses_long_tables_and_says_why() -> None:
    assert "several targets" in (Chained().refusal(case(LONG)) or "")
    assert Chained().refusal(case(WIDE)) is None


# --- greedy ensembles ---------------------------------------------------------------------------------------


def _candidates(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=float)[:, :, None]


def test_greedy_by_hand() -> None:
    # Labels 0, 0. Errors alone: 8, 2, 2. The second comes first; with the third the errors cancel: 0.
    found = greedy(_candidates([2, 2], [1, -1], [-1, 1]), np.zeros(2), Regression())
    np.testing.assert_allclose(found, [0, 0.5, 0.5])


def test_greedy_by_hand_with_unequal_weights() -> None:
    # Label 0 between 1 and -2: 2/3 of the first and 1/3 of the second is exact.
    found = greedy(_candidates([1.0], [-2.0]), np.zeros(1), Regression())
    np.testing.assert_allclose(found, [2 / 3, 1 / 3])


def test_greedy_by_hand_on_classes() -> None:
    kind = Binary(classes=("a", "b"))
    sure = np.array([[0.9, 0.1], [0.9, 0.1]])
    candidates = np.stack([sure, sure[:, ::-1], np.full((2, 2), 0.5)])
    np.testing.assert_allclose(greedy(candidates, np.array([0.0, 0.0]), kind), [1, 0, 0])
    # One label of each: the even guess is the best single, and no blend is better.
    np.testing.assert_allclose(greedy(candidates, np.array([0.0, 1.0]), kind), [0, 0, 1])


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_greedy_is_never_worse_than_the_best_single_one(count: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates, y = rng.normal(size=(count, n, 1)), rng.normal(size=n)
    weights = greedy(candidates, y, Regression())
    assert weights.shape == (count,)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    mixed = np.einsum("c,cnw->nw", weights, candidates)[:, 0]
    best = ((candidates[:, :, 0] - y) ** 2).mean(axis=1).min()
    assert ((mixed - y) ** 2).mean() <= best + 1e-12


def test_greedy_never_takes_a_candidate_that_says_nothing() -> None:
    candidates = _candidates([np.nan, 0.1], [0.2, 0.2], [np.nan, np.nan])
    np.testing.assert_allclose(greedy(candidates, np.zeros(2), Regression()), [0, 1, 0])


# --- picks --------------------------------------------------------------------------------------------------


def test_pick_for_all_takes_the_least_mean() -> None:
    assert pick_for_all(np.array([[0.5, 0.9], [1.0, 0.7]])) == 0
    assert pick_for_all(np.array([[0.5, 0.4], [1.0, 1.2]])) == 0
    assert pick_for_all(np.array([[np.nan, 0.9], [1.0, 0.8]])) == 1  # means 1.0 and 0.85


def test_pick_for_all_stands_a_task_that_nobody_knows() -> None:
    assert pick_for_all(np.array([[np.nan, np.nan], [0.9, 0.8]])) == 1


def test_pick_by_task_trusts_many_rows_and_borrows_for_few() -> None:
    # Means over tasks: 0.70 and 0.75. The second task's own ranking is the other way round.
    ratios = np.array([[0.4, 0.9], [1.0, 0.6]])
    np.testing.assert_array_equal(pick_by_task(ratios, np.array([1e6, 1e6])), [0, 1])
    # 10 rows: trust 10/110; task two 0.0909·1.0 + 0.909·0.7 = 0.727 against 0.0909·0.6 + 0.909·0.75 = 0.736.
    np.testing.assert_array_equal(pick_by_task(ratios, np.array([10, 10])), [0, 0])
    # 20 rows: trust 1/6; 0.7500 against 0.7250.
    np.testing.assert_array_equal(pick_by_task(ratios, np.array([20, 20])), [0, 1])


def test_pick_by_task_without_a_word_of_its_own_follows_the_others() -> None:
    ratios = np.array([[np.nan, np.nan, np.nan], [0.9, 0.5, 0.7]])
    np.testing.assert_array_equal(pick_by_task(ratios, np.array([0.0, 50.0])), [1, 1])


def test_pick_by_task_passes_over_a_candidate_nobody_knows() -> None:
    ratios = np.array([[np.nan, 0.9], [np.nan, 0.8]])
    np.testing.assert_array_equal(pick_by_task(ratios, np.array([10.0, 10.0])), [1, 1])


# --- blends -------------------------------------------------------------------------------------------------


def _table(n: int) -> Table:
    return Table((), n)


def test_a_blend_weighs_by_target_and_level() -> None:
    members = tuple(_Fixed((np.array([a]), np.array([b]))) for a, b in ((1.0, 10.0), (3.0, 30.0)))
    weights = np.array([[[1.0, 0.0], [0.25, 0.75]], [[0.5, 0.5], [0.0, 1.0]]])  # (targets, levels, members)
    first, second = BlendModel(members, weights).predict(_table(3), np.array([0, 1, 0]))
    np.testing.assert_allclose(first[:, 0], [1.0, 2.5, 1.0])
    np.testing.assert_allclose(second[:, 0], [20.0, 30.0, 20.0])


def test_a_wide_blend_has_one_level() -> None:
    members = (_Fixed((np.array([0.2, 0.8]),)), _Fixed((np.array([0.6, 0.4]),)))
    (found,) = BlendModel(members, np.array([[[0.5, 0.5]]])).predict(_table(2), None)
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.4, 0.6]])


def test_a_member_without_weight_may_have_nothing_to_say() -> None:
    members = (_Fixed((np.array([np.nan]),)), _Fixed((np.array([2.0]),)))
    (found,) = BlendModel(members, np.array([[[0.0, 1.0]]])).predict(_table(1), None)
    np.testing.assert_array_equal(found, [[2.0]])
