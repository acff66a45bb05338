"""The verdict benchmark: what a choice costs, the policies beside a verdict, the aims, the problems it takes."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharewise.tasks import METRICS

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import aims
import exhaustive
import policies
import problems
import regret
import studied
import tables_squeeze
from tables_base import Loaded, make

ROWS = ("constant/none", "separate/linear", "separate/trees", "joint/linear", "joint/trees", "separate/best")
TRIALS = ("separate/linear/a", "separate/trees/b", "joint/linear/c", "joint/trees/d")


def board(rounds: int = 4, tasks: int = 2, seed: int = 0) -> regret.Board:
    """A made-up reference: RMSE 1 for the constant, else between 0.2 and 0.9."""
    random = np.random.default_rng(seed)
    options = len(ROWS) + len(TRIALS)
    scores = random.uniform(0.2, 0.9, (rounds, options, tasks))
    scores[:, 0] = 1.0
    return regret.Board(
        name="made up",
        tasks=tuple(f"t{task}" for task in range(tasks)),
        metrics=(METRICS["rmse"],) * tasks,
        rows=ROWS,
        trials=TRIALS,
        scores=scores,
        inner=scores.mean(axis=2),
        seconds=np.tile([1.0, 2.0, 3.0, 4.0], (rounds, 1)),
        row_seconds=np.tile([0.0, 1.0, 2.0, 3.0, 4.0, 0.0], (rounds, 1)),
        total_seconds=10.0 * rounds,
        cpu_seconds=None,
        overlap=0.25,
    )


# --- regret -------------------------------------------------------------------------------------------


def test_errors_are_shares_of_the_constants_mean_error() -> None:
    scores = np.array([[[2.0, 0.6], [1.0, 0.9]], [[4.0, 0.8], [3.0, 0.9]]])
    found = regret.shares(scores, 0, [METRICS["rmse"], METRICS["accuracy"]])
    # RMSE: the constant's mean is 3. Accuracy: its errors are 0.4 and 0.2, mean 0.3.
    assert found[:, 1, 0] == pytest.approx([1 / 3, 1.0])
    assert found[:, 1, 1] == pytest.approx([1 / 3, 1 / 3])
    assert found[:, 0].mean(axis=0) == pytest.approx([1.0, 1.0])


def test_a_task_the_constant_predicts_exactly_is_left_out() -> None:
    scores = np.array([[[0.0, 1.0], [0.5, 0.5]]])
    errors = regret.shares(scores, 0, [METRICS["rmse"]] * 2)
    assert np.isnan(errors[:, :, 0]).all()
    assert regret.served(errors, np.array([1, 1])) == pytest.approx([0.5])


def test_each_task_is_served_by_its_own_option() -> None:
    errors = np.array([[[0.1, 0.2], [0.3, 0.4]], [[0.5, np.nan], [0.7, np.nan]]])
    assert regret.served(errors, np.array([0, 1])) == pytest.approx([0.25, 0.5])


def test_the_best_row_is_chosen_on_the_other_rounds() -> None:
    errors = np.array([[0.1, 0.3], [0.45, 0.3], [0.4, 0.3]])
    # Means of the first row on the other rounds: 0.425 (so the second is best), 0.25, 0.275.
    assert regret.cross_fitted(errors) == pytest.approx([0.3, 0.45, 0.4])
    assert regret.hindsight(errors) == pytest.approx([0.3, 0.3, 0.3])
    with pytest.raises(ValueError, match="two; got 1"):
        regret.cross_fitted(errors[:1])


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 6))
def test_hindsight_is_never_worse_than_cross_fitting(seed: int, rounds: int, rows: int) -> None:
    errors = np.random.default_rng(seed).uniform(0.1, 1.0, (rounds, rows))
    assert regret.hindsight(errors).mean() <= regret.cross_fitted(errors).mean() + 1e-12


def test_regret_worked_by_hand() -> None:
    made = board(rounds=2, tasks=1)
    scores = np.ones_like(made.scores)
    scores[:, 1, 0], scores[:, 3, 0] = 0.5, 0.6
    made = replace(made, scores=scores)
    found = regret.regret(made, [made.everywhere(3)])
    assert found.mean == pytest.approx(0.2)  # 0.6 against 0.5
    assert found.points == pytest.approx(0.1)
    assert found.strict == pytest.approx(0.2)
    assert found.found.interval == pytest.approx((0.2, 0.2), abs=0.02)  # no narrower than the resolution
    both = regret.regret(made, [made.everywhere(3), made.everywhere(1)])
    assert both.mean == pytest.approx(0.1)
    assert both.draws == pytest.approx((0.2, 0.0))
    with pytest.raises(ValueError, match="draw"):
        regret.regret(made, [])


def test_regret_does_not_depend_on_units() -> None:
    made = board()
    scaled = replace(made, scores=made.scores * np.array([10.0, 0.01]))
    one, other = (regret.regret(b, [b.everywhere(4)]) for b in (made, scaled))
    assert one.mean == pytest.approx(other.mean)
    assert one.found.interval == pytest.approx(other.found.interval)


def test_a_route_may_beat_every_single_row() -> None:
    made = board(rounds=3)
    scores = np.full_like(made.scores, 1.0)
    scores[:, 1], scores[:, 3] = [0.2, 0.8], [0.8, 0.2]
    made = replace(made, scores=scores)
    found = regret.regret(made, [np.array([1, 3])])
    assert found.mean == pytest.approx((0.2 - 0.5) / 0.5)
    assert policies.routed_gain(made) == pytest.approx(0.6)


# --- policies -----------------------------------------------------------------------------------------


def test_policies_see_inner_folds_only() -> None:
    made = board()
    other = replace(made, scores=board(seed=9).scores)
    for policy in (lambda b: policies.always(b, "joint"), policies.better_of_two):
        assert [d.choice.tolist() for d in policy(made)] == [d.choice.tolist() for d in policy(other)]
    drawn = [policies.at_random(b, 5.0) for b in (made, other)]
    assert [d.choice.tolist() for d in drawn[0]] == [d.choice.tolist() for d in drawn[1]]


def test_a_strategys_family_is_chosen_on_inner_folds() -> None:
    made = board()
    inner = made.inner.copy()
    inner[:, 1], inner[:, 2], inner[:, 3], inner[:, 4] = 0.4, 0.5, 0.3, 0.6
    inner[:, 5] = 0.1  # the best of several families is no family
    inner[1, 1] = 0.7
    made = replace(made, inner=inner)
    alone = policies.always(made, "separate")
    assert [draw.choice.tolist() for draw in alone] == [[1, 1], [2, 2], [1, 1], [1, 1]]
    assert alone[0].seconds == 3.0
    assert {draw.choice[0] for draw in policies.better_of_two(made)} == {3}
    assert policies.better_of_two(made)[0].seconds == 10.0
    with pytest.raises(ValueError, match="no 'chained'"):
        policies.always(made, "chained")


def test_random_choice_spends_what_it_is_given() -> None:
    made = board()
    inner = made.inner.copy()
    inner[:, len(ROWS) :] = [0.5, 0.2, 0.4, 0.3]
    made = replace(made, inner=inner)
    once = policies.at_random(made, 0.0, draws=200)
    assert {draw.seconds for draw in once} == {1.0, 2.0, 3.0, 4.0}  # one trial, whichever came first
    assert {draw.choice[0] - len(ROWS) for draw in once} == {0, 1, 2, 3}
    everything = policies.at_random(made, 10.0)
    assert {draw.choice[0] - len(ROWS) for draw in everything} == {1}
    assert {draw.seconds for draw in everything} == {10.0}
    assert all(25 <= draw.seconds <= 29 for draw in policies.at_random(made, 25.0))  # a third round is begun
    assert {draw.seconds for draw in policies.at_random(made, 1e9)} == {40.0}


def test_the_oracle_regrets_nothing_in_hindsight() -> None:
    made = board(rounds=6)
    found = regret.regret(made, [draw.choice for draw in policies.oracle(made)])
    assert found.strict == pytest.approx(0.0)
    assert found.mean <= 1e-12
    floor = regret.regret(made, [draw.choice for draw in policies.constant(made)])
    assert floor.mean > 0


# --- aims ---------------------------------------------------------------------------------------------


def lines(mine: list[float], rival: list[float], cost: float = 0.05) -> list[aims.Line]:
    return [
        *(aims.Line(f"p{i}", aims.VERDICT, (value,), value, cost) for i, value in enumerate(mine)),
        *(aims.Line(f"p{i}", "rival", (value, value), value, 0.1) for i, value in enumerate(rival)),
    ]


def test_problems_weigh_the_same_whatever_their_draws() -> None:
    some = [aims.Line("a", "x", (0.0,), 0.0, 0.1), aims.Line("b", "x", (0.2, 0.4, 0.3), 0.5, 0.3)]
    found = aims.summarise(some, "x", ("x",))
    assert found.mean == pytest.approx(0.15)
    assert found.strict == pytest.approx(0.25)
    assert found.cost == pytest.approx(0.2)
    assert found.median == pytest.approx(0.0)
    assert found.tail == pytest.approx(0.4)
    assert found.largest == ("b", pytest.approx(0.3))
    assert found.over == 0.5


def test_the_worst_on_a_problem() -> None:
    some = lines([0.0, 0.02, 0.01], [0.01, 0.0, 0.01])
    assert aims.summarise(some, "rival", (aims.VERDICT, "rival")).worst == pytest.approx(
        2 / 3
    )  # a tie counts
    assert aims.summarise(some, aims.VERDICT, (aims.VERDICT, "rival")).worst == pytest.approx(2 / 3)


def test_a_lead_is_paired_over_problems() -> None:
    found = aims.lead(lines([0.0, 0.02, 0.01], [0.03, 0.0, 0.01]), "rival")
    assert found.mean == pytest.approx(0.01 / 3)
    assert (found.wins, found.losses) == (1, 1)
    assert found.interval[0] < 0 < found.interval[1]


@pytest.mark.parametrize(
    ("mine", "rival", "cost", "met"),
    [
        ([0.0] * 20, [0.01] * 20, 0.05, [True, True, True, True]),
        ([0.02] * 20, [0.01] * 20, 0.2, [False, True, False, False]),
        ([0.0] * 18 + [0.06, 0.06], [0.02] * 20, 0.05, [True, False, True, True]),
    ],
)
def test_what_falls_short_is_said(
    mine: list[float], rival: list[float], cost: float, met: list[bool]
) -> None:
    judged = aims.judge(lines(mine, rival, cost), rivals=("rival",))
    assert [one for one, _ in judged] == met
    assert ("p18" in judged[1][1]) is (max(mine) > aims.TAIL_AIM)


# --- studies and problems -----------------------------------------------------------------------------


def test_a_study_is_judged_by_the_rows_it_deploys() -> None:
    made = board()
    one = studied.Studied(
        "route", {"t0": "joint/trees", "t1": "separate/linear"}, 1.0, 1.0, 1.0, 10.0, 3, "quick"
    )
    choice = one.choice(made)
    assert choice is not None
    assert choice.tolist() == [4, 1]
    assert replace(one, deployed={"t0": "joint/trees"}).choice(made).tolist() == [4, 4]  # type: ignore[union-attr]
    assert replace(one, deployed={"t0": "new/trees", "t1": "joint/trees"}).choice(made) is None


def table(rows: int = 60) -> Loaded:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(rows, 8)), columns=list("abcdefgh"))
    frame["level"], frame["club"] = np.repeat(["x", "y", "z"], rows // 3), np.arange(rows) // 5
    return make(frame, ["g", "h"], group="club")


def test_a_cut_keeps_groups_whole_and_takes_other_targets_away() -> None:
    whole = table()
    cut = tables_squeeze.cap(whole, rows=32, targets=1, columns=3)
    assert len(cut.frame) == 30
    assert (cut.frame["club"].value_counts() == 5).all()
    assert len(cut.targets) == 1
    assert not {"g", "h"} - set(cut.targets) & set(cut.frame.columns)
    assert cut.features.shape[1] == 3
    assert set(cut.kwargs["kinds"]) == set(cut.targets)
    again = tables_squeeze.cap(whole, rows=32, targets=1, columns=3)
    pd.testing.assert_frame_equal(cut.frame, again.frame)


def test_a_cut_keeps_tasks_in_proportion() -> None:
    long = make(table().frame.drop(columns="club"), ["h"], task="level")
    assert tables_squeeze.cap(long, rows=30).frame["level"].value_counts().to_dict() == {
        "x": 10,
        "y": 10,
        "z": 10,
    }
    assert tables_squeeze.cap(long, levels=2).frame["level"].nunique() == 2
    assert tables_squeeze.cap(long, rows=100).frame.shape == long.frame.shape


def test_there_are_enough_problems() -> None:
    assert len(problems.NAMES) >= 25
    assert set(problems.QUICK) <= set(problems.NAMES)
    with pytest.raises(KeyError, match="must be one of"):
        problems.load("nothing")


@pytest.mark.slow
@pytest.mark.parametrize("name", problems.NAMES)
def test_every_problem_can_be_studied(name: str, data_dir: Path) -> None:
    """Wide or long, at least two tasks, as large as was promised; the study's rows are some of the reference's."""
    pytest.importorskip("PIL", reason="pictures are read with Pillow")
    large, small = problems.large(name), problems.load(name)
    assert len(small.frame) <= problems.ROWS
    assert len(small.frame) <= len(large.frame) <= problems.LARGE
    assert large.features.shape[1] <= problems.COLUMNS + (large.task is not None)
    one, other = problems.problem(large), problems.problem(small)
    assert len(one.tasks) >= 2
    assert {task.name for task in other.tasks} <= {task.name for task in one.tasks}
    assert [(t.name, t.kind) for t in one.targets] == [(t.name, t.kind) for t in other.targets] or any(
        t.kind.name == "multiclass" for t in one.targets
    )
    merged = small.frame.merge(large.frame, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()


@pytest.mark.slow
def test_a_reference_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = exhaustive.Settings(effort=0, rounds=2, steady=False)
    assert exhaustive.measure("linnerud", tmp_path, settings, show=True) is None
    first = exhaustive.measure("linnerud", tmp_path, settings)
    assert first is not None
    assert first.scores.shape == (2, len(first.rows) + len(first.trials), 3)
    assert {"constant/none", "separate/linear", "joint/linear"} <= set(first.rows)
    assert first.total_seconds > 0
    assert first.cpu_seconds is not None
    monkeypatch.setattr(exhaustive, "make_workers", None)  # whatever is fitted again fails
    again = exhaustive.measure("linnerud", tmp_path, settings)
    assert again is not None
    np.testing.assert_array_equal(first.scores, again.scores)
    with pytest.raises(ValueError, match="other effort"):
        exhaustive.measure("linnerud", tmp_path, replace(settings, effort=1))
