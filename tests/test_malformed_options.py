"""Odd flags and problem files: refused in one sentence that names the rule, the value and the way out."""

from pathlib import Path
from typing import Any

import pytest

from cli_runs import SMALL, compare, done, quicken, refused, run, table


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quicken(monkeypatch)
    monkeypatch.chdir(tmp_path)
    table("t.csv")


FLAGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "unknown task": (("--task", "nope"), ("--task", "'nope'")),
    "unknown group": (("--group", "nope"), ("--group", "'nope'")),
    "unknown time": (("--time", "nope"), ("--time", "'nope'")),
    "unknown drop": (("--drop", "nope"), ("drop", "'nope'")),
    "unknown target": (("--targets", "a,bb"), ("--targets", "'bb'", "'b'?")),
    "no target": (("--targets", ""), ("targets", "none", "--targets")),
    "only commas": (("--targets", ",,"), ("targets", "none", "--targets")),
    "one target": (("--targets", "a"), ("two tasks", "'a'", "--task")),
    "target twice": (("--targets", "a,a"), ("'a' came twice",)),
    "target and group": (("--group", "a"), ("'a'", "targets", "group")),
    "target and task": (("--task", "a"), ("'a'", "targets", "task")),
    "target and time": (("--time", "a"), ("'a'", "targets", "time")),
    "target and drop": (("--drop", "a"), ("'a'", "targets", "drop")),
    "nothing left": (("--drop", "x0,x1,colour"), ("features", "5 columns")),
    "unknown metric": (("--metric", "bogus"), ("metric", "'bogus'", "rmse")),
    "metric of a class": (("--metric", "a=roc_auc"), ("'a'", "'roc_auc'", "rmse")),
    "metric of a feature": (("--metric", "x0=mae"), ("metric", "'x0'")),
    "metric empty": (("--metric", ""), ("--metric", "target=value")),
    "unknown kind": (("--kinds", "a=bogus"), ("kind", "'bogus'", "multiclass")),
    "kind of no target": (("--kinds", "binary"), ("--kinds", "'binary'")),
    "kind empty": (("--kinds", ""), ("--kinds", "target=value")),
    "kind cut": (("--kinds", "a="), ("--kinds", "'a='")),
    "kind twice": (("--kinds", "a=regression,a=binary"), ("'a' came twice",)),
    "unknown strategy": (("--strategies", "separate,bogus"), ("strategies", "'bogus'", "joint")),
    "no separate": (("--strategies", "joint"), ("'separate'",)),
    "no strategy": (("--strategies", ""), ("strategies", "none")),
    "unknown family": (("--families", "forest"), ("families", "'forest'", "linear")),
    "no family": (("--families", ","), ("families", "none")),
    "question new of a wide table": (("--question", "new"), ("2 targets and no task column",)),
    "shots without the question": (("--shots", "1,5"), ("--question new",)),
    "shots that are words": (("--question", "new", "--shots", "few"), ("'few'", "1,5,20")),
    "shots of nothing": (("--question", "new", "--shots", "0"), ("got 0",)),
    "one way": (("--question", "new", "--ways", "1"), ("got 1",)),
    "question unknown": (("--question", "why"), ("'known'", "'why'")),
    "a flag of another version": (("--frobnicate", "5"), ("--frobnicate", "--help")),
    **{f"budget {text[:12]!r}": ((f"--budget={text}",), ("budget", told)) for text, told in {
        "soon": "'soon'", "-5s": "'-5s'", "0": "got 0", "1s": "got 1", "": "nothing", "nan": "'nan'", "inf": "'inf'",
        "1e3": "'1e3'", "5min soon": "'5min soon'", "9" * 400: "inf",
    }.items()},
    **{f"seed {text!r}": ((f"--seed={text}",), ("seed", text)) for text in ("-1", "1.5", "abc", "")},
    **{f"workers {text!r}": ((f"--workers={text}",), ("workers", text)) for text in ("0", "-2", "two", "100000")},
    **{f"rope {text!r}": ((f"--rope={text}",), ("rope", text)) for text in ("0", "-1", "1", "nan", "inf", "abc")},
}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_flags_that_do_not_fit_are_refused(name: str) -> None:
    flags, words = FLAGS[name]
    refused(compare("t.csv", *flags), *words)
    assert not Path("out").exists()


COMMANDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no command": ((), ("COMMAND", "--help")),
    "unknown command": (("frobnicate",), ("'frobnicate'", "compare")),
    "compare nothing": (("compare",), ("DATA", "--help")),
    "compare without targets": (("compare", "t.csv"), ("none", "--targets")),
    "predict nothing": (("predict",), ("DIR", "--help")),
    "predict without a table": (("predict", "out"), ("TABLE", "--help")),
    "report nothing": (("report",), ("DIR", "--help")),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_lack_something_are_refused(name: str) -> None:
    arguments, words = COMMANDS[name]
    refused(run(*arguments), *words)


def test_a_very_long_seed_is_a_seed() -> None:
    done(compare("t.csv", "--seed", "9" * 40))


# ---------------------------------------------------------------- problem files

GOOD = "data: t.csv\ntargets: [a, b]\n"
FILES: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "empty": ("", ("p.yaml", "holds none")),
    "a list": ("- a\n- b\n", ("p.yaml", "targets: [a, b]")),
    "a word": ("hello\n", ("p.yaml", "targets: [a, b]")),
    "broken": ("data: [\n", ("p.yaml", "line 2")),
    "two documents": (GOOD + "---\n" + GOOD, ("p.yaml", "line 3")),
    "binary": (bytes(range(256)), ("p.yaml", "UTF-8")),
    "control character": (GOOD + 'drop: "\x07"\n', ("p.yaml", "#x0007")),
    "a Python object": (
        GOOD + "drop: !!python/object/apply:os.system [ls]\n",
        ("p.yaml", "line 3", "constructor"),
    ),
    "deep": (GOOD + "drop: " + "[" * 5000 + "]" * 5000 + "\n", ("p.yaml", "cannot be read")),
    "an impossible date": (GOOD + "group: 2024-13-45\n", ("p.yaml", "month")),
    "a number of 5,000 digits": (GOOD + "seed: " + "1" * 5000 + "\n", ("p.yaml", "5000 digits")),
    "a key of lists": (GOOD + "? {a: b}\n: c\n", ("p.yaml", "unhashable")),
    "unknown key": (GOOD + "tarets: x\n", ("'tarets'", "'targets'?")),
    "a key twice": (GOOD + "targets: [a]\n", ("'targets' came twice",)),
    "no data": ("targets: [a, b]\n", ("p.yaml", "data")),
    "no targets": ("data: t.csv\n", ("p.yaml", "targets")),
    "data missing": ("data: no.csv\ntargets: [a, b]\n", ("no.csv", "does not exist")),
    "data a folder": ("data: .\ntargets: [a, b]\n", ("is a folder",)),
    "data a list": ("data: [t.csv]\ntargets: [a, b]\n", ("data", "one table")),
    "data with a zero byte": ('data: "t\\0.csv"\ntargets: [a, b]\n', ("null byte",)),
    "targets a mapping": ("data: t.csv\ntargets: {a: b}\n", ("targets", "list")),
    "targets nested": ("data: t.csv\ntargets: [[a], b]\n", ("targets", "['a']")),
    "unknown column": ("data: t.csv\ntargets: [a, c]\n", ("targets", "'c'")),
    "task a truth value": (GOOD + "task: yes\n", ("task", "'True'")),
    "kinds a list": (GOOD + "kinds: [a]\n", ("kinds", "['a']")),
    "kinds nested": (GOOD + "kinds: {a: [x]}\n", ("kind", "['x']")),
    "metric a number": (GOOD + "metric: 5\n", ("metric", "5")),
    "quiet a word": (GOOD + "quiet: maybe\n", ("quiet", "'maybe'")),
    "out a list": (GOOD + "out: [x]\n", ("out", "['x']")),
    "out a number": (GOOD + "out: 5\n", ("out", "5")),
    "shots": (GOOD + "shots: 5\n", ("shots", "'known'")),
    "max_latency": (GOOD + "max-latency: 5\n", ("max_latency", "'5ms'", "got 5")),
    "max_size": (GOOD + "max_size: ten\n", ("max_size", "'10MB'", "got 'ten'")),
    "independent_updates": (GOOD + "independent_updates: often\n", ("independent_updates", "True or False")),
    "budget a list": (GOOD + "budget: [1]\n", ("budget", "[1]")),
    "budget a date": (GOOD + "budget: 2024-01-01\n", ("budget", "2024")),
    "budget not a number": (GOOD + "budget: .nan\n", ("budget", "nan")),
    "seed a word": (GOOD + "seed: x\n", ("seed", "'x'")),
    "seed a fraction": (GOOD + "seed: 1.5\n", ("seed", "1.5")),
    "workers a word": (GOOD + "workers: two\n", ("workers", "'two'")),
    "strategies a number": (GOOD + "budget: 60\nstrategies: 3\n", ("strategies", "'3'")),
    "strategies nested": (GOOD + "budget: 60\nstrategies: [[separate]]\n", ("strategies", "separate")),
    "families a mapping": (GOOD + "budget: 60\nfamilies: {a: b}\n", ("families", "'a'")),
    "rope a word": (GOOD + "rope: big\n", ("rope", "'big'")),
    "question a list": (GOOD + "question: [x]\n", ("question", "['x']")),
}


@pytest.mark.parametrize("name", FILES)
def test_problem_files_that_do_not_fit_are_refused(name: str) -> None:
    text, words = FILES[name]
    Path("p.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(run("compare", "p.yaml", "--quiet"), *words)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none.yaml",), ("none.yaml", "missing")),
        (("folder.yaml",), ("folder.yaml", "folder")),
        (("p.yaml", "--targets", "a,b"), ("--targets", "p.yaml")),
        (("p.yaml", "--group", "x0"), ("--group", "p.yaml")),
    ],
)
def test_problem_files_missing_or_contradicted_are_refused(arguments: Any, words: Any) -> None:
    Path("folder.yaml").mkdir()
    Path("p.yaml").write_text(GOOD)
    refused(run("compare", *arguments), *words)


def test_references_that_blow_up_are_refused_at_once() -> None:
    lines = ["x0: &x0 [lol]"] + [f"x{i}: &x{i} [{','.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 12)]
    Path("p.yaml").write_text("\n".join([GOOD, *lines]))
    refused(run("compare", "p.yaml"), "'x0'")


def test_a_good_problem_file_says_it_all() -> None:
    Path("p.yaml").write_text(
        GOOD
        + "budget: 60\nworkers: 1\nfamilies: linear\nstrategies: [separate, joint]\nquiet: true\nout: from-yaml\n"
    )
    ran = run("compare", "p.yaml")
    done(ran, out="from-yaml")
    assert ran.err == ""
    assert done(run("compare", "p.yaml", *SMALL, "--out", "other"), out="other")["protocol"]["rows"] == 60
