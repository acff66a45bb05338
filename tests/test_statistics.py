"""Intervals, corrections and probabilities: against numbers worked out by hand, SciPy, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sharewise.tasks import METRICS
from sharewise.verdicts._statistics import Difference, difference, gains, holm, mean_over_tasks, need

FIVE = np.array([0.01, 0.02, 0.03, 0.04, 0.05])


def _difference(values: object, *, overlap: float = 0.25, rope: float = 0.01) -> Difference:
    return difference(np.asarray(values, dtype=float), overlap=overlap, rope=rope, confidence=0.95)


def test_interval_by_hand() -> None:
    # s² = 0.001/4 = 0.00025; variance (1/5 + 1/4)·s² = 0.0001125; t(4) at 97.5% is 2.776445.
    found = _difference(FIVE)
    assert found.mean == pytest.approx(0.03)
    assert found.spread == pytest.approx(0.0158114, rel=1e-5)
    assert found.interval == pytest.approx((0.03 - 0.029449, 0.03 + 0.029449), abs=1e-5)
    assert found.rounds == 5


def test_without_overlap_it_is_the_ordinary_t_test() -> None:
    ordinary = stats.ttest_1samp(FIVE, 0.0)
    found = _difference(FIVE, overlap=0.0)
    assert found.p_value == pytest.approx(ordinary.pvalue)
    assert found.interval == pytest.approx(tuple(ordinary.confidence_interval(0.95)))


def test_probabilities_are_the_posteriors_three_parts() -> None:
    found = _difference(FIVE)
    posterior = stats.t(df=4, loc=0.03, scale=np.sqrt(0.0001125))
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
    [(0.05, (1, 0, 0), 0.0), (0.0, (0, 1, 0), 1.0), (0.005, (0, 1, 0), 0.0), (-0.05, (0, 0, 1), 0.0)],
)
def test_no_spread_is_certainty(value: float, parts: tuple[float, ...], p_value: float) -> None:
    found = _difference([value] * 4)
    assert found.interval == pytest.approx((value, value))
    assert (found.better, found.equivalent, found.worse) == parts
    assert found.p_value == p_value


def test_rounds_that_say_nothing_are_left_out() -> None:
    found = _difference([*FIVE, np.nan, np.nan])
    assert found == _difference(FIVE)


@pytest.mark.parametrize("values", [[0.03], [0.03, np.nan], [np.nan, np.nan], []])
def test_fewer_than_two_rounds_have_no_interval(values: list[float]) -> None:
    found = _difference(values)
    assert found.interval is None
    assert (found.better, found.equivalent, found.worse, found.p_value) == (None,) * 4
    assert found.rounds == np.sum(~np.isnan(values))
    assert found.mean == pytest.approx(0.03) if found.rounds else np.isnan(found.mean)


def test_more_overlap_is_less_certainty() -> None:
    widths = []
    for overlap in (0.0, 0.1, 0.25, 1.0):
        low, high = _difference(FIVE, overlap=overlap).interval or (0, 0)
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[-1] / widths[0] == pytest.approx(np.sqrt((0.2 + 1.0) / 0.2))


def test_false_alarms_over_correlated_folds_stay_below_the_level() -> None:
    # Five-fold differences of nothing: training sets share three quarters of their rows, so folds'
    # differences correlate by about test/(test + train) = 0.2 (Nadeau & Bengio 2003, section 3).
    rng = np.random.default_rng(0)
    n, correlation = 600, 0.2
    common = rng.normal(size=(n, 1)) * np.sqrt(correlation)
    values = 0.02 * (common + rng.normal(size=(n, 5)) * np.sqrt(1 - correlation))
    found = [_difference(row) for row in values]
    alarms = np.mean([one.interval[0] > 0 or one.interval[1] < 0 for one in found if one.interval])
    assert 0.025 < alarms < 0.065
    naive = np.mean([_difference(row, overlap=0.0).p_value < 0.05 for row in values])  # type: ignore[operator]
    assert naive > 0.1, "the correction is what holds the level"


def test_posteriors_are_calibrated_when_there_is_a_gain() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for row in 0.03 + 0.02 * rng.normal(size=(400, 6)):
        low, high = _difference(row, overlap=0.0).interval or (0, 0)
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


# --- need ---------------------------------------------------------------------------------------------------


def test_needed_rounds_settle_it() -> None:
    found = _difference([0.02, -0.01, 0.03, 0.05, -0.02], overlap=0.02)
    assert found.interval is not None
    assert found.interval[0] < 0 < found.mean
    wanted = need(found, rope=0.01, confidence=0.95)
    assert wanted.rounds is not None

    def half(rounds: int) -> float:
        return float(stats.t.ppf(0.975, rounds - 1)) * np.sqrt(1 / rounds + found.overlap) * found.spread

    assert half(wanted.rounds) <= abs(found.mean) < half(wanted.rounds - 1)
    assert wanted.factor == pytest.approx((half(5) / found.mean) ** 2)


def test_no_number_of_rounds_beats_the_overlap() -> None:
    # The half width never falls below t·sqrt(overlap)·s.
    found = _difference([0.1, -0.1, 0.12, -0.08], overlap=0.5)
    wanted = need(found, rope=0.01, confidence=0.95)
    assert wanted.rounds is None
    assert wanted.factor > 1


def test_a_gain_of_nothing_needs_the_precision_of_the_rope() -> None:
    found = _difference([0.03, -0.03, 0.03, -0.03], overlap=0.0)
    fine, coarse = (need(found, rope=rope, confidence=0.95) for rope in (0.005, 0.02))
    assert fine.factor == pytest.approx(coarse.factor * 16)
