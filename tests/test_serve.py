"""The routes: answers are the library's own, each request stands for itself, refusals are one sentence."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import numpy as np
import pandas as pd
import pytest

from served_models import (
    SCORES,
    SENTENCE,
    card,
    files,
    fitted,
    flowers,
    long,
    pool,
    records,
    seen_by_brightness,
    wide,
)
from sharewise.errors import OptionError
from sharewise.families import Run, Sample
from sharewise.problems import Problem, Sentences
from sharewise.problems._schema import INPUT
from sharewise.serving import AdaptedModel, DeployedModel, load
from sharewise.serving.http import Limits, create_app
from sharewise.serving.http._batching import Turns
from sharewise.serving.http._metrics import Histogram
from sharewise.serving.http._refusal import Refusal
from sharewise.serving.http._scores import scores_of
from sharewise.serving.http._served import Answer, Ask, Served
from sharewise.serving.http._strict_json import parse
from sharewise.strategies import fit_constant_model
from sharewise.tasks import Multiclass
from stub_adapters import ModuleAdapter, letters, schools

TABLE = flowers(40, seed=1)
ROWS = records(TABLE, drop=("size", "species"))
NEW = schools(9, seed=5).query("school == 9").drop(columns=["passed", "school"]).head(10)


def client(model: DeployedModel | AdaptedModel, **options: Any) -> httpx.AsyncClient:
    app = create_app(model, **options)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def asked(
    model: DeployedModel | AdaptedModel, *bodies: Any, path: str = "/predict", **options: Any
) -> list[httpx.Response]:
    """Answers to requests that are sent at once."""

    async def run() -> list[httpx.Response]:
        async with client(model, **options) as http:
            return list(await asyncio.gather(*(http.post(path, **_body(body)) for body in bodies)))

    return asyncio.run(run())


def _body(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        return {"content": body, "headers": {"Content-Type": "application/json"}}
    return {"json": body}


def in_turn(
    model: DeployedModel | AdaptedModel,
    talk: Callable[[httpx.AsyncClient], Awaitable[None]],
    **options: Any,
) -> None:
    async def run() -> None:
        async with client(model, **options) as http:
            await talk(http)

    asyncio.run(run())


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    """One sentence that holds the words."""
    assert answer.status_code == status, answer.text
    (sentence,) = answer.json().values()
    assert list(answer.json()) == ["error"]
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def like(found: list[dict[str, Any]], expected: pd.DataFrame) -> None:
    """Numbers to the rounding of a float32 network, classes exactly."""
    assert [list(row) for row in found] == [list(expected.columns)] * len(expected)
    for name in expected.columns:
        column = [row[name] for row in found]
        if expected[name].dtype.kind == "f":
            np.testing.assert_allclose(column, expected[name], rtol=1e-5, atol=1e-6)
        else:
            assert column == expected[name].tolist()


# ---------------------------------------------------------------- answers


@pytest.mark.filterwarnings("ignore:4 features without a single value")
@pytest.mark.parametrize("family", ["linear", "network"])
def test_answers_are_the_librarys_own(family: str) -> None:
    model = wide(family)
    gaps = [{**row, "length": None, "colour": None, "picked": None, "wild": None} for row in ROWS[:3]]
    whole, some, gappy = asked(
        model,
        {"rows": ROWS, "probabilities": True},
        {"rows": ROWS[:1], "tasks": ["species"]},
        {"rows": gaps},
    )
    like(whole.json()["predictions"], model.predict(TABLE))
    shares = pd.DataFrame(
        [
            {f"species={label}": p for label, p in row["species"].items()}
            for row in whole.json()["probabilities"]
        ]
    )
    pd.testing.assert_frame_equal(shares, model.predict_proba(TABLE), rtol=1e-5, atol=1e-6)
    assert whole.json()["warnings"] == []
    like(some.json()["predictions"], model.predict(TABLE.head(1))[["species"]])
    assert some.json()["probabilities"] is None
    blank = TABLE.head(3).assign(length=np.nan, colour=None, picked=pd.NaT, wild=None)
    like(gappy.json()["predictions"], model.predict(blank))


@pytest.mark.filterwarnings("ignore:column 'colour' holds values never seen")
def test_each_of_many_requests_gets_its_own_rows() -> None:
    model = wide()
    sizes = [1, 3, 1, 7, 2, 1, 5, 4, 9, 1]
    starts = np.cumsum([0, *sizes])
    parts = [TABLE.iloc[a:b] for a, b in pairwise(starts)]
    parts[2] = parts[2].assign(colour=7)  # a number among words of others
    bodies = [{"rows": records(part, drop=("size", "species"))} for part in parts]
    answers = asked(model, *bodies)
    for part, answer in zip(parts, answers, strict=True):
        like(answer.json()["predictions"], model.predict(part))
    (warning,) = answers[2].json()["warnings"]
    assert "'colour'" in warning
    assert "'7'" in warning
    assert [answer.json()["warnings"] for place, answer in enumerate(answers) if place != 2] == [[]] * 9


def test_a_bad_request_does_not_fail_the_others() -> None:
    bad = {**ROWS[0], "length": "long"}
    good, wrong, other = asked(wide(), {"rows": ROWS[:2]}, {"rows": [bad]}, {"rows": ROWS[2:3]})
    refused(wrong, 422, "'length' holds a number, or null", "row 1 has 'long'")
    like(good.json()["predictions"], wide().predict(TABLE.head(2)))
    like(other.json()["predictions"], wide().predict(TABLE.iloc[2:3]))


def test_unknown_columns_are_warned_of_and_labels_are_not() -> None:
    row = {**ROWS[0], "size": 3.0, "species": "iris", "lenght": 1, "<img onerror=alert(1)>": [{"a": 1}]}
    (answer,) = asked(wide(), {"rows": [row]})
    (warning,) = answer.json()["warnings"]
    assert warning == "2 columns not known to the model ignored: '<img onerror=alert(1)>', 'lenght'."


# ---------------------------------------------------------------- refusals

DEEP = b'{"rows": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
BODIES: dict[str, tuple[bytes, int, tuple[str, ...]]] = {
    "no JSON": (b"rows=1", 400, ("line 1, column 1",)),
    "empty": (b"", 400, ("must be JSON",)),
    "cut": (b'{"rows": [{"length": 1', 400, ("must be JSON",)),
    "NaN": (b'{"rows": [{"length": NaN}]}', 400, ("no NaN",)),
    "infinite": (b'{"rows": [{"length": -Infinity}]}', 400, ("no -Infinity",)),
    "overflow": (b'{"rows": [{"length": 1e999}]}', 400, ("fit a double",)),
    "digits": (b'{"rows": [{"length": ' + b"9" * 5000 + b"}]}", 400, ("fit a double",)),
    "twice": (b'{"rows": [{"length": 1, "length": 2}]}', 400, ("'length' stands twice",)),
    "no UTF-8": (b'{"rows": [{"colour": "\xff"}]}', 400, ("byte 22",)),
    "surrogate": (b'{"rows": [{"colour": "\\ud800"}]}', 400, ("surrogate",)),
    "mark": (b'\xef\xbb\xbf{"rows": []}', 400, ("JSON",)),
    "deep": (DEEP, 400, ("nests too deeply",)),
    "list": (b"[]", 422, ("is an object",)),
    "no rows": (b'{"rows": []}', 422, ("one row or more",)),
    "rows missing": (b"{}", 422, ("'rows'",)),
    "row no object": (b'{"rows": [[1, 2]]}', 422, ("row 1",)),
    "unknown key": (b'{"row": []}', 422, ("'row' is none",)),
    "tasks no list": (b'{"rows": [{}], "tasks": "size"}', 422, ("'tasks'",)),
    "unknown task": (b'{"rows": [{}], "tasks": ["sise"]}', 404, ("'sise' is none", "Did you mean 'size'?")),
    "columns": (b'{"rows": [{"lenght": 1}]}', 422, ("it lacks 'length', 'width'", "Did you mean 'lenght'?")),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_is_no_request_is_refused_in_one_sentence(name: str) -> None:
    body, status, words = BODIES[name]
    (answer,) = asked(wide(), body)
    refused(answer, status, *words)


CELLS: dict[str, tuple[str, Any]] = {
    "word for a number": ("length", "1.5"),
    "truth for a number": ("length", True),
    "list": ("colour", ["red"]),
    "object": ("wild", {}),
    "number for a date": ("picked", 20_260_301),
    "no date": ("picked", "2026-02-30"),
    "blank date": ("picked", ""),
    "huge": ("length", 1e38),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_of_another_type_are_refused(name: str) -> None:
    column, cell = CELLS[name]
    (answer,) = asked(wide(), {"rows": [ROWS[0], {**ROWS[1], column: cell}]})
    refused(answer, 422, f"'{column}'", "row 2")


def test_paths_methods_and_types() -> None:
    async def talk(http: httpx.AsyncClient) -> None:
        refused(await http.get("/nothing"), 404, "/predict")
        refused(await http.get("/predict/"), 404)
        for method, path, allowed in (("GET", "/predict", "POST"), ("DELETE", "/model", "GET, HEAD")):
            answer = await http.request(method, path)
            refused(answer, 405, allowed)
            assert answer.headers["allow"] == allowed
        for kind in ("text/plain", "application/jsonp", "application/json; charset=latin-1", ""):
            refused(
                await http.post("/predict", content=b"{}", headers={"Content-Type": kind}),
                415,
                "application/json",
            )
        packed = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        refused(await http.post("/predict", content=b"{}", headers=packed), 415, "Content-Encoding")
        assert (await http.head("/health")).status_code == 200
        assert (await http.head("/predict")).headers["allow"] == "POST"
        answer = await http.get("/health")
        assert answer.json() | {"version": ""} == {"live": True, "ready": True, "waiting": 0, "version": ""}
        assert answer.headers["x-content-type-options"] == "nosniff"

    in_turn(wide(), talk)


def test_limits_of_bytes_and_rows() -> None:
    large, many = asked(
        wide(),
        {"rows": ROWS, "tasks": ["x" * 9_000]},
        {"rows": ROWS[:5]},
        limits=Limits(body=9_000, rows=4),
    )
    refused(large, 413, "9,000 bytes")
    assert large.headers["connection"] == "close"
    refused(many, 422, "4 rows at most; got 5")
    with pytest.raises(OptionError, match="rows=0"):
        Limits(rows=0)
    with pytest.raises(OptionError, match="whole number"):
        Limits(rows=2.5)  # type: ignore[arg-type]


def test_probabilities_of_numbers_are_refused() -> None:
    row = records(schools(1).drop(columns=["passed", "score"]))[0]
    (answer,) = asked(long(), {"rows": [row], "probabilities": True})
    refused(answer, 409, "numbers")


# ---------------------------------------------------------------- tokens and hosts


def test_the_token_is_asked_for_and_taken_from_the_header_only() -> None:
    async def run() -> None:
        async with client(wide(), token="a-long-token", hosts=("127.0.0.1",)) as http:
            for headers in (
                {},
                {"Authorization": "Bearer a-long-tokem"},
                {"Authorization": "Basic a-long-token"},
                {"Authorization": "Bearer "},
            ):
                answer = await http.get("/model?token=a-long-token", headers=headers)
                refused(answer, 401, "token")
                assert answer.headers["www-authenticate"] == "Bearer"
            good = {"Authorization": "Bearer a-long-token"}
            assert (await http.get("/model", headers=good)).status_code == 200
            assert (await http.post("/predict", json={"rows": ROWS[:1]}, headers=good)).status_code == 200
            assert (await http.get("/")).status_code == 200
            assert (await http.get("/health")).status_code == 200
            assert "a-long-token" not in (await http.get("/")).text
            assert "security" in (await http.get("/openapi.json", headers=good)).json()
            refused(await http.get("/health", headers={"Host": "evil.example"}), 421, "own name")

    asyncio.run(run())
    for token in ("short", "with a blank", "ümlaut-is-none", ""):
        with pytest.raises(OptionError, match="8 to 512"):
            create_app(wide(), token=token)


# ---------------------------------------------------------------- new tasks


def test_a_new_task_is_adapted_to_and_served() -> None:
    model, alone = long(), long()
    row = records(schools(9, seed=5).query("school == 9").drop(columns=["passed", "score"]))[0]

    async def talk(http: httpx.AsyncClient) -> None:
        before = (await http.post("/predict", json={"rows": [{**row, "school": 1}]})).json()
        refused(await http.post("/predict", json={"rows": [row]}), 422, "'9'", "POST /adapt")
        body = {"task": "9", "rows": records(NEW)}
        found = await http.post("/adapt", json=body)
        assert (found.json()["task"], found.json()["labels"]) == ("school 9", 10)
        expected = alone.adapt(NEW, task="9").predict(pd.DataFrame([row]))["score"][0]
        (told,) = (await http.post("/predict", json={"rows": [row]})).json()["predictions"]
        assert told["score"] == pytest.approx(expected)
        assert (await http.post("/predict", json={"rows": [{**row, "school": 1}]})).json() == before
        refused(await http.post("/adapt", json=body), 409, "already")
        more = await http.post("/adapt", json={**body, "existing": "update"})
        assert more.json()["labels"] == 20
        refused(await http.post("/adapt", json={**body, "task": "school 1"}), 409, "served already")
        listed = {task["name"]: task["adapted"] for task in (await http.get("/tasks")).json()["tasks"]}
        assert listed["school 9"]
        assert not listed["school 1"]
        assert (
            "9"
            in (await http.get("/openapi.json")).json()["components"]["schemas"]["Row"]["properties"][
                "school"
            ]["enum"]
        )

    in_turn(model, talk)


ADAPT: dict[str, tuple[Callable[[dict[str, Any]], object], int, str]] = {
    "no label": (lambda body: [row.pop("score") for row in body["rows"]], 422, "'score'"),
    "label missing once": (lambda body: body["rows"][3].pop("score"), 422, "1 row of 10"),
    "word for a label": (lambda body: body["rows"][3].update(score="good"), 422, "row 4"),
    "no feature": (lambda body: [row.pop("x1") for row in body["rows"]], 422, "lacks 'x1'"),
    "another task": (lambda body: [row.update(school=8) for row in body["rows"]], 422, "'8'"),
    "blank name": (lambda body: body.update(task=" "), 422, "'task'"),
    "no name": (lambda body: body.pop("task"), 422, "'task'"),
    "unknown word": (lambda body: body.update(existing="merge"), 422, "'existing'"),
    "unhashable word": (lambda body: body.update(existing=["update"]), 422, "'existing'"),
    "update of none": (lambda body: body.update(existing="update"), 409, "'school 9' is none"),
}


@pytest.mark.parametrize("name", ADAPT)
def test_rows_that_cannot_be_adapted_to(name: str) -> None:
    change, status, words = ADAPT[name]
    body: dict[str, Any] = {"task": "9", "rows": records(NEW)}
    change(body)
    model = long()
    (answer,) = asked(model, body, path="/adapt")
    refused(answer, status, words)
    assert model.adapted == {}


def test_models_that_do_not_adapt_and_servers_that_are_full() -> None:
    (answer,) = asked(wide(), {"task": "x", "rows": [{**ROWS[0], "size": 1}]}, path="/adapt")
    refused(answer, 409, "task column")
    small = long().adapt(NEW, task="9")
    (answer,) = asked(small, {"task": "8", "rows": records(NEW)}, path="/adapt")
    refused(answer, 409, "'school 9'")
    (answer,) = asked(small, {"rows": records(NEW, drop=("score",))})
    like(answer.json()["predictions"], small.predict(NEW))
    bodies = [{"task": str(task), "rows": records(NEW)} for task in (7, 8, 9)]
    answers = asked(long(), *bodies, path="/adapt", limits=Limits(tasks=2))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409]


def test_labelled_rows_are_kept_up_to_a_bound() -> None:
    """Ten rows take less than a kilobyte: three times they join the task, and then there is no more room."""

    async def talk(http: httpx.AsyncClient) -> None:
        body = {"task": "9", "rows": records(NEW)}
        assert (await http.post("/adapt", json=body)).status_code == 200
        statuses = [
            (await http.post("/adapt", json={**body, "existing": "update"})).status_code for _ in range(6)
        ]
        assert statuses == sorted(statuses)
        assert set(statuses) == {200, 409}
        refused(await http.post("/adapt", json={"task": "8", "rows": records(NEW)}), 409, "2,000 bytes")

    in_turn(long(), talk, limits=Limits(kept=2_000))


def test_a_pool_serves_the_task_that_is_named() -> None:
    rows = records(letters("xy", 4))
    plain = [{name: row[name] for name in ("x0", "x1", "x2")} for row in rows]

    async def talk(http: httpx.AsyncClient) -> None:
        refused(await http.post("/predict", json={"rows": plain}), 409, "name one adapted task")
        refused(await http.post("/predict", json={"rows": plain, "tasks": ["two"]}), 404, "'two' is none")
        assert (await http.post("/adapt", json={"task": "two", "rows": rows})).status_code == 200
        found = await http.post("/predict", json={"rows": plain, "tasks": ["two"], "probabilities": True})
        assert {row["letter"] for row in found.json()["predictions"]} == {"x", "y"}
        assert list(found.json()["probabilities"][0]["letter"]) == ["x", "y"]

    in_turn(pool(), talk)


# ---------------------------------------------------------------- rows that are no table


def _constant(problem: Problem) -> DeployedModel:
    sample = Sample.of(problem, np.arange(len(problem)), ())
    return DeployedModel.of(problem, fit_constant_model(sample, Run(0)).model, {})


def test_sentences_come_as_lists_of_words() -> None:
    words = [("He", "ran"), ("She", "sat", "down")] * 15
    tags = {"pos": [("P", "V"), ("P", "V", "R")] * 15, "first": [("a", "b"), ("a", "b", "b")] * 15}
    sentences = Sentences(tuple(words), {name: tuple(rows) for name, rows in tags.items()})
    model = _constant(Problem.from_sentences(sentences, group=None))
    good, other, text, empty = asked(
        model,
        {"rows": [{"sentence": ["He", "sat"]}, {"sentence": ["It"]}]},
        {"rows": [{"sentence": ["A", "b", "c"]}]},
        {"rows": [{"sentence": "He sat"}]},
        {"rows": [{"sentence": []}]},
    )
    assert [len(row["pos"]) for row in good.json()["predictions"] + other.json()["predictions"]] == [2, 1, 3]
    refused(text, 422, "a list of words", "'He sat'")
    refused(empty, 422, "a list of words")


PLANE = [[1, 2, 3, 4]] * 4
PIXELS: dict[str, Any] = {
    "shape": [PLANE[:3]],
    "ragged": [[*PLANE[:3], [3]]],
    "words": [[*PLANE[:3], ["1", 2, 3, 4]]],
    "fraction": [[*PLANE[:3], [0.5, 2, 3, 4]]],
    "beyond": [[*PLANE[:3], [256, 2, 3, 4]]],
    "huge": [[*PLANE[:3], [10**30, 2, 3, 4]]],
    "null": [[*PLANE[:3], [None, 2, 3, 4]]],
    "text": "data:image/png;base64,",
}


def test_pictures_come_as_pixels_of_the_models_size() -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (30, 4, 4)).astype(np.uint8))
    answers = {
        "a": ([i % 2 for i in range(30)], "binary"),
        "b": ([i**2 % 7 / 2 for i in range(30)], "regression"),
    }
    model = _constant(Problem.from_pictures(pictures, answers, size=4))
    good, *bad = asked(
        model,
        {"rows": [{"picture": [PLANE]}] * 3},
        *({"rows": [{"picture": pixels}]} for pixels in PIXELS.values()),
    )
    assert len(good.json()["predictions"]) == 3
    for answer in bad:
        refused(answer, 422, "'picture' holds a PNG or JPEG file in base64, or a list of numbers", "row 1")


def in_base64(data: bytes, head: str = "") -> str:
    return head + base64.b64encode(data).decode()


def test_picture_files_are_read_as_the_library_reads_them(tmp_path: Path) -> None:
    model, paths = seen_by_brightness(), files(tmp_path)
    texts = [in_base64(path.read_bytes()) for path in paths]
    texts[0] = in_base64(paths[0].read_bytes(), "data:image/png;base64,")
    alone, *together = asked(
        model,
        {"rows": [{"picture": text} for text in texts]},
        *({"rows": [{"picture": text}]} for text in texts),
    )
    expected = model.predict(paths)
    assert expected["bright"].nunique() == len(paths)
    like(alone.json()["predictions"], expected)
    like([answer.json()["predictions"][0] for answer in together], expected)


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    model, (good, *_) = seen_by_brightness(), files(tmp_path)
    small, film = io.BytesIO(), io.BytesIO()
    Image.new("L", (9, 9)).save(small, "PNG")
    Image.new("L", (9, 9)).save(film, "GIF")

    def claiming(width: int, height: int) -> str:
        """The small picture, whose header claims another size."""
        head = small.getvalue()[12:16] + struct.pack(">II", width, height) + small.getvalue()[24:29]
        return in_base64(
            small.getvalue()[:12] + head + struct.pack(">I", crc32(head)) + small.getvalue()[33:]
        )

    bad = {
        claiming(9_000, 9_000): "9000 × 9000 pixels",
        claiming(60_000, 60_000): "more than 50,000,000 pixels",
        claiming(1, 50): "nothing can be seen",
        claiming(10, 9): "no whole PNG or JPEG",
        in_base64(film.getvalue()): "no whole PNG or JPEG",
        in_base64(good.read_bytes()[:-200]): "no whole PNG or JPEG",
        in_base64(b"<svg xmlns='http://www.w3.org/2000/svg'/>"): "no whole PNG or JPEG",
        "": "no whole PNG or JPEG",
        "/etc/passwd": "row 2",
        "http://127.0.0.1:1/x.png": "no base64",
        "pictur\u00e9": "no base64",
        in_base64(good.read_bytes(), "data:text/html;base64,"): "no base64",
    }
    first = {"picture": in_base64(good.read_bytes())}
    answers = asked(model, *({"rows": [first, {"picture": text}]} for text in bad))
    for answer, words in zip(answers, bad.values(), strict=True):
        refused(answer, 422, "row 2", words)


def test_damaged_pictures_are_read_or_refused(tmp_path: Path) -> None:
    """Flipped and missing bytes, by the hundred: a refusal or a prediction, never a fault."""
    rng = np.random.default_rng(2)
    (field,) = Served(seen_by_brightness()).fields
    read = 0
    for path in files(tmp_path):
        for place in range(60):
            data = bytearray(path.read_bytes())
            del data[rng.integers(40, len(data)) if place % 2 else len(data) :]
            for at in rng.integers(0, min(len(data), 10 ** rng.integers(2, 5)), rng.integers(1, 4)):
                data[at] = rng.integers(256)
            with suppress(Refusal):
                assert field.column([in_base64(bytes(data))]).shape == (1, 3, 8, 6)
                read += 1
    assert 0 < read < 300


@pytest.mark.slow
def test_networks_that_read_sentences_and_pictures_are_served(tmp_path: Path) -> None:
    """Fitted, stored, read again, and asked over HTTP: requests of one and of several rows, all at once."""
    pytest.importorskip("torch")
    words = [("He", "ran"), ("She", "sat", "down"), ("It", "rains"), ("Ada", "met", "Ben")] * 6
    pos = [("P", "V"), ("P", "V", "R"), ("P", "V"), ("N", "V", "N")] * 6
    first = [tuple("ab"[place > 0] for place in range(len(sentence))) for sentence in words]
    sentences = Problem.from_sentences(Sentences(tuple(words), {"pos": tuple(pos), "first": tuple(first)}))
    pixels = np.random.default_rng(0).integers(0, 60, (36, 8, 8, 3)).astype(np.uint8)
    colours = np.arange(36) % 3
    pixels[np.arange(36), 2:6, 2:6, colours] = 230
    labels = {
        "colour": (np.array(["red", "green", "blue"])[colours].tolist(), "multiclass"),
        "red": ((colours == 0).tolist(), "binary"),
    }
    pictures = Problem.from_pictures(list(pixels), labels, size=8)
    paths = files(tmp_path)
    cases: tuple[tuple[Problem, list[Any], Callable[[Any], Any]], ...] = (
        (sentences, [("Ada", "ran"), ("He", "met", "Ben", "twice"), ("new",)], list),
        (pictures, paths, lambda path: in_base64(path.read_bytes())),
    )
    for problem, given, said in cases:
        fitted(problem, "network").save(tmp_path / "m")
        model = load(tmp_path / "m")
        (name,) = model.schema.features
        rows = [{name: said(each)} for each in given]
        whole, *single = asked(model, {"rows": rows}, *({"rows": [row]} for row in rows))
        expected = [
            {target: list(cell) if isinstance(cell, tuple) else cell for target, cell in row.items()}
            for row in model.predict(given).to_dict("records")
        ]
        assert whole.json()["predictions"] == expected
        assert [answer.json()["predictions"][0] for answer in single] == expected


def test_new_tasks_over_tensors() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import TensorDataset

    y = torch.arange(8).repeat(6)
    x = torch.randn(48, 2, 3, generator=torch.Generator().manual_seed(0)) + y[:, None, None]
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 4))
    problem = Problem.from_datasets({"digit": (TensorDataset(x, y), Multiclass(8))}, encoder=encoder)
    model = DeployedModel.of(problem, None, {}, (((1, ModuleAdapter()),),)).with_encoder(encoder)
    rows = [{INPUT: cell.tolist(), "digit": int(code)} for cell, code in zip(x[:18], y[:18] % 3, strict=True)]

    async def talk(http: httpx.AsyncClient) -> None:
        found = await http.post("/adapt", json={"task": "three", "rows": rows})
        assert found.json()["labels"] == 18
        plain = [{INPUT: row[INPUT]} for row in rows]
        answer = await http.post("/predict", json={"rows": plain, "tasks": ["three"]})
        like(answer.json()["predictions"], model.adapted["three"].predict(x[:18]))
        refused(await http.post("/adapt", json={"task": "none", "rows": plain}), 422, "'digit'")

    in_turn(model, talk)


# ---------------------------------------------------------------- the queue


def _ask(place: int, rows: int = 1) -> Ask:
    return Ask({"x": np.full(rows, float(place))}, rows, ("y",))


def _echo(asks: Any) -> list[Answer]:
    return [Answer([{"y": float(cell)} for cell in ask.columns["x"]]) for ask in asks]


def test_what_waits_is_predicted_together_and_split_again() -> None:
    batches: list[tuple[int, int]] = []

    async def run() -> None:
        turns = Turns(_echo, Limits(batch_rows=8), lambda *told: batches.append(told))
        answers = await asyncio.gather(*(turns.predict(_ask(place, 1 + place % 3)) for place in range(40)))
        for place, answer in enumerate(answers):
            assert answer.predictions == [{"y": float(place)}] * (1 + place % 3)
        large = await turns.predict(_ask(7, 50))
        assert len(large.predictions) == 50
        turns.close()

    asyncio.run(run())
    assert batches[-1] == (1, 50)
    assert max(rows for _, rows in batches[:-1]) <= 8
    assert len(batches) < 20
    assert sum(requests for requests, _ in batches) == 41


def test_one_that_fails_is_told_alone() -> None:
    def fails(asks: Any) -> list[Answer]:
        if any(ask.columns["x"][0] == 3 for ask in asks):
            raise ValueError("three")
        return _echo(asks)

    async def run() -> list[Any]:
        turns = Turns(fails, Limits(), lambda *_: None)
        found = await asyncio.gather(*(turns.predict(_ask(i)) for i in range(6)), return_exceptions=True)
        turns.close()
        return found

    found = asyncio.run(run())
    assert [isinstance(one, ValueError) for one in found] == [i == 3 for i in range(6)]
    assert [one.predictions[0]["y"] for i, one in enumerate(found) if i != 3] == [0.0, 1.0, 2.0, 4.0, 5.0]


def test_adapting_and_predicting_take_turns_in_order() -> None:
    import threading

    seen: list[str] = []
    threads = set()

    def answer(asks: Any) -> list[Answer]:
        threads.add(threading.get_ident())
        seen.extend(str(int(ask.columns["x"][0])) for ask in asks)
        return _echo(asks)

    async def run() -> None:
        turns = Turns(answer, Limits(), lambda *_: None)
        first = [turns.predict(_ask(i)) for i in range(3)]
        work = turns.alone(lambda: threads.add(threading.get_ident()) or seen.append("adapt"))
        await asyncio.gather(*first, work, *(turns.predict(_ask(i)) for i in range(3, 6)))
        turns.close()

    asyncio.run(run())
    assert seen == ["0", "1", "2", "adapt", "3", "4", "5"]
    assert len(threads) == 1


def test_a_full_queue_and_a_slow_model() -> None:
    import threading

    gate = threading.Event()

    async def run() -> None:
        turns = Turns(lambda asks: _echo(asks) if gate.wait(5) else [], Limits(waiting=2), lambda *_: None)
        first = asyncio.create_task(turns.predict(_ask(0)))
        await asyncio.sleep(0.02)
        assert len(turns) == 0  # it is being served
        waiting = [asyncio.create_task(turns.predict(_ask(i))) for i in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as caught:
            await turns.predict(_ask(3))
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
        waiting[0].cancel()  # as a request that took too long
        gate.set()
        assert (await first).predictions == [{"y": 0.0}]
        assert (await waiting[1]).predictions == [{"y": 2.0}]
        turns.close()

    asyncio.run(run())


def test_an_answer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    model = wide()
    plain = Served.answer
    monkeypatch.setattr(Served, "answer", lambda self, asks: time.sleep(0.15) or plain(self, asks))
    late, also = asked(model, {"rows": ROWS[:1]}, {"rows": ROWS[:1]}, limits=Limits(seconds=0.05))
    refused(late, 504, "0.05 seconds")
    refused(also, 504)


def test_our_own_fault_is_told_without_its_details(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: object) -> list[Answer]:
        raise RuntimeError("secret path")

    monkeypatch.setattr(Served, "answer", breaks)
    (answer,) = asked(wide(), {"rows": ROWS[:1]})
    refused(answer, 500, "our fault")
    assert "secret" not in answer.text
    assert "secret path" in caplog.text


# ---------------------------------------------------------------- card, metrics, documents


def test_the_card_tells_what_a_row_holds() -> None:
    async def talk(http: httpx.AsyncClient) -> None:
        card = (await http.get("/model")).json()
        assert (card["sentence"], card["outcome"], card["adapts"]) == (SENTENCE, "share", False)
        kinds = {field["name"]: field["kind"] for field in card["fields"]}
        assert kinds == {
            "length": "number",
            "width": "number",
            "wild": "truth",
            "colour": "category",
            "picked": "date",
        }
        (colour,) = [field["values"] for field in card["fields"] if field["name"] == "colour"]
        assert colour == ["blue", "green", "red"]
        classes = {target["name"]: target["classes"] for target in card["targets"]}
        assert classes == {"size": None, "species": ["iris", "setosa", "virginica"]}
        assert card["scores"] == []

    in_turn(wide(), talk)


def test_the_card_tells_how_well_each_task_is_served() -> None:
    async def talk(http: httpx.AsyncClient) -> None:
        size, species = (await http.get("/model")).json()["scores"]
        assert size == {
            "task": "size",
            "metric": "rmse",
            "labels": 90,
            "served_by": "joint linear",
            "score": 0.25,
            "constant": 2.0,
            "removed": 0.875,
            "removed_interval": [0.8, 0.95],
            "decision": "gains",
            "gain": 0.1,
            "gain_interval": [0.02, 0.18],
        }
        assert {name: held for name, held in species.items() if held is not None} == {
            "task": "species",
            "metric": "log_loss",
            "served_by": "separate linear",
        }

    in_turn(replace(wide(), card={**card(), "tasks": SCORES}), talk)
    for odd in (None, [1], {"x": 1}, {"x": {"interval": ["a"], "choice": 2, "labels": "3", "delta": True}}):
        assert all(
            held is None for one in scores_of({"tasks": odd}) for key, held in one.items() if key != "task"
        )


def test_metrics_are_read_by_prometheus_own_parser() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client")

    async def talk(http: httpx.AsyncClient) -> None:
        await asyncio.gather(*(http.post("/predict", json={"rows": ROWS[: i + 1]}) for i in range(4)))
        await http.get("/x%22%0A{evil=%221%22}")
        await http.request("BREW", "/health")
        found = await http.get("/metrics")
        assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
        samples = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(found.text)
            for sample in family.samples
        }
        predicted = (("method", "POST"), ("path", "/predict"), ("status", "200"))
        assert samples["sharewise_requests_total", *predicted] == 4
        assert samples["sharewise_request_seconds_count", ("path", "/predict")] == 4
        assert (
            samples["sharewise_requests_total", ("method", "GET"), ("path", "other"), ("status", "404")] == 1
        )
        assert samples["sharewise_rows_total",] == 10
        assert samples["sharewise_batch_requests_sum",] == 4
        assert samples["sharewise_waiting",] == 0

    in_turn(wide(), talk)


def test_histograms_count_at_or_below() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (1, 1.5, 2, 4, 9):
        histogram.add(value)
    assert histogram.lines("h", 'a="b"') == [
        'h_bucket{a="b",le="1"} 1',
        'h_bucket{a="b",le="2"} 3',
        'h_bucket{a="b",le="4"} 4',
        'h_bucket{a="b",le="+Inf"} 5',
        'h_sum{a="b"} 17.5',
        'h_count{a="b"} 5',
    ]


@pytest.mark.parametrize(
    "text", ['"\\ud83d\\ude00"', "1e308", "[1, -0.5, null, true]", '{"a": {"b": []}}', " 1 "]
)
def test_sound_json_is_read_as_python_reads_it(text: str) -> None:
    assert parse(text.encode()) == json.loads(text)


def test_the_page_runs_its_own_script_only() -> None:
    async def talk(http: httpx.AsyncClient) -> None:
        first, second = await http.get("/"), await http.get("/")
        policy = first.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'nonce-")
        assert policy != second.headers["content-security-policy"]
        nonce = policy.split("'nonce-")[1].split("'")[0]
        assert first.text.count(f'nonce="{nonce}"') == 2
        assert "NONCE" not in first.text
        for word in ("innerHTML", "http://", "https://", "onclick=", "eval("):
            assert word not in first.text
        for path in ("/docs", "/redoc"):
            refused(await http.get(path), 404)

    in_turn(wide(), talk)
