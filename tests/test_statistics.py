"""Intervals, corrections and probabilities: against numbers worked out by hand, SciPy, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sharewise.tasks import METRICS, Array
from sharewise.verdicts._difference import Difference, difference, in_order, precision
from sharewise.verdicts._statistics import gains, holm, mean_over_tasks

FIVE = np.array([0.01, 0.02, 0.03, 0.04, 0.05])


def _difference(values: object, *, overlap: float = 0.25, rope: float = 0.01) -> Difference:
    return difference(np.asarray(values, dtype=float), overlap=overlap, rope=rope, confidence=0.95)


def test_interval_of_one_repeat_by_hand() -> None:
    # s² = 0.001/4 = 0.00025; variance s²/5 = 0.00005; t(4) at 97.5% is 2.776445.
    found = _difference(FIVE, rope=0.0)
    assert found.mean == pytest.approx(0.03)
    assert found.spread == pytest.approx(0.0158114, rel=1e-5)
    assert found.error == pytest.approx(np.sqrt(0.00005))
    assert found.interval == pytest.approx((0.03 - 0.0196324, 0.03 + 0.0196324), abs=1e-6)
    assert found.rounds == 5


def test_interval_of_two_repeats_by_hand() -> None:
    # Each repeat scatters around its own mean: squares 0.001 and 0.001 on 4 + 4, s² = 0.00025. The second
    # saves a quarter of the variance: (1 - 1/2 · 1/2)/5 · s² = 0.0000375; 4 · (1 + 1/2 · 1/2) = 5 degrees.
    found = _difference([*FIVE, *(FIVE + 0.01)], rope=0.0)
    assert found.mean == pytest.approx(0.035)
    assert found.spread == pytest.approx(np.sqrt(0.00025))
    assert found.freedom == pytest.approx(5)
    half = 2.570582 * np.sqrt(0.0000375)
    assert found.interval == pytest.approx((0.035 - half, 0.035 + half), abs=1e-7)


def test_one_repeat_is_the_ordinary_t_test() -> None:
    ordinary = stats.ttest_1samp(FIVE, 0.0)
    for overlap in (0.0, 0.25):
        found = _difference(FIVE, overlap=overlap, rope=0.0)
        assert found.p_value == pytest.approx(ordinary.pvalue)
        assert found.interval == pytest.approx(tuple(ordinary.confidence_interval(0.95)))


def test_repeats_are_told_or_follow_from_the_overlap() -> None:
    values = np.random.default_rng(0).normal(size=10)
    repeats = np.arange(10, dtype=np.intp) // 5
    plain = {"overlap": 0.25, "rope": 0.01, "confidence": 0.95}
    assert difference(values, **plain) == difference(values, **plain, repeats=repeats)
    order = np.random.default_rng(1).permutation(10)
    shuffled = difference(values[order], **plain, repeats=repeats[order])
    assert shuffled.interval == pytest.approx(difference(values, **plain).interval)
    np.testing.assert_array_equal(in_order(7, 0.5), [0, 0, 0, 1, 1, 1, 2])
    np.testing.assert_array_equal(in_order(4, 0.0), [0, 0, 0, 0])


def test_testing_the_same_rows_again_adds_little() -> None:
    once, twice = _difference(FIVE, rope=0.0), _difference([*FIVE, *FIVE], rope=0.0)
    assert twice.error / once.error == pytest.approx(np.sqrt(0.75))
    shares, freedoms = zip(*(precision(5, rounds) for rounds in (5, 7, 10, 50, 5000)), strict=True)
    assert list(shares) == sorted(shares, reverse=True)
    assert list(freedoms) == sorted(freedoms)
    assert shares[-1] == pytest.approx(0.1, rel=1e-2), "never below half of one repeat's"


def test_one_round_of_each_repeat_is_taken_for_one_repeat() -> None:
    found = difference(FIVE, overlap=0.25, rope=0.01, confidence=0.95, repeats=np.arange(5, dtype=np.intp))
    assert found.interval == pytest.approx(_difference(FIVE).interval)


def test_probabilities_are_the_posteriors_three_parts() -> None:
    found = _difference(FIVE)
    posterior = stats.t(df=4, loc=0.03, scale=np.sqrt(0.00005 + 0.001**2))
    assert found.better == pytest.approx(1 - posterior.cdf(0.01))
    assert found.worse == pytest.approx(posterior.cdf(-0.01))
    assert found.equivalent == pytest.approx(posterior.cdf(0.01) - posterior.cdf(-0.01))
    mirrored = _difference(-FIVE)
    assert mirrored.better == pytest.approx(found.worse)
    assert mirrored.p_value == pytest.approx(found.p_value)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(0, 1), st.floats(0.001, 0.2))
@settings(max_examples=100, deadline=None)
def test_parts_sum_to_one_and_the_interval_holds_the_mean(
    values: list[float], overlap: float, rope: float
) -> None:
    found = _difference(values, overlap=overlap, rope=rope)
    assert found.interval is not None
    assert found.better is not None
    assert found.equivalent is not None
    assert found.worse is not None
    assert found.better + found.equivalent + found.worse == pytest.approx(1)
    assert min(found.better, found.equivalent, found.worse) >= -1e-12
    assert found.interval[0] <= found.mean <= found.interval[1]
    # The interval leaves out zero exactly where the test rejects at 5%.
    assert found.p_value is not None
    if abs(found.p_value - 0.05) > 1e-6 and found.spread > 1e-9:
        assert (found.interval[0] > 0 or found.interval[1] < 0) == (found.p_value < 0.05)


@pytest.mark.parametrize(
    ("value", "parts", "p_value"),
    [(0.05, (1, 0, 0), 0.0), (0.0, (0, 1, 0), 1.0), (-0.05, (0, 0, 1), 0.0)],
)
def test_no_spread_and_no_rope_is_certainty(value: float, parts: tuple[float, ...], p_value: float) -> None:
    found = _difference([value] * 4, rope=0.0)
    assert found.interval == pytest.approx((value, value))
    assert (found.better, found.equivalent, found.worse) == parts
    assert found.p_value == p_value


def test_what_is_far_below_the_rope_is_not_resolved() -> None:
    found = _difference([0.0] * 10, rope=0.01)
    assert found.error == pytest.approx(0.001)
    assert found.interval == pytest.approx((-0.00257, 0.00257), abs=1e-5)
    assert found.equivalent is not None
    assert found.equivalent > 0.99
    assert _difference([0.05] * 10).better == pytest.approx(1, abs=1e-4)
    wide = _difference(5 * FIVE)
    assert wide.error == pytest.approx(_difference(5 * FIVE, rope=0.0).error, rel=2e-3), (
        "adds next to nothing"
    )


def test_rounds_that_say_nothing_are_left_out() -> None:
    found = _difference([*FIVE, np.nan, np.nan])
    assert found == _difference(FIVE)
    # A gap does not move later rounds to another repeat.
    gap = _difference([np.nan, *FIVE[1:], *FIVE])
    assert gap.rounds == 9
    assert gap.spread == pytest.approx(np.sqrt((0.0005 + 0.001) / (3 + 4)))


@pytest.mark.parametrize("values", [[0.03], [0.03, np.nan], [np.nan, np.nan], []])
def test_fewer_than_two_rounds_have_no_interval(values: list[float]) -> None:
    found = _difference(values)
    assert found.interval is None
    assert (found.better, found.equivalent, found.worse, found.p_value) == (None,) * 4
    assert found.rounds == np.sum(~np.isnan(values))
    assert found.mean == pytest.approx(0.03) if found.rounds else np.isnan(found.mean)


def _cross_validated(rng: np.random.Generator, n: int, P: int, repeats: int) -> tuple[Array, Array]:
    """Gains ``(J,)`` of least squares over the mean in five-fold cross-validation of ``n`` rows with a weak
    signal, and both procedures' true squared errors ``(2, J)``."""
    weights = np.full(P, 0.3 / np.sqrt(P))
    X = rng.normal(size=(n, P))
    y = X @ weights + rng.normal(size=n)
    scores, truth = np.empty((2, 5 * repeats)), np.empty((2, 5 * repeats))
    for index in range(5 * repeats):
        if index % 5 == 0:
            fold = rng.permutation(np.arange(n) % 5)
        train, test = fold != index % 5, fold == index % 5
        mean = y[train].mean()
        fitted = np.linalg.lstsq(X[train], y[train] - mean, rcond=None)[0]
        scores[:, index] = ((y[test] - mean) ** 2).mean(), ((y[test] - mean - X[test] @ fitted) ** 2).mean()
        truth[:, index] = (
            1 + mean**2 + weights @ weights,
            1 + mean**2 + (weights - fitted) @ (weights - fitted),
        )
    return gains(scores[1][:, None], scores[0][:, None], [METRICS["brier"]])[:, 0], truth


def test_intervals_over_real_folds_hold_the_expected_gain() -> None:
    rng = np.random.default_rng(0)
    found, errors = zip(*(_cross_validated(rng, 60, 4, 2) for _ in range(300)), strict=True)
    reference, other = np.mean(errors, axis=(0, 2))
    truth = 1 - other / reference
    held = {0.05: 0, 0.25: 0}
    for values in found:
        plain = {"rope": 0.0, "confidence": 0.9}
        low, high = difference(values, overlap=0.25, **plain).interval or (0, 0)
        held[0.25] += low <= truth <= high
        # Ten folds taken for ten independent ones promise too much.
        low, high = difference(values, overlap=0.05, **plain).interval or (0, 0)
        held[0.05] += low <= truth <= high
    assert 0.86 < held[0.25] / 300 < 0.96
    assert held[0.05] < held[0.25]


def test_posteriors_are_calibrated_when_there_is_a_gain() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for row in 0.03 + 0.02 * rng.normal(size=(400, 6)):
        low, high = _difference(row, overlap=0.0, rope=0.0).interval or (0, 0)
        covered += low <= 0.03 <= high
    assert 0.925 < covered / 400 < 0.975


# --- Holm ---------------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    # Ascending 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    adjusted = np.array(holm(p_values))
    p = np.array(p_values)
    assert (adjusted >= p - 1e-15).all()
    assert (adjusted <= np.minimum(1.0, len(p) * p) + 1e-12).all()
    assert adjusted.min() == pytest.approx(min(1.0, len(p) * p.min()))
    order = np.argsort(p)
    assert (np.diff(adjusted[order]) >= -1e-15).all()


# --- gains --------------------------------------------------------------------------------------------------


def test_gain_of_an_error_is_a_share_of_the_references_mean_error() -> None:
    reference = np.array([[2.0], [4.0]])  # mean 3
    found = gains(np.array([[1.7], [4.3]]), reference, [METRICS["rmse"]])
    np.testing.assert_allclose(found, [[0.1], [-0.1]])


def test_a_round_that_is_harder_for_both_is_no_scatter() -> None:
    reference = np.array([[1.0], [2.0], [6.0]])
    found = gains(0.6 * reference, reference, [METRICS["rmse"]])
    np.testing.assert_allclose(found, 0.4)
    worse = gains(1.2 * reference, reference, [METRICS["rmse"]])
    np.testing.assert_allclose(worse, -0.2)


@given(st.lists(st.tuples(st.floats(0.3, 1), st.floats(0.3, 1)), min_size=2, max_size=8))
@settings(max_examples=50, deadline=None)
def test_the_mean_gain_is_the_ratio_of_the_means(pairs: list[tuple[float, float]]) -> None:
    scores, reference = np.array(pairs)[:, :1], np.array(pairs)[:, 1:]
    for name in ("rmse", "accuracy"):
        found = gains(scores, reference, [METRICS[name]])
        if (abs(found) < 1).all():
            ratio = METRICS[name].gain(float(scores.mean()), float(reference.mean()))
            assert found.mean() == pytest.approx(ratio, abs=1e-9)


def test_gain_of_an_accuracy_is_a_share_of_the_score() -> None:
    found = gains(np.array([[0.88], [0.80]]), np.array([[0.80], [0.80]]), [METRICS["accuracy"]])
    np.testing.assert_allclose(found, [[0.1], [0.0]], atol=1e-12)


def test_gain_of_r2_is_a_share_of_the_distance_to_one() -> None:
    found = gains(np.array([[0.6], [0.5]]), np.array([[0.5], [0.5]]), [METRICS["r2"]])
    np.testing.assert_allclose(found, [[0.2], [0.0]], atol=1e-12)


def test_one_task_counts_at_most_its_whole_error() -> None:
    scores, reference = np.array([[9.0], [0.0]]), np.array([[1.0], [1.0]])
    np.testing.assert_array_equal(gains(scores, reference, [METRICS["rmse"]]), [[-1.0], [1.0]])


def test_a_perfect_reference_is_met_or_missed() -> None:
    scores, reference = np.array([[0.0], [0.3]]), np.zeros((2, 1))
    np.testing.assert_array_equal(gains(scores, reference, [METRICS["rmse"]]), [[0.0], [-1.0]])


def test_unknown_scores_stay_unknown() -> None:
    scores = np.array([[1.0, np.nan], [np.nan, np.nan], [1.5, np.nan]])
    reference = np.array([[2.0, 1.0], [2.0, 1.0], [2.0, np.nan]])
    found = gains(scores, reference, [METRICS["rmse"]] * 2)
    np.testing.assert_allclose(found, [[0.5, np.nan], [np.nan, np.nan], [0.25, np.nan]])
    np.testing.assert_allclose(mean_over_tasks(found), [0.5, np.nan, 0.25])


def test_tasks_weigh_the_same() -> None:
    np.testing.assert_allclose(mean_over_tasks(np.array([[0.1, -0.3], [0.2, np.nan]])), [-0.1, 0.2])
