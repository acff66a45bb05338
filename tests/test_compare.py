"""A small study from end to end: interrupted, resumed, repeated, and its model served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.errors import OptionError, StorageError
from sharewise.studies import TrialStore
from sharewise.studies._progress import Silent

TARGETS = ("mark", "hours", "passed")


def _frame(seed: int = 0, n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    mark = X[:, 0] + X[:, 1] + rng.normal(size=n)
    hours = mark + 0.3 * rng.normal(size=n)
    hours[rng.random(n) < 0.4] = np.nan
    return pd.DataFrame(
        {
            "p": X[:, 0],
            "q": X[:, 1],
            "r": X[:, 2],
            "colour": rng.choice(["red", "blue"], size=n),
            "mark": mark,
            "hours": hours,
            "passed": np.where(mark + rng.normal(size=n) > 0, "yes", "no"),
        }
    )


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four quick rounds, whatever the clock says."""
    monkeypatch.setattr("sharewise.studies._plan.LADDER", ((0, 4),))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return _frame()


@pytest.fixture(scope="module")
def problem(frame: pd.DataFrame) -> sw.Problem:
    return sw.Problem.from_frame(frame, targets=list(TARGETS))


def _compare(problem: sw.Problem, out: Path | None = None, **options: Any) -> Any:
    settings: dict[str, Any] = {"budget": None, "workers": 1, "families": ("linear",), "quiet": True}
    return sw.compare(problem, out=out, **(settings | options))


@pytest.fixture(scope="module")
def finished(problem: sw.Problem, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A study run in one go, in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sharewise.studies._plan.LADDER", ((0, 4),))
        return _compare(problem, tmp_path_factory.mktemp("runs") / "whole")


def told(study: Any) -> dict[str, Any]:
    """What a verdict says, without what it cost."""
    details = study.verdict.details
    rows = [{key: row[key] for key in row if key != "cost"} for row in details["strategies"]]
    return {
        **{key: details[key] for key in ("outcome", "choice", "sentence", "per_task", "contrast", "needed")},
        "strategies": rows,
        "would_change": details["would_change"],
    }


class _Interrupts(Silent):
    """Ctrl-C when a number of trials are done."""

    def __init__(self, after: int) -> None:
        self.after = after

    def advance(self, text: str) -> None:
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def _interrupted(
    problem: sw.Problem, out: Path, after: int, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sharewise._compare.make_progress", lambda *, quiet: _Interrupts(after))
        with pytest.raises(KeyboardInterrupt):
            _compare(problem, out, **options)


def _kept(out: Path) -> dict[str, tuple[Any, ...]]:
    """Every trial's key, seconds and bytes, as they lie in the file."""
    store = TrialStore(out / "trials.sqlite")
    try:
        return {
            r.spec.key: (r.status, r.seconds, *(v.tobytes() for v in r.held_out + r.test))
            for r in store.results()
        }
    finally:
        store.close()


def _count_trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from sharewise.studies import _jobs

    run: list[str] = []
    real = _jobs.run_trials

    def counted(problem: Any, protocol: Any, specs: Any, deadline: Any) -> Any:
        run.extend(spec.key for spec in specs)
        return real(problem, protocol, specs, deadline)

    monkeypatch.setattr(_jobs, "run_trials", counted)
    return run


@pytest.mark.parametrize("after", [1, 5, 11])
def test_the_same_call_goes_on_where_it_was_stopped(
    after: int, problem: sw.Problem, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _interrupted(problem, tmp_path, after, monkeypatch)
    kept = _kept(tmp_path)
    assert len(kept) == after
    run = _count_trials(monkeypatch)
    study = _compare(problem, tmp_path)
    everything = _kept(tmp_path)
    assert len(run) == len(set(run))
    assert not set(run) & set(kept), "what was finished is not run again"
    assert set(run) | set(kept) == set(everything)
    assert {key: everything[key] for key in kept} == kept
    assert told(study) == told(finished)


def test_a_finished_study_only_decides_again(
    problem: sw.Problem, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _count_trials(monkeypatch)
    again = _compare(problem, shutil.copytree(finished.out, tmp_path / "copy"))
    assert run == []
    assert told(again) == told(finished)


def test_interrupted_while_refitting_loses_no_trial(
    problem: sw.Problem, finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sharewise._known.refit_all", _raise)
        with pytest.raises(KeyboardInterrupt):
            _compare(problem, tmp_path)
    assert not (tmp_path / "verdict.json").exists()
    run = _count_trials(monkeypatch)
    assert told(_compare(problem, tmp_path)) == told(finished)
    assert run == []
    assert (tmp_path / "verdict.json").exists()


def _raise(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_same_seed_same_verdict_with_and_without_a_folder(problem: sw.Problem, finished: Any) -> None:
    study = _compare(problem)
    assert told(study) == told(finished)
    assert study.out is None
    other = _compare(problem, seed=1)
    assert told(other)["strategies"] != told(finished)["strategies"]


@pytest.mark.slow
def test_two_workers_end_with_the_same_verdict(problem: sw.Problem, finished: Any) -> None:
    assert told(_compare(problem, workers=2)) == told(finished)


def test_other_data_or_settings_are_refused_and_nothing_is_lost(problem: sw.Problem, finished: Any) -> None:
    kept = _kept(finished.out)
    other = sw.Problem.from_frame(_frame(seed=1), targets=list(TARGETS))
    with pytest.raises(StorageError, match="other data"):
        _compare(other, finished.out)
    with pytest.raises(StorageError, match="other seed"):
        _compare(problem, finished.out, seed=5)
    with pytest.raises(StorageError, match="other strategies"):
        _compare(problem, finished.out, strategies=("separate", "joint"))
    assert _kept(finished.out) == kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"question": "why"}, "question"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"rope": 0}, "rope"),
        ({"families": ("magic",)}, "families"),
        ({"strategies": ("joint",)}, "separate"),
        ({"budget": "soon"}, "budget"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(
    options: dict[str, Any], words: str, problem: sw.Problem, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=words):
        _compare(problem, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


# --- what a study has to show -------------------------------------------------------------------------------


def test_the_folder_holds_verdict_report_trials_and_model(finished: Any) -> None:
    out: Path = finished.out
    assert {path.name for path in out.iterdir()} >= {"verdict.json", "report.html", "trials.sqlite", "model"}
    assert json.loads((out / "verdict.json").read_text(encoding="utf-8")) == finished.verdict.as_dict()
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    assert {path.suffix for path in (out / "model").iterdir()} <= {".json", ".md", ".safetensors", ".txt"}


def test_the_table_has_a_line_a_strategy_and_task(finished: Any) -> None:
    table = finished.table()
    overall = table[table["task"] == "(all)"]
    names = set(overall["strategy"] + "/" + overall["family"])
    assert names == {
        "constant/none", "separate/linear", "separate/best", "separate/blend", "joint/linear", "chained/linear",
        "grouped/linear", "ensemble/blend",
    }  # fmt: skip
    assert len(table) == len(names) * (1 + len(TARGETS))
    floor = overall.set_index("strategy").loc["constant"]
    assert floor["score"] == pytest.approx(0, abs=1e-12)
    assert (overall["train_seconds"] > 0).all()
    marks = table[table["task"] == "mark"].set_index(["strategy", "family"])["score"]
    assert marks["joint", "linear"] < marks["constant", "none"], "an RMSE below the constant's"


def test_the_ledger_has_a_line_a_trial(finished: Any) -> None:
    ledger = finished.ledger()
    full = ledger[ledger["rows"].isna()]  # beside the learning curve, which uses fewer rows
    assert (full["strategy"] == "grouped").sum() == 3, "three tasks have three groups beside all of them"
    assert (full["strategy"] != "grouped").sum() == 4 * 4  # rounds × (constant, separate, joint, chained)
    assert set(ledger["status"]) == {"done"}
    assert ledger["round"].tolist() == sorted(ledger["round"])
    assert (ledger["seconds"] > 0).all()


def test_the_page_can_be_written_anywhere(finished: Any, tmp_path: Path) -> None:
    page = finished.report(tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "<html" in text
    assert all(target in text for target in TARGETS)


# --- the model ----------------------------------------------------------------------------------------------


def test_predictions_are_columns_of_the_targets_own_kind(finished: Any, frame: pd.DataFrame) -> None:
    found = finished.model.predict(frame)
    assert list(found.columns) == list(TARGETS)
    assert found.index.equals(frame.index)
    assert set(found["passed"]) <= {"yes", "no"}
    assert np.corrcoef(found["mark"], frame["mark"])[0, 1] > 0.5


def test_frames_come_back_as_the_kind_they_went_in(finished: Any, frame: pd.DataFrame) -> None:
    import polars as pl
    import pyarrow as pa

    new = frame.drop(columns=list(TARGETS)).iloc[:20]
    expected = finished.model.predict(new)
    for given in (pl.from_pandas(new), pa.Table.from_pandas(new, preserve_index=False)):
        found = finished.model.predict(given)
        assert type(found) is type(given)
        shares = finished.model.predict_proba(given)
        assert type(shares) is type(given)
        for name in TARGETS:
            column = (
                found[name].to_numpy() if isinstance(given, pl.DataFrame) else found.column(name).to_numpy()
            )
            np.testing.assert_array_equal(column, expected[name].to_numpy())


def test_an_index_is_kept_and_rows_stay_in_order(finished: Any, frame: pd.DataFrame) -> None:
    new = frame.iloc[::-7].set_index(pd.Index([f"row {i}" for i in range(len(frame.iloc[::-7]))]))
    found = finished.model.predict(new)
    assert found.index.equals(new.index)
    straight = finished.model.predict(frame)
    np.testing.assert_allclose(found["mark"], straight["mark"].iloc[::-7])


def test_probabilities_have_a_column_a_class(finished: Any, frame: pd.DataFrame) -> None:
    shares = finished.model.predict_proba(frame)
    assert list(shares.columns) == ["passed=no", "passed=yes"]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    decided = np.where(shares["passed=yes"] > shares["passed=no"], "yes", "no")
    np.testing.assert_array_equal(finished.model.predict(frame)["passed"], decided)


def test_numbers_have_no_probabilities() -> None:
    rng = np.random.default_rng(0)
    frame = {name: rng.normal(size=40) for name in "xab"}
    study = _compare(sw.Problem.from_frame(frame, targets=["a", "b"]), strategies=("separate",))
    with pytest.raises(OptionError, match="classification"):
        study.model.predict_proba(frame)


def test_a_stored_model_is_the_studys(finished: Any, frame: pd.DataFrame, tmp_path: Path) -> None:
    expected = finished.model.predict(frame)
    finished.model.save(tmp_path / "copy")
    for folder in (finished.out, finished.out / "model", tmp_path / "copy"):
        loaded = sw.load(folder)
        pd.testing.assert_frame_equal(loaded.predict(frame), expected)
        assert loaded.card["verdict"]["outcome"] == finished.verdict.outcome
    assert [target.name for target in loaded.targets] == list(TARGETS)


def test_a_long_study_serves_each_row_for_its_task(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    school = rng.integers(0, 5, size=150)
    x = rng.normal(size=150)
    frame = pd.DataFrame(
        {"x": x, "school": [f"s{s}" for s in school], "score": x + 3 * school + rng.normal(size=150)}
    )
    problem = sw.Problem.from_frame(frame, targets=["score"], task="school")
    study = _compare(problem, tmp_path / "long")
    assert set(study.verdict.per_task) == {task.name for task in problem.tasks}
    found = study.model.predict(frame.drop(columns="score"))
    assert list(found.columns) == ["score"]
    assert np.sqrt(np.mean((found["score"] - frame["score"]) ** 2)) < 1.5
    one = frame.iloc[:2].assign(x=0.0, school=["s0", "s4"])
    low, high = study.model.predict(one)["score"]
    assert high - low > 8, "the task column matters"


def test_groups_are_sought_the_same_way_after_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    first, second = X @ rng.normal(size=3), X @ rng.normal(size=3)
    columns = {f"x{j}": X[:, j] for j in range(3)}
    columns |= {name: first + rng.normal(size=90) for name in "ab"} | {
        name: second + rng.normal(size=90) for name in "cd"
    }
    problem = sw.Problem.from_frame(pd.DataFrame(columns), targets=list("abcd"))
    options = {"strategies": ["separate", "joint", "grouped"]}
    whole = _compare(problem, tmp_path / "whole", **options)
    grouped = whole.ledger().query("strategy == 'grouped'")
    found = whole.verdict.details["groups"]
    assert found["trained"] == 1 + len(set(grouped["configuration"])), "all tasks together count as one"
    assert {task for group in found["groups"] for task in group["serves"]} == set("abcd")
    assert all(set(group["serves"]) <= set(group["tasks"]) for group in found["groups"])
    assert found["gain_shrunk"] <= found["gain_picked"]
    _interrupted(problem, tmp_path / "cut", 8, monkeypatch, **options)
    assert told(_compare(problem, tmp_path / "cut", **options)) == told(whole)
