"""What would settle an open question."""

from __future__ import annotations

import numpy as np
import pytest

from sharewise.verdicts._difference import Difference, difference, precision
from sharewise.verdicts._need import Need, chance_of_settling, further_labels, need, settles

LEVEL = {"rope": 0.01, "confidence": 0.95}


def _found(values: list[float], *, overlap: float = 0.25) -> Difference:
    return difference(np.array(values), overlap=overlap, **LEVEL)


def test_settled_is_clear_or_inside_the_rope() -> None:
    assert settles(0.03, 0.02, rope=0.01)
    assert settles(-0.03, 0.02, rope=0.01)
    assert settles(0.002, 0.007, rope=0.01)
    assert not settles(0.03, 0.04, rope=0.01)
    assert not settles(0.008, 0.004, rope=0.01), "clear, but it may lie on either side of the ROPE"


def test_the_chance_of_settling_by_hand() -> None:
    # An estimate that falls at 0.03 ± 0.01 is clear above 0.02, one standard deviation below: Φ(1) = 0.8413.
    one = np.ones(1)
    found = chance_of_settling(0.03 * one, 0.01 * one, 0.02 * one, rope=0.01)
    assert found[0] == pytest.approx(0.8413, abs=1e-4)
    # Half width 0.006 and nothing to find: inside below 0.004, clear above 0.01; 0.01 is the deviation.
    found = chance_of_settling(0.0 * one, 0.01 * one, 0.006 * one, rope=0.01)
    assert found[0] == pytest.approx(2 * (0.6554 - 0.5) + 2 * (1 - 0.8413), abs=2e-4)


def test_needed_rounds_settle_it() -> None:
    found = _found([0.02, -0.01, 0.03, 0.05, -0.02, 0.04], overlap=1 / 40)  # six of forty-one folds
    assert not settles(found.mean, 2.6 * found.error, rope=0.01)
    wanted = need(found, **LEVEL)
    assert wanted.rounds is not None
    assert 6 < wanted.rounds <= 41
    share, freedom = precision(wanted.rounds, wanted.rounds)
    later = difference(
        found.mean + found.spread * _unit(wanted.rounds), overlap=1 / 40, rope=0.01, confidence=0.95
    )
    assert later.error == pytest.approx(found.spread * np.sqrt(share), rel=0.1)
    assert later.freedom == freedom
    assert later.interval is not None
    assert later.interval[0] > 0


def _unit(rounds: int) -> np.ndarray:
    """Values of mean 0 and standard deviation 1."""
    values = np.linspace(-1, 1, rounds)
    return (values - values.mean()) / values.std(ddof=1)


def test_the_same_rows_again_need_not_be_enough() -> None:
    wanted = need(_found([0.1, -0.1, 0.12, -0.08, 0.02]), **LEVEL)
    assert wanted.rounds is None
    assert wanted.factor > 1


def test_more_noise_needs_more_labels() -> None:
    values = np.array([0.04, 0.0, 0.05, 0.01, 0.02])
    factors = [
        need(_found(list(0.024 + scale * (values - 0.024))), **LEVEL).factor for scale in (0.2, 1, 2, 4)
    ]
    assert factors[0] == 1.0, "settled already"
    assert factors == sorted(factors)
    assert factors[-1] > factors[1] > 1


def test_more_looks_need_more_labels() -> None:
    found = _found([0.04, 0.0, 0.05, 0.01, 0.02])
    alone, among = (need(found, **LEVEL, looks=looks).factor for looks in (1, 20))
    assert among > alone


def test_what_the_other_tasks_tell_counts() -> None:
    found = _found([0.06, 0.0, 0.08, 0.01, 0.03])
    sure = need(found, **LEVEL, belief=(0.10, 0.005)).factor
    doubtful = need(found, **LEVEL, belief=(0.012, 0.005)).factor
    assert sure < doubtful


def test_without_an_interval_nothing_is_promised() -> None:
    assert need(_found([0.1]), **LEVEL) == Need(None, float("inf"))


def test_further_labels() -> None:
    assert further_labels(Need(None, 3.0), 200) == 400
    assert further_labels(Need(None, 1.001), 200) == 1
    assert further_labels(Need(None, 1.0), 200) == 1
    assert further_labels(Need(10, float("inf")), 200) is None
