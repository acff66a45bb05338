"""The command line end to end on a small table: compare, predict, report, and the same command again."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sharewise
from cli_runs import ROWS, Ran, columns, compare, done, launch, quicken, run, scores, table, verdict

KEYS = {
    "outcome", "sentence", "choice", "contrast", "per_task", "strategies", "because", "would_change", "needed",
    "protocol", "profile", "warnings", "versions", "race", "tuning", "groups", "learning_curve", "harm",
    "hints", "serving", "examples", "limits",
}  # fmt: skip
STRATEGY_KEYS = {
    "name", "family", "status", "note", "score", "interval", "delta", "delta_interval", "probability_better", "cost",
    "inner_error", "within", "tasks", "rounds",
}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A finished study beside its table, and what it said."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        ran = compare(
            table(folder / "t.csv", {"k": ["u", "v", "w"] * 20}), targets="a,b,k", out=folder / "out"
        )
    return folder, ran


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quicken(monkeypatch)
    monkeypatch.chdir(tmp_path)


def kept(out: object = "out") -> list[tuple[Any, ...]]:
    db = sqlite3.connect(Path(str(out)) / "trials.sqlite")
    rows = db.execute("SELECT rowid, * FROM trials ORDER BY rowid").fetchall()
    db.close()
    return rows


def test_compare_ends_with_the_verdict_and_its_places(study: tuple[Path, Ran]) -> None:
    folder, ran = study
    found = done(ran, out=folder / "out")
    assert found["sentence"] in ran.out
    for name in ("verdict.json", "report.html", "trials.sqlite", "model/model.json"):
        assert (folder / "out" / name).is_file()
    for name in ("verdict.json", "report.html", "model"):
        assert str(folder / "out" / name) in ran.out


def test_quiet_says_nothing_of_progress(study: tuple[Path, Ran]) -> None:
    assert study[1].err == ""


def test_progress_is_plain_lines_without_a_terminal() -> None:
    table("t.csv")
    flags = ("--workers", "1", "--families", "linear", "--strategies", "separate,joint", "--budget", "60s")
    ran = run("compare", "t.csv", "--targets", "a,b", *flags, "--out", "out")
    assert ran.code == 0
    assert any("Scouting" in line for line in ran.err.splitlines())
    assert "\x1b" not in ran.err + ran.out


def test_the_verdict_holds_what_is_documented(study: tuple[Path, Ran]) -> None:
    found = verdict(study[0] / "out")
    assert set(found) == KEYS
    assert found["outcome"] in ("share", "separate", "route", "equivalent", "undecided")
    assert set(found["per_task"]) == {"a", "b", "k"}
    assert {row["name"] for row in found["strategies"]} >= {"constant", "separate", "joint"}
    for row in found["strategies"]:
        assert (
            set(row) == STRATEGY_KEYS
            if row["status"] == "done"
            else {"name", "family", "status", "note"} <= set(row)
        )
        assert {"train_seconds", "predict_ms_per_1000_rows", "size_bytes"} <= set(row["cost"])
    assert found["protocol"]["rows"] == ROWS
    assert found["protocol"]["trials"] == len(kept(study[0] / "out"))
    assert {"python", "numpy"} <= set(found["versions"])
    assert all(
        isinstance(line, str) for key in ("because", "would_change", "warnings") for line in found[key]
    )


def test_predict_gives_one_column_a_target(study: tuple[Path, Ran]) -> None:
    folder, _ = study
    data = table("new.csv", {"a": None, "b": None})
    ran = run("predict", folder / "out", data)
    assert (ran.code, ran.err) == (0, "")
    Path("p.csv").write_text(ran.out)
    printed = pd.read_csv("p.csv")
    assert list(printed.columns) == ["a", "b", "k"]
    assert len(printed) == ROWS
    assert set(printed["k"]) <= {"u", "v", "w"}
    assert printed["a"].corr(pd.Series(columns()["a"])) > 0.5
    written = run("predict", folder / "out", data, "--out", "q.csv")
    assert (written.code, written.out) == (0, "")
    assert "q.csv" in written.err
    assert Path("q.csv").read_text() == ran.out
    model = sharewise.load(folder / "out")
    pd.testing.assert_frame_equal(model.predict(pd.read_csv(data)), printed, check_dtype=False)


def test_predict_proba_gives_a_column_a_class(study: tuple[Path, Ran]) -> None:
    ran = run("predict", study[0] / "out", table("new.csv"), "--proba", "--out", "p.csv")
    assert ran.code == 0
    found = pd.read_csv("p.csv")
    assert list(found.columns) == ["k=u", "k=v", "k=w"]
    assert found.sum(axis=1).to_numpy() == pytest.approx(1.0, abs=1e-6)
    assert ((found >= 0) & (found <= 1)).all().all()


def test_report_writes_the_page_again_and_shows_the_verdict(study: tuple[Path, Ran]) -> None:
    folder, first = study
    page = folder / "out/report.html"
    before = page.read_bytes()
    page.unlink()
    ran = run("report", folder / "out")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == first.out
    assert page.read_bytes() == before


def test_the_same_command_runs_no_trial_twice_and_decides_the_same() -> None:
    table("t.csv")
    first = done(compare("t.csv"))
    rows = kept()
    again = done(compare("t.csv"))
    assert kept() == rows
    first["protocol"].pop("seconds"), again["protocol"].pop("seconds")
    first.pop("serving"), again.pop("serving")  # measured anew
    assert again == first


def test_an_interrupted_study_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    from sharewise.studies import TrialStore

    table("t.csv")
    whole = done(compare("t.csv", out="whole"), out="whole")
    add, count = TrialStore.add, 0

    def stop(self: TrialStore, *given: Any) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        add(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(TrialStore, "add", stop)
        ran = compare("t.csv")
    assert (ran.code, ran.out) == (130, "")
    assert "finished trials are kept" in ran.err
    rows = kept()
    assert len(rows) == 2
    found = done(compare("t.csv"))
    assert kept()[:2] == rows
    assert scores(found) == scores(whole)
    assert found["outcome"] == whole["outcome"]


def test_the_same_seed_gives_the_same_scores_and_another_does_not() -> None:
    table("t.csv")
    one = scores(done(compare("t.csv", out="one"), out="one"))
    assert scores(done(compare("t.csv", out="two"), out="two")) == one
    assert scores(done(compare("t.csv", "--seed", "5", out="three"), out="three")) != one


def test_a_fault_of_ours_is_one_sentence_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("sharewise._known.conduct", fail)
    table("t.csv")
    ran = compare("t.csv")
    assert ran.code == 1
    (sentence,) = ran.said()
    assert "our fault" in sentence
    assert "ZeroDivisionError: two lines" in sentence


@pytest.mark.parametrize(
    ("error", "word"), [(MemoryError(), "memory"), (OSError(28, "No space left on device"), "No space left")]
)
def test_a_machine_too_small_is_told_apart(
    error: Exception, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("sharewise._known.conduct", fail)
    table("t.csv")
    ran = compare("t.csv")
    assert ran.code == 2
    (sentence,) = ran.said()
    assert word in sentence


@pytest.mark.parametrize("budget", ["5min", "90sec", "1h30min", "2 h", "10m", "60"])
def test_budgets_are_read_as_people_write_them(budget: str) -> None:
    table("t.csv")
    flags = ("--workers", "1", "--families", "linear", "--strategies", "separate,joint", "--quiet")
    found = done(run("compare", "t.csv", "--targets", "a,b", *flags, "--budget", budget, "--out", "out"))
    told = {"5min": 300, "90sec": 90, "1h30min": 5400, "2 h": 7200, "10m": 600, "60": 60}
    assert found["protocol"]["budget_seconds"] == told[budget]


def test_main_leaves_the_warnings_of_its_caller_alone() -> None:
    import warnings

    before = list(warnings.filters), warnings.showwarning
    run("report", "none")
    assert (list(warnings.filters), warnings.showwarning) == before


def test_the_module_runs_as_a_program() -> None:
    ran = launch("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.strip() == f"sharewise {sharewise.__version__}"
    shown = launch("--help")
    assert shown.code == 0
    for command in ("demo", "compare", "predict", "report"):
        assert command in shown.out


def test_a_process_compares_predicts_and_reports() -> None:
    data = table("t.csv")
    flags = ("--workers", "1", "--budget", "60s", "--families", "linear", "--strategies", "separate,joint")
    first = launch("compare", data, "--targets", "a,b", *flags, "--out", "out", quick=True)
    assert first.code == 0, first.err
    assert "Scouting" in first.err
    predicted = launch("predict", "out", data)
    assert predicted.code == 0
    assert predicted.out.splitlines()[0] == "a,b"
    assert launch("report", "out").out == first.out
    assert json.loads(Path("out/verdict.json").read_text("utf-8"))["sentence"] in first.out
