"""Distilling: what students learn from, which is taken, what is said to be lost, and that no test row teaches."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import sharewise as sw
from sharewise.cli import main
from sharewise.distilling import BoostedStudent, LinearStudent, Student, choose
from sharewise.distilling._boosted import _dataset
from sharewise.distilling._lesson import WAYS, Lesson, Way
from sharewise.distilling._questions import Answered, beside, questions
from sharewise.distilling._soft_logistic import as_part, soft_logistic
from sharewise.errors import OptionError, StorageError
from sharewise.families import Configuration, Run, Sample
from sharewise.families._boosting import Committee
from sharewise.families._parts import softmax
from sharewise.problems import Problem, split
from sharewise.studies import CONSTANT, Candidate, Limits, Protocol, Recipe, make_round
from sharewise.tasks import Binary
from sharewise.verdicts import conclude, difference

ANSWERS = Way("answers alone", 0.0)
TINY = BoostedStudent(leaves=4, rounds=30, rate=0.2)


def sampled(problem: Problem) -> Sample:
    rows = np.arange(len(problem))
    return Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))


def mixed_problem(rows: int = 240, *, long: bool = False) -> Problem:
    """A number with gaps, two classes and three, by the same features; in a long table of four levels."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 3))
    number = X @ [1.0, -2.0, 0.5]
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(
        number=np.where(rng.random(rows) < 0.3, np.nan, number),
        two=np.where(X[:, 0] + rng.normal(size=rows) > 0, "yes", "no"),
        three=rng.choice(["x", "y", "z"], size=rows),
        school=[f"s{place % 4}" for place in range(rows)],
    )
    if long:
        return Problem.from_frame(frame, targets=["number", "two"], task="school", drop=["three"])
    return Problem.from_frame(frame.drop(columns="school"), targets=["number", "two", "three"])


def linear_answers(problem: Problem) -> list[np.ndarray]:
    """What a linear teacher says of every row, gaps included."""
    X = np.column_stack([column.values for column in problem.table])
    rng = np.random.default_rng(2)
    found = []
    for target in problem.targets:
        scores = X @ rng.normal(size=(X.shape[1], target.kind.width)) + 0.3
        found.append(scores if target.kind.name == "regression" else softmax(scores))
    return found


def test_probabilities_are_learnt_as_rows_weighted_by_class() -> None:
    rng = np.random.default_rng(0)
    X, aims = rng.normal(size=(80, 3)), rng.dirichlet(np.ones(3), size=80)
    own = soft_logistic(X, aims, 0.7)
    copies, codes = np.repeat(X, 3, axis=0), np.tile(np.arange(3), 80)
    peer = LogisticRegression(C=0.7, tol=1e-8, max_iter=1000).fit(copies, codes, sample_weight=aims.ravel())
    # Half a label is spread over the classes here, and over none there.
    np.testing.assert_allclose(as_part(own).predict(X), peer.predict_proba(X), atol=2e-3)


def test_a_lesson_mixes_labels_with_answers_and_fills_gaps() -> None:
    numbers = np.where(np.arange(40) % 2, np.nan, np.arange(40) + 1.5)
    frame = {"x": np.arange(40.0), "n": numbers, "c": ["no", "yes"] * 20}
    problem = Problem.from_frame(frame, targets=["n", "c"])
    sample = sampled(problem)
    told = [np.full((40, 1), 2.5), np.tile([0.2, 0.8], (40, 1))]
    number, classes = Lesson.of(sample, told, Way("", 0.5)).aims
    assert number[:2, 0].tolist() == [2.0, 2.5]  # (1.5 + 2.5) / 2, and the answer alone
    np.testing.assert_allclose(classes[:2], [[0.6, 0.4], [0.1, 0.9]])
    alone = Lesson.of(sample, told, WAYS[0]).aims[0]
    assert alone[0, 0] == 1.5
    assert np.isnan(alone[1, 0])


def test_a_linear_teacher_is_distilled_exactly_by_a_linear_student() -> None:
    problem = mixed_problem()
    told = linear_answers(problem)
    model = LinearStudent().fit(Lesson.of(sampled(problem), told, ANSWERS), Run(0))
    found = model.predict(problem.table, None)
    np.testing.assert_allclose(found[0], told[0], atol=1e-3)  # the ridge's least penalty is not zero
    for said, wanted in zip(found[1:], told[1:], strict=True):
        np.testing.assert_allclose(said, wanted, atol=0.02)


def test_levels_with_offsets_and_slopes_are_learnt_from_their_teacher() -> None:
    problem = mixed_problem(long=True)
    sample = sampled(problem)
    assert sample.level is not None
    X = np.column_stack([column.values for column in problem.table])
    own = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [2.0, 2.0, 2.0], [-1.0, 0.0, 1.0]])
    numbers = (X * own[sample.level]).sum(axis=1)[:, None] + sample.level[:, None]
    classes = softmax(np.column_stack([X[:, 0], sample.level - 1.5]))
    lesson = Lesson.of(sample, [numbers, classes], ANSWERS)
    errors = []
    for student in (LinearStudent(), LinearStudent(slopes=True)):
        said = student.fit(lesson, Run(0)).predict(problem.table, problem.level)
        errors.append(float(np.sqrt(np.mean((said[0] - numbers) ** 2)) / numbers.std()))
        np.testing.assert_allclose(said[1], classes, atol=0.03)
    assert errors[1] < 0.25 < errors[0]  # only slopes by task can say it


@pytest.mark.parametrize("long", [False, True])
def test_a_small_booster_follows_answers_of_every_kind(long: bool) -> None:
    problem = mixed_problem(long=long)
    told = linear_answers(problem)
    model = BoostedStudent(leaves=8, rounds=120, rate=0.15).fit(
        Lesson.of(sampled(problem), told, ANSWERS), Run(0)
    )
    for said, wanted in zip(model.predict(problem.table, problem.level), told, strict=True):
        assert said.shape == wanted.shape
        assert np.corrcoef(said.ravel(), wanted.ravel())[0, 1] > 0.9
        if wanted.shape[1] > 1:
            np.testing.assert_allclose(said.sum(axis=1), 1.0)


def test_a_booster_of_probabilities_is_stored_as_one_of_classes() -> None:
    import lightgbm

    problem = mixed_problem()
    told = linear_answers(problem)
    lesson = Lesson.of(sampled(problem), told, ANSWERS)
    part = TINY.fit(lesson, Run(0)).parts[1][0]
    assert isinstance(part, Committee)
    X = np.column_stack([column.values for column in problem.table])
    plain = part.boosters[0].replace("objective=binary sigmoid:1", "objective=cross_entropy")
    assert plain != part.boosters[0]
    np.testing.assert_allclose(
        part.predict(X)[:, 1], lightgbm.Booster(model_str=plain).predict(X), rtol=1e-12
    )
    kind = problem.targets[1].kind
    assert isinstance(kind, Binary)
    assert _dataset(X, told[1], kind, np.arange(len(X)), (), {"verbosity": -1}).num_data() == len(X)


def test_made_up_rows_lie_between_rows_and_are_never_judged_by() -> None:
    rng = np.random.default_rng(0)
    frame = {"x": rng.normal(size=60), "colour": rng.choice(["red", "blue"], 60), "y": rng.normal(size=60)}
    problem = Problem.from_frame(frame | {"z": rng.normal(size=60)}, targets=["y", "z"])
    sample = sampled(problem)
    table, level = questions(sample, 0)
    assert level is None
    assert len(table) == 6 * 60
    assert set(table.columns[1].values) == {"red", "blue"}
    new = ~np.isin(table.columns[0].values, sample.table.columns[0].values)
    assert 0.4 < new.mean() < 0.6  # half of the cells
    whole = beside(sample, Answered(table, None, []))
    judged = np.concatenate([valid for _, valid in whole.folds])
    assert len(whole) == 7 * 60
    assert judged.max() < 60
    assert all(set(range(60, 420)) <= set(train) for train, _ in whole.folds)


ASKED = {"confidence": 0.95, "rope": 0.01}


def summary(values: np.ndarray, rounds: np.ndarray) -> object:
    return difference(values, overlap=0.25, rope=0.01, confidence=0.95)


def as_gains(*students: list[float]) -> np.ndarray:
    return np.array(students).T[:, :, None]


def test_the_smallest_student_that_surely_keeps_up_is_taken() -> None:
    wiggle = np.array([-1, 0, 1, 0.5, -0.5]) * 1e-3
    found = choose(
        as_gains([-0.2 + w for w in wiggle], [-0.002 + w for w in wiggle], [0.0 + w for w in wiggle]),
        np.array([0, 1, 2]),
        summary,
        **ASKED,
    )
    assert (found.student, found.outcome) == (1, "equivalent")
    assert found.gain.mean == pytest.approx(-0.002)


def test_a_student_that_loses_more_than_the_rope_is_never_called_equivalent() -> None:
    wiggle = np.array([-1, 0, 1, 0.5, -0.5]) * 1e-3
    found = choose(as_gains([-0.05 + w for w in wiggle]), np.array([0]), summary, **ASKED)
    assert found.outcome == "worse"
    noisy = choose(as_gains([-0.05, 0.04, 0.0, -0.03, 0.02]), np.array([0]), summary, **ASKED)
    assert noisy.outcome == "undecided"
    assert choose(as_gains([0.0, 0.0]), np.array([0]), summary, **ASKED).outcome != "worse"


def test_where_none_surely_keeps_up_size_decides_between_students_about_as_good() -> None:
    noise = np.array([-0.03, 0.03, 0.02, -0.02, 0.0])
    gains = as_gains(*([mean + one for one in noise] for mean in (-0.05, -0.014, -0.012)))
    found = choose(gains, np.array([0, 1, 2]), summary, **ASKED)
    assert (found.student, found.outcome) == (1, "undecided")


def test_being_the_best_of_many_is_not_credited() -> None:
    """Eight students, taught in three ways, that all lose 1.5 ROPEs: the gain reported stays about that, and hardly ever
    is one let through; the best mean of all looks far better."""
    rng = np.random.default_rng(0)
    told, flattered, passed = [], [], 0
    for _ in range(80):
        values = -0.015 + 0.01 * rng.normal(size=(5, 8, 3))
        found = choose(values, np.arange(8), summary, **ASKED)
        told.append(found.gain.mean)
        flattered.append(values.mean(axis=0).max())
        passed += found.outcome == "equivalent"
    assert np.mean(told) == pytest.approx(-0.015, abs=0.001)
    assert np.mean(flattered) > -0.01
    assert passed / 80 <= 0.06


@pytest.mark.parametrize(
    ("limits", "wins", "told"),
    [
        (Limits(), "ensemble", "A student may predict as well as the ensemble"),
        (Limits(), "joint", None),
        (Limits(latency_ms=2.0), "joint", "may keep them at less than the"),
        (Limits(latency_ms=200.0), "joint", None),
    ],
)
def test_a_verdict_offers_a_student_of_ensembles_and_where_limits_cost(
    limits: Limits, wins: str, told: str | None
) -> None:
    problem = mixed_problem()
    count = len(problem.tasks)
    family = "blend" if wins == "ensemble" else "network"
    recipes = [
        Recipe(strategy, family, Configuration("x"))
        for strategy, family in ((CONSTANT, "none"), ("separate", "linear"), (wins, family))
    ]

    def candidate(place: int, error: float, latency: float, wiggle: float) -> Candidate:
        one, weights = recipes[place], np.zeros((count, 3))
        weights[:, place] = 1.0
        scores = np.full(count, error + wiggle)
        return Candidate(
            one.strategy, one.family, one.strategy == wins, tuple(recipes), weights, error, scores, 1.0, 3, 10, 500,
            2.0, 1000, latency,
        )  # fmt: skip

    rounds = [
        [candidate(0, 3.0, 0.1, w), candidate(1, 1.2, 1.0, w), candidate(2, 0.8, 50.0, -w)]
        for w in (-0.002, -0.001, 0.0, 0.001, 0.002)
    ]
    protocol = Protocol("known", 0, ("separate", "joint"), ("linear", "network"), limits=limits)
    found = conclude(problem, protocol, rounds, overlap=0.25, unfinished={}, context={}).verdict
    offers = [line for line in found.would_change if "sharewise distil" in line]
    assert [told in line for line in offers] == ([True] if told else [])


# A finished study --------------------------------------------------------------------------------------------------

STUDY = ["--families", "trees", "--strategies", "separate", "--budget", "60s", "--workers", "1", "--quiet"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The table and folder of a study of trees where a linear model is right: labels are linear, with noise, and one
    is 1,000 times too large."""
    folder = tmp_path_factory.mktemp("distil")
    rng = np.random.default_rng(4)
    X = rng.normal(size=(150, 3))
    u, v = (X @ w + 0.5 * rng.normal(size=150) for w in ([1.0, 2.0, 0.0], [1.0, 0.0, -1.0]))
    u[7], v[3:20] = 1000.0, np.nan
    table = folder / "rows.csv"
    pd.DataFrame(X, columns=["a", "b", "c"]).assign(u=u, v=v).to_csv(table, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sharewise.studies._plan.LADDER", ((0, 3),))
        patch.setattr("sharewise.studies._conduct.rounds_at_most", lambda *_: 3)
        patch.setattr("sharewise.distilling._distil.STUDENTS", (LinearStudent(), TINY))
        asked = ["compare", str(table), "--targets", "u,v", "--metric", "mae", "--out", str(folder / "run")]
        assert main([*asked, *STUDY]) == 0
        yield table, folder / "run"


class Spy(Student):
    """Learns a straight line and remembers from what."""

    lessons: ClassVar[list[Lesson]] = []

    name = "a spy"

    def suits(self, problem: Problem) -> bool:
        return True

    def fit(self, lesson: Lesson, run: Run) -> object:
        self.lessons.append(lesson)
        return LinearStudent().fit(lesson, run)


def test_a_study_is_distilled_on_the_command_line(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, run = finished
    before = json.loads((run / "verdict.json").read_text())
    assert main(["distil", str(run), "--out", str(tmp_path / "small"), "--quiet"]) == 0
    told = capsys.readouterr().out
    record = json.loads((tmp_path / "small" / "distilled.json").read_text())
    assert told.startswith(record["sentence"])
    assert record["outcome"] == "equivalent"
    assert record["student"] == "linear"
    assert record["gain"]["probability_worse"] <= 0.05
    assert record["after"]["size_bytes"] < record["before"]["size_bytes"]
    assert record["filled"] == {"gaps": 17, "answered": 17}
    assert json.loads((run / "verdict.json").read_text()) == before
    model = sw.load(tmp_path / "small")
    own = model.card["distilled"]
    assert own == {key: record[key] for key in own}
    assert {"sentence", "gain", "from"} <= set(own)
    size = sum(file.stat().st_size for file in (tmp_path / "small" / "model").rglob("*") if file.is_file())
    assert abs(record["after"]["size_bytes"] - size) <= 2  # of digits of the size itself
    assert main(["predict", str(tmp_path / "small"), str(table)]) == 0
    assert capsys.readouterr().out.count("\n") == 151


def test_limits_hold_for_the_student_as_measured(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(finished[1]), str(tmp_path / "small")
    assert main(["distil", run, "--out", out, "--quiet", "--max-size", "20kB"]) == 0
    size = sum(file.stat().st_size for file in (tmp_path / "small" / "model").rglob("*") if file.is_file())
    assert size <= 20_000
    assert "at most 20 kB" not in capsys.readouterr().err
    for flags, rule in (
        (["--max-size", "50B"], "must keep your limits (at most 50 bytes)"),
        (["--max-size", "soon"], "max_size is a size"),
    ):
        assert main(["distil", run, "--out", out, "--quiet", *flags]) == 2
        told = capsys.readouterr().err
        assert rule in told
        assert told.count("\n") == 1


def test_no_test_row_teaches_and_no_answer_knows_its_label(
    finished: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sharewise.cli._source import finished_study

    study = finished_study(finished[1])
    Spy.lessons.clear()
    monkeypatch.setattr("sharewise.distilling._distil.STUDENTS", (Spy(),))
    study.distil(Limits(), None, quiet=True)
    values = study.problem.table.columns[0].values
    plan = json.loads(
        sqlite3.connect(finished[1] / "trials.sqlite")
        .execute("SELECT value FROM meta WHERE key = 'plan'")
        .fetchone()[0]
    )
    assert plan["rounds"] == 3
    in_rounds = Spy.lessons[1:-1]  # the first and the last are on everything
    assert len(in_rounds) == 3 * len(WAYS)
    for place, lesson in enumerate(in_rounds):
        around = make_round(study.problem, study.protocol, _plan(plan), place // len(WAYS))
        seen = lesson.sample.table.columns[0].values
        assert not np.isin(seen, values[around.test]).any()
        assert np.isin(values[around.train], seen).all()
    # The label of row 7 is 1,000; by trees that did not see it it is an ordinary one.
    for lesson in Spy.lessons[2:]:
        row = np.flatnonzero(lesson.sample.table.columns[0].values == values[7])
        if len(row) and lesson.aims[0][row[0], 0] != 1000.0:
            assert lesson.aims[0][row[0], 0] == pytest.approx(
                500.0, abs=40.0
            )  # half the label, half the answer


def _plan(kept: dict[str, object]) -> object:
    from sharewise.studies import Plan

    return Plan(**kept)


def test_what_cannot_be_distilled_is_one_sentence(
    finished: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, run = finished
    small = ["--out", str(tmp_path / "small"), "--quiet"]
    assert main(["distil", str(tmp_path), *small]) == 2
    assert "holds trials.sqlite" in capsys.readouterr().err
    assert main(["distil", str(run), "--out", str(run), "--quiet"]) == 2
    assert "not in place of it" in capsys.readouterr().err
    rows = pd.read_csv(table)
    try:
        rows.assign(a=rows["a"] + 1).to_csv(table, index=False)
        assert main(["distil", str(run), *small]) == 2
        told = capsys.readouterr().err
        assert "was made with other data" in told
        assert told.count("\n") == 1
    finally:
        rows.to_csv(table, index=False)
    problem = Problem.from_frame(rows, targets=["u", "v"])
    study = sw.Study(problem, None, [], (), None, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="kept none"):
        study.distil()
    with pytest.raises(OptionError, match="max_size is a size"):
        study.distil(max_size="large")


def test_a_study_in_python_distils_its_own_winner(finished: tuple[Path, Path], tmp_path: Path) -> None:
    table, run = finished
    problem = Problem.from_frame(pd.read_csv(table), targets=["u", "v"], metric="mae")
    asked = {"strategies": ["separate"], "families": ["trees"], "budget": "60s", "workers": 1, "quiet": True}
    study = sw.compare(problem, out=run, **asked)
    with pytest.raises(OptionError, match=r"must keep your limits \(one row in at most 0.001 ms\)"):
        study.distil(max_latency="1us")
    with pytest.raises(OptionError, match="holds a study"):
        study.distil(out=run)


def test_sentences_are_refused() -> None:
    from sharewise.problems import Sentences
    from sharewise.verdicts._distillable import refusal

    tagged = Problem.from_sentences(
        Sentences.of([["It", "rains"]] * 20, a=[["P", "V"]] * 20, b=[["x", "y"]] * 20)
    )
    assert "rows are sentences" in str(refusal(tagged))
    assert refusal(mixed_problem()) is None


def test_a_study_about_new_tasks_is_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    from sharewise._distilling import opened_again

    (tmp_path / "verdict.json").write_text('{"protocol": {"question": "new"}}')
    problem = mixed_problem()
    with pytest.raises(OptionError, match="about new tasks"):
        opened_again(tmp_path, problem, None)  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="to the end"):
        opened_again(tmp_path / "nowhere", problem, None)  # type: ignore[arg-type]
