"""Who helps whom: averages by hand, correction for looking at all, and words that keep to what is clear."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sharewise.errors import DataError
from sharewise.verdicts import difference, holm
from sharewise.verdicts._harm import Harm, harm

NAMES = ("ada", "ben", "cleo")
WIGGLE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
OPTIONS = {"rope": 0.01, "confidence": 0.95, "overlap": 0.25}


def _gains(effects: dict[tuple[int, int], float], tasks: int = 3, noise: float = 0.002) -> np.ndarray:
    """``(T, T, J)``: the effects given, nothing but a little noise elsewhere."""
    gains = np.empty((tasks, tasks, 5))
    for giver in range(tasks):
        for receiver in range(tasks):
            gains[giver, receiver] = effects.get((giver, receiver), 0.0)
            gains[giver, receiver] += noise * np.roll(WIGGLE, giver + 2 * receiver)
    return gains


def _harm(gains: np.ndarray, names: tuple[str, ...] = NAMES) -> Harm:
    return harm(gains, names, **OPTIONS)


def test_the_matrix_reads_from_giver_to_receiver() -> None:
    found = _harm(_gains({(0, 1): -0.10, (2, 0): 0.05}))
    assert found.matrix[0, 1] == pytest.approx(-0.10)
    assert found.matrix[2, 0] == pytest.approx(0.05)
    assert np.isnan(np.diag(found.matrix)).all()


def test_clear_effects_are_claimed_with_their_intervals() -> None:
    gains = _gains({(0, 1): -0.10, (2, 0): 0.05})
    record = _harm(gains).as_dict()
    assert [(c["from"], c["to"]) for c in record["claims"]] == [("ada", "ben"), ("cleo", "ada")]
    alone = difference(gains[0, 1], **OPTIONS)
    assert record["claims"][0]["interval"] == list(alone.interval or ())
    assert record["looked_at"] == 6


def test_every_effect_looked_at_is_corrected_for() -> None:
    """Six pairs and each task's effect on the two others: nine p values, Holm's over all."""
    gains = _gains({(0, 1): -0.10, (2, 0): 0.05})
    found = _harm(gains)
    pairs = [(j, i) for j in range(3) for i in range(3) if i != j]
    values = [gains[j, i] for j, i in pairs]
    values += [gains[j][[i for i in range(3) if i != j]].mean(axis=0) for j in range(3)]
    wanted = holm([difference(v, **OPTIONS).p_value or 0.0 for v in values])
    by_pair = {(claim.giver, claim.receiver): claim.p_adjusted for claim in found.claims}
    assert [by_pair[pair] for pair in pairs] == pytest.approx(wanted[:6])
    by_giver = {claim.giver: claim.p_adjusted for claim in found.givers}
    assert [by_giver[giver] for giver in range(3)] == pytest.approx(wanted[6:])


def test_chance_alone_is_rarely_claimed() -> None:
    rng = np.random.default_rng(0)
    false = sum(
        bool(
            harm(rng.normal(0, 0.05, (4, 4, 5)), "abcd", rope=0.0, confidence=0.9, overlap=0.0).as_dict()[
                "claims"
            ]
        )
        for _ in range(60)
    )
    assert false <= 12  # a tenth is promised; 12 of 60 has a chance of one in a hundred


def test_an_effect_inside_the_rope_is_no_claim_however_certain() -> None:
    found = _harm(_gains({(0, 1): 0.009}, noise=0.0001))
    assert found.claims[0].p_adjusted < 0.05
    assert not found.claims[0].clear
    assert "none shows a clear effect" in found.text


def test_words_of_harm_and_help() -> None:
    text = _harm(_gains({(0, 1): -0.10, (2, 0): 0.05})).text
    assert "Among 6 pairs of tasks there are 2 clear effects" in text
    assert "'ada' harms 'ben' by 10.0%" in text
    assert "'cleo' helps 'ada' by 5.0%" in text
    harms = text[text.index("'ada' harms") :]
    low, high = harms[harms.index("(") + 1 : harms.index(")")].split(" to ")
    assert float(low.rstrip("%")) < 10.0 < float(high.rstrip("%"))


def test_a_task_that_harms_all_is_named_once() -> None:
    found = _harm(_gains({(0, 1): -0.10, (0, 2): -0.10}))
    assert [claim["from"] for claim in found.as_dict()["givers"]] == ["ada"]
    assert "Taken together, 'ada' harms the others by 10.0%" in found.text


def test_only_some_tasks_were_left_out() -> None:
    gains = np.full((40, 40, 4), np.nan)
    gains[7] = 0.04 + 0.001 * np.array([-1.0, 1.0, 2.0, -2.0])
    gains[9, 3] = [0.1, np.nan, np.nan, np.nan]
    found = harm(gains, [f"t{i}" for i in range(40)], **OPTIONS)
    assert len(found.claims) == 39
    assert all(claim.giver == 7 for claim in found.claims)
    assert found.matrix[9, 3] == pytest.approx(0.1), "one round is a mean but no claim"
    assert len(found.givers) == 1
    assert np.isnan(found.matrix[0]).all()
    assert len(found.as_dict()["matrix"]) == 40
    many = harm(np.full((60, 60, 2), np.nan), [f"t{i}" for i in range(60)], **OPTIONS)
    assert many.as_dict()["matrix"] is None


def test_a_task_known_in_some_rounds_only_does_not_sway_the_mean_of_the_others() -> None:
    gains = _gains({(0, 1): 0.04})
    gains[0, 2, 1:] = np.nan
    (giver,) = [claim for claim in _harm(gains).givers if claim.giver == 0] or [None]
    assert giver is not None
    assert giver.found.mean == pytest.approx(gains[0, 1].mean())


def test_nothing_measured_twice_is_said_so() -> None:
    found = _harm(np.full((3, 3, 1), 0.1))
    assert found.claims == ()
    assert "could be measured" in found.text
    assert found.as_dict()["matrix"][0] == [None, 0.1, 0.1]


def test_the_record_is_plain() -> None:
    record = _harm(_gains({(0, 1): -0.10})).as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert set(record) >= {"tasks", "matrix", "claims", "text"}
    assert set(record["claims"][0]) == {"from", "to", "effect", "interval", "p_adjusted"}


def test_the_array_must_fit_the_tasks() -> None:
    with pytest.raises(DataError, match=r"got shape \(2, 2, 5\)"):
        _harm(np.zeros((2, 2, 5)))
