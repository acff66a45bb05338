"""Problems of pictures: labels, masks and boxes on decoded pictures, and what is refused in one sentence."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cli_runs import compare, done, quicken, refused, run
from sharewise.errors import DataError, OptionError
from sharewise.problems import Problem, Schema, fingerprint, outer_folds, rooted
from sharewise.problems._same_pictures import joined
from sharewise.problems.pictures import Decoding, decode, decoding_for
from sharewise.tasks import Boxes, BoxRows, Detection, MaskRows, Multiclass, Regression, Segmentation

ROWS = 24
GROUND = Segmentation(("ground", "thing"))
THINGS = Detection(("thing", "other"))


@pytest.fixture
def pictures() -> np.ndarray:
    """Grey pictures, 40 wide and 20 high, all different."""
    return np.random.default_rng(0).integers(0, 255, (ROWS, 20, 40), np.uint8)


@pytest.fixture
def files(tmp_path: Path, pictures: np.ndarray) -> list[Path]:
    """The same in files, with two labels in their names."""
    paths = [tmp_path / f"{'ab'[row % 2]}_{'xyz'[row % 3]}_{row}.png" for row in range(ROWS)]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


def labels(row: int = ROWS) -> dict[str, tuple[Any, Any]]:
    return {"first": (list("ab" * (row // 2)), "binary"), "second": (list("xyz" * (row // 3)), "multiclass")}


# What a problem holds.


def test_files_arrays_and_a_folder_are_one_problem(files: list[Path], pictures: np.ndarray) -> None:
    by_name = {
        "first": (lambda path: path.stem.split("_")[0], "binary"),
        "second": (lambda path: path.stem.split("_")[1], Multiclass(("x", "y", "z"))),
    }
    one = Problem.from_pictures(pictures, labels(), size=(20, 10))
    two = Problem.from_pictures([path.name for path in files], labels(), size=(20, 10), root=files[0].parent)
    assert fingerprint(one) == fingerprint(two)
    three = Problem.from_pictures(files[0].parent, by_name, size=(20, 10))  # in order of names
    order = np.argsort([path.name for path in files])
    np.testing.assert_array_equal(three.table.columns[0].values, one.table.columns[0].values[order])
    np.testing.assert_array_equal(three.labels, one.labels[order])
    assert one.table.columns[0].values.shape == (ROWS, 1, 10, 20)
    assert [target.kind.name for target in one.targets] == ["binary", "multiclass"]
    assert one.group is None


def test_new_pictures_are_read_as_the_problems_were(files: list[Path], pictures: np.ndarray) -> None:
    problem = Problem.from_pictures(pictures, labels(), size=(20, 10))
    schema = Schema.from_dict(json.loads(json.dumps(problem.schema.as_dict())))
    assert schema == problem.schema
    known = problem.table.columns[0].values[:3]
    table = pd.DataFrame({"picture": [str(path) for path in files[:3]]})
    decoded = decode(files[:3], Decoding(10, 20, channels=1))
    for given in (pictures[:3], files[:3], table, decoded, known):
        np.testing.assert_array_equal(schema.read(given)[0].columns[0].values, known)
    with pytest.raises(DataError, match="holds 'photo'"):
        schema.read(pd.DataFrame({"photo": ["a.png"]}))
    with pytest.raises(DataError, match="decoded to 20 × 10"):
        schema.read(decode(files[:3], Decoding(8, 8)))


def test_masks_and_boxes_stand_where_the_pixels_stand(pictures: np.ndarray) -> None:
    masks: list[Any] = [np.zeros((20, 40), np.uint8) for _ in range(ROWS)]
    boxes: list[Any] = [np.zeros((0, 5))] * ROWS
    masks[0][10:, 20:] = 1
    masks[0][:2] = 9  # not labelled
    masks[1], boxes[1] = None, None
    masks[2][:] = 9
    boxes[0] = [[20, 10, 40, 20, 1]]
    boxes[3] = ([[0, 0, 4, 2]], ["other"])
    boxes[4] = Boxes(np.array([[0.0, 0, 40, 20]]), np.array([0]), (40, 20))
    tasks = {
        "mask": (masks, Segmentation(GROUND.classes, ignore=9)),
        "boxes": (boxes, THINGS),
        **labels(),
        "many": (np.arange(ROWS) / 2, Regression()),
    }
    problem = Problem.from_pictures(pictures, tasks, size=(20, 10), channels=1)
    mask, box, *plain = (target.kind for target in problem.targets)
    assert isinstance(mask, MaskRows)
    assert mask.of.ignore == 255
    assert isinstance(box, BoxRows)
    assert box.size == (20, 10)
    assert [kind.name for kind in plain] == ["binary", "multiclass", "regression"]
    held = problem.answers[0]
    assert held is not None
    assert held[0].shape == (10, 20)
    assert held[0].dtype == np.uint8
    assert (held[0][5:, 10:] == 1).all()
    assert (held[0][0] == 255).all()
    assert (held[0][1:5] == 0).all()
    assert held[1] is None
    assert held[2] is None  # no pixel of it is labelled
    found = problem.answers[1]
    assert found is not None
    np.testing.assert_array_equal(found[0], np.array([[10, 5, 20, 10, 1]], np.float32))
    np.testing.assert_array_equal(found[3], np.array([[0, 0, 2, 1, 1]], np.float32))
    np.testing.assert_array_equal(found[4], np.array([[0, 0, 20, 10, 0]], np.float32))
    assert found[5].shape == (0, 5)  # nothing there is an answer
    assert np.isnan(problem.labels[[1, 2], 0]).all()
    assert np.flatnonzero(np.isnan(problem.labels[:, 1])).tolist() == [1]
    assert problem.answers[2:] == (None, None, None)
    assert fingerprint(problem) == fingerprint(
        Problem.from_pictures(pictures, tasks, size=(20, 10), channels=1)
    )


def test_a_crop_cuts_boxes_and_drops_what_is_outside(pictures: np.ndarray) -> None:
    from sharewise.problems._build_pictures import build

    boxes: list[Any] = [[[0, 0, 20, 20, 0], [0, 0, 8, 8, 1]]] * ROWS
    found = build(pictures, {"boxes": (boxes, THINGS), **labels()}, size=10, fit="crop").answers[0]
    assert found is not None
    np.testing.assert_array_equal(found[0], np.array([[0, 0, 5, 10, 0]], np.float32))


def test_equal_pictures_never_stand_on_both_sides(pictures: np.ndarray) -> None:
    pictures[13] = pictures[2]
    pictures[20] = pictures[13]
    problem = Problem.from_pictures(pictures, labels(), size=16)
    assert problem.group is not None
    assert problem.group[2] == problem.group[13] == problem.group[20]
    assert len(set(problem.group.tolist())) == ROWS - 2
    assert any("2 pictures repeated another one" in note for note in problem.notes)
    for train, test in outer_folds(problem, folds=4, repeats=1, seed=0)[0]:
        assert not set(problem.group[train]) & set(problem.group[test])


def test_groups_that_share_a_picture_become_one() -> None:
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    pixels[4] = pixels[1]
    notes: list[str] = []
    found = joined(pixels, np.array([0, 1, 2, 2, 3]), notes)
    assert found is not None
    assert found[1] == found[4]
    assert len(set(found.tolist())) == 3
    assert len(notes) == 1
    assert joined(pixels[:4], None, notes) is None
    with pytest.raises(DataError, match="tie all rows together"):
        joined(pixels[[1, 4]], None, notes)


def test_the_size_is_the_median_within_bounds() -> None:
    wide = [np.zeros((100, 400, 3), np.uint8)] * 3
    assert decoding_for(wide, dense=False) == Decoding(32, 96)
    assert decoding_for(wide, dense=True) == Decoding(32, 128)
    assert decoding_for([np.zeros((30, 33), np.uint8)], dense=False) == Decoding(32, 32, channels=1)
    assert decoding_for(wide, size=50, channels=1, dense=True) == Decoding(50, 50, channels=1)
    assert decoding_for([None, Path("nowhere.png")], dense=False) == Decoding(96, 96)
    for wrong in ({"size": 3}, {"size": (64, 64, 3)}, {"size": "64"}, {"channels": 4}):
        with pytest.raises(OptionError, match="got"):
            decoding_for(wide, dense=False, **wrong)  # type: ignore[arg-type]


# A column of a table.


def table(files: list[Path]) -> pd.DataFrame:
    frame = pd.DataFrame({name: values for name, (values, _) in labels().items()})
    return frame.assign(
        photo=[path.name for path in files], who=np.arange(ROWS) // 2, age=np.arange(ROWS) % 5
    )


def test_a_column_of_names_is_found(files: list[Path]) -> None:
    frame = table(files)
    frame.loc[3, "photo"] = None
    given = {"targets": ["first", "second"], "group": "who", "root": files[0].parent}
    problem = Problem.from_frame(frame, **given)
    (column,) = problem.table.columns
    assert (column.name, column.kind, column.values.shape) == ("photo", "tensor", (ROWS - 1, 1, 32, 40))
    notes = " ".join(problem.notes)
    assert "Column 'photo' is read as names of pictures." in notes
    assert "1 row without a picture left out." in notes
    assert "not read in this version: 'age'" in notes
    again = problem.schema.read(frame.loc[:2, ["photo"]].map(lambda name: files[0].parent / name).astype(str))
    np.testing.assert_array_equal(again[0].columns[0].values, column.values[:3])
    assert fingerprint(problem) == fingerprint(Problem.from_frame(frame, pictures="photo", **given))


def test_names_of_files_that_are_not_there_stay_words(files: list[Path]) -> None:
    frame, given = table(files), {"targets": ["first", "second"], "group": "who"}
    problem = Problem.from_frame(frame, **given, root=files[0].parent / "elsewhere")
    assert not problem.table.reads_tensors
    assert any("holds names of pictures, and no such file" in note for note in problem.notes)
    with pytest.raises(DataError, match=r"a_x_0\.png.*is not there.*23 more of 24"):
        Problem.from_frame(frame, **given, pictures="photo", root="elsewhere")
    with pytest.raises(OptionError, match="'phota' is none"):
        Problem.from_frame(frame, **given, pictures="phota")
    with pytest.raises(DataError, match="'photo', 'twin' name some"):
        Problem.from_frame(frame.assign(twin=frame["photo"]), **given, root=files[0].parent)
    with pytest.raises(OptionError, match="no column names any"):
        Problem.from_frame(frame.drop(columns="photo"), **given, size=32)


def test_a_table_of_many_tasks_has_pictures_too(files: list[Path]) -> None:
    frame = table(files).assign(who=np.arange(ROWS) % 3)
    problem = Problem.from_frame(frame, targets=["first"], task="who", root=files[0].parent, size=8)
    rows = frame.loc[:3, ["photo", "who"]].assign(photo=[str(path) for path in files[:4]])
    read, level, _ = problem.schema.read(rows)
    assert level is not None
    assert level.tolist() == [0, 1, 2, 0]
    np.testing.assert_array_equal(read.columns[0].values, problem.table.columns[0].values[:4])


def test_paths_begin_at_the_tables_folder(files: list[Path]) -> None:
    frame = table(files)
    root = files[0].parent
    problem = Problem.from_frame(frame, targets=["first", "second"], group="who", root=root)
    there = rooted(frame, problem.schema, root)
    assert isinstance(there, pd.DataFrame)
    assert there["photo"].tolist() == [str(path) for path in files]
    assert frame["photo"][0] == "a_x_0.png"
    plain = Problem.from_frame(frame.drop(columns="photo"), targets=["first", "second"], group="who")
    assert rooted(frame, plain.schema, root) is frame
    assert rooted(files, problem.schema, root) is files


def test_the_command_line_compares_and_predicts_pictures(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    quicken(monkeypatch)
    monkeypatch.setattr("sharewise.families.pictures._frozen.PACKAGE", "no_such_package")  # no torch
    root = files[0].parent
    table(files).drop(columns="age").to_csv(root / "photos.csv", index=False)
    flags = ("--group", "who", "--pictures", "photo", "--strategies", "separate")
    found = done(
        compare(root / "photos.csv", *flags, targets="first,second", out=root / "out"), out=root / "out"
    )
    assert any("read as names of pictures" in warning for warning in found["warnings"])
    frame = pd.DataFrame({"photo": [files[1].name, files[0].name]})
    frame.to_csv(root / "new.csv", index=False)
    ran = run("predict", root / "out", root / "new.csv", "--proba")
    assert ran.code == 0, ran.err
    said = pd.read_csv(io.StringIO(ran.out))
    assert len(said) == 2
    np.testing.assert_allclose(said.filter(like="first=").sum(axis=1), 1)
    (root / files[0].name).unlink()
    refused(run("predict", root / "out", root / "new.csv"), files[0].name, "is not there")


# Malformed pictures, masks and boxes: one sentence each, with the file or the place.


def _noise(path: Path, form: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path, form)


def _truncated(path: Path) -> None:
    _noise(path, "JPEG")
    path.write_bytes(path.read_bytes()[:900])


def _bomb(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")):
        parts += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(parts)


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.png": (lambda path: path.unlink(), "is not there"),
    "folder.png": (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
    "truncated.jpg": (_truncated, "breaks off or is damaged"),
    "dot.png": (lambda path: Image.new("L", (1, 1)).save(path), "has 1 × 1"),
    "text.png": (lambda path: path.write_text("not a picture"), "these 13 bytes are none"),
    "bomb.png": (_bomb, "at most 64000000 pixels"),
    "float.tif": (lambda path: Image.fromarray(np.ones((8, 8), np.float32)).save(path), "floating-point"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_sentence_with_its_name(files: list[Path], name: str) -> None:
    make, says = BAD_FILES[name]
    bad = files[5].rename(files[5].with_name(name))
    make(bad)
    given = [*files[:5], bad, *files[6:]]
    with pytest.raises(DataError) as caught:
        Problem.from_pictures(given, labels(), size=16)
    message = str(caught.value)
    assert message.startswith(f"{bad}: ")
    assert says in message
    assert "\n" not in message
    data = table(files).assign(photo=[path.name for path in given])
    data.to_csv(bad.parent / "pictures.csv", index=False)
    done = run(
        "compare", str(bad.parent / "pictures.csv"), "--targets", "first,second", "--pictures", "photo"
    )
    assert done.code == 2
    assert name in done.said()[0]


def test_a_file_that_may_not_be_read_says_so(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Image.open

    def closed(path: Path, *more: Any) -> Any:
        if Path(path) == files[2]:
            raise PermissionError(13, "Permission denied")
        return whole(path, *more)

    monkeypatch.setattr(Image, "open", closed)
    with pytest.raises(DataError, match=rf"{files[2].name}: .*may not \(Permission denied\)"):
        Problem.from_pictures(files, labels())


def test_odd_but_whole_files_are_read(files: list[Path]) -> None:
    odd = {
        "film.gif": lambda path: Image.new("P", (8, 8)).save(path, save_all=True, append_images=[Image.new("P", (8, 8), 3)]),
        "deep.png": lambda path: Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(path),
        "ink.jpg": lambda path: Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path),
    }  # fmt: skip
    given = list(files)
    for row, (name, make) in enumerate(odd.items()):
        given[row] = files[0].with_name(name)
        make(given[row])
    pixels = Problem.from_pictures(given, labels(), size=8, channels=3).table.columns[0].values
    assert (pixels[0] == 0).all()  # the film's first frame
    assert (pixels[1] == 40_000 >> 8).all()
    assert pixels[2, 0].min() > 200 > 60 > pixels[2, 1:].max()


def _with(bad: Any, good: Any) -> list[Any]:
    return [bad if row == 7 else good for row in range(ROWS)]


MASK = np.zeros((20, 40), np.uint8)
BAD_TASKS: dict[str, tuple[tuple[Any, Any], str]] = {
    "few": ((["a"] * 5, "binary"), "task 'bad' has one value a picture; got 5 for 24 pictures"),
    "mask_size": ((_with(MASK[:, :30], MASK), GROUND), "mask 7 of 'bad': .*40 × 20 pixels; this one has 30 × 20"),
    "mask_codes": ((_with(MASK + 4, MASK), GROUND), "mask 7 of 'bad': .*0 to 1, or 255 for no label; got 4"),
    "mask_axes": ((_with(MASK[None], MASK), GROUND), r"mask 7 of 'bad': .*got shape \(1, 20, 40\)"),
    "mask_file": ((_with("nowhere.png", MASK), GROUND), "nowhere.png: .*is not there"),
    "outside": ((_with([[0, 0, 41, 9, 0]], []), THINGS), "boxes 7 of 'bad', box 0: .*inside its picture of 40 × 20"),
    "negative": ((_with([[9, 9, 3, 12, 0]], []), THINGS), "boxes 7 of 'bad', box 0: .*positive width and height"),
    "infinite": ((_with([[0, 0, np.inf, 9, 0]], []), THINGS), "finite numbers"),
    "box_label": ((_with([[0, 0, 4, 9, 2]], []), THINGS), "boxes 7 of 'bad': .*label is 0 to 1; got 2"),
    "box_name": ((_with(([[0, 0, 4, 9]], ["cat"]), []), THINGS), "boxes 7 of 'bad': .*'cat'"),
    "box_shape": ((_with([[0, 0, 4, 9]], []), THINGS), r"boxes 7 of 'bad': .*got shape \(1, 4\)"),
    "box_count": ((_with(([[0, 0, 4, 9]], [0, 1]), []), THINGS), r"\(1, 4\) and \(2,\)"),
    "box_size": ((_with(Boxes(np.zeros((0, 4)), np.zeros(0), (9, 9)), []), THINGS), "40 × 20 pixels; these say 9 × 9"),
    "no_labels": (([None] * ROWS, "binary"), "'bad' is empty"),
    "constant": ((["a"] * ROWS, "multiclass"), "'bad' is 'a' on all"),
    "no_class": ((_with("q", "x"), Multiclass(("x", "y"))), "picture 7 has 'q'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TASKS)
def test_a_bad_answer_is_one_sentence_with_its_place(pictures: np.ndarray, name: str) -> None:
    task, says = BAD_TASKS[name]
    with pytest.raises(DataError, match=says) as caught:
        Problem.from_pictures(pictures, {"bad": task, **labels()}, size=16)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros((3, 20, 40), np.uint8), "picture 7: .*channels last"),
        (np.full((20, 40), 256.0), "picture 7: .*between 0 and 1; got 256 to 256"),
        (np.full((20, 40), -0.1), "picture 7: .*got -0.1 to -0.1"),
        (np.zeros((20, 40), np.int64), "picture 7: .*got int64"),
        (np.zeros((1, 1), np.uint8), "picture 7: .*has 1 × 1"),
    ],
)
def test_a_bad_array_is_named_by_its_place(pictures: np.ndarray, bad: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Problem.from_pictures(_with(bad, pictures[0])[:8] + list(pictures[8:]), labels(), size=16)


def test_what_is_no_problem_of_pictures_is_refused(tmp_path: Path, pictures: np.ndarray) -> None:
    made = Problem.from_pictures
    with pytest.raises(DataError, match=f"{tmp_path}: .*this one has none"):
        made(tmp_path, labels())
    with pytest.raises(DataError, match="got 24 gaps"):
        made([None] * ROWS, labels())
    with pytest.raises(DataError, match="got none"):
        made([], {"a": ([], "binary"), "b": ([], "binary")})
    with pytest.raises(DataError, match="at least two tasks; got 'first'"):
        made(pictures, {"first": labels()["first"]})
    with pytest.raises(OptionError, match="'a' is 'faces'"):
        made(pictures, {"a": (labels()["first"][0], "faces"), **labels()})
    with pytest.raises(OptionError, match="'a' is Multiclass"):
        made(pictures, {"a": (labels()["first"][0], Multiclass), **labels()})
    with pytest.raises(OptionError, match="'a' is a list"):
        made(pictures, {"a": labels()["first"][0], **labels()})
    with pytest.raises(OptionError, match="these pictures are no files"):
        made(pictures, {"a": (lambda path: path.stem, "binary"), **labels()})
    with pytest.raises(OptionError, match="'third' is none"):
        made(pictures, labels(), metric={"third": "accuracy"})
    with pytest.raises(OptionError, match="map"):
        made(pictures, {"boxes": ([[]] * ROWS, THINGS), **labels()}, metric={"boxes": "accuracy"})
    with pytest.raises(OptionError, match="decoded already"):
        made(decode(pictures, Decoding(8, 8)), labels(), size=8)
    with pytest.raises(DataError, match="got 3 for 24 pictures"):
        made(pictures, labels(), group=[1, 2, 3])


def test_a_function_of_the_path_that_fails_names_the_file(files: list[Path]) -> None:
    with pytest.raises(DataError, match=r"a_x_0\.png: task 'a' is told .* IndexError"):
        Problem.from_pictures(files, {"a": (lambda path: path.stem.split("_")[9], "binary"), **labels()})
