"""The search over task groups, on gains made to measure; groups of tasks fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from conformance import SEED, case, check_stored, sample_of
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Run
from sharewise.strategies import STRATEGIES, GroupSearch, affinity, cell_codes, of_group
from sharewise.strategies._group_shrink import shrunken
from sharewise.strategies._grouped import parted, read, written
from sharewise.tasks import Array

Group = tuple[int, ...]


def _gain(group: Group, clusters: Array, rng: np.random.Generator | None, noise: float = 0.0) -> Array:
    """Each mate of the same cluster helps (by less and less), each other one harms."""
    found = np.full(len(clusters), np.nan)
    for task in group:
        mates = sum(clusters[other] == clusters[task] for other in group) - 1
        strangers = len(group) - 1 - mates
        found[task] = 0.1 * (1 - 0.5**mates) - 0.02 * strangers
        if rng is not None:
            found[task] += noise * rng.normal()
    return found


def _searched(clusters: Array, count: int, seed: int, noise: float = 0.0) -> GroupSearch:
    rng = np.random.default_rng(seed)
    search = GroupSearch(len(clusters), prior=None, seed=seed)
    done = 0
    while done < count:
        for group in search.ask(min(4, count - done)):
            search.tell(group, _gain(group, clusters, rng, noise), np.full(len(clusters), noise))
            done += 1
    return search


def _share(search: GroupSearch, clusters: Array) -> float:
    """Of the greatest possible gain, what the assignment really has."""
    best = sum(0.1 * (1 - 0.5 ** (np.sum(clusters == own) - 1)) for own in clusters)
    real = sum(
        _gain(one.group, clusters, None)[task] if len(one.group) > 1 else 0.0
        for task, one in enumerate(search.assignment())
    )
    return float(real / best)


def test_clusters_are_found_at_a_tenth_of_all_trainings() -> None:
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    searched = [_share(_searched(clusters, 24, seed), clusters) for seed in range(3)]
    rng = np.random.default_rng(0)
    chance = []
    for _ in range(20):
        search = GroupSearch(8, prior=None, seed=0)
        for _ in range(24):
            group = tuple(np.flatnonzero(rng.random(8) < 0.5).tolist())
            if len(group) > 1:
                search.tell(group, _gain(group, clusters, None))
        chance.append(_share(search, clusters))
    assert np.mean(searched) > 0.85
    assert np.mean(searched) > np.mean(chance) + 0.05


@pytest.mark.parametrize("tasks", [3, 5, 8, 30])
def test_no_group_is_asked_for_twice_and_all_have_two_tasks_or_more(tasks: int) -> None:
    clusters = np.arange(tasks) % 2
    search, again = (GroupSearch(tasks, prior=None, seed=3) for _ in range(2))
    seen: list[Group] = []
    while len(seen) < min(2**tasks - tasks - 1, 24):
        asked = search.ask(3)
        assert asked == again.ask(3), "the same tells give the same asks"
        assert asked, "there are groups left"
        for group in asked:
            assert list(group) == sorted(set(group))
            assert 2 <= len(group) <= tasks
            for one in (search, again):
                one.tell(group, _gain(group, clusters, None))
        seen += asked
    assert len(set(seen)) == len(seen)
    if tasks == 3:
        assert search.ask(5) == [], "all four groups have been"
    if tasks > 5:
        assert max(len(group) for group in seen[:3]) > 5, "large groups are among the first"


def test_hundreds_of_tasks_can_be_asked_about() -> None:
    clusters = np.arange(500) % 5
    search = GroupSearch(500, prior=(clusters[:, None] == clusters).astype(float), seed=0)
    for _ in range(3):
        for group in search.ask(3):
            search.tell(group, _gain(group, clusters, None))
    assert len(search.assignment()) == 500


def test_a_task_that_no_group_helps_goes_alone() -> None:
    search = GroupSearch(3, prior=None, seed=0)
    search.tell((0, 1, 2), np.array([0.1, 0.1, -0.2]))
    groups = [one.group for one in search.assignment()]
    assert groups == [(0, 1, 2), (0, 1, 2), (2,)]
    assert search.assignment()[2].gain == 0.0


def test_the_promise_is_kept_once_the_luck_of_the_pick_is_taken_off() -> None:
    picked, promised, delivered = [], [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        true = 0.02 + 0.02 * rng.normal(size=(20, 6))
        noise = 0.03
        gains = true + noise * rng.normal(size=true.shape)
        shrunk = shrunken(gains, np.full(true.shape, noise))
        best = shrunk.argmax(axis=0)
        picked.append(gains[best, range(6)].mean())
        promised.append(shrunk[best, range(6)].mean())
        delivered.append(true[best, range(6)].mean())
    assert np.mean(picked) > 1.5 * np.mean(delivered), "the best of twenty noisy gains promises too much"
    assert np.mean(promised) == pytest.approx(np.mean(delivered), rel=0.1)


def test_gains_without_noise_or_without_known_noise_are_left_alone() -> None:
    gains = np.array([[0.1, np.nan], [0.3, 0.2]])
    np.testing.assert_allclose(shrunken(gains, np.zeros((2, 2))), gains)
    np.testing.assert_allclose(shrunken(gains, np.full((2, 2), np.nan)), gains)
    all_noise = shrunken(np.array([[0.1], [-0.1], [0.1], [-0.1]]), np.full((4, 1), 5.0))
    np.testing.assert_allclose(all_noise, 0.0, atol=1e-9)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(OptionError, match="at least 3 tasks; got 2"):
        GroupSearch(2, prior=None, seed=0)
    with pytest.raises(OptionError, match="a row and a column"):
        GroupSearch(3, prior=np.zeros((2, 2)), seed=0)
    with pytest.raises(OptionError, match="tasks 0 to 2"):
        GroupSearch(3, prior=None, seed=0).tell((1, 3), np.zeros(3))


@pytest.mark.parametrize("group", [(0, 1), (0, 2, 3, 4, 9), (5, 7), tuple(range(139))])
def test_groups_are_written_as_they_are_read(group: Group) -> None:
    assert read(written(group)) == group
    configuration = FAMILIES["linear"].configurations(case("wide_regression"), effort=0, together=True)[0]
    assert parted(of_group(configuration, group)) == (configuration, group)


# --- groups of tasks, fitted --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_group_learns_as_if_the_others_were_not_there(family: str, tmp_path: object) -> None:
    sample, problem = sample_of("wide_regression"), case("wide_regression")
    (configuration, *_) = FAMILIES[family].configurations(problem, effort=0, together=True)
    grouped = STRATEGIES["grouped"]
    fit = grouped.fit(sample, FAMILIES[family], of_group(configuration, (0, 2)), Run(SEED, effort=0))
    assert np.isnan(fit.held_out[1]).all()
    found = fit.model.predict(sample.table, None)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[0]).all()
    other = sample.labels.copy()
    other[:, 1] = other[::-1, 1]
    twin = grouped.fit(
        replace(sample, labels=other), FAMILIES[family], of_group(configuration, (0, 2)), Run(SEED, effort=0)
    )
    for place in (0, 2):
        np.testing.assert_array_equal(found[place], twin.model.predict(sample.table, None)[place])


def test_the_group_of_all_is_the_joint_model() -> None:
    for name in ("wide_regression", "both_at_once"):
        sample, problem = sample_of(name), case(name)
        (configuration, *_) = FAMILIES["linear"].configurations(problem, effort=0, together=True)
        fits = [
            strategy.fit(sample, FAMILIES["linear"], own, Run(SEED, effort=0))
            for strategy, own in (
                (STRATEGIES["joint"], configuration),
                (
                    STRATEGIES["grouped"],
                    of_group(configuration, range(sample.n_levels * len(sample.targets))),
                ),
            )
        ]
        for one, other in zip(*(fit.model.predict(sample.table, sample.level) for fit in fits), strict=True):
            np.testing.assert_allclose(one, other)


def test_a_group_of_levels_is_stored_and_serves_its_own_rows_only(tmp_path: object) -> None:
    from pathlib import Path

    sample, problem = sample_of("long_uneven"), case("long_uneven")
    (configuration, *_) = FAMILIES["linear"].configurations(problem, effort=0, together=True)
    codes = cell_codes(problem)[[0, 1, 3]]
    fit = STRATEGIES["grouped"].fit(
        sample, FAMILIES["linear"], of_group(configuration, codes), Run(SEED, effort=0)
    )
    assert sample.level is not None
    inside = np.isin(sample.level, codes)
    values = fit.model.predict(sample.table, sample.level)[0]
    assert np.isfinite(values[inside]).all()
    assert np.isnan(values[~inside]).all()
    check_stored(fit, problem, Path(str(tmp_path)) / "model")


def test_affinity_knows_twins_from_strangers() -> None:
    sample, problem = sample_of("wide_regression"), case("wide_regression")
    labels = sample.labels.copy()
    labels[:, 2] = labels[:, 0] + 0.01 * np.random.default_rng(0).normal(size=len(labels))
    twins = replace(sample, labels=labels)
    (configuration, *_) = FAMILIES["linear"].configurations(problem, effort=0, together=False)
    held = FAMILIES["linear"].alone(twins, configuration, Run(SEED, effort=0)).held_out
    found = affinity(twins, held)
    assert found.shape == (3, 3)
    assert found[0, 2] > 0.9
    assert found[0, 2] > found[0, 1]
