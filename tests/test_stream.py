"""A stream replayed in time order: who sees what and when, which changes are found, who recovers how fast."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.families import Configuration, Part, Run, configuration
from sharewise.families._parts import LinearPart
from sharewise.problems import Problem, Table
from sharewise.reports._stream_plot import stream_plot
from sharewise.strategies.new_tasks import Adapter, NewTaskStrategy, TaskSample
from sharewise.studies.stream import (
    Adapting,
    Contender,
    Past,
    Recovery,
    Replay,
    Runner,
    change_points,
    replay,
)
from sharewise.studies.stream._moments import change_places, split_place, steps_of
from sharewise.studies.stream._recovery import bound, local_blocks, rows_to_recover, smoothed
from sharewise.studies.stream._words import later_than, sentence
from sharewise.tasks import Array

FLIP = 700
ROWS, LEARN, TASKS = 1000, 0.5, 2


@dataclass(frozen=True)
class NumbersAdapter(Adapter):
    """Ridge with a small penalty on the number columns."""

    def encode(self, table: Table) -> NDArray[Any]:
        return np.column_stack([column.values for column in table])

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        weights = np.linalg.solve(X.T @ X + 0.05 * np.eye(X.shape[1]), X.T @ y)
        return LinearPart(weights[:, None], np.zeros(1), "identity")


class Ridge(NewTaskStrategy):
    """Learns nothing across tasks; adapts in closed form."""

    name: ClassVar[str] = "small ridge"
    shares: ClassVar[bool] = False

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        return (configuration("ridge"),) if family == "linear" else ()

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        return NumbersAdapter()


def flipped(seed: int = 0, *, flip: int = FLIP, noise: float = 0.2) -> pd.DataFrame:
    """Two tasks with linear weights of their own, rows in random order; all weights change sign at time ``flip``."""
    rng = np.random.default_rng(seed)
    x, task = rng.normal(size=(ROWS, 3)), rng.integers(TASKS, size=ROWS)
    sign = np.where(np.arange(ROWS) < flip, 1.0, -1.0)
    y = sign * (x * np.array([[1.0, -1.0, 0.5], [0.5, 1.0, 1.0]])[task]).sum(axis=1) + noise * rng.normal(
        size=ROWS
    )
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(task=task, day=np.arange(ROWS), y=y)
    return frame.sample(frac=1.0, random_state=seed)


def long(frame: pd.DataFrame) -> Problem:
    return Problem.from_frame(frame, targets=["y"], task="task", time="day", kinds={"y": "regression"})


def play(frame: pd.DataFrame, **options: Any) -> Replay:
    contenders = ["frozen", "refit", "window", Adapting(Ridge(), 12)]
    options = {"window": 100, "every": 5, "refit_every": 25, "share": False, "smooth": 25} | options
    return replay(long(frame), options.pop("contenders", contenders), **options)


@cache
def flip() -> Replay:
    return play(flipped())


def by_name(found: Replay, change: int = 0) -> dict[str, Recovery]:
    return dict(zip(found.names, found.recoveries[change], strict=True))


def test_after_an_abrupt_change_memory_decides_how_fast_a_contender_recovers() -> None:
    found = flip()
    assert found.found
    assert abs(found.changes[0] + found.learnt_on - FLIP) <= 10
    recovered = by_name(found)
    assert recovered["frozen"].rows is None
    assert recovered["frozen"].after > 2 > 0.2 > recovered["frozen"].before
    assert recovered["refit"].rows is None  # 700 old rows outweigh 300 new ones
    window, adapter = recovered["window 100"].rows, recovered["small ridge k=12"].rows
    assert window is not None
    assert adapter is not None
    assert 60 <= window <= 130  # all 100 rows are new, and a refit comes each 25
    assert 10 <= adapter <= 30  # two tasks of 12 labels, steps of 5 rows
    assert "small ridge k=12 recovers fastest" in found.sentence
    assert "frozen (never)" in found.sentence


def test_a_gradual_change_is_counted_from_its_beginning_and_judged_from_its_end() -> None:
    frame = flipped()
    mixed = (frame["day"] >= 600) & (frame["day"] < FLIP) & (frame["day"] % 2 == 0)
    frame["y"] = np.where(mixed, -frame["y"], frame["y"])
    found = play(frame, contenders=["frozen", Adapting(Ridge(), 12)], changes=[(600, FLIP)])
    assert (found.changes, found.settled) == ((100,), (200,))
    frozen, adapter = found.recoveries[0]
    assert frozen.rows is None
    assert frozen.waited == 400
    assert adapter.rows is not None
    assert 100 <= adapter.rows <= 150
    assert found.replicates[:, 1].min() >= 100
    assert np.isnan(found.hindsight[:200]).all()
    assert not np.isnan(found.hindsight[200:]).any()
    assert 'class="during"' in stream_plot(found)


def test_the_level_may_be_a_contenders_own_before_the_change() -> None:
    found = play(flipped(), contenders=["frozen", "constant", Adapting(Ridge(), 12)], shots=(12,), against="before",
                 changes=[FLIP])  # fmt: skip
    frozen, constant, adapter = found.recoveries[0]
    assert np.isnan(found.hindsight).all()
    assert frozen.rows is None
    assert constant.rows is not None  # it explained nothing before, and explains as much now
    assert adapter.rows is not None
    assert found.courses[2].smoothed[200 + adapter.rows] <= bound(np.array([adapter.before]), 0.1)[0]


def test_recovery_is_told_in_units_of_time_too() -> None:
    frame = flipped()
    found = play(frame.assign(day=frame["day"] * 0.5), contenders=["frozen", Adapting(Ridge(), 12)])
    one = found.recoveries[0][1]
    assert one.rows is not None
    assert one.time == pytest.approx(0.5 * one.rows)


def test_no_label_reaches_a_prediction_before_its_row_was_predicted() -> None:
    frame = flipped()
    late = frame["day"] >= 800
    other = frame.assign(y=np.where(late, 100.0 - frame["y"], frame["y"]))
    names = ["frozen", "refit", "window", "separate", Adapting(Ridge(), 12)]
    one, two = (play(each, contenders=names, shots=(12,), every=10, changes=[700]) for each in (frame, other))
    early = one.time <= 800  # the row of day 800 begins a step, predicted before its label is known
    assert early.sum() == 301
    for mine, theirs in zip(one.courses, two.courses, strict=True):
        assert np.array_equal(mine.predictions[0][early], theirs.predictions[0][early])
        assert np.array_equal(mine.losses[early][:-1], theirs.losses[early][:-1])
        if not mine.fixed:  # else the test would pass for whoever hears nothing
            assert not np.array_equal(mine.predictions[0], theirs.predictions[0])


class Spy(Contender):
    """Predicts zero, and keeps what it could see."""

    def __init__(self) -> None:
        self.seen: list[tuple[NDArray[np.intp], Array, Array]] = []

    @property
    def name(self) -> str:
        return "spy"

    def start(self, past: Past, seed: int) -> Runner:
        spy = self

        class Watching(Runner):
            def predict(self, rows: NDArray[np.intp]) -> list[Array]:
                spy.seen.append(
                    (rows, past.problem.labels[rows].copy(), past.problem.labels[past.rows].copy())
                )
                return [np.zeros((len(rows), 1))]

            def update(self, rows: NDArray[np.intp]) -> int:
                assert not np.isnan(past.labels[rows]).any()
                return 0

        return Watching()


def test_labels_of_rows_to_come_are_hidden_and_equal_times_are_one_step() -> None:
    frame = flipped()
    spy = Spy()
    play(frame.assign(day=frame["day"] // 4), contenders=["frozen", spy], every=6, changes=[175])
    sizes = {len(rows) for rows, _, _ in spy.seen}
    assert sizes == {4, 8}  # six rows end inside a day of four, so the whole day comes with them
    assert all(np.isnan(now).all() and not np.isnan(past).any() for _, now, past in spy.seen)
    known = [len(past) for _, _, past in spy.seen]
    assert known[0] == 500
    assert known == sorted(set(known))


def test_equal_seeds_give_equal_replays() -> None:
    one, two = flip(), play(flipped())
    assert one.changes == two.changes
    assert one.recoveries == two.recoveries
    assert np.array_equal(one.replicates, two.replicates)
    assert one.sentence == two.sentence
    for mine, theirs in zip(one.courses, two.courses, strict=True):
        assert np.array_equal(mine.losses, theirs.losses)


def test_false_alarms_on_stationary_losses_are_at_most_as_frequent_as_stated() -> None:
    rng = np.random.default_rng(0)
    streams = 200
    alarms = sum(bool(change_points(rng.chisquare(1, 150), level=0.1, seed=seed)) for seed in range(streams))
    # The exact rate is 0.1: the bound is three standard errors above, the floor shows that the test is no dead letter.
    assert 0.04 * streams <= alarms <= (0.1 + 3 * np.sqrt(0.09 / streams)) * streams


def test_changes_of_a_level_are_found_where_they_are() -> None:
    rng = np.random.default_rng(1)
    losses = rng.chisquare(1, 600) * np.repeat([1.0, 6.0, 1.0], 200)
    found = change_points(losses, seed=0)
    assert len(found) == 2
    assert np.abs(np.array(found) - [200, 400]).max() <= 15
    assert change_points(losses[:30], seed=0) == ()  # fewer than twice the least


def test_nothing_is_claimed_of_a_stream_that_does_not_change() -> None:
    found = play(flipped(flip=ROWS), contenders=["frozen", Adapting(Ridge(), 12)])
    assert found.changes == ()
    assert "nothing to recover from" in found.sentence
    assert list(found.table()["contender"]) == list(found.names)
    ET.fromstring(stream_plot(found))


def test_contenders_alike_are_not_told_apart() -> None:
    twins = [Adapting(Ridge(), 12, label="one"), Adapting(Ridge(), 12, label="two")]
    found = play(flipped(), contenders=twins, changes=[FLIP])
    assert found.recoveries[0][0] == found.recoveries[0][1]
    assert "not clear" in found.sentence


def test_smoothing_and_recovery_by_hand() -> None:
    losses = np.array([4.0, 2.0, 0.0, 0.0])
    assert smoothed(losses, 2).tolist() == [3.0, 1.0, 0.0, 0.0]
    assert smoothed(losses, 3).tolist() == [2.0, 2 / 3, 2 / 3, 2 / 3]
    assert smoothed(losses, 9).tolist() == [1.5] * 4
    level = np.full((1, 4), 0.5)
    assert bound(level, 0.1)[0, 0] == pytest.approx(0.55)
    assert bound(np.array([1.5]), 0.1)[0] == 1.5
    assert rows_to_recover(losses[None], level, 2, 0.1).tolist() == [2]
    assert rows_to_recover(losses[None], level, 2, 0.999).tolist() == [
        2
    ]  # up to 0.9995: a mean of 1 is not enough
    assert rows_to_recover(np.full((1, 4), 3.0), level, 2, 0.1).tolist() == [4]


def test_local_blocks_stay_near_and_keep_neighbours() -> None:
    places = local_blocks(125, 20, 50, np.random.default_rng(0))
    assert places.shape == (50, 125)
    assert np.abs(places - np.arange(125)).max() <= 10
    steps = np.diff(places, axis=1)
    assert (steps == 1).mean() >= 0.8  # blocks of five rows: four steps of five lead to the next row


def test_who_is_later_by_hand() -> None:
    rng = np.random.default_rng(0)
    first = 10 + rng.normal(size=1000)
    replicates = np.column_stack([first, first + 20 + rng.normal(size=1000), first + rng.normal(size=1000)])
    rows = np.array([10.0, 30.0, 10.0])
    assert later_than(0, rows, replicates, 0.95) == [1]
    one = Recovery(1.0, 2.0, 10, (8.0, 12.0), 100, 10.0)
    never = Recovery(1.0, 2.0, None, (100.0, 100.0), 100, None)
    words = sentence(("a", "b", "c"), rows, replicates, [[one, one, one]], 0.95, 100)
    assert words.startswith(
        "a recovers fastest, in 10 rows after a change (95% interval 8 to 12), clearly sooner than"
    )
    assert words.endswith("b (30); c cannot be told from it.")
    assert "No contender recovered" in sentence(("a",), rows[:1], replicates[:, :1], [[never]], 0.95, 100)


def test_times_of_splits_steps_and_changes_by_hand() -> None:
    when = np.array([0.0, 1, 1, 1, 2, 3, 3, 4, 5, 6])
    assert split_place(when, 0.3) == 1  # the third row shares its time with the second
    assert steps_of(when, 2) == [4, 3, 2, 1]
    assert change_places([3], when, 2) == ((5,), (5,))
    assert change_places(["1970-01-04"], when, 2) == ((5,), (5,))
    assert change_places([(2, 4)], when, 2) == ((4,), (7,))


def test_a_wide_problem_learns_across_blocks_of_time() -> None:
    frame = flipped().drop(columns="task")
    frame = frame.assign(z=-frame["y"] + 0.1 * frame["a"])
    problem = Problem.from_frame(frame, targets=["y", "z"], time="day")
    found = replay(
        problem, ["frozen", "separate/linear", Adapting(Ridge(), 12)], every=10, shots=(12,), changes=[FLIP]
    )
    assert found.names == ("frozen", "separate/linear k=12", "small ridge k=12")
    assert found.recoveries[0][0].rows is None
    assert [part.shape for part in found.courses[1].predictions] == [(500, 1), (500, 1)]
    line = found.table().iloc[2]
    assert line["updates"] == 50 * 2  # each step of ten rows, each target
    assert line["change"] == FLIP
    assert line["learn_seconds"] >= 0


def test_classes_are_scored_by_log_loss_as_a_share_of_the_constants() -> None:
    frame = flipped()
    frame = frame.assign(y=np.where(frame["y"] > 0, "up", "down"))
    problem = Problem.from_frame(frame, targets=["y"], task="task", time="day")
    found = replay(problem, ["frozen", "constant"], every=10, shots=(12,), share=False, changes=[FLIP])
    frozen, constant = (course.losses[:200].mean() for course in found.courses)
    assert frozen < 0.5
    assert constant == pytest.approx(1.0, abs=0.15)
    assert found.recoveries[0][0].after > 1


def test_the_picture_holds_a_line_for_each_contender_and_a_mark_for_each_change() -> None:
    picture = ET.fromstring(stream_plot(flip()))
    space = "{http://www.w3.org/2000/svg}"
    lines = [one for one in picture.iter(f"{space}polyline") if one.get("class") == "course"]
    assert len(lines) == 4
    assert len([one for one in picture.iter(f"{space}path") if one.get("class") == "change"]) == 1
    assert len([one for one in picture.iter(f"{space}circle") if one.get("class") == "back"]) == 2
    words = " ".join(one.text or "" for one in picture.iter(f"{space}text"))
    assert all(name in words for name in flip().names)
    assert "prefers-color-scheme: dark" in stream_plot(flip())
    assert "http" not in stream_plot(flip()).replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"changes": [99]}, "a change lies inside the rows that arrive, from time 500 to 999; got 99"),
        ({"changes": [5000]}, "got 5000"),
        ({"changes": [(FLIP, FLIP - 50)]}, "lies inside"),
        ({"changes": [FLIP, FLIP + 3]}, "has at least 25 rows before and after"),
        ({"changes": ["soon"]}, "a number or an ISO date"),
        ({"contenders": ["frozn"]}, "Did you mean 'frozen'"),
        ({"contenders": ["frozen/tres"]}, "Did you mean 'trees'"),
        ({"contenders": ["frozen", "frozen"]}, "twice"),
        ({"contenders": []}, "at least one contender"),
        ({"contenders": ["window"]}, "Add 'frozen'"),
        ({"contenders": ["frozen", Adapting(Ridge(), 12, "trees")]}, "no configuration"),
        ({"learn": 0.99}, "50 that arrive; got 990 and 10"),
        ({"learn": 0.01}, "20 rows to learn on"),
        ({"learn": 1.5}, "between 0 and 1"),
        ({"every": 0}, "every=0"),
        ({"against": "luck"}, "hindsight, before"),
        ({"shots": ()}, "shots are numbers"),
    ],
)
def test_errors_say_what_is_wrong_and_the_way_out(options: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, OptionError), match=message.replace("(", r"\(")):
        play(flipped(), **({"contenders": ["frozen"]} | options))


def test_a_problem_without_time_cannot_be_replayed() -> None:
    problem = Problem.from_frame(flipped().drop(columns="day"), targets=["y"], task="task")
    with pytest.raises(DataError, match="no time column"):
        replay(problem)


def test_one_task_in_the_learning_rows_is_nothing_to_learn_across() -> None:
    frame = flipped()
    frame = frame.assign(task=np.where(frame["day"] < 600, 0, 1))
    with pytest.raises(OptionError, match="at least two tasks"):
        play(frame, contenders=["frozen", Adapting(Ridge(), 12)])
