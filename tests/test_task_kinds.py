"""Ordered classes and several labels a cell: scores beside scikit-learn's, columns to tasks, every family."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.metrics import average_precision_score, cohen_kappa_score, f1_score

from conformance import QUICK, SEED, Way, check_predictions, check_stored, ways
from sharewise.errors import DataError, OptionError
from sharewise.families import FAMILIES, Run, Sample
from sharewise.problems import Problem, split
from sharewise.serving import load
from sharewise.tasks import METRICS, Binary, Multilabel, Ordinal
from sharewise.tasks._ordinal_metric import median_class
from sharewise.tasks._torch_loss import cumulative_losses, loss_of, predict_of

GRADES = ("poor", "fair", "good", "great")


def chances(n: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), size=n)


def survey(n: int = 90, **columns: object) -> pd.DataFrame:
    """A grade in words, one of two ordered classes, and a number."""
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=(2, n))
    grade = np.digitize(x + 0.5 * rng.normal(size=n), [-1.0, 0.0, 1.0])
    frame = {
        "x": x,
        "z": z,
        "grade": pd.Categorical.from_codes(grade, GRADES, ordered=True),
        "level": np.where(z + 0.5 * rng.normal(size=n) > 0, 7, 3),
        "size": x - z + 0.3 * rng.normal(size=n),
    }
    return pd.DataFrame(frame | columns)


# Ordered classes


def test_ordinal_scores_by_hand() -> None:
    kind = Ordinal(3)
    p = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    y = np.array([2.0, 0.0])
    # Cumulative (0.2, 0.7) against (0, 0), and (0.6, 0.7) against (1, 1), halved for three classes.
    rows = [(0.04 + 0.49) / 2, (0.16 + 0.09) / 2]
    assert kind.metric()(y, p) == pytest.approx(np.mean(rows))
    assert kind.decode(p).tolist() == [1, 0]
    assert kind.metric("mae_ranks")(y, p) == pytest.approx(0.5)
    assert kind.metric("accuracy_median")(y, p) == 0.5
    assert kind.decode(np.array([[0.5, 0.0, 0.5], [0.4, 0.2, 0.4], [0.1] * 3])).tolist()[:2] == [0, 1]
    two = chances(50, 2)
    truth = (np.arange(50) % 2).astype(float)
    assert METRICS["rps"](truth, two) == pytest.approx(METRICS["brier"](truth, two))


def test_quadratic_kappa_is_scikit_learns() -> None:
    for seed in range(5):
        p = chances(60, 5, seed)
        y = np.random.default_rng(seed).integers(0, 5, 60).astype(float)
        expected = cohen_kappa_score(y, median_class(p), weights="quadratic", labels=range(5))
        assert METRICS["quadratic_kappa"](y, p) == pytest.approx(expected)
    same = np.eye(3)[[1, 1]]
    assert np.isnan(METRICS["quadratic_kappa"](np.ones(2), same))


def test_the_ranked_score_and_the_loss_are_proper_and_the_median_is_best() -> None:
    """Among forecasts, the truth's own chances expect the least; among classes, the median is nearest."""
    honest, others = chances(1, 4, 9)[0], chances(300, 4, 5)
    kind = Ordinal(4)
    for score in (
        lambda p: sum(honest[k] * METRICS["rps"](np.array([k]), p[None]) for k in range(4)),
        lambda p: float(
            torch.from_numpy(honest)
            @ cumulative_losses(torch.log(torch.from_numpy(p)).expand(4, 4), torch.arange(4))
        ),
    ):
        assert min(map(score, others)) > score(honest)  # type: ignore[no-untyped-call]
    for p in others[:50]:
        distance = [np.sum(p * np.abs(np.arange(4) - k)) for k in range(4)]
        assert distance[int(kind.chosen(p[None])[0])] == pytest.approx(min(distance))


def test_the_cumulative_loss_by_hand_with_gaps_and_slopes() -> None:
    kind, p = Ordinal(3), torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    by_hand = -(np.log(1 - 0.2) + np.log(0.7)) / 2  # class 1 lies above the first cut, below the second
    assert float(loss_of(kind, p.log() + 4.0, torch.tensor([1]))) == pytest.approx(by_hand)
    scores = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    codes = torch.tensor([0, 1, 2, -100, 1, 0])
    known = codes >= 0
    torch.testing.assert_close(loss_of(kind, scores, codes), loss_of(kind, scores[known], codes[known]))
    assert torch.autograd.gradcheck(lambda s: cumulative_losses(s, codes.clamp(min=0)), (scores,))
    huge = torch.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    loss_of(kind, huge, torch.tensor([2])).backward()
    assert bool(torch.isfinite(huge.grad).all())  # type: ignore[arg-type]
    two = torch.randn(5, 2)
    code = torch.tensor([0, 1, 1, 0, 1])
    torch.testing.assert_close(loss_of(Ordinal(2), two, code), loss_of(Binary((0, 1)), two, code))
    np.testing.assert_allclose(predict_of(kind, p.log()), p.numpy())


@pytest.mark.parametrize("classes", [(1,), ("a", "b", "a")])
def test_ordinal_classes_are_two_and_different(classes: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="an ordinal task"):
        Ordinal(classes)


def test_categories_keep_their_order() -> None:
    kinds = {"grade": "ordinal", "level": "ordinal"}
    frame = survey()
    problem = Problem.from_frame(frame, targets=["grade", "level"], kinds=kinds)
    assert [target.kind for target in problem.targets] == [Ordinal(GRADES), Ordinal((3, 7))]
    assert [target.metric.name for target in problem.targets] == ["rps", "rps"]
    assert np.array_equal(problem.labels[:, 0], frame["grade"].cat.codes)
    polar = pl.DataFrame(frame.assign(grade=frame["grade"].astype(str)))
    enums = polar.with_columns(pl.col("grade").cast(pl.Enum(GRADES[::-1])))
    assert Problem.from_frame(enums, targets=["grade", "level"], kinds=kinds).targets[0].kind == Ordinal(
        GRADES[::-1]
    )
    unasked = Problem.from_frame(frame, targets=["grade", "level"])
    assert unasked.targets[0].kind.name == "multiclass"
    assert any("have an order" in note for note in unasked.notes)


def test_numbers_are_ordered_gaps_stay_and_rare_grades_go() -> None:
    words = (
        survey().grade.cat.codes.add(8).astype(str).to_list()
    )  # "8" to "11": as words, "10" would come first
    words[:4] = [None, None, "12", "12"]
    problem = Problem.from_frame(
        survey(grade=words),
        targets=["grade", "size"],
        kinds={"grade": "ordinal"},
        metric={"grade": "mae_ranks"},
    )
    assert problem.targets[0].kind == Ordinal((8, 9, 10, 11))
    assert problem.targets[0].metric.name == "mae_ranks"
    assert np.flatnonzero(np.isnan(problem.labels[:, 0])).tolist() == [0, 1, 2, 3]
    reversed_ = pd.Categorical(
        [None if w is None else int(w) for w in words], [12, 11, 10, 9, 8], ordered=True
    )
    frame = survey(grade=reversed_)
    assert Problem.from_frame(frame, targets=["grade", "size"], kinds={"grade": "ordinal"}).targets[
        0
    ].kind == Ordinal((11, 10, 9, 8))


def test_words_without_an_order_are_refused_with_the_way_out() -> None:
    frame = survey()
    for column in (frame.grade.astype(str), frame.grade.cat.as_unordered()):
        with pytest.raises(DataError, match=r"nothing says how .* pandas Categorical with ordered=True"):
            Problem.from_frame(
                frame.assign(grade=column), targets=["grade", "size"], kinds={"grade": "ordinal"}
            )
    with pytest.raises(OptionError, match=r"ordinal task is scored by one of rps"):
        Problem.from_frame(
            frame, targets=["grade", "size"], kinds={"grade": "ordinal"}, metric={"grade": "rmse"}
        )


@cache
def graded() -> tuple[Problem, Sample]:
    """Two ordered targets and a number, with inner folds."""
    kinds = {"grade": "ordinal", "level": "ordinal"}
    problem = Problem.from_frame(survey(), targets=["grade", "level", "size"], kinds=kinds)
    rows = np.arange(len(problem))
    return problem, Sample.of(problem, rows, split(problem, rows, folds=3, seed=1))


@pytest.mark.parametrize(
    "way", [way for family in FAMILIES.values() for way in ways(family, graded()[0])], ids=str
)
def test_every_family_fits_ordered_classes(way: Way) -> None:
    """On rows held out its chances are ranked better than the shares of the classes."""
    _, sample = graded()
    fit = way.fit(sample, Run(SEED, effort=QUICK))
    check_predictions(fit.held_out, sample, known_only=True)
    for place in (0, 1):
        y, kind = sample.labels[:, place], sample.targets[place].kind
        floor = METRICS["rps"](y, np.tile(kind.constant(y), (len(y), 1)))
        assert METRICS["rps"](y, fit.held_out[place]) < floor


def test_a_stored_model_of_grades_decodes_the_median(tmp_path: Path) -> None:
    problem, sample = graded()
    way = next(iter(ways(FAMILIES["linear"], problem, side="alone")))
    fit = way.fit(sample, Run(SEED, effort=QUICK))
    check_stored(fit, problem, tmp_path / "model")
    model = load(tmp_path / "model")
    shares = model.predict_proba(survey())[[f"grade={grade}" for grade in GRADES]].to_numpy()
    assert model.predict(survey())["grade"].tolist() == [GRADES[code] for code in median_class(shares)]


@pytest.mark.slow
def test_a_study_of_grades_through_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cli_runs import SMALL, quicken
    from sharewise.cli import main

    quicken(monkeypatch)
    frame = survey(
        tags=[
            ";".join(t for t, has in zip("ab", row, strict=True) if has) or ";"
            for row in survey()[["x", "z"]].to_numpy() > 0.3
        ]
    )
    frame.assign(grade=frame.grade.cat.codes).drop(columns="level").to_csv(
        tmp_path / "survey.csv", index=False
    )
    told = [
        "--targets",
        "grade,size,tags",
        "--kinds",
        "grade=ordinal,tags=multilabel",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(["compare", str(tmp_path / "survey.csv"), *told, *SMALL]) == 0
    capsys.readouterr()
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert set(verdict["per_task"]) == {"grade", "size", "tags: a", "tags: b"}
    assert verdict["per_task"]["grade"]["metric"] == "rps"


# Several labels a cell


def test_multilabel_scores_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    kind = Multilabel("tags", tuple("abcde"))
    truth = (rng.random((80, 5)) < [0.5, 0.3, 0.1, 0.02, 0.0]).astype(float)
    p = np.round(0.5 * truth + 0.5 * rng.random((80, 5)), 1)  # with ties
    told = (truth.sum(axis=0) > 0) & (truth.sum(axis=0) < 80)
    assert kind.metric()(truth, p) == pytest.approx(
        average_precision_score(truth[:, told], p[:, told], average="macro")
    )
    for name, average in (("f1_micro", "micro"), ("f1_macro", "macro")):
        expected = f1_score(truth, p >= 0.5, average=average, zero_division=0.0)
        assert kind.metric(name)(truth, p) == pytest.approx(expected)
        gap = np.vstack([truth, np.full(5, np.nan)])
        assert kind.metric(name)(gap, np.vstack([p, np.ones(5)])) == pytest.approx(expected)
    with pytest.raises(OptionError, match="mean_average_precision, f1_micro, f1_macro; got 'accuracy'"):
        kind.metric("accuracy")


def test_sets_there_and_back() -> None:
    kind = Multilabel("tags", ("a", "b", "c"))
    sets = [frozenset("ab"), frozenset(), frozenset("c")]
    assert kind.decode(kind.encode(sets)).tolist() == sets
    assert np.isnan(kind.encode([None])).all()
    with pytest.raises(DataError, match="row 1 holds 'z'"):
        kind.encode([set(), {"z"}])
    with pytest.raises(DataError, match="got \\(2, 2\\)"):
        kind.decode(np.zeros((2, 2)))
    with pytest.raises(DataError, match="different labels"):
        Multilabel("tags", ("a", "a"))


@pytest.mark.parametrize("form", [";", "|", ", ", "list", "tuple", "array", "polars"])
def test_a_column_of_labels_becomes_a_task_a_label(form: str) -> None:
    """Whatever way the sets are written; gaps are gaps of every label, and an empty list is none of the labels."""
    rng = np.random.default_rng(1)
    truth = rng.random((60, 3)) < [0.7, 0.4, 0.08]
    sets = [[label for label, has in zip(("x y", "b", "c"), row, strict=True) if has] for row in truth]
    make = {"list": list, "polars": list, "tuple": tuple, "array": np.array}
    cells: list[object] = [make[form](s) if form in make else form.join(s) or form for s in sets]
    cells[5] = cells[6] = None
    frame = survey(60).assign(tags=pd.Series(cells, dtype=object))
    given = pl.DataFrame(frame.drop(columns="grade").to_dict("list")) if form == "polars" else frame
    problem = Problem.from_frame(
        given, targets=["size", "tags"], kinds={"tags": "multilabel"}, metric={"tags": "roc_auc"}
    )
    assert [target.name for target in problem.targets] == ["size", "tags: x y", "tags: b"]
    assert problem.targets[1].kind == Binary((False, True))
    assert {target.metric.name for target in problem.targets[1:]} == {"roc_auc"}
    labels = problem.labels[:, 1:]
    assert np.flatnonzero(np.isnan(labels).any(axis=1)).tolist() == [5, 6]
    known = ~np.isnan(labels[:, 0])
    assert np.array_equal(labels[known], truth[known, :2])
    assert any("read as 2 binary tasks" in note for note in problem.notes)
    assert any("1 label of 'tags'" in note and "'c'" in note for note in problem.notes)


def test_the_fifty_most_frequent_labels_are_read() -> None:
    cells = [[f"l{k:02}" for k in range(60) if (row * 13 + k) % (k // 6 + 2) == 0] for row in range(200)]
    frame = survey(200).assign(tags=cells)
    problem = Problem.from_frame(frame, targets="tags", kinds={"tags": "multilabel"})
    counts = np.nansum(problem.labels, axis=0)
    assert len(problem.targets) == 50
    assert list(counts) == sorted(counts, reverse=True)
    assert any(
        "Of 60 labels of 'tags' the 50 most frequent are read; 10 labels left out." in n
        for n in problem.notes
    )


def test_the_rarer_separator_may_stand_inside_a_label() -> None:
    cells = ["smith, j; doe, a", "smith, j", "doe, a; smith, j", "doe, a"] * 15
    problem = Problem.from_frame(
        survey(60).assign(by=cells), targets=["by", "size"], kinds={"by": "multilabel"}
    )
    assert {target.name for target in problem.targets} == {"by: smith, j", "by: doe, a", "size"}


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["a", "b"] * 30, r"no cell of 'tags' does \(one is 'a'\). Say --kinds tags=multiclass"),
        ([1.0, 2.0] * 30, "no cell of 'tags' does"),
        ([None] * 60, "'tags' is empty"),
        ([{"a": 1}, ["b"]] * 30, "holds a dict on row 0"),
        ([["a"], [["b"]]] * 30, "holds a list on row 1"),
        ([["a", "b"]] * 60, "none is. Bring more rows"),
    ],
)
def test_columns_without_labels_to_learn_are_refused(cells: list[object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Problem.from_frame(
            survey(60).assign(tags=pd.Series(cells, dtype=object)),
            targets=["tags", "size"],
            kinds={"tags": "multilabel"},
        )


def test_a_column_of_that_name_is_in_the_way() -> None:
    frame = survey(60).assign(tags=["a;b", "b", "a", ";"] * 15)
    with pytest.raises(DataError, match=r"a column 'tags: a' already\. Rename"):
        Problem.from_frame(
            frame.assign(**{"tags: a": 1}), targets=["tags", "size"], kinds={"tags": "multilabel"}
        )


def test_emotions_in_one_column_are_the_six_columns(dataset: Callable[[str], Path]) -> None:
    """Mulan's pieces of music joined to one cell each make the problem that their six columns make."""
    from scipy.io import arff

    folder = dataset("mulan_multilabel") / "emotions"
    frame = pd.DataFrame(arff.loadarff(folder / "emotions-train.arff")[0])
    names = list(frame.columns[-6:])
    wide = frame.assign(**{name: frame[name].astype(int) for name in names})
    joined = wide.drop(columns=names).assign(
        mood=[" | ".join(name for name in names if row[name]) or "|" for _, row in wide[names].iterrows()]
    )
    one = Problem.from_frame(joined, targets="mood", kinds={"mood": "multilabel"})
    six = Problem.from_frame(wide, targets=names)
    place = {target.name: d for d, target in enumerate(one.targets)}
    assert np.array_equal(one.labels[:, [place[f"mood: {name}"] for name in names]], six.labels)
    assert [column.name for column in one.table] == [column.name for column in six.table]
    assert not any("left out" in note for note in one.notes)
