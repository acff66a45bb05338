"""Odd ``--out`` folders, damaged ledgers, full and read-only disks: one sentence, and no finished trial lost."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runs import SMALL, compare, done, launch, quicken, refused, run, scores, table, verdict
from sharewise.errors import SharewiseError
from sharewise.studies import TrialStore, ledger_line


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quicken(monkeypatch)
    monkeypatch.chdir(tmp_path)
    table("t.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of the usual table."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        quicken(patch)
        done(compare(table(folder / "t.csv"), out=folder / "out"), out=folder / "out")
    return folder / "out"


@pytest.fixture
def out(finished: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(finished, "out"))


def trials(path: Path) -> list[tuple[Any, ...]]:
    """All that is kept, row by row."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT rowid, * FROM trials ORDER BY rowid").fetchall()
    db.close()
    return rows


def ledger(path: Path) -> list[dict[str, Any]]:
    store = TrialStore(path)
    lines = [{**ledger_line(result), "test": [a.tolist() for a in result.test]} for result in store.results()]
    store.close()
    return lines


# ---------------------------------------------------------------- places

PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "a file": ("t.csv", ("t.csv", "--out")),
    "inside a file": ("t.csv/runs", ("t.csv/runs", "Not a directory")),
    "nothing": ("", ("--out", "''")),
    "blanks": ("  ", ("--out", "'  '")),
    "too long": ("x" * 300, ("too long",)),
    "a zero byte": ("x\0y", ("folder",)),
    "no real disk": ("/proc/none/such", ("/proc/none/such",)),
}


@pytest.mark.parametrize("name", PLACES)
def test_places_that_take_no_study_are_refused(name: str) -> None:
    place, words = PLACES[name]
    refused(compare("t.csv", out=place), *words)


@pytest.mark.parametrize("name", ["[bold]x", "q[/]x", "名 前", "a'b\"c", "-dash"])
def test_any_name_of_a_folder(name: str) -> None:
    ran = run("compare", "t.csv", "--targets", "a,b", *SMALL, f"--out={name}")
    done(ran, out=name)
    assert f"{name}/verdict.json" in ran.out
    assert run("report", f"./{name}").code == 0


def test_a_folder_that_denies_writing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", deny)
    refused(compare("t.csv"), "Permission denied", "--out")


def test_a_model_folder_of_other_things_is_left_alone() -> None:
    Path("out/model").mkdir(parents=True)
    Path("out/model/thesis.txt").write_text("years of work")
    refused(compare("t.csv"), "thesis.txt")
    assert Path("out/model/thesis.txt").read_text() == "years of work"
    kept = trials(Path("out/trials.sqlite"))
    shutil.rmtree("out/model")
    done(compare("t.csv"))
    assert trials(Path("out/trials.sqlite")) == kept


# ---------------------------------------------------------------- another study's folder


def test_another_table_is_refused_and_the_study_kept(out: Path) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    table("u.csv", {"x0": range(60)})
    refused(compare("u.csv"), "other data", "--out")
    refused(compare("t.csv", "--seed", "7"), "other seed", "--out")
    refused(compare("t.csv", "--strategies", "separate"), "other strategies", "--out")
    assert {path: path.read_bytes() for path in before} == before


def test_a_first_attempt_without_trials_binds_nobody() -> None:
    Path("out").mkdir()
    store = TrialStore(Path("out/trials.sqlite"))
    store.put("settings", {"data": "another"})
    store.close()
    done(compare("t.csv"))


# ---------------------------------------------------------------- damaged ledgers


def _foreign(statement: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.unlink()
        db = sqlite3.connect(path)
        db.execute(statement)
        db.commit()
        db.close()

    return make


def _altered(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("UPDATE trials SET seconds = seconds * 2 WHERE rowid = 1")
    db.commit()
    db.close()


LEDGERS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "junk": (lambda p: p.write_bytes(b"junk" * 999), ("damaged",)),
    "text": (lambda p: p.write_text("key,value\n"), ("damaged",)),
    "cut": (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), ("damaged",)),
    "header flipped": (lambda p: p.write_bytes(b"X" + p.read_bytes()[1:]), ("damaged",)),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), ("a file",)),
    "another program's": (_foreign("CREATE TABLE users (name)"), ("another program", "'users'")),
    "another version's": (
        _foreign("CREATE TABLE trials (key, score)"),
        ("another program or version", "'trials'"),
    ),
    "a number altered": (_altered, ("checksum", "damaged")),
}


@pytest.mark.parametrize("name", LEDGERS)
def test_damaged_ledgers_are_refused_and_left_as_they_are(name: str, out: Path) -> None:
    damage, words = LEDGERS[name]
    path = out / "trials.sqlite"
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    refused(compare("t.csv"), "trials.sqlite", *words)
    refused(run("report", out), "trials.sqlite", *words)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_ledger_is_a_new_one(out: Path) -> None:
    (out / "trials.sqlite").write_bytes(b"")
    done(compare("t.csv"))
    assert len(trials(out / "trials.sqlite")) == verdict()["protocol"]["trials"]


def test_flipped_bytes_are_noticed_wherever_they_matter(out: Path) -> None:
    rng = np.random.default_rng(0)
    path = out / "trials.sqlite"
    sound, raw = ledger(path), path.read_bytes()
    noticed = 0
    for _ in range(60):
        held = bytearray(raw)
        held[int(rng.integers(100, len(raw)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(held)
        ran = run("report", out)
        if ran.code == 0:  # in a page's unused part
            assert ledger(path) == sound
        else:
            refused(ran, "trials.sqlite")
            noticed += 1
    assert noticed > 20


# ---------------------------------------------------------------- disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``disk("size=200k")``: a small disk of its own, mounted with these options (again: with others)."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        again = "remount," if mounted else ""
        try:
            ended = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", again + options, "none", str(place)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except FileNotFoundError:
            pytest.skip("needs the program mount")
        if ended.returncode != 0:
            pytest.skip(f"needs the right to mount a small disk: {ended.stderr.strip()}")
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", str(place)], check=True)


def test_a_read_only_disk_is_refused(disk: Callable[[str], Path]) -> None:
    place = disk("ro")
    refused(compare("t.csv", out=place / "run"), str(place), "Read-only")
    refused(
        launch("compare", "t.csv", "--targets", "a,b", *SMALL, "--out", place / "run"),
        str(place),
        "Read-only",
    )


def test_a_study_on_a_disk_turned_read_only_is_refused_and_goes_on_later(disk: Callable[[str], Path]) -> None:
    place = disk("size=4m")
    done(compare("t.csv", out=place / "run"), out=place / "run")
    kept = trials(place / "run/trials.sqlite")
    disk("ro")
    refused(compare("t.csv", out=place / "run"), str(place))
    refused(run("report", place / "run"), str(place))
    disk("rw")
    done(compare("t.csv", out=place / "run"), out=place / "run")
    assert trials(place / "run/trials.sqlite") == kept


@pytest.mark.parametrize("room", [0, 8, 20, 28, 36, 44, 60])
def test_a_full_disk_keeps_finished_trials(room: int, disk: Callable[[str], Path], finished: Path) -> None:
    """``room``: kilobytes left when the study begins; each ends it at another place."""
    place = disk("size=200k")
    (place / "filler").write_bytes(b"x" * ((200 - room) * 1024 - 4096))
    ran = compare("t.csv", out=place / "run")
    refused(ran, str(place))
    assert "full" in ran.err or "No space left" in ran.err
    path = place / "run/trials.sqlite"
    before = trials(path) if path.exists() and path.stat().st_size > 8192 else []
    disk("size=4m")
    found = done(compare("t.csv", out=place / "run"), out=place / "run")
    after = trials(path)
    assert after[: len(before)] == before
    assert len(after) == found["protocol"]["trials"]
    assert not [p for p in (place / "run").iterdir() if p.name.startswith(".")]
    assert scores(found) == scores(verdict(finished))


# ---------------------------------------------------------------- in processes of their own


def test_a_process_ends_with_one_sentence(tmp_path: Path) -> None:
    for arguments, words in {
        ("compare", "none.csv", "--targets", "a,b"): ("none.csv",),
        ("compare", "t.csv", "--targets", "a,zz"): ("'zz'",),
        ("compare", "t.csv", "--targets", "a,b", "--budget", "60s", "--out", "t.csv"): ("t.csv",),
        ("compare", "bad.yaml"): ("bad.yaml",),
        ("predict", "none", "t.csv"): ("none",),
        ("report", "none"): ("none", "verdict.json"),
    }.items():
        Path("bad.yaml").write_text("data: [\n")
        refused(launch(*arguments), *words)


def test_a_process_whose_output_is_full_says_so(out: Path) -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "sharewise", "report", "out"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 2
    (sentence,) = ended.stderr.splitlines()
    assert "No space left" in sentence


def test_a_process_whose_reader_leaves_ends_quietly(out: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "sharewise", "report", "out"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_process_with_a_narrow_encoding_shows_any_name() -> None:
    table("t.csv", {"名前🎉": np.arange(60) ** 2 % 7.5, "a": None})
    ran = launch(
        "compare",
        "t.csv",
        "--targets",
        "名前🎉,b",
        *SMALL,
        "--out",
        "out",
        quick=True,
        PYTHONIOENCODING="ascii",
    )
    assert ran.code == 0, ran.err
    assert set(json.loads(Path("out/verdict.json").read_text("utf-8"))["per_task"]) == {"名前🎉", "b"}


def test_the_store_itself_raises_only_our_errors(tmp_path: Path) -> None:
    with pytest.raises(SharewiseError, match="cannot be written"):
        TrialStore(tmp_path / "no" / "trials.sqlite")
