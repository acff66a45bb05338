"""Tasks that inform one another, and whom to leave out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharewise.verdicts._difference import Difference, difference
from sharewise.verdicts._pooling import moderated, pool, safe

ROPE = 0.01


def _known(mean: float, error: float) -> Difference:
    """A difference with that standard error, from two repeats of five."""
    wiggle = np.array([-1, -1, 0, 1, 1] * 2) * error / np.sqrt(0.15)
    return difference(mean + wiggle, overlap=0.25, rope=0.0, confidence=0.95)


SILENT = difference(np.array([np.nan] * 10), overlap=0.25, rope=ROPE, confidence=0.95)


def test_the_example_is_what_it_says() -> None:
    assert _known(0.03, 0.01).error == pytest.approx(0.01)
    assert SILENT.interval is None


def test_alike_tasks_are_drawn_together_and_a_stranger_keeps_its_own() -> None:
    deviations = [0.012, -0.008, 0.01, 0.006, -0.02, 0.0]
    alike = pool(_known(0.05, 0.008), [_known(d, 0.02) for d in deviations], rope=ROPE)
    assert np.ptp(alike.mean) < 0.6 * np.ptp(deviations)
    assert (alike.losing < 0.05).all()
    other = [0.03, 0.03, 0.03, 0.03, -0.15, 0.03]
    found = pool(_known(0.05, 0.008), [_known(d, 0.02) for d in other], rope=ROPE)
    assert found.mean[4] < -0.07
    assert found.losing[4] > 0.9
    assert (np.delete(found.losing, 4) < 0.02).all()
    assert found.gaining[0] > 0.95


def test_the_better_known_task_moves_less() -> None:
    found = pool(_known(0.0, 0.001), [_known(0.05, 0.002), _known(-0.05, 0.06)], rope=ROPE)
    assert abs(found.mean[0] - 0.05) < abs(found.mean[1] + 0.05)


def test_a_task_without_scores_is_as_uncertain_as_tasks_differ() -> None:
    deviations = [_known(0.03, 0.01), _known(-0.03, 0.01), SILENT]
    found = pool(_known(0.04, 0.005), deviations, rope=ROPE)
    assert found.mean[2] == pytest.approx(0.04)
    assert found.error[2] > found.error[0]
    assert np.isfinite([found.losing, found.gaining]).all()
    assert np.isinf(moderated(deviations)[2])


def test_posteriors_are_calibrated_when_the_model_is_true() -> None:
    rng = np.random.default_rng(0)
    told, lost = 0.0, 0
    for _ in range(150):
        truth = 0.03 + 0.04 * rng.normal(size=8)
        noise = 0.02 * rng.normal(size=8)
        overall = float((truth + noise).mean())
        found = pool(
            _known(overall, 0.02 / np.sqrt(8)), [_known(v, 0.02) for v in truth + noise - overall], rope=ROPE
        )
        chosen = safe(found.losing, limit=0.05)
        told += chosen.sum()
        lost += int((truth[chosen] < -ROPE).sum())
    assert told > 500, "caution is not refusal"
    assert lost / told < 0.06


def test_variances_lend_each_other_strength() -> None:
    # Half of each comes from their mean: (4 + 2.5)/2 and (1 + 2.5)/2.
    found = moderated([_known(0.0, 0.02), _known(0.0, 0.01)])
    np.testing.assert_allclose(found**2, [3.25e-4, 1.75e-4])


def test_the_safe_set_by_hand() -> None:
    # Means of the smallest: 0.01, 0.03, then 0.22.
    assert safe(np.array([0.6, 0.01, 0.05]), limit=0.05).tolist() == [False, True, True]
    assert safe(np.array([0.6, 0.5]), limit=0.05).tolist() == [False, False]
    assert safe(np.array([]), limit=0.05).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.5))
def test_the_safe_set_is_the_largest_within_the_limit(losing: list[float], limit: float) -> None:
    values = np.array(losing)
    chosen = safe(values, limit=limit)
    if chosen.any():
        assert values[chosen].mean() <= limit + 1e-12
        assert values[chosen].max() <= values[~chosen].min(initial=np.inf)
    if not chosen.all():
        more = np.append(values[chosen], values[~chosen].min())
        assert more.mean() > limit - 1e-12
