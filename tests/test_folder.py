"""A model folder is read back exactly or refused in one sentence; writing replaces it whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from sharewise.errors import SharewiseWarning, StorageError
from sharewise.serving import _folder
from sharewise.serving._folder import read_folder, write_folder
from sharewise.serving._state import MAX_DEPTH


@dataclass(frozen=True)
class Model:
    scale: StandardScaler
    grams: TfidfVectorizer
    trees: tuple[str, ...]
    blank: np.ndarray
    point: np.ndarray


KNOWN = {"Model": Model}
CARD: dict[str, Any] = {"tasks": ["lang", "arith"], "score": 0.25, "note": "ü", "none": None}


def model(seed: int = 0) -> Model:
    X = np.random.default_rng(seed).normal(size=(50, 3))
    text = f"tree {seed}\r\nleaf=1\n" * 300
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)).fit(["a red fox", "a blue hen"])
    return Model(StandardScaler().fit(X), grams, (text, "short"), np.zeros((0, 3)), np.array(1.5))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "m"
    write_folder(path, model(), known=KNOWN, card=CARD)
    return path


def refused(folder: Path, match: str = "saved model|a model") -> None:
    with pytest.raises(StorageError, match=match) as caught:
        read_folder(folder, known=KNOWN)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change ``model.json`` and give it a right checksum again, as a forger would."""
    document = json.loads((folder / "model.json").read_text())
    del document["sha256"]
    change(document)
    (folder / "model.json").write_bytes(_folder._seal(document))


def test_round_trip(folder: Path) -> None:
    back, card = read_folder(folder, known=KNOWN)
    assert card == CARD
    X = np.random.default_rng(1).normal(size=(9, 3))
    np.testing.assert_array_equal(back.scale.transform(X), model().scale.transform(X))
    assert back.trees == model().trees
    assert back.blank.shape == (0, 3)
    assert back.point.shape == ()
    assert back.point == 1.5
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "arrays.safetensors",
        "model.json",
        "texts/000.txt",
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["m"]
    body = json.loads((folder / "model.json").read_text())
    assert body["format"] == "sharewise-model"
    assert set(body["versions"]) >= {"python", "numpy", "scikit-learn", "lightgbm"}


def test_the_same_model_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "again", read_folder(folder, known=KNOWN)[0], known=KNOWN, card=CARD)
    for name in ("model.json", "arrays.safetensors", "texts/000.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_models_without_arrays_and_nested_to_the_limit(tmp_path: Path) -> None:
    write_folder(tmp_path / "plain", {"a": (1, 2)}, known={}, card={})
    assert read_folder(tmp_path / "plain", known={}) == ({"a": (1, 2)}, {})
    assert os.listdir(tmp_path / "plain") == ["model.json"]
    deep: Any = ()
    for _ in range(MAX_DEPTH):
        deep = (deep,)
    write_folder(tmp_path / "deep", deep, known={}, card={})
    assert read_folder(tmp_path / "deep", known={})[0] == deep


def test_random_byte_changes_are_refused(folder: Path) -> None:
    rng = np.random.default_rng(0)
    files = [folder / "model.json", folder / "arrays.safetensors", folder / "texts/000.txt"]
    for turn in range(240):
        file = files[turn % 3]
        whole = file.read_bytes()
        changed = bytearray(whole)
        changed[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        file.write_bytes(changed)
        refused(folder)
        file.write_bytes(whole)
    read_folder(folder, known=KNOWN)


def test_truncations_and_additions_are_refused(folder: Path) -> None:
    rng = np.random.default_rng(0)
    files = [folder / "model.json", folder / "arrays.safetensors", folder / "texts/000.txt"]
    for turn in range(210):
        file = files[turn % 3]
        whole = file.read_bytes()
        length = int(rng.integers(len(whole))) if turn >= 3 else 0
        file.write_bytes(whole[:length])
        refused(folder)
        file.write_bytes(whole + b" ")
        refused(folder)
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["model.json", "arrays.safetensors", "texts/000.txt", "texts"])
def test_missing_parts_are_refused(folder: Path, name: str) -> None:
    place = folder / name
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    refused(folder, "model.json" if name == "model.json" else "missing")
    place.mkdir()
    refused(folder)


def test_what_is_no_model_is_refused(folder: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "is no folder")
    refused(folder / "model.json", "is no folder")
    refused(tmp_path, "has none")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 200_000, "RecursionError"),
        (b'{"a":' * 200_000, "RecursionError"),
        (b"[1, 2]", "names the format"),
        (b'"text"', "names the format"),
        (b'{"format": "pickle"}', "'pickle'"),
        (b'{"format": ["sharewise-model"]}', "names the format"),
        (b'{"format": "sharewise-model", "version": NaN}', "NaN"),
        (b'{"format": "sharewise-model", "card": -Infinity}', "no JSON number"),
        (b'{"format": "sharewise-model", "version": 1e999}', "keys"),
        (b'{"format": "sharewise-model", "version": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"format": "sharewise-model", "version": 2}', "Upgrade"),
        (b'{"format": "sharewise-model", "version": true}', "keys"),
        (b'{"format": "sharewise-model", "version": 1}', "keys"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_foreign_json_is_refused(folder: Path, text: bytes, match: str) -> None:
    (folder / "model.json").write_bytes(text)
    refused(folder, match)


def test_other_layouts_of_the_same_json_are_refused(folder: Path) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()), indent=1))
    refused(folder, "checksum")


def test_deep_or_overflowing_bodies_are_refused(folder: Path) -> None:
    file = folder / "model.json"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"score":0.25', b'"score":1e999'))
    refused(folder, "checksum")
    file.write_bytes(whole.replace(b'"score":0.25', b'"score":' + b"[" * 400 + b"]" * 400))
    refused(folder, "checksum")
    edit(folder, lambda d: d)
    file.write_bytes(whole)
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    edit(folder, lambda d: d.update(tree=deep))
    refused(folder, "levels")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "/etc/passwd",
        "texts/../../secret.txt",
        "texts/000.txt\n",
        "other.bin",
        "texts/a.txt",
        "",
    ],
)
def test_paths_out_of_the_folder_are_refused(folder: Path, path: str) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    entry = {"path": path, "bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}
    edit(folder, lambda d: d["files"].append(entry))
    refused(folder, "which no model has")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d.update(tree={"$": "pickle"}), "pickle"),
        (lambda d: d["tree"].update(type="Other"), "names or holds"),
        (lambda d: d["tree"]["fields"].update(more=1), "more"),
        (lambda d: d["files"].clear(), "names or holds"),
        (lambda d: d["files"].append("x"), "lists a file"),
        (lambda d: d["files"][0].update(bytes="1"), "lists a file"),
        (lambda d: d["files"][0].update(bytes=-1), "bytes instead"),
        (lambda d: d["files"][0].update(sha256=""), "checksum"),
        (lambda d: d.update(files={}), "no list"),
        (lambda d: d.update(card=[]), "no dict"),
        (lambda d: d.update(versions=None), "no dict"),
        (lambda d: d.update(version=1.0), "version 1.0"),
        (lambda d: d.update(more=1), "keys"),
    ],
)
def test_forged_bodies_are_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], match: str
) -> None:
    edit(folder, change)
    refused(folder, match)


@pytest.mark.parametrize(
    "data", [b"", b"x" * 40, b"\xff" * 40, save({"00000": np.zeros(3)}), save({"00000": np.zeros(1, "c8")})]
)
def test_foreign_array_files_are_refused(folder: Path, data: bytes) -> None:
    (folder / "arrays.safetensors").write_bytes(data)
    entry = {"path": "arrays.safetensors", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit(folder, lambda d: d["files"].__setitem__(0, entry))
    refused(folder)


def test_other_library_versions_are_warned_of(folder: Path) -> None:
    edit(folder, lambda d: d["versions"].update({"scikit-learn": "0.24.2", "numpy": "1.0"}))
    with pytest.warns(SharewiseWarning, match=r"scikit-learn 0\.24\.2") as caught:
        read_folder(folder, known=KNOWN)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_an_older_model_is_replaced(folder: Path) -> None:
    write_folder(folder, {"a": 1}, known={}, card={})
    assert read_folder(folder, known={}) == ({"a": 1}, {})
    assert os.listdir(folder) == ["model.json"]
    assert os.listdir(folder.parent) == ["m"]


def test_a_link_to_a_folder_stays_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest"
    link.symlink_to(folder)
    write_folder(link, [1], known={}, card={})
    assert link.is_symlink()
    assert read_folder(folder, known={}) == ([1], {})


def test_other_peoples_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    (folder / "notes.md").write_text("mine")
    with pytest.raises(StorageError, match=r"notes\.md"):
        write_folder(folder, [1], known={}, card={})
    with pytest.raises(StorageError, match="runs"):
        write_folder(tmp_path, [1], known={}, card={})
    with pytest.raises(StorageError, match="a file"):
        write_folder(folder / "model.json", [1], known={}, card={})
    with pytest.raises(StorageError, match="Choose another folder"):
        write_folder(folder / "model.json" / "deeper", [1], known={}, card={})
    read_folder(folder, known=KNOWN)
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", [1], known={}, card={})


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_failed_write_leaves_the_older_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    rename, calls = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == fails_at:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match="No space left"):
        write_folder(folder, [1], known={}, card={})
    read_folder(folder, known=KNOWN)
    assert os.listdir(folder.parent) == ["m"]


@pytest.mark.parametrize(
    "card",
    [{"a": float("nan")}, {"a": (1, 2)}, {1: "a"}, {"a": {"b": {2: 3}}}, {"a": object()}, {"a": {1, 2}}],
)
def test_cards_that_json_cannot_hold_are_refused(tmp_path: Path, card: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="card"):
        write_folder(tmp_path / "m", [1], known={}, card=card)
    assert os.listdir(tmp_path) == []


def test_unknown_state_leaves_nothing_behind(tmp_path: Path) -> None:
    for value in (object(), {"a": 10**5000}):
        with pytest.raises(StorageError, match="a saved model holds"):
            write_folder(tmp_path / "m", value, known={}, card={})
    assert os.listdir(tmp_path) == []


JUNK: list[Any] = [
    None,
    True,
    -1,
    10**30,
    0.5,
    "x",
    "00000",
    [],
    [1],
    {},
    {"$": "same", "n": 0},
    {"$": "tuple"},
]


def test_forged_trees_fail_in_one_way_only(folder: Path) -> None:
    rng = np.random.default_rng(0)
    whole = json.loads((folder / "model.json").read_text())["tree"]
    refusals = 0
    for _ in range(300):
        tree = json.loads(json.dumps(whole))
        node = tree
        while True:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = keys[rng.integers(len(keys))]
            if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.2:
                break
            node = node[key]
        node[key] = JUNK[rng.integers(len(JUNK))]
        edit(folder, lambda d, tree=tree: d.update(tree=tree))
        try:
            read_folder(folder, known=KNOWN)
        except StorageError:
            refusals += 1
    assert refusals > 100
