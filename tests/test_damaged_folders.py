"""Damaged model folders are refused in a sentence or predict what they did; forged ones run nothing and crash nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.errors import SharewiseError, StorageError
from sharewise.families._booster_text import checked
from stored_models import SORTS, reseal, store

CASES = 240
FORGED = 120
SLOWEST = 20.0
"""Seconds that no load may take, on a machine as busy as any."""

Rng = np.random.Generator


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders, and of rows that they predict."""
    folder = tmp_path_factory.mktemp("stored")
    store(folder)
    return folder


@pytest.fixture(scope="module")
def sound(stored: Path) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """By sort the rows and what the sound model predicts."""
    rows = {sort: sw.problems.read_table(stored / f"{sort}.csv") for sort in SORTS}
    return {sort: (rows[sort], sw.load(stored / sort).predict(rows[sort])) for sort in SORTS}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def one(folder: Path, rng: Rng) -> Path:
    """A file of a model: each sort of file is as likely."""
    named = [folder / name for name in ("model.json", "arrays.safetensors", "card.md")]
    return rng.choice(np.array([*named, files(folder)[-1]]))


def flip(folder: Path, rng: Rng) -> None:
    place = one(folder, rng)
    data = bytearray(place.read_bytes())
    for at in rng.integers(len(data), size=rng.integers(1, 4)):
        data[at] ^= 1 << int(rng.integers(8))
    place.write_bytes(data)


def cut(folder: Path, rng: Rng) -> None:
    place = one(folder, rng)
    place.write_bytes(place.read_bytes()[: rng.integers(place.stat().st_size)])


def append(folder: Path, rng: Rng) -> None:
    with one(folder, rng).open("ab") as file:
        file.write(rng.bytes(int(rng.integers(1, 50))))


def delete(folder: Path, rng: Rng) -> None:
    one(folder, rng).unlink()


def swap(folder: Path, rng: Rng) -> None:
    """Two files change places (in a model of one booster file, arrays and text do)."""
    first, second = rng.choice(np.array(files(folder)), 2, replace=False)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def blank(folder: Path, rng: Rng) -> None:
    """A block of zeros, as a disk leaves it."""
    place = one(folder, rng)
    data = bytearray(place.read_bytes())
    at = int(rng.integers(len(data)))
    data[at : at + 512] = bytes(len(data[at : at + 512]))
    place.write_bytes(data)


def link(folder: Path, rng: Rng) -> None:
    """A link to the same bytes elsewhere is harmless; one to other bytes is not."""
    place = one(folder, rng)
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(place.read_bytes() if rng.random() < 0.5 else b"root:x:0:0")
    place.unlink()
    place.symlink_to(elsewhere)


def add(folder: Path, rng: Rng) -> None:
    """Files that no model has, which nobody reads."""
    (folder / str(rng.choice(["__init__.py", "model.pkl", "README.md", "texts.txt"]))).write_bytes(
        rng.bytes(99)
    )


DAMAGE: tuple[Callable[[Path, Rng], None], ...] = (
    flip,
    flip,
    cut,
    cut,
    append,
    delete,
    swap,
    blank,
    link,
    add,
)


def outcome(case: Path, rows: pd.DataFrame, expected: pd.DataFrame) -> str:
    """What comes of loading and predicting; a warning, another error or other predictions fail the test."""
    started = time.monotonic()
    try:
        model = sw.load(case)
    except SharewiseError as error:
        sentence = str(error)
        found = (
            "refused" if sentence.endswith(".") and "\n" not in sentence and len(sentence) < 700 else sentence
        )
    else:
        pd.testing.assert_frame_equal(model.predict(rows), expected, check_exact=True)
        found = "harmless"
    assert time.monotonic() - started < SLOWEST
    return found


def test_damaged_folders_are_refused_or_harmless(
    stored: Path, sound: dict[str, tuple[pd.DataFrame, pd.DataFrame]], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    counts: Counter[tuple[str, str]] = Counter()
    case = tmp_path / "case"
    for turn in range(CASES):
        sort = SORTS[turn % len(SORTS)]
        shutil.copytree(stored / sort, case)
        damage = DAMAGE[rng.integers(len(DAMAGE))]
        damage(case, rng)
        counts[damage.__name__, outcome(case, *sound[sort])] += 1
        shutil.rmtree(case)
    assert sum(counts.values()) == CASES
    assert {name for name, found in counts if found == "harmless"} <= {"link", "add"}
    assert {found for _, found in counts} == {"harmless", "refused"}
    assert sum(number for (_, found), number in counts.items() if found == "refused") > 0.8 * CASES


def _fifo(case: Path) -> None:
    (case / "arrays.safetensors").unlink()
    os.mkfifo(case / "arrays.safetensors")


def _device(case: Path) -> None:
    (case / "arrays.safetensors").unlink()
    (case / "arrays.safetensors").symlink_to("/dev/zero")


def _folder(case: Path) -> None:
    (case / "arrays.safetensors").unlink()
    (case / "arrays.safetensors").mkdir()


def _rings(case: Path) -> None:
    (case / "arrays.safetensors").unlink()
    (case / "arrays.safetensors").symlink_to("arrays.safetensors")


def _huge_header(case: Path) -> None:
    (case / "arrays.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    reseal(case)


def _huge_tensor(case: Path) -> None:
    header = json.dumps({"00000": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}).encode()
    (case / "arrays.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    reseal(case)


def _object_array(case: Path) -> None:
    np.save(case / "arrays.safetensors", np.array([{}], dtype=object), allow_pickle=True)
    os.replace(case / "arrays.safetensors.npy", case / "arrays.safetensors")
    reseal(case)


def _zip(case: Path) -> None:
    """A zip bomb: nothing in a model is compressed, so it is bytes like others."""
    import zipfile

    with zipfile.ZipFile(case / "arrays.safetensors", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("00000", bytes(1 << 20))
    reseal(case)


def _text(line: bytes, other: bytes) -> Callable[[Path], None]:
    def change(case: Path) -> None:
        whole = (case / "model.json").read_bytes()
        assert line in whole
        (case / "model.json").write_bytes(whole.replace(line, other, 1))

    return change


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (_fifo, "missing"),
    "a device": (_device, "missing"),
    "a folder": (_folder, "missing"),
    "a link to itself": (_rings, "missing"),
    "a header of exabytes": (_huge_header, "cannot be read"),
    "a tensor of terabytes": (_huge_tensor, "cannot be read"),
    "a pickle": (_object_array, "cannot be read"),
    "a zip": (_zip, "cannot be read"),
    "a key twice": (_text(b'"version": 1,', b'"version": 1,\n"version": 1,'), "checksum"),
    "no number": (_text(b'"version": 1,', b'"version": NaN,'), "no JSON"),
    "deep": (_text(b'"version": 1,', b'"version": ' + b"[" * 10**5 + b","), "no JSON"),
    "newer": (_text(b'"version": 1,', b'"version": 99,'), "Upgrade sharewise"),
    "foreign": (_text(b'"sharewise-model"', b'"keras"'), "written by save"),
    "a path out of it": (lambda case: reseal(case, lambda d: d["files"][0].update(path="../linear.csv")), "no model has"),
    "an absolute path": (lambda case: reseal(case, lambda d: d["files"][0].update(path="/etc/passwd")), "no model has"),
    "empty": (lambda case: [path.unlink() for path in files(case)], "has none"),
    "another library's": (
        lambda case: [(case / "model.json").write_text("{}"), (case / "config.json").write_text("{}")],
        "names the format",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HARM)
def test_odd_folders_are_refused_in_a_sentence(name: str, stored: Path, tmp_path: Path) -> None:
    change, words = HARM[name]
    case = Path(shutil.copytree(stored / "linear", tmp_path / "case"))
    change(case)
    with pytest.raises(StorageError, match=words) as caught:
        sw.load(case)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_model_of_another_is_no_part_of_this_one(stored: Path, tmp_path: Path) -> None:
    """Whole files of another model of the same sort do not pass: the head of each lists its own."""
    case = Path(shutil.copytree(stored / "linear", tmp_path / "case"))
    shutil.copy(stored / "long" / "arrays.safetensors", case)
    with pytest.raises(StorageError, match=r"instead of|checksum"):
        sw.load(case)


def test_forged_folders_crash_nothing_and_run_nothing(stored: Path) -> None:
    """With checksums that fit: refused, or other predictions, or a failure that can be caught; never the interpreter's
    end, a hang or unbounded memory. `forged_models` ends itself where a case takes too long or too much."""
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("forged_models.py")), str(stored), "0", str(FORGED)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, (lines[-1:], ended.stderr[-500:])
    assert len(lines) == FORGED
    assert not [line for line in lines if "odd" in line[2]]
    assert {line[1] for line in lines if "refused" in line[2]} >= {"text number", "tree value"}


BREAKS = {
    "a ring of splits": ("left_child", "0", "no later split"),
    "a leaf that is not there": ("left_child", "-9999", "no later split"),
    "a feature beyond the row": ("split_feature", "99", "reads a feature"),
    "more leaves than values": ("num_leaves", "2147483647", "another form|fewer or more|not where"),
    "sets of categories that are not there": ("decision_type", "1", "names a set|other lines"),
    "a number that is none": ("threshold", "0x7f", "not where"),
    "linear leaves": ("is_linear", "1", "fewer or more"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_lightgbm_would_follow_blindly_is_refused(name: str, stored: Path) -> None:
    key, value, words = BREAKS[name]
    for path in sorted((stored / "long" / "texts").glob("*.txt"))[:1]:
        text = path.read_text()
        assert text.startswith(checked(text).removesuffix("\npandas_categorical:null\n"))
        at = text.index(f"\n{key}=") + len(key) + 2
        stop = min(text.index(end, at) for end in " \n")
        broken = text[:at] + value + text[stop:]
        first, grown = text.index("tree_sizes=") + len("tree_sizes="), len(broken) - len(text)
        size = text[first : text.index(" ", first)]
        broken = broken.replace(f"tree_sizes={size} ", f"tree_sizes={int(size) + grown} ", 1)
        with pytest.raises(StorageError, match=words):
            checked(broken)
