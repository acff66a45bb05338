"""A new task from a few labels: served beside the others, updated, forgotten, stored; refused in one sentence."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sharewise.errors import DataError, OptionError, SharewiseError, StorageError
from sharewise.families import Run, Sample
from sharewise.families._parts import ConstantPart
from sharewise.problems import Problem
from sharewise.serving import AdaptedModel, DeployedModel, _folder, load
from sharewise.serving._folder import write_folder
from sharewise.serving._known import KNOWN, StoredTarget
from sharewise.strategies import fit_constant_model
from sharewise.strategies.new_tasks._served import ServedTasks, check_ladders, rung_for, serve_known
from stub_adapters import MeanAdapter, ModuleAdapter, RidgeAdapter, know_stubs, ladder, letters, schools

SCHOOLS = schools()
NEW = schools(9, seed=5).query("school == 9").reset_index(drop=True)
"""Twenty pupils of a school that was not there."""


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    know_stubs(monkeypatch)


def deployed(*targets: str, **options: Any) -> DeployedModel:
    """A fresh model of the schools, for new schools too."""
    problem = Problem.from_frame(SCHOOLS, targets=[*targets], task="school", drop=unwanted(targets))
    ladders = tuple(ladder(problem) for _ in problem.targets)
    return DeployedModel.of(problem, serve_known(problem, ladders), {"made by": "a test", **options}, ladders)


def unwanted(targets: tuple[str, ...]) -> list[str]:
    return [name for name in ("score", "passed") if name not in targets]


@pytest.fixture
def model() -> DeployedModel:
    return deployed("score")


def pool() -> DeployedModel:
    problem = Problem.from_frame(letters(), targets="letter")
    return DeployedModel.of(problem, None, {}, (ladder(problem, 3),))


# ---------------------------------------------------------------- serving


def test_few_labels_are_served_by_what_is_for_few(model: DeployedModel) -> None:
    small = model.adapt(NEW.head(3), task="school 9")
    assert small.task == "school 9"
    assert small.labels == 3
    np.testing.assert_allclose(small.predict(NEW)["score"], NEW["score"].head(3).mean())
    assert small.strategies == {"score": "mean"}


def test_more_labels_by_what_is_for_more(model: DeployedModel) -> None:
    small = model.adapt(NEW.head(10), task="9")
    assert small.task == "school 9"
    adapter = model.adapters[0][1][1]
    table, _, _ = model.schema.read(NEW, with_levels=False)
    part = adapter.adapt(adapter.encode(table.take(np.arange(10))), NEW["score"].to_numpy()[:10], None)
    np.testing.assert_array_equal(small.predict(NEW)["score"], part.predict(adapter.encode(table))[:, 0])
    assert small.strategies == {"score": "ridge"}
    assert small.ladders[0][1][1] is adapter  # by reference


@pytest.mark.parametrize(("labels", "rung"), [(0, 0), (1, 0), (4, 0), (5, 1), (19, 1), (20, 2), (999, 2)])
def test_the_last_adapter_that_is_for_as_few_is_chosen(labels: int, rung: int) -> None:
    held = tuple((least, MeanAdapter()) for least in (2, 5, 20))
    assert rung_for(held, labels) == rung


def test_other_tasks_are_predicted_as_before_to_the_last_bit(model: DeployedModel) -> None:
    before = model.predict(SCHOOLS)
    model.adapt(NEW.head(10), task="school 9")
    pd.testing.assert_frame_equal(model.predict(SCHOOLS), before, check_exact=True)
    model.update(NEW.tail(5), task="school 9")
    pd.testing.assert_frame_equal(model.predict(SCHOOLS), before, check_exact=True)


def test_rows_of_known_and_adapted_tasks_are_served_in_their_order(model: DeployedModel) -> None:
    before = model.predict(SCHOOLS)
    nine = model.adapt(NEW.head(10), task="school 9")
    seven = model.adapt(NEW.assign(school=7).tail(6), task=7)
    mixed = pd.concat([SCHOOLS, NEW, NEW.assign(school=7)]).sample(frac=1.0, random_state=0)
    found = model.predict(mixed)
    assert list(found.index) == list(mixed.index)
    for own, small in ((9, nine), (7, seven)):
        rows = (mixed["school"] == own).to_numpy()
        np.testing.assert_array_equal(found["score"][rows], small.predict(mixed[rows])["score"])
    rows = (mixed["school"] < 7).to_numpy()
    np.testing.assert_array_equal(found[rows].sort_index(), before)
    assert model.tasks() == (*(f"school {level}" for level in range(1, 7)), "school 9", "school 7")


def test_rows_need_no_task_column_and_come_in_any_frame(model: DeployedModel) -> None:
    small = model.adapt(NEW.drop(columns="school").head(10), task="school 9")
    found = small.predict(NEW)
    pd.testing.assert_frame_equal(small.predict(NEW.drop(columns=["school", "score"])), found)
    other = small.predict(pl.from_pandas(NEW))
    assert isinstance(other, pl.DataFrame)
    assert other["score"].to_list() == found["score"].tolist()
    again = deployed("score").adapt(pl.from_pandas(NEW.head(10)), task="9")
    pd.testing.assert_frame_equal(again.predict(NEW), found)


def test_arrays_are_read_by_position() -> None:
    held = SCHOOLS[["x0", "x1", "school", "score"]].to_numpy(float)
    problem = Problem.from_frame(held, targets="x3", task="x2")
    model = DeployedModel.of(problem, serve_known(problem, (ladder(problem),)), {}, (ladder(problem),))
    rows = NEW[["x0", "x1", "school", "score"]].to_numpy(float)
    small = model.adapt(rows[:8], task="9")
    assert small.predict(rows).shape == (20, 1)
    with pytest.raises(DataError, match="the 4 columns that the problem was read from, targets too; got 3"):
        model.adapt(rows[:8, [0, 1, 3]], task="8")


def test_a_level_that_begins_like_its_column_keeps_its_name() -> None:
    held = SCHOOLS.assign(school="school " + SCHOOLS["school"].astype(str))
    problem = Problem.from_frame(held, targets="score", task="school", drop="passed")
    model = DeployedModel.of(problem, serve_known(problem, (ladder(problem),)), {}, (ladder(problem),))
    model.adapt(NEW.drop(columns="school").head(5), task="school 9")
    assert len(model.predict(NEW.assign(school="school 9"))) == 20
    with pytest.raises(OptionError, match="'school school 3' is one of its tasks"):
        model.adapt(NEW.head(5), task="school 3")


# ---------------------------------------------------------------- update and forget


def test_labels_one_at_a_time_end_where_all_at_once_do(model: DeployedModel) -> None:
    small = model.adapt(NEW.head(1), task="school 9")
    for place in range(1, 10):
        assert small.strategies == {"score": "mean" if place < 4 else "ridge"}
        small = small.update(NEW.iloc[[place]])
    assert small.labels == 10
    at_once = deployed("score").adapt(NEW.head(10), task="school 9")
    np.testing.assert_array_equal(small.predict(NEW), at_once.predict(NEW))
    assert model.adapted["school 9"].labels == 1  # a small model changes nothing but itself


def test_the_model_updates_and_forgets(model: DeployedModel) -> None:
    first = model.adapt(NEW.head(2), task="school 9")
    before = first.predict(NEW)
    second = model.update(NEW.iloc[2:10], task="9")
    assert model.adapted["school 9"] is second
    np.testing.assert_array_equal(model.predict(NEW), second.predict(NEW))
    np.testing.assert_array_equal(first.predict(NEW), before)
    model.forget("school 9")
    assert model.tasks() == tuple(f"school {level}" for level in range(1, 7))
    with pytest.raises(DataError, match="'school' holds '9'"):
        model.predict(NEW)


def test_a_name_is_taken_once_unless_it_is_replaced(model: DeployedModel) -> None:
    model.adapt(NEW.head(2), task="school 9")
    with pytest.raises(OptionError, match="'school 9' was already"):
        model.adapt(NEW.head(5), task="9")
    assert model.adapt(NEW.head(5), task="9", replace=True).labels == 5
    assert model.adapted["school 9"].labels == 5


# ---------------------------------------------------------------- classes, several targets


def test_classes_of_a_task_column_are_the_studys() -> None:
    model = deployed("passed")
    small = model.adapt(NEW.head(10), task="school 9")
    found = small.predict_proba(NEW)
    assert list(found.columns) == ["passed=no", "passed=yes"]
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (small.predict(NEW)["passed"] == NEW["passed"]).mean() > 0.7
    mixed = pd.concat([NEW, SCHOOLS])
    np.testing.assert_array_equal(model.predict_proba(mixed)[:20], found)


def test_several_targets_may_have_gaps_but_no_row_without_any() -> None:
    model = deployed("score", "passed")
    held = NEW.head(12).copy()
    held.loc[:5, "passed"] = None
    held.loc[9:, "score"] = np.nan
    held.loc[6:7, "passed"] = ["yes", "no"]
    small = model.adapt(held, task="school 9")
    assert small.labels == 12
    assert small.strategies == {"score": "ridge", "passed": "ridge"}
    alone = model.adapt(held.head(9).drop(columns=["passed", "school"]), task="school 10")
    np.testing.assert_array_equal(
        small.predict(NEW)["score"], alone.predict(NEW.drop(columns="school"))["score"]
    )
    held.loc[10, "passed"] = None
    with pytest.raises(DataError, match="'score', 'passed' are empty or NaN on 1 row of 12"):
        model.adapt(held.drop(columns="school"), task="school 11")


def test_a_target_without_labels_of_the_task_is_left_empty() -> None:
    model = deployed("score", "passed")
    small = model.adapt(NEW[["x0", "x1", "x2", "x3", "colour", "passed"]].head(8), task="school 9")
    assert list(small.predict(NEW)) == ["passed"]
    mixed = model.predict(pd.concat([SCHOOLS, NEW]))
    assert mixed["score"].isna().to_numpy().tolist() == [False] * 120 + [True] * 20
    assert mixed["passed"].isin(["yes", "no"]).all()
    model.adapt(NEW.drop(columns=["passed", "school"]).head(8), task="school 8")
    only = model.predict(NEW.assign(school=8))
    assert only["passed"].isna().all()
    assert only["score"].notna().all()
    assert model.predict_proba(NEW.assign(school=8)).isna().all(axis=None)


def test_a_pool_serves_the_classes_of_the_rows() -> None:
    model = pool()
    with pytest.raises(OptionError, match=r"adapt it to some: model\.adapt"):
        model.predict(letters())
    rows = letters("xyz", 4)
    small = model.adapt(rows, task="three more")
    assert small.task == "three more"
    assert list(small.predict_proba(rows)) == ["letter=x", "letter=y", "letter=z"]
    others = letters("xyz", 9, seed=3)
    np.testing.assert_array_equal(small.predict(others)["letter"] == "x", others["letter"] == "x")
    assert small.strategies == {"letter": "ridge"}
    assert model.adapt(rows.iloc[2:], task="fewer").strategies == {"letter": "mean"}  # two rows of x
    assert model.tasks() == ("three more", "fewer")
    with pytest.raises(OptionError, match="serves no task before"):
        model.predict(rows)
    with pytest.raises(DataError, match="'letter' is 'x' on all 4 rows"):
        model.adapt(rows.head(4), task="one")


def test_further_classes_join_a_task_of_a_pool() -> None:
    small = pool().adapt(letters("xz", 4), task="new")
    more = small.update(letters("y", 4, seed=2))
    at_once = pool().adapt(pd.concat([letters("xz", 4), letters("y", 4, seed=2)]), task="new")
    np.testing.assert_array_equal(more.predict_proba(letters("xyz")), at_once.predict_proba(letters("xyz")))
    assert list(more.predict_proba(letters("x"))) == ["letter=x", "letter=y", "letter=z"]
    with pytest.raises(DataError, match="words or numbers, not both"):
        more.update(letters("y", 2).assign(letter=[1, 2]))


# ---------------------------------------------------------------- files


def bits(one: Any, other: Any) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_stored_model_keeps_its_adapted_tasks(model: DeployedModel, tmp_path: Path) -> None:
    model.adapt(NEW.head(10), task="school 9")
    model.adapt(NEW.head(2).drop(columns="school"), task="school 8")
    mixed = pd.concat([SCHOOLS, NEW, NEW.assign(school=8)], ignore_index=True)
    before = model.predict(mixed)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert isinstance(again, DeployedModel)
    assert again.tasks() == model.tasks()
    bits(again.predict(mixed), before)
    assert again.adapted["school 8"].ladders[0] is again.adapters[0]
    bits(
        again.update(NEW.iloc[2:10].drop(columns="school"), task="school 8").predict(
            NEW.drop(columns="school")
        ),
        again.adapted["school 9"].predict(NEW),
    )
    again.save(tmp_path / "n")
    assert load(tmp_path / "n").tasks() == model.tasks()


def test_a_small_model_is_stored_alone(tmp_path: Path) -> None:
    model = deployed("score", "passed", serve=[[1, "separate", "none"], [4, "meta-learned", "linear", "x"]])
    small = model.adapt(NEW.head(10), task="school 9")
    small.save(tmp_path / "small")
    again = load(tmp_path / "small")
    assert isinstance(again, AdaptedModel)
    assert (again.task, again.labels, again.targets) == (small.task, small.labels, small.targets)
    bits(again.predict(NEW), small.predict(NEW))
    bits(again.predict_proba(NEW), small.predict_proba(NEW))
    bits(again.update(NEW.iloc[10:]).predict(NEW), small.update(NEW.iloc[10:]).predict(NEW))
    assert [len(held) for held in again.ladders] == [1, 1]
    assert again.strategies == small.strategies == dict.fromkeys(("score", "passed"), "meta-learned linear")
    assert again.card["task"] == "school 9"
    assert again.card["labels"] == {"score": 10, "passed": 10}
    assert again.card["made by"] == "a test"


def test_a_task_of_a_pool_is_stored_with_its_classes(tmp_path: Path) -> None:
    model, rows = pool(), letters("xyz", 4)
    small = model.adapt(rows, task="new")
    for place, held in (("small", small), ("all", model)):
        held.save(tmp_path / place)
    bits(load(tmp_path / "small").predict_proba(rows), small.predict_proba(rows))
    again = load(tmp_path / "all")
    bits(again.adapted["new"].update(rows).predict_proba(rows), small.update(rows).predict_proba(rows))
    with pytest.raises(OptionError, match="serves no task before"):
        again.predict(rows)


def test_folders_of_before_load_still_and_say_what_they_lack(tmp_path: Path) -> None:
    problem = Problem.from_frame(SCHOOLS, targets="score", task="school", drop="passed")
    made = fit_constant_model(Sample.of(problem, np.arange(len(problem)), ()), Run(0)).model
    stored = tuple(map(StoredTarget.of, problem.targets))
    write_folder(tmp_path / "old", (made, problem.schema, stored), known=KNOWN, card={})
    old = load(tmp_path / "old")
    assert len(old.predict(SCHOOLS)) == len(SCHOOLS)
    with pytest.raises(OptionError, match="this one was stored without"):
        old.adapt(NEW.head(5), task="school 9")
    DeployedModel.of(problem, made, {}).save(tmp_path / "again")
    arrays, trees = (
        [read(tmp_path / folder) for folder in ("old", "again")]
        for read in (
            lambda folder: (folder / "arrays.safetensors").read_bytes(),
            lambda folder: json.loads((folder / "model.json").read_text())["tree"],
        )
    )
    assert arrays[0] == arrays[1]
    assert trees[0] == trees[1]  # only the list of files differs: there was no card.md


@pytest.fixture
def folders(model: DeployedModel, tmp_path: Path) -> tuple[Path, Path]:
    """A model with an adapted task, and that task alone."""
    model.adapt(NEW.head(10), task="school 9").save(tmp_path / "small")
    model.save(tmp_path / "all")
    return tmp_path / "all", tmp_path / "small"


def test_damaged_folders_are_refused(folders: tuple[Path, Path]) -> None:
    rng = np.random.default_rng(0)
    for folder in folders:
        for name in ("model.json", "arrays.safetensors"):
            whole = (folder / name).read_bytes()
            for turn in range(12):
                held = bytearray(whole)
                held[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
                (folder / name).write_bytes(held if turn % 2 else held[: len(held) // 2])
                said(StorageError, lambda folder=folder: load(folder))
            (folder / name).write_bytes(whole)
        load(folder)


FORGED: dict[str, Callable[[Any], object]] = {
    "a part is a schema": lambda task: task["parts"]["v"].__setitem__(0, task["table"]),
    "no parts": lambda task: task["parts"].update(v=[]),
    "a name is a number": lambda task: task.update(level=9),
    "labels of other rows": lambda task: task["table"]["fields"].update(n_rows=3),
    "another target": lambda task: task["targets"]["v"][0]["fields"].update(name="passed"),
    "an unknown metric": lambda task: task["targets"]["v"][0]["fields"].update(metric="luck"),
    "a field too many": lambda task: task.update(more=1),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_tasks_are_refused(name: str, folders: tuple[Path, Path]) -> None:
    import json

    for folder in folders:
        document = json.loads((folder / "model.json").read_text())
        del document["sha256"]
        task = document["tree"]["v"][-1]
        FORGED[name](task["fields"] if task["$"] == "data" else task["v"][0]["fields"])
        (folder / "model.json").write_bytes(_folder._seal(document))
        if (name, folder.name) == ("another target", "small"):  # its own name is all that it has
            continue
        said(StorageError, lambda folder=folder: load(folder))


def test_a_folder_of_other_things_is_refused(tmp_path: Path, model: DeployedModel) -> None:
    for content in (
        (1,),
        (model.schema, (), 3),
        (None, model.schema, ()),
        (1, 2, 3),
        7,
        (model.schema, 1, 2, 3),
    ):
        write_folder(tmp_path / "m", content, known=KNOWN, card={})
        said(StorageError, lambda: load(tmp_path / "m"))
        shutil.rmtree(tmp_path / "m")


def test_the_users_encoder_is_asked_for_and_shared(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import TensorDataset

    from sharewise.tasks import Multiclass

    def pictures(codes: int, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        y = torch.arange(codes).repeat(6)
        return TensorDataset(torch.randn(len(y), 2, 3, generator=generator) + y[:, None, None], y)

    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 4))
    problem = Problem.from_datasets({"digit": (pictures(8, 0), Multiclass(8))}, encoder=encoder)
    model = DeployedModel.of(problem, None, {}, (((1, ModuleAdapter()),),)).with_encoder(encoder)
    support, query = pictures(3, 1), pictures(3, 2)
    small = model.adapt(support, task="three")
    assert list(small.predict_proba(query)) == ["digit=0", "digit=1", "digit=2"]
    bits(small.predict_proba(query.tensors[0]), small.predict_proba(query))
    assert small.update(query).labels == 36
    with pytest.raises(DataError, match=r"map-style dataset of \(x, y\)"):
        model.adapt(support.tensors[0], task="four")
    model.save(tmp_path / "all")
    small.save(tmp_path / "small")
    for folder in ("all", "small"):
        with pytest.raises(OptionError, match=r"Load it with sw.load\(folder, encoder=my_module\)"):
            load(tmp_path / folder)
    again = load(tmp_path / "all", encoder=encoder)
    own = again.adapted["three"]
    bits(own.predict_proba(query), small.predict_proba(query))
    assert own.parts[0].adapter is own.ladders[0][0][1] is again.adapters[0][0][1]
    bits(load(tmp_path / "small", encoder=encoder).predict(query), small.predict(query))
    with pytest.raises(OptionError, match="must have the parameters"):
        load(tmp_path / "small", encoder=torch.nn.Linear(6, 4))


# ---------------------------------------------------------------- known tasks


def test_known_tasks_are_served_from_all_their_labels() -> None:
    held = SCHOOLS
    held = held.assign(score=held["score"].where((held["school"] != 2) | (held.index % 20 < 12)))
    problem = Problem.from_frame(held, targets="score", task="school", drop="passed")
    held = held.iloc[problem.rows]
    ladders = (ladder(problem, 15),)
    served = serve_known(problem, ladders)
    (found,) = served.predict(problem.table, problem.level)
    few = held["school"].to_numpy() == 2
    np.testing.assert_allclose(found[few, 0], held["score"][few].mean())
    rows = np.flatnonzero(held["school"] == 5)
    adapter = ladders[0][1][1]
    X = adapter.encode(problem.table.take(rows))
    np.testing.assert_allclose(
        found[rows], adapter.adapt(X, problem.labels[rows, 0], None).predict(X), rtol=1e-12
    )
    assert served.using.tolist() == [[1, 0, 1, 1, 1, 1]]


def test_a_level_without_labels_gets_the_mean_and_one_of_one_class_its_shares() -> None:
    held = SCHOOLS.copy()
    held.loc[held["school"] == 3, "score"] = np.nan
    held.loc[held["school"] == 4, "passed"] = "yes"
    problem = Problem.from_frame(held, targets=["score", "passed"], task="school")
    served = serve_known(problem, tuple(ladder(problem) for _ in range(2)))
    score, passed = served.predict(problem.table, problem.level)
    three, four = held["school"].to_numpy() == 3, held["school"].to_numpy() == 4
    np.testing.assert_allclose(score[three, 0], held["score"].mean())
    four_code = problem.levels.index("4")
    if served.parts[1][four_code] is not None:
        assert isinstance(served.parts[1][four_code], ConstantPart)
        np.testing.assert_allclose(passed[four], [[0.5 / 21, 20.5 / 21]] * 20)


def test_served_tasks_are_stored(model: DeployedModel, tmp_path: Path) -> None:
    assert isinstance(model.model, ServedTasks)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    bits(again.predict(SCHOOLS), model.predict(SCHOOLS))
    assert again.model.adapters[0][0] is again.adapters[0][1][1]


def test_ladders_rise_and_there_is_one_a_target(model: DeployedModel) -> None:
    mean = MeanAdapter()
    check_ladders((((1, mean), (3, mean)),), 1)
    for held in ((), ((),), (((3, mean), (1, mean)),), (((1, mean), (1, mean)),), (((1, "mean"),),)):
        with pytest.raises(OptionError, match="adapters"):
            check_ladders(held, 1)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="has none"):
        serve_known(Problem.from_frame(letters(), targets="letter"), ())


# ---------------------------------------------------------------- refusals


def said(kind: type[SharewiseError], call: Callable[[], object], *words: str) -> None:
    """One clear sentence or two of our own."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    for word in words:
        assert word in text, text


Change = Callable[[pd.DataFrame], pd.DataFrame]
ROWS: dict[str, tuple[Change, str, tuple[str, ...]]] = {
    "no rows": (lambda d: d.head(0), "score", ("needs labelled rows; got none",)),
    "no target": (lambda d: d.rename(columns={"score": "scor"}), "score", ("hold none", "'scor'?")),
    "gap": (lambda d: d.assign(score=[np.nan, *d["score"][1:]]), "score", ("NaN on 1 row of 10",)),
    "all empty": (lambda d: d.assign(score=None), "score", ("NaN on 10 rows of 10",)),
    "infinite": (lambda d: d.assign(score=[np.inf, *d["score"][1:]]), "score", ("infinite on 1 row",)),
    "huge": (lambda d: d.assign(score=[1e300, *d["score"][1:]]), "score", ("beyond 1e+37",)),
    "words": (lambda d: d.assign(score=["good", *d["score"][1:]]), "score", ("are numbers", "'good'")),
    "dates": (lambda d: d.assign(score=pd.Timestamp("2024-01-31")), "score", ("dates",)),
    "one class": (lambda d: d[d["passed"] == "yes"], "passed", ("two classes", "'passed' is 'yes' on all")),
    "unseen class": (lambda d: d.assign(passed=["yess", *d["passed"][1:]]), "passed", ("'yess'", "'yes'?")),
    "another case": (
        lambda d: d.assign(passed=["Q", *d["passed"][1:]]),
        "passed",
        ("Known are 'no', 'yes'",),
    ),
    "empty class": (lambda d: d.assign(passed=[None, *d["passed"][1:]]), "passed", ("NaN on 1 row of 10",)),
    "feature gone": (lambda d: d.drop(columns="x1"), "score", ("lacks 'x1'",)),
    "two tasks": (lambda d: d.assign(school=[7, *[9] * 9]), "score", ("'school 9'", "holds '7'")),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_cannot_be_adapted_to(name: str) -> None:
    change, target, words = ROWS[name]
    model = deployed(target)
    said(DataError, lambda: model.adapt(change(NEW.head(10)), task="school 9"), *words)
    assert model.adapted == {}
    if name != "one class":  # a further row of the same class is fine
        small = model.adapt(NEW.head(10), task="school 9")
        said(DataError, lambda: small.update(change(NEW.head(10))), *words)
        said(DataError, lambda: model.update(change(NEW.head(10)), task="9"), *words)
        assert model.adapted == {"school 9": small}


NAMES: dict[str, tuple[object, tuple[str, ...]]] = {
    "empty": ("", ("has a name", "''")),
    "blank": ("  ", ("has a name",)),
    "none": (None, ("has a name", "None")),
    "a list": (["9"], ("has a name", "a list")),
    "known": ("3", ("'school 3' is one of its tasks",)),
    "known as shown": ("school 3", ("'school 3' is one of its tasks", "Name another")),
    "known as a number": (3.0, ("'school 3' is one of its tasks",)),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_a_new_task_cannot_have(name: str, model: DeployedModel) -> None:
    task, words = NAMES[name]
    said(OptionError, lambda: model.adapt(NEW.drop(columns="school"), task=task), *words)  # type: ignore[arg-type]


def test_unknown_names_get_the_nearest(model: DeployedModel) -> None:
    said(OptionError, lambda: model.forget("school 91"), "None is adapted yet")
    model.adapt(NEW.assign(school=132).head(5), task="school 132")
    said(DataError, lambda: model.predict(NEW.assign(school=123)), "'123'", "Did you mean '132'?")
    said(OptionError, lambda: model.forget("school 123"), "'school 123' is none", "'school 132'?")
    said(OptionError, lambda: model.forget("9"), "'school 9' is none")
    said(OptionError, lambda: model.update(NEW, task="school 13"), "'school 13' is none", "'school 132'?")
    said(OptionError, lambda: model.forget("school 3"), "'school 3' is one of the study's own")
    small = model.adapted["school 132"]
    said(DataError, lambda: small.predict(NEW), "'school 132'", "holds '9'")


def test_models_that_cannot_adapt_say_what_can() -> None:
    wide = Problem.from_frame(SCHOOLS.drop(columns="school"), targets=["score", "passed"])
    made = fit_constant_model(Sample.of(wide, np.arange(len(wide)), ()), Run(0)).model
    model = DeployedModel.of(wide, made, {})
    said(OptionError, lambda: model.adapt(NEW, task="school 9"), "its 2 targets", "question='new'")
    assert model.tasks() == ("score", "passed")


def test_an_adapter_that_finds_nothing_finite_is_not_served(model: DeployedModel) -> None:
    class Lost(MeanAdapter):
        def adapt(self, X: Any, y: Any, classes: Any) -> Any:
            return ConstantPart(np.array([np.nan]))

    problem = Problem.from_frame(SCHOOLS, targets="score", task="school", drop="passed")
    lost = DeployedModel.of(problem, model.model, {}, (((1, Lost()),),))
    said(DataError, lambda: lost.adapt(NEW.head(3), task="9"), "of 3 came nothing finite")
    assert np.isfinite(serve_known(problem, lost.adapters).predict(problem.table, problem.level)[0]).all()


# ---------------------------------------------------------------- speed


def test_ten_labels_of_27_columns_are_adapted_to_at_once(tmp_path: Path) -> None:
    """The first time after loading too; seconds of one core, as other processes may be about."""
    held = schools(20, columns=26, seed=1)
    problem = Problem.from_frame(held, targets="score", task="school", drop="passed")
    model = DeployedModel.of(problem, serve_known(problem, (ladder(problem),)), {}, (ladder(problem),))
    model.save(tmp_path / "m")
    rows = schools(21, 10, columns=26).query("school == 21")
    took = []
    for _ in range(3):
        again = load(tmp_path / "m")
        started = time.process_time()
        again.adapt(rows, task="school 21")
        took.append(time.process_time() - started)
    assert isinstance(again.adapters[0][1][1], RidgeAdapter)
    assert min(took) < 0.05


@pytest.mark.parametrize("target", ["score", "passed"])
def test_loading_adapts_to_blank_rows_first(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an adapter says of them does not stop it."""
    deployed(target).save(tmp_path / "m")
    seen: list[tuple[list[float], int | None]] = []

    def fails(self: object, X: Any, y: Any, classes: int | None) -> Any:
        seen.append((y.tolist(), classes))
        raise ValueError("blank")

    monkeypatch.setattr(RidgeAdapter, "adapt", fails)
    model = load(tmp_path / "m")
    assert seen == [([0.0, 1.0], None if target == "score" else 2)]
    assert model.adapt(NEW.head(3), task="school 9").labels == 3
    assert list(model.adapted) == ["school 9"]


def test_messages_are_told_apart() -> None:
    """No two refusals of rows read the same, so that none is a catch-all."""
    told = set()
    for change, target, _ in ROWS.values():
        with pytest.raises(DataError) as caught:
            deployed(target).adapt(change(NEW.head(10)), task="school 9")
        told.add(re.sub(r"'[^']*'|\d+", "…", str(caught.value)))
    assert len(told) >= len(ROWS) - 3  # gaps of three makes share one
