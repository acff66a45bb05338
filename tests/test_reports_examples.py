"""Predictions shown on the page: which rows, that they are those that were scored, and that nothing of them is markup."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from picture_problems import squares
from sharewise.families import Configuration
from sharewise.problems import Column, Problem, Table, Target, Task
from sharewise.reports import render
from sharewise.reports._example_marks import Drawn, draw
from sharewise.reports._example_picture import data_uri, png
from sharewise.reports._example_words import lines_of
from sharewise.reports._examples import read_examples
from sharewise.reports._examples_of import examples_of, runs
from sharewise.studies import Candidate, Plan, Recipe, Result, Round, Spec
from sharewise.tasks import Spans, Tagging, TagRows, cells
from test_reports import Page
from test_reports_data import HOSTILE, TWELVE, make_ledger, make_verdict

PLAN = Plan(0, 1)
TEST = np.arange(30, 42)
AROUND = Round(0, 0, np.arange(30), TEST, (), 7)


def study(problem: Problem) -> tuple[list[Result], list[Candidate]]:
    """One trial a side whose predictions are the truths, in the order of tasks; the shared one errs in numbers."""
    results, candidates = [], []
    for strategy in ("joint", "separate"):
        configuration = Configuration("resnet")
        spec = Spec(0, 0, None, strategy, "network", configuration)
        test = []
        for place, target in enumerate(problem.targets):
            own = [_as_said(target.kind, problem.truths(place, np.array([row]))[0]) for row in TEST]
            test.append(cells(own)[:, None] if target.kind.ragged else np.stack(own))
        results.append(Result(spec, "done", 1.0, 1, 1, 1, 1, 1.0, None, [], test))
        scores = [
            target.metric(problem.truths(place, TEST), test[place])
            for place, target in enumerate(problem.targets)
        ]
        candidates.append(
            Candidate(
                strategy, "network", strategy == "joint", (Recipe(strategy, "network", configuration),),
                np.ones((len(problem.tasks), 1)), 0.5, np.array(scores), 1.0, 1, 1, 1, 1.0, 1,
            )
        )  # fmt: skip
    return results, candidates


def _as_said(kind: Any, truth: Any) -> np.ndarray:
    if kind.name == "detection":
        return np.column_stack([truth, [0.9]]).astype(np.float32)
    if kind.name == "regression":
        return np.array([truth])
    return np.moveaxis(
        np.eye(kind.outputs, dtype=np.float32)[np.asarray(truth, int)], -1, 0 if np.ndim(truth) > 1 else -1
    )


CONTRAST = {"shared": "joint/network", "separate": "separate/network"}


def record_of(problem: Problem) -> dict[str, Any]:
    results, candidates = study(problem)
    found = examples_of(problem, AROUND, PLAN, results, candidates, CONTRAST)
    assert found is not None
    return found


def test_rows_are_test_rows_with_what_was_predicted_of_them() -> None:
    problem = squares(42)
    record = record_of(problem)
    assert record["sort"] == "pictures"
    rows = [row["row"] for row in record["rows"]]
    assert len(rows) == 8
    assert set(rows) <= set(TEST.tolist())
    assert rows == [row["row"] for row in record_of(problem)["rows"]]
    colour, left, mask, box = record["rows"][0]["answers"]
    assert colour["shared"]["text"] == colour["truth"]["text"]
    assert colour["shared"]["share"] == 1
    assert float(left["separate"]["text"]) == problem.labels[rows[0], 1]
    assert mask["shared"] == mask["truth"]
    assert box["shared"][0] == [*box["truth"][0], 0.9]


def test_predictions_that_are_not_those_scored_are_not_shown() -> None:
    problem = squares(42)
    results, candidates = study(problem)
    other = [replace(one, scores=one.scores - 0.2) for one in candidates]
    assert examples_of(problem, AROUND, PLAN, results, other, CONTRAST) is None
    assert examples_of(problem, AROUND, Plan(1, 1), results, candidates, CONTRAST) is None
    assert examples_of(problem, AROUND, PLAN, results, candidates, None) is None
    one = examples_of(problem, AROUND, PLAN, results, [candidates[0], other[1]], CONTRAST)
    assert one is not None
    assert [side["side"] for side in one["sides"]] == ["shared"]


def test_the_page_shows_pictures_with_words_for_who_does_not_see_them() -> None:
    verdict = make_verdict(["colour", "mask"], TWELVE)
    page = render(verdict | {"examples": record_of(squares(42))}, make_ledger(3, TWELVE))
    parsed = Page(page)
    assert not parsed.faults
    images = [attrs for tag, attrs in parsed.tags if tag == "image"]
    assert len(images) == 8  # each once, however often it is shown
    drawn = [attrs for tag, attrs in parsed.tags if tag == "svg" and attrs.get("class") == "shown"]
    assert len(drawn) == 24
    assert all("square" in str(attrs["aria-label"]) for attrs in drawn)
    assert len(page) < len(render(verdict, make_ledger(3, TWELVE))) + 120_000
    assert 'id="examples"' not in render(verdict, make_ledger(3, TWELVE))


SENTENCE = ("<b>Ada</b>", "Lovelace", "met", "&lt;", "Babbage")


def sentences() -> Problem:
    """42 times one sentence, with hostile words, hostile tags and entities."""
    spans = TagRows(Spans.of([("B-PER", "I-PER", "O")]))
    pos = TagRows(Tagging(("NOUN", HOSTILE[0])))
    words = cells([SENTENCE] * 42)
    codes = [spans.of.encode([("B-PER", "I-PER", "O", "O", "B-PER")])[0]] * 42
    tags = [np.array([0, 0, 1, 0, 0])] * 42
    return Problem(
        Table((Column("words", "sentence", words),), 42),
        (Target("entities", spans, spans.metric()), Target("pos", pos, pos.metric())),
        np.zeros((42, 2)),
        (Task("entities", 0, None), Task("pos", 1, None)),
        answers=(cells(codes), cells(tags)),
    )


def test_sentences_are_shown_as_words_and_nothing_of_them_is_markup() -> None:
    record = record_of(sentences())
    assert record["rows"][0]["words"] == list(SENTENCE)
    assert record["rows"][0]["answers"][0]["shared"] == ["B-PER", "I-PER", "O", "O", "B-PER"]
    record["rows"][0]["answers"][1]["shared"] = ["NOUN", "NOUN", "<i>", "NOUN", HOSTILE[0]]
    page = render(make_verdict(["entities", "pos"], TWELVE) | {"examples": record}, make_ledger(3, TWELVE))
    parsed = Page(page)
    assert not parsed.faults
    assert {tag for tag, _ in parsed.tags}.isdisjoint({"b", "i", "script", "img"})
    assert "<b>Ada</b> Lovelace" in "".join(parsed.text)


@pytest.mark.parametrize(
    "record",
    [
        {"rows": "x", "tasks": 3, "sides": None},
        {"sides": [{"side": "shared"}], "tasks": [{"name": "m", "kind": "segmentation"}], "rows": [{"picture": 4}]},
        {
            "sides": [{"side": "shared", "name": "<script>"}],
            "tasks": [{"name": "m", "kind": "segmentation", "classes": ["a", "b"]}, {"kind": "detection"}],
            "rows": [
                {"picture": "javascript:alert(1)", "width": 3, "height": 3, "answers": []},
                {"picture": 'data:image/png;base64,AA"onload="x', "width": 3, "height": 3},
                {
                    "picture": "data:image/png;base64,AAAA", "width": 4, "height": 4,
                    "answers": [
                        {"task": 0, "shared": {"width": 9e9, "height": 2, "runs": [[1, 1e300]]}},
                        {"task": 0, "shared": {"width": 2, "height": 2, "runs": [[1, 1e18], "x"]}},
                        {"task": 1, "shared": [[0, 0, float("nan"), 1, 0], ["a"], 7]},
                        {"task": 99}, {"task": "q"}, 3,
                    ],
                },
            ],
        },
    ],
)  # fmt: skip
def test_a_record_of_any_form_is_no_fault_of_the_page(record: dict[str, Any]) -> None:
    page = render(make_verdict(["a", "b"], TWELVE) | {"examples": record}, make_ledger(2, TWELVE))
    assert not Page(page).faults
    assert "javascript:" not in page
    assert "onload=" not in page


def test_too_much_is_left_out() -> None:
    record = record_of(squares(42))
    for row in record["rows"]:
        row["picture"] = "data:image/png;base64," + "A" * 100_000
    found = read_examples({"examples": record})
    assert found is not None
    assert len(found.rows) == 2
    assert found.sentence.startswith("2 of 12 test rows")


def test_runs_and_tints_by_hand() -> None:
    mask = np.array([[0, 1, 1], [1, 0, 2]])
    found = runs(mask)
    assert found == {"height": 2, "width": 3, "runs": [[0, 1], [1, 3], [0, 1], [2, 1]]}
    task = {"kind": "segmentation", "classes": ["ground", "one", "two"]}
    one, two = draw(found, task, (30, 20), first=5).tints
    assert one.path == "M10 0h20v10h-20zM0 10h10v10h-10z"
    assert (one.name, one.colour, one.share) == ("one", 6, 0.5)
    assert (two.path, two.colour) == ("M20 10h10v10h-10z", 1)
    assert runs(np.zeros((200, 100), int))["runs"] == [[0, 40 * 20]]
    (box,) = draw([[-5, 2, 10, 90, 0, 0.5]], {"kind": "detection", "classes": ["cat"]}, (30, 20)).outlines
    assert (box.x, box.y, box.width, box.height, box.label) == (0, 2, 10, 18, "cat 0.50")
    assert Drawn((one,), (box,)).words() == "one on 50% of the picture; 1 boxes (cat 0.50)"


def test_spans_are_runs_of_words_marked_where_they_are_wrong() -> None:
    words, true = ["Ada", "Lovelace", "met", "him"], ["B-PER", "I-PER", "O", "O"]
    line = lines_of("x", words, ["B-PER", "O", "O", "O"], true, spans=True)
    assert [(p.words, p.label, p.wrong) for p in line.pieces] == [
        ("Ada", "PER", None),
        ("Lovelace", "", "I-PER"),
        ("met him", "", None),
    ]
    assert lines_of("x", words, ["O"], true, spans=True).pieces == ()


def test_a_picture_is_small_and_what_it_was() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 255, (3, 5, 7), np.uint8)
    read = np.asarray(image.open(io.BytesIO(png(pixels))))
    np.testing.assert_array_equal(read.transpose(2, 0, 1), pixels)
    uri = data_uri(np.zeros((1, 300, 200), np.uint8))
    found = image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert found.size == (67, 100)
