"""The search over groups of tasks, the shrinking of its gains, and the fits of groups."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from conformance import QUICK, SEED, case, check_stored, same, sample_of
from sharewise.errors import DataError, OptionError
from sharewise.families import FAMILIES, Family, Run, Sample
from sharewise.problems import Problem, split
from sharewise.strategies import Grouped, GroupModel, GroupSearch, affinity, cell_codes, of_group
from sharewise.strategies._group_design import candidates, first_groups
from sharewise.strategies._group_shrink import shrunken
from sharewise.strategies._group_surrogate import Forecast, Surrogate
from sharewise.strategies._grouped import fit_group, parted, read, written
from sharewise.tasks import Array

Group = tuple[int, ...]


class World:
    """Tasks in clusters: partners of the own cluster help, each less than the one before; others harm."""

    def __init__(self, clusters: list[int], *, noise: float = 0.0, seed: int = 0) -> None:
        self.cluster, self.noise = np.array(clusters), noise
        self.rng = np.random.default_rng(seed)

    def gains(self, group: Group) -> Array:
        found = np.full(len(self.cluster), np.nan)
        places = list(group)
        same_cluster = self.cluster[places][:, None] == self.cluster[places]
        friends = same_cluster.sum(axis=1) - 1
        found[places] = 0.1 * (1 - 0.5**friends) - 0.04 * (len(group) - 1 - friends)
        return found + self.noise * self.rng.normal(size=len(found))

    def closeness(self, trust: float) -> Array:
        """A prior that tells friends from strangers ``trust`` standard deviations apart."""
        noise = self.rng.normal(size=(len(self.cluster),) * 2)
        alike: Array = trust * (self.cluster[:, None] == self.cluster) + noise
        return alike

    def total(self, search: GroupSearch) -> float:
        """What the assignment brings, summed over tasks, without noise."""
        quiet = World(self.cluster.tolist())
        return sum(float(quiet.gains(one.group)[task]) for task, one in enumerate(search.assignment()))

    def best(self) -> float:
        sizes = np.bincount(self.cluster)[self.cluster]
        return float(np.sum(0.1 * (1 - 0.5 ** (sizes - 1))))


def _run(search: GroupSearch, world: World, trainings: int, *, batch: int = 1) -> list[Group]:
    asked: list[Group] = []
    while len(asked) < trainings:
        fresh = search.ask(min(batch, trainings - len(asked)))
        if not fresh:
            break
        for group in fresh:
            search.tell(group, world.gains(group))
        asked += fresh
    return asked


# --- asking and telling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("tasks", "trainings"), [(3, 4), (8, 30), (12, 60), (139, 30), (500, 20)])
def test_no_group_is_asked_twice_and_all_are_groups(tasks: int, trainings: int) -> None:
    world = World([task % 3 for task in range(tasks)])
    asked = _run(GroupSearch(tasks, prior=world.closeness(1.0), seed=1), world, trainings, batch=4)
    assert len(asked) == len(set(asked)) == trainings
    for group in asked:
        assert len(group) >= 2
        assert list(group) == sorted(set(group))
        assert group[0] >= 0
        assert group[-1] < tasks
    assert asked[0] == tuple(range(tasks))


@pytest.mark.parametrize("tasks", [3, 8, 139])
def test_the_same_seed_and_tells_give_the_same_groups(tasks: int) -> None:
    def one(seed: int) -> list[Group]:
        world = World([task % 2 for task in range(tasks)], noise=0.02)
        return _run(GroupSearch(tasks, prior=world.closeness(1.0), seed=seed), world, 20, batch=3)

    assert one(5) == one(5)


def test_of_three_tasks_all_four_groups_are_asked_and_then_none() -> None:
    search, world = GroupSearch(3, prior=None, seed=0), World([0, 0, 1])
    asked = _run(search, world, 10)
    assert sorted(asked) == [(0, 1), (0, 1, 2), (0, 2), (1, 2)]
    assert search.ask(1) == []
    assert [one.group for one in search.assignment()] == [(0, 1), (0, 1), (2,)]


def test_what_was_told_unasked_is_not_asked_and_serves() -> None:
    search = GroupSearch(4, prior=None, seed=0)
    search.tell((2, 0), np.array([0.3, np.nan, 0.2, np.nan]))
    search.tell((1,), np.zeros(4))
    asked = search.ask(20)
    assert (0, 2) not in asked
    assert len(asked) == 2**4 - 4 - 1 - 1
    first, second, *_ = search.assignment()
    assert first.group == (0, 2)
    assert first.gain == 0.3
    assert (second.group, second.gain, second.shrunk) == ((1,), 0.0, 0.0)


def test_groups_under_way_are_not_asked_again_nor_something_like_them() -> None:
    world = World([0, 0, 0, 1, 1, 1])
    search = GroupSearch(6, prior=world.closeness(3.0), seed=0)
    for group in search.ask(1):
        search.tell(group, world.gains(group))
    several = search.ask(4)
    assert len(set(several)) == 4
    # With one cluster under way the other one's tasks come next.
    covered = set().union(*map(set, several))
    assert covered == set(range(6))


def test_groups_of_all_but_one_are_trained_in_good_time() -> None:
    world = World([0, 0, 0, 1, 1, 1])
    asked = _run(GroupSearch(6, prior=None, seed=0), world, 3 * 6 + 6)
    for out in range(6):
        assert tuple(task for task in range(6) if task != out) in asked


@pytest.mark.parametrize("tasks", [20, 139, 500])
def test_big_groups_are_among_the_first(tasks: int) -> None:
    first = GroupSearch(tasks, prior=None, seed=0).ask(7)
    assert all(len(group) > 4 for group in first)
    assert sum(len(group) > 5 for group in first) >= 3


def test_bad_tells_are_refused_in_a_sentence() -> None:
    with pytest.raises(OptionError, match="at least 3 tasks; got 2"):
        GroupSearch(2, prior=None, seed=0)
    with pytest.raises(OptionError, match=r"a row and a column a task \(3\)"):
        GroupSearch(3, prior=np.eye(2), seed=0)
    search = GroupSearch(3, prior=None, seed=0)
    with pytest.raises(OptionError, match="tasks 0 to 2"):
        search.tell((0, 3), np.zeros(3))
    with pytest.raises(OptionError, match="one number a task"):
        search.tell((0, 1), np.zeros(2))


def test_gains_that_are_not_known_serve_nothing() -> None:
    search = GroupSearch(3, prior=None, seed=0)
    search.tell((0, 1, 2), np.full(3, np.nan))
    assert [one.group for one in search.assignment()] == [(0,), (1,), (2,)]
    assert search.ask(1)


# --- finding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clusters", "share"), [([0, 0, 0, 0, 1, 1, 1, 1], 0.10), ([0, 0, 0, 1, 1, 1, 2, 2], 0.10)]
)
def test_clusters_are_found_in_a_tenth_of_all_trainings(clusters: list[int], share: float) -> None:
    found = []
    for seed in range(3):
        world = World(clusters, seed=seed)
        search = GroupSearch(8, prior=world.closeness(2.0), seed=seed)
        _run(search, world, int(share * (2**8 - 9)))
        found.append(world.total(search) / world.best())
    assert np.mean(found) >= 0.95


def test_clusters_are_found_without_a_prior_and_faster_than_at_random() -> None:
    searched, drawn = [], []
    for seed in range(2):
        world = World([0, 0, 0, 0, 1, 1, 1, 1], seed=seed)
        search = GroupSearch(8, prior=None, seed=seed)
        _run(search, world, 40, batch=2)
        searched.append(world.total(search))
        blind, rng = GroupSearch(8, prior=None, seed=seed), np.random.default_rng(seed)
        every = [g for size in range(2, 9) for g in combinations(range(8), size)]
        for place in rng.permutation(len(every))[:40]:
            blind.tell(every[place], world.gains(every[place]))
        drawn.append(world.total(blind))
    assert np.mean(searched) >= 0.9 * World([0, 0, 0, 0, 1, 1, 1, 1]).best()
    assert np.mean(searched) > np.mean(drawn)


def test_many_tasks_get_far_with_few_trainings() -> None:
    # 139 tasks have 7·10^41 groups; almost all of them harm.
    world = World([task % 12 for task in range(139)])
    search = GroupSearch(139, prior=world.closeness(4.0), seed=0)
    _run(search, world, 60, batch=4)
    assert world.total(search) >= 0.5 * world.best()


# --- surrogate --------------------------------------------------------------------------------------------


def test_expected_improvement_by_hand() -> None:
    # Φ(0) = 1/2, φ(0) = 0.398942: a gain forecast to equal the best is worth 0.398942 standard deviations.
    one = Forecast(np.array([[0.2, np.nan], [0.3, -5.0]]), np.array([[0.1, np.nan], [1e-6, 0.01]]))
    np.testing.assert_allclose(one.improvement(np.array([0.2, 0.0])), [0.0398942, 0.1], rtol=1e-4)


def test_the_surrogate_learns_who_helps_whom() -> None:
    rng = np.random.default_rng(0)
    tasks = 6
    helps = rng.normal(size=(tasks, tasks))
    np.fill_diagonal(helps, 0.0)
    groups = np.array([[code >> task & 1 for task in range(tasks)] for code in range(64)], dtype=bool)
    groups = groups[groups.sum(axis=1) >= 2]
    truth = np.where(groups, groups @ helps.T, np.nan)
    seen = rng.permutation(len(groups))[:35]
    rest = np.setdiff1d(np.arange(len(groups)), seen)
    surrogate = Surrogate.fit(groups[seen], truth[seen], np.zeros((tasks, tasks)), 0)
    ahead = surrogate.forecast(groups[rest])
    inside = groups[rest]
    assert np.isnan(ahead.mean[~inside]).all()
    assert np.corrcoef(ahead.mean[inside], truth[rest][inside])[0, 1] > 0.9
    off = ~np.eye(tasks, dtype=bool)
    assert np.corrcoef(surrogate.helps[off], helps[off])[0, 1] > 0.9
    again = surrogate.forecast(groups[seen])
    assert np.nanmean(again.spread) < np.nanmean(ahead.spread)


def test_candidates_of_few_tasks_are_all_groups() -> None:
    rng = np.random.default_rng(0)
    none = np.zeros((0, 5), dtype=bool)
    assert len(candidates([np.zeros((5, 5))], none, rng)) == 2**5 - 5 - 1


def test_halves_keep_close_tasks_together() -> None:
    cluster = np.arange(12) % 2
    closeness = (cluster[:, None] == cluster).astype(float)
    _, one, other, *_ = first_groups(closeness)
    assert {one, other} == {tuple(range(0, 12, 2)), tuple(range(1, 12, 2))}


# --- shrinking --------------------------------------------------------------------------------------------


def test_shrinking_by_hand() -> None:
    # Two tasks alike: gains 0 and 0.4, so mean 0.2 and variance 0.08; noise 0.04 is half of it.
    gains = np.array([[0.0, 0.0], [0.4, 0.4]])
    np.testing.assert_allclose(shrunken(gains, np.full((2, 2), 0.2)), [[0.1, 0.1], [0.3, 0.3]])
    # Noise beyond all variance leaves the mean, and the order.
    flat = shrunken(gains, np.full((2, 2), 2.0))
    np.testing.assert_allclose(flat, 0.2, atol=0.011)
    assert (flat[1] > flat[0]).all()
    np.testing.assert_allclose(shrunken(gains, np.zeros((2, 2))), gains)
    # Without errors nothing is known of noise.
    np.testing.assert_array_equal(shrunken(gains, np.full((2, 2), np.nan)), gains)


def test_a_ruined_group_does_not_drag_the_good_ones_down() -> None:
    gains = np.array([[0.10], [0.08], [-9.0]])
    errors = np.full((3, 1), 0.01)
    shrunk = shrunken(gains, errors)
    assert shrunk[2, 0] == -9.0
    assert 0.08 < shrunk[0, 0] < 0.10
    assert shrunk[1, 0] < shrunk[0, 0]
    blind = shrunken(np.array([[0.1, np.nan]]), np.array([[0.02, np.nan]]))
    np.testing.assert_array_equal(np.isnan(blind), [[False, True]])


@pytest.mark.parametrize(("true", "noise"), [(0.02, 0.04), (0.05, 0.03), (0.0, 0.05)])
def test_the_promised_gain_is_delivered_only_after_shrinking(true: float, noise: float) -> None:
    rng = np.random.default_rng(3)
    promised, raw, delivered = [], [], []
    for _ in range(30):
        truth = 0.01 * rng.normal(size=8) + true * rng.normal(size=(40, 8))
        gains = truth + noise * rng.normal(size=truth.shape)
        shrunk = shrunken(gains, np.full(truth.shape, noise))
        pick, tasks = shrunk.argmax(axis=0), np.arange(8)
        served = shrunk[pick, tasks] > 0
        promised.append(np.where(served, shrunk[pick, tasks], 0.0).mean())
        raw.append(gains.max(axis=0).mean())
        delivered.append(np.where(served, truth[pick, tasks], 0.0).mean())
    over = np.mean(promised) - np.mean(delivered)
    assert abs(over) < 0.01
    assert np.mean(raw) - np.mean(delivered) > 4 * abs(over)


# --- options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("group", "text"), [((0, 3, 5), "0,3,5"), ((0, 1, 2, 7), "0-2,7"), ((4, 5), "4-5")])
def test_a_group_is_written_and_read(group: Group, text: str) -> None:
    assert written(group) == text
    assert read(text) == group
    plain = FAMILIES["trees"].configurations(case("wide_mixed"), effort=QUICK, together=True)[0]
    assert parted(of_group(plain, group)) == (plain, group)


def test_what_names_no_group_is_refused() -> None:
    plain = FAMILIES["linear"].configurations(case("wide_mixed"), effort=QUICK, together=True)[0]
    with pytest.raises(OptionError, match="names its 'tasks'"):
        parted(plain)
    for text in ("", "a", "1,,2", "3-"):
        with pytest.raises(OptionError, match="is written like"):
            read(text)
    for codes in ((1,), (0, 99), (-1, 0)):
        with pytest.raises(OptionError, match="at least two of 3 cells"):
            fit_group(sample_of("wide_mixed"), FAMILIES["linear"], plain, codes, Run(SEED))


def test_two_tasks_have_no_groups() -> None:
    assert Grouped().refusal(case("wide_binary")) == "groups are sought among at least 3 tasks"
    assert Grouped().refusal(case("wide_mixed")) is None
    assert Grouped().configurations(FAMILIES["linear"], case("wide_mixed"), effort=3) == ()


# --- fits of groups ---------------------------------------------------------------------------------------

SHAPES = ("wide_regression", "wide_mixed", "long_uneven", "long_binary", "both_at_once")
QUICK_FAMILIES = [FAMILIES["linear"], FAMILIES["trees"]]


def _fit(name: str, family: Family, group: Group, sample: Sample | None = None):
    (configuration, *_) = family.configurations(case(name), effort=QUICK, together=True)
    return fit_group(sample or sample_of(name), family, configuration, group, Run(SEED, effort=QUICK))


@pytest.mark.parametrize("family", QUICK_FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("name", SHAPES)
def test_the_group_of_all_tasks_is_the_joint_model(name: str, family: Family) -> None:
    sample = sample_of(name)
    (configuration, *_) = family.configurations(case(name), effort=QUICK, together=True)
    joint = family.together(sample, configuration, Run(SEED, effort=QUICK))
    group = _fit(name, family, tuple(cell_codes(case(name)).tolist()))
    same(group.held_out, joint.held_out)
    same(group.model.predict(sample.table, sample.level), joint.model.predict(sample.table, sample.level))


@pytest.mark.parametrize("family", QUICK_FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize(
    ("name", "targets", "levels"),
    [
        ("wide_mixed", ["number", "three"], None),
        ("long_uneven", ["score"], [0, 2, 3]),
        ("long_binary", ["passed"], [1, 4]),
    ],
)
def test_a_group_learns_as_on_the_restricted_table(
    name: str, family: Family, targets: list[str], levels: list[int] | None
) -> None:
    problem, sample = case(name), sample_of(name)
    places = [place for place, target in enumerate(problem.targets) if target.name in targets]
    labels = sample.labels[:, places]
    inside = ~np.isnan(labels).all(axis=1)
    if sample.level is not None:
        inside &= np.isin(sample.level, levels)
    rows = np.flatnonzero(inside)
    small = replace(
        sample,
        table=sample.table.take(rows),
        targets=tuple(problem.targets[place] for place in places),
        labels=labels[rows],
        level=None if sample.level is None else np.searchsorted(np.array(levels), sample.level[rows]),
        n_levels=1 if levels is None else len(levels),
        folds=sample.folds_within(rows),
    )
    (configuration, *_) = family.configurations(problem, effort=QUICK, together=True)
    plain = family.together(small, configuration, Run(SEED, effort=QUICK))
    group = _fit(name, family, tuple(places) if levels is None else tuple(levels))
    predicted = group.model.predict(
        sample.table.take(rows), None if sample.level is None else sample.level[rows]
    )
    expected = plain.model.predict(small.table, small.level)
    for place, own, out in zip(places, expected, plain.held_out, strict=True):
        np.testing.assert_array_equal(predicted[place], own)
        np.testing.assert_array_equal(group.held_out[place][rows], out)


@pytest.mark.parametrize("family", QUICK_FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize(
    ("name", "group"),
    [("wide_mixed", (0, 2)), ("long_uneven", (1, 3)), ("long_binary", (0, 4)), ("both_at_once", (1, 2, 7))],
)
def test_a_group_says_nothing_of_other_tasks(name: str, family: Family, group: Group, tmp_path) -> None:
    problem, sample = case(name), sample_of(name)
    fit = _fit(name, family, group)
    code = np.zeros(len(sample), dtype=int) if sample.level is None else sample.level
    found = fit.model.predict(sample.table, sample.level)
    for place, target in enumerate(sample.targets):
        inside = np.isin(place * sample.n_levels + code, group)
        for values, must in ((found[place], inside), (fit.held_out[place], inside & sample.known(place))):
            assert values.shape == (len(sample), target.kind.width)
            assert np.isfinite(values[must]).all()
            assert np.isnan(values[~inside]).all()
    check_stored(fit, problem, tmp_path / "model")
    assert isinstance(fit.model, GroupModel)
    strangers = np.flatnonzero(~np.isin(code, np.array(group) % sample.n_levels))
    if len(strangers):
        level = None if sample.level is None else sample.level[strangers]
        silent = fit.model.predict(sample.table.take(strangers), level)
        assert all(np.isnan(values).all() for values in silent)


def test_other_tasks_labels_do_not_matter() -> None:
    sample = sample_of("both_at_once")
    assert sample.level is not None
    labels = sample.labels.copy()
    code = np.stack([place * sample.n_levels + sample.level for place in range(2)], axis=1)
    outside = ~np.isin(code, (0, 1, 4)) & ~np.isnan(labels)
    labels[outside] = 1.0
    family = FAMILIES["trees"]
    before, after = (
        _fit("both_at_once", family, (0, 1, 4), one) for one in (sample, replace(sample, labels=labels))
    )
    same(before.held_out, after.held_out)


def test_a_fold_without_the_group_is_left_out_and_a_group_without_folds_refused() -> None:
    sample = sample_of("long_uneven")
    assert sample.level is not None
    own = np.flatnonzero(np.isin(sample.level, (5, 6)))
    family = FAMILIES["linear"]
    (first, *_) = sample.folds
    outside = np.setdiff1d(np.arange(len(sample)), own)
    without = (outside[::2], outside[1::2])
    cut = replace(sample, folds=(first, without))
    one, other = (_fit("long_uneven", family, (5, 6), s) for s in (cut, replace(sample, folds=(first,))))
    same(one.held_out, other.held_out)
    with pytest.raises(DataError, match="both parts of an inner fold"):
        _fit("long_uneven", family, (5, 6), replace(sample, folds=(without,)))


# --- priors -----------------------------------------------------------------------------------------------


def _alone(problem: Problem) -> tuple[Sample, list[Array]]:
    rows = np.arange(len(problem))
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    family = FAMILIES["linear"]
    (configuration, *_) = family.configurations(problem, effort=QUICK, together=False)
    return sample, family.alone(sample, configuration, Run(SEED, effort=QUICK)).held_out


def _frame(*, long: bool) -> Problem:
    """Tasks 0 and 1 read the same features, task 2 another, task 3 is the opposite of task 2."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    signal = np.stack([X[:, 0], X[:, 0] + 0.2 * X[:, 1], X[:, 2], -X[:, 2]], axis=1)
    Y = signal + 0.5 * rng.normal(size=signal.shape)
    frame: dict[str, object] = {f"x{place}": X[:, place] for place in range(4)}
    if not long:
        Y[rng.random(Y.shape) < 0.2] = np.nan
        return Problem.from_frame(
            frame | {f"y{t}": Y[:, t] for t in range(4)}, targets=[f"y{t}" for t in range(4)]
        )
    own = np.arange(400) % 4
    frame |= {"task": [f"t{t}" for t in own], "y": Y[np.arange(400), own]}
    return Problem.from_frame(frame, targets=["y"], task="task")


@pytest.mark.parametrize("long", [False, True])
def test_affinity_knows_friends_strangers_and_opposites(long: bool) -> None:
    problem = _frame(long=long)
    found = affinity(*_alone(problem))
    assert found.shape == (4, 4)
    np.testing.assert_array_equal(np.diag(found), 1.0)
    assert np.abs(found).max() <= 1.0
    assert min(found[0, 1], found[1, 0]) > 0.8
    assert np.abs(found[:2, 2:]).max() < 0.2
    # One row read by two models may be mapped by a negative factor; rows of two tasks may not.
    assert found[2, 3] > 0.8 if not long else found[2, 3] < -0.8


def test_affinity_of_both_at_once_is_in_the_order_of_the_cells() -> None:
    sample, held_out = _alone(case("both_at_once"))
    everything = affinity(sample, held_out)
    assert everything.shape == (8, 8)
    some = affinity(sample, held_out, [6, 1])
    np.testing.assert_array_equal(some, everything[np.ix_([6, 1], [6, 1])])
    assert np.isfinite(everything).all()


def test_affinity_is_calm_about_tasks_without_rows() -> None:
    sample = sample_of("long_uneven")
    found = affinity(sample, sample.blank())
    assert np.isfinite(found).all()
    assert found[8, :8].max() == 0.0
