"""``sharewise adapt``: a small model's folder from a study's and a few labelled rows, and ``predict`` with it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cli_runs import Ran, refused, run
from sharewise.problems import Problem
from sharewise.serving import DeployedModel, load
from sharewise.strategies.new_tasks._served import serve_known
from stub_adapters import know_stubs, ladder, letters, schools

SCHOOLS = schools()
NEW = schools(132, seed=5).query("school == 132").reset_index(drop=True)
CARD = {"serve": [[1, "constant", "none", ""], [4, "meta-learned", "linear", "mixed"]]}


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A study's folder ``runs/schools`` and tables of a new school, where the tests run."""
    know_stubs(monkeypatch)
    monkeypatch.chdir(tmp_path)
    stored("score", "runs/schools")
    (tmp_path / "runs/schools/verdict.json").write_text("{}")
    NEW.drop(columns="passed").head(10).to_csv("support.csv", index=False)
    NEW.drop(columns=["passed", "score"]).to_csv("new.csv", index=False)


def stored(target: str, out: str) -> DeployedModel:
    other = {"score": "passed", "passed": "score"}[target]
    problem = Problem.from_frame(SCHOOLS.drop(columns=other), targets=target, task="school")
    ladders = (ladder(problem),)
    model = DeployedModel.of(problem, serve_known(problem, ladders), CARD, ladders)
    model.save(Path(out) / "model")
    return model


def adapt(*flags: object, study: str = "runs/schools", support: str = "support.csv") -> Ran:
    return run("adapt", study, support, *flags)


SCHOOL = ("--task", "school 132", "--out", "runs/school132")


def test_a_small_model_is_written_and_predicts() -> None:
    before = run("predict", "runs/schools", table(SCHOOLS.drop(columns=["score", "passed"]))).out
    ran = adapt(*SCHOOL)
    assert (ran.code, ran.err) == (0, "")
    first, second = ran.out.splitlines()
    assert first == "school 132: 10 labels, served by meta-learned linear."
    assert second.split() == ["model", "runs/school132"]
    assert {path.name for path in Path("runs/school132").iterdir()} == {
        "model.json",
        "card.md",
        "arrays.safetensors",
    }
    predicted = run("predict", "runs/school132", "new.csv")
    assert (predicted.code, predicted.err) == (0, "")
    small = load("runs/schools").adapt(pd.read_csv("support.csv"), task="132")
    found = pd.read_csv(io.StringIO(predicted.out))["score"]
    np.testing.assert_allclose(found, small.predict(pd.read_csv("new.csv"))["score"], rtol=1e-12)
    assert run("predict", "runs/schools", "t.csv").out == before  # the study's model is as it was
    assert load("runs/schools").adapted == {}


def test_one_label_and_the_plain_name_do() -> None:
    NEW.drop(columns=["passed", "school"]).head(1).to_csv("support.csv", index=False)
    ran = adapt("--task", "132", "--out", "small")
    assert ran.out.startswith("school 132: 1 label, served by constant.")
    ran = run("predict", "small", "new.csv", "--out", "p.csv")
    assert (ran.code, ran.out) == (0, "")
    np.testing.assert_allclose(pd.read_csv("p.csv")["score"], NEW["score"][0])


def test_a_task_of_a_pool() -> None:
    problem = Problem.from_frame(letters(), targets="letter")
    DeployedModel.of(problem, None, {}, (ladder(problem, 3),)).save("pool/model")
    letters("xy", 4).to_csv("xy.csv", index=False)
    assert adapt("--task", "two letters", "--out", "xy", study="pool", support="xy.csv").code == 0
    ran = run("predict", "xy", "xy.csv", "--proba")
    assert ran.out.splitlines()[0] == "letter=x,letter=y"
    refused(run("predict", "pool", "xy.csv"), "serves no task before")


def test_an_older_small_model_is_replaced() -> None:
    assert adapt(*SCHOOL).code == 0
    NEW.drop(columns="passed").head(2).to_csv("support.csv", index=False)
    assert adapt(*SCHOOL).code == 0
    assert load("runs/school132").labels == 2


def table(frame: pd.DataFrame, name: str = "t.csv") -> str:
    frame.to_csv(name, index=False)
    return name


ROWS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "no rows": (lambda d: d.head(0), ("support.csv",)),
    "no target": (lambda d: d.rename(columns={"score": "scores"}), ("hold none", "'scores'?")),
    "gap": (lambda d: d.assign(score=[None, *d["score"][1:]]), ("'score'", "NaN on 1 row of 10")),
    "infinite": (lambda d: d.assign(score=[np.inf, *d["score"][1:]]), ("'score'", "infinite")),
    "words": (lambda d: d.assign(score=["good", *d["score"][1:]]), ("'good'",)),
    "feature gone": (lambda d: d.drop(columns="x2"), ("lacks 'x2'",)),
    "two schools": (lambda d: d.assign(school=[131, *[132] * 9]), ("'school 132'", "holds '131'")),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_cannot_be_adapted_to(name: str) -> None:
    change, words = ROWS[name]
    table(change(pd.read_csv("support.csv")), "support.csv")
    refused(adapt(*SCHOOL), *words)
    assert not Path("runs/school132").exists()


def test_classes_that_cannot_be_adapted_to() -> None:
    stored("passed", "runs/passed")
    held = NEW.drop(columns="score").head(10)
    table(held[held["passed"] == "yes"], "one.csv")
    refused(adapt(*SCHOOL, study="runs/passed", support="one.csv"), "two classes", "'yes'")
    table(held.assign(passed=["yess", *held["passed"][1:]]), "odd.csv")
    refused(adapt(*SCHOOL, study="runs/passed", support="odd.csv"), "'yess'", "Did you mean 'yes'?")


FLAGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no task": (("--out", "x"), ("--task",)),
    "no out": (("--task", "132"), ("--out",)),
    "empty name": (("--task", "", "--out", "x"), ("has a name", "''")),
    "known task": (("--task", "school 3", "--out", "x"), ("'school 3' is one of its tasks",)),
    "empty out": (("--task", "132", "--out", ""), ("--out ''",)),
    "over the study": (("--task", "132", "--out", "runs/schools"), ("does not replace the study's",)),
    "over its model": (("--task", "132", "--out", "runs/schools/model"), ("does not replace the study's",)),
    "over other things": (("--task", "132", "--out", "runs"), ("runs' holds schools",)),
    "a file": (("--task", "132", "--out", "new.csv"), ("new.csv",)),
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags_that_do_not_fit(name: str) -> None:
    flags, words = FLAGS[name]
    refused(adapt(*flags), *words)
    assert load("runs/schools").tasks()[0] == "school 1"


def test_folders_that_cannot_adapt() -> None:
    refused(adapt(*SCHOOL, study="none"), "'none'")
    refused(adapt(*SCHOOL, support="none.csv"), "none.csv")
    assert adapt(*SCHOOL).code == 0
    refused(adapt("--task", "133", "--out", "x", study="runs/school132"), "'school 132' alone")
    shutil.copytree("runs/school132", "cut")
    whole = Path("cut/model.json").read_bytes()
    Path("cut/model.json").write_bytes(whole[: len(whole) // 2])
    refused(run("predict", "cut", "new.csv"), "'cut'")


def test_rows_of_another_school_are_not_predicted_with_it() -> None:
    assert adapt(*SCHOOL).code == 0
    refused(
        run("predict", "runs/school132", table(SCHOOLS)),
        "'school 132'",
        "holds '1', '2', '3', '4', '5' and 1 more",
    )
    refused(run("predict", "runs/schools", "new.csv"), "'132'", "sharewise adapt")
