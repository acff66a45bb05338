"""Datasets of the Hugging Face library: the same problems as the tables, sentences and pictures that they hold."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.errors import DataError
from sharewise.families import FAMILIES, Run, Sample
from sharewise.problems import Problem, Sentences, split
from sharewise.serving import DeployedModel

datasets = pytest.importorskip("datasets")

NAMES = ["0", "1", "2"]
"""Classes that look like numbers, as the Hub has them for digits."""


def frame(n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).round(3)
    return pd.DataFrame(
        {
            "x": x[:, 0],
            "colour": rng.choice(["red", "blue"], n),
            "price": x[:, 0] + rng.normal(size=n),
            "digit": rng.integers(0, 3, n),
            "good": rng.integers(0, 2, n) == 1,
        }
    )


def dataset(n: int = 90) -> Any:
    plain = datasets.Dataset.from_pandas(frame(n))
    return plain.cast_column("digit", datasets.ClassLabel(names=NAMES))


def same_problem(one: Problem, other: Problem) -> None:
    assert one.targets == other.targets
    assert [task.name for task in one.tasks] == [task.name for task in other.tasks]
    np.testing.assert_array_equal(one.labels, other.labels)
    for left, right in zip(one.table, other.table, strict=True):
        assert (left.name, left.kind) == (right.name, right.kind)
        np.testing.assert_array_equal(left.values, right.values)


def test_a_dataset_is_the_table_it_holds_with_classes_as_names() -> None:
    found = Problem.from_frame(dataset(), targets=["price", "digit", "good"])
    as_names = frame().assign(digit=lambda f: f["digit"].map(str).astype("category"))
    same_problem(found, Problem.from_frame(as_names, targets=["price", "digit", "good"]))
    assert found.targets[1].kind.classes == ("0", "1", "2")  # type: ignore[attr-defined]
    by_task = Problem.from_frame(dataset(), targets=["price"], task="digit")
    assert by_task.levels == ("0", "1", "2")


def test_selected_rows_and_formats_change_nothing_else() -> None:
    rows = np.random.default_rng(1).permutation(90)[:60].tolist()
    chosen = dataset().select(rows).with_format("torch")
    found = Problem.from_frame(chosen, targets=["price", "digit"])
    same_problem(found, Problem.from_frame(dataset().to_pandas().assign(
        digit=lambda f: f["digit"].map(str).astype("category")).iloc[rows], targets=["price", "digit"]))  # fmt: skip


def test_secret_and_missing_classes_are_gaps() -> None:
    codes = [0, 1, 2, -1, None] * 18
    features = datasets.Features(
        {
            "x": datasets.Value("float64"),
            "digit": datasets.ClassLabel(names=NAMES),
            "y": datasets.Value("float64"),
        }
    )
    rows = {"x": np.arange(90.0) % 7, "digit": codes, "y": np.arange(90.0) % 5}
    found = Problem.from_frame(datasets.Dataset.from_dict(rows, features=features), targets=["digit", "y"])
    np.testing.assert_array_equal(np.isnan(found.labels[:, 0]), [code in (-1, None) for code in codes])
    np.testing.assert_array_equal(found.labels[:3, 0], [0, 1, 2])


def test_splits_streams_and_empty_sets_are_refused_with_a_way_out() -> None:
    both = datasets.DatasetDict(train=dataset(60), test=dataset(30))
    with pytest.raises(DataError, match=r"2 splits \(train, test\)\. Pass one, as in dataset\['train'\]"):
        Problem.from_frame(both, targets=["price", "digit"])
    with pytest.raises(DataError, match=r"a stream of them \(IterableDataset\)"):
        Problem.from_frame(dataset().to_iterable_dataset(), targets=["price", "digit"])
    with pytest.raises(DataError, match="must hold rows"):
        Problem.from_frame(dataset().select([]), targets=["price", "digit"])
    joined = datasets.concatenate_datasets([both["train"], both["test"]])
    assert len(Problem.from_frame(joined, targets=["price", "digit"])) == 90


def test_a_stream_is_kept_as_its_refusal_says() -> None:
    stream = dataset().to_iterable_dataset()
    kept = datasets.Dataset.from_list(list(stream.take(50)), features=stream.features)
    same_problem(
        Problem.from_frame(kept, targets=["price", "digit"]),
        Problem.from_frame(dataset().select(range(50)), targets=["price", "digit"]),
    )


def test_predictions_come_back_as_a_table() -> None:
    problem = Problem.from_frame(dataset(), targets=["price", "digit"])
    rows = np.arange(len(problem))
    family = FAMILIES["linear"]
    configuration = family.configurations(problem, effort=0, together=False)[0]
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    model = DeployedModel.of(problem, family.alone(sample, configuration, Run(0, effort=0)).model, {})
    found = model.predict(dataset(20))
    pd.testing.assert_frame_equal(found, model.predict(frame(20)))
    assert set(found["digit"]) <= set(NAMES)


# --- lists ------------------------------------------------------------------------------------------------

WORDS = [["Ada", "met", "Ben"], ["It", "rains"]] * 20
POS = [["PROPN", "VERB", "PROPN"], ["PRON", "VERB"]] * 20
ENTITIES = [["B-PER", "O", "B-PER"], ["O", "O"]] * 20


def tagged() -> Any:
    pos, entities = ["PRON", "PROPN", "VERB"], ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "tokens": datasets.List(datasets.Value("string")),
            "pos": datasets.List(datasets.ClassLabel(names=pos)),
            "entities": datasets.List(datasets.ClassLabel(names=entities)),
        }
    )
    rows = {"id": [str(i) for i in range(40)], "tokens": WORDS, "pos": POS, "entities": ENTITIES}
    return datasets.Dataset.from_dict(rows, features=features)


def test_tokens_and_tags_are_sentences() -> None:
    found = Problem.from_sentences(tagged())
    wanted = Problem.from_sentences(Sentences.of(WORDS, pos=POS, entities=ENTITIES))
    assert [(t.name, t.kind, t.metric.name) for t in found.targets] == [
        (t.name, t.kind, t.metric.name) for t in wanted.targets
    ]
    for left, right in zip(found.answers, wanted.answers, strict=True):
        assert [cell.tolist() for cell in left] == [cell.tolist() for cell in right]  # type: ignore[union-attr]
    np.testing.assert_array_equal(
        found.table.of_kind("sentence")[0].values, wanted.table.of_kind("sentence")[0].values
    )
    table, _, _ = found.schema.read(tagged())
    np.testing.assert_array_equal(
        table.of_kind("sentence")[0].values, found.table.of_kind("sentence")[0].values
    )


def test_a_column_of_words_must_be_plain_to_see() -> None:
    renamed = tagged().rename_column("tokens", "text")
    assert len(Problem.from_sentences(renamed)) == 40  # the only list of strings
    two = renamed.add_column("lemmas", WORDS)
    with pytest.raises(DataError, match=r"several lists of strings \(text, lemmas\)"):
        Problem.from_sentences(two)
    with pytest.raises(DataError, match="called tokens or words; got none"):
        Problem.from_sentences(dataset())


def test_from_frame_says_where_lists_of_classes_belong() -> None:
    with pytest.raises(
        DataError, match=r"Problem\.from_sentences\(dataset\), several labels a row to kinds="
    ):
        Problem.from_frame(tagged(), targets=["pos", "entities"])
    topics = datasets.ClassLabel(names=["art", "law", "war"])
    features = datasets.Features({"x": datasets.Value("float64"), "topics": datasets.List(topics)})
    rows = {"x": np.arange(60.0) % 7, "topics": [[0], [0, 1], [], [1, 2], [2]] * 12}
    several = datasets.Dataset.from_dict(rows, features=features)
    found = Problem.from_frame(several, targets=["topics"], kinds={"topics": "multilabel"})
    assert [target.name for target in found.targets] == ["topics: art", "topics: law", "topics: war"]
    assert np.nansum(found.labels, axis=0).tolist() == [24, 24, 24]


# --- pictures ---------------------------------------------------------------------------------------------


def drawn(n: int = 24) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, size=(40, 48, 3), dtype=np.uint8) for _ in range(n)]


def test_pictures_are_read_from_their_bytes_or_files(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    arrays = drawn()
    cells: list[dict[str, Any]] = []
    for place, array in enumerate(arrays):
        file = io.BytesIO()
        Image.fromarray(array).save(file, format="png")
        path = tmp_path / f"{place}.png"
        path.write_bytes(file.getvalue())
        cells.append(
            {"bytes": file.getvalue(), "path": None} if place % 2 else {"bytes": None, "path": str(path)}
        )
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "pose": datasets.ClassLabel(names=["left", "right"]),
            "age": datasets.Value("float64"),
        }
    )
    rows = {"image": cells, "pose": [0, 1] * 12, "age": np.arange(24.0) % 9}
    pictures = datasets.Dataset.from_dict(rows, features=features)
    found = Problem.from_frame(pictures, targets=["pose", "age"], size=32)
    wanted = Problem.from_pictures(
        arrays, {"pose": (["left", "right"] * 12, "binary"), "age": (rows["age"], "regression")}, size=32
    )
    np.testing.assert_array_equal(
        found.table.of_kind("tensor")[0].values, wanted.table.of_kind("tensor")[0].values
    )
    np.testing.assert_array_equal(found.labels, wanted.labels)
    assert found.targets == wanted.targets
    table, _, _ = found.schema.read(pictures.select([3, 4]))
    np.testing.assert_array_equal(
        table.of_kind("tensor")[0].values, found.table.of_kind("tensor")[0].values[[3, 4]]
    )
    cells[5] = {"bytes": b"no picture", "path": "holiday.png"}
    with pytest.raises(DataError, match=r"'image' of row 5 \(holiday\.png\): .* these 10 bytes are none"):
        Problem.from_frame(datasets.Dataset.from_dict(rows, features=features), targets=["pose", "age"])


def test_the_library_is_not_imported_for_other_tables() -> None:
    code = (
        "import sys, pandas; import sharewise as sw; sw.problems._frame.open_frame(pandas.DataFrame({'a': [1.0]})); "
        "print('datasets' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert sw.problems
