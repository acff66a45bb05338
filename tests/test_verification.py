"""Verification: scores on pairs, by hand and beside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from sharewise.errors import DataError, OptionError
from sharewise.tasks import Verification
from sharewise.tasks._verification import Pairs, all_pairs, check_unseen, rates_of


def pairs(similarity: list[float], same: list[int]) -> Pairs:
    return Pairs(np.array(similarity), np.array(same, dtype=bool))


def random_pairs(seed: int, ties: bool) -> Pairs:
    rng = np.random.default_rng(seed)
    same = rng.random(400) < 0.2
    similarity = rng.normal(size=400) + 1.2 * same
    return Pairs(similarity.round(1) if ties else similarity, same)


def test_values_by_hand() -> None:
    # From sure to unsure: friend, stranger, friend, stranger. Of four mixed pairs three are in order.
    found = Verification(false_accept=0.4).of_pairs(pairs([0.9, 0.8, 0.7, 0.1], [1, 0, 1, 0]))
    assert found["roc_auc"] == 0.75
    assert found["tar_at_far"] == 0.5  # a threshold above 0.8 lets nobody else in
    assert found["equal_error_rate"] == 0.5
    perfect = Verification().of_pairs(pairs([3, 2, 1, 0], [1, 1, 0, 0]))
    assert perfect == {"roc_auc": 1.0, "tar_at_far": 1.0, "equal_error_rate": 0.0}
    wrong = Verification().of_pairs(pairs([0, 1, 2, 3], [1, 1, 0, 0]))
    assert wrong == {"roc_auc": 0.0, "tar_at_far": 0.0, "equal_error_rate": 1.0}


def test_equal_similarities_are_accepted_together() -> None:
    found = Verification(false_accept=0.5).of_pairs(pairs([1, 1, 1, 1], [1, 0, 1, 0]))
    assert found == {"roc_auc": 0.5, "tar_at_far": 0.0, "equal_error_rate": 0.5}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_scores_agree_with_scikit_learn(seed: int, ties: bool) -> None:
    given = random_pairs(seed, ties)
    for rate in (0.01, 0.1):
        found = Verification(false_accept=rate).of_pairs(given)
        false, true, _ = roc_curve(given.same, given.similarity, drop_intermediate=False)
        assert found["roc_auc"] == pytest.approx(roc_auc_score(given.same, given.similarity), abs=1e-12)
        assert found["tar_at_far"] == pytest.approx(true[false <= rate].max(), abs=1e-12)
        grid = np.linspace(0, 1, 200_001)  # where the interpolated curve meets the other diagonal
        crossing = grid[np.argmin(np.abs(np.interp(grid, false, true) - (1 - grid)))]
        assert found["equal_error_rate"] == pytest.approx(crossing, abs=2e-5)


def test_rates_rise_from_nothing_to_everything() -> None:
    rates = rates_of(random_pairs(0, ties=True))
    for rate in rates:
        assert rate[0] == 0
        assert rate[-1] == 1
        assert (np.diff(rate) >= 0).all()


def test_pairs_are_each_pair_once_by_cosine() -> None:
    found = all_pairs(np.array([[1.0, 0], [0, 2], [3, 3]]), ["a", "b", "a"])
    np.testing.assert_allclose(found.similarity, [0, np.sqrt(0.5), np.sqrt(0.5)])
    assert found.same.tolist() == [False, True, False]
    scaled = np.random.default_rng(0).normal(size=(12, 3))
    who = np.arange(12) % 3
    assert Verification().scores(scaled, who) == Verification().scores(scaled * 7, who)


def test_intervals_hold_the_score_and_shrink_with_identities() -> None:
    rng = np.random.default_rng(0)

    def drawn(people: int) -> tuple[np.ndarray, np.ndarray]:
        who = np.repeat(np.arange(people), 4)
        return rng.normal(size=(people, 3))[who] + 0.7 * rng.normal(size=(len(who), 3)), who

    widths = []
    for people in (6, 60):
        embeddings, who = drawn(people)
        low, high = Verification().interval(embeddings, who, draws=60)
        assert low <= Verification().scores(embeddings, who)["roc_auc"] <= high
        widths.append(high - low)
    assert widths[1] < widths[0]
    with pytest.raises(OptionError, match="accuracy"):
        Verification().interval(embeddings, who, metric="accuracy")


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="got 3 and 0"):
        Verification().scores(np.eye(3), ["a", "a", "a"])
    with pytest.raises(DataError, match="got 0 and 3"):
        Verification().scores(np.eye(3), ["a", "b", "c"])
    with pytest.raises(DataError, match=r"\(3, 3\) and \(2,\)"):
        Verification().scores(np.eye(3), ["a", "b"])
    with pytest.raises(DataError, match="row 1 does not"):
        Verification().scores(np.array([[1.0], [np.nan], [2.0]]), ["a", "b", "a"])
    with pytest.raises(OptionError, match="between 0 and 1; got 1"):
        Verification(false_accept=1)


def test_identities_on_both_sides_are_refused() -> None:
    check_unseen(["ann", "bob"], ["cid"])
    with pytest.raises(DataError, match=r"'ann' is on both sides \(and 1 more\)"):
        check_unseen(["bob", "ann", "cid"], ["ann", "bob"])
