"""ONNX files: raw rows in, the model's own predictions out, or a refusal."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import onnx_models as cases
import sharewise as sw
from sharewise.cli import main
from sharewise.errors import OptionError
from sharewise.families import FAMILIES, Run, configuration
from sharewise.families._parts import LinearPart, PartsModel
from sharewise.serving import DeployedModel
from sharewise.strategies import BlendModel
from sharewise.strategies._constant import fit_constant_model

onnx = pytest.importorskip("onnx", reason="needs the extra 'onnx'")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra 'onnx'")

from sharewise.serving.onnx import export_onnx  # noqa: E402
from sharewise.serving.onnx._check import TOLERANCE, relative  # noqa: E402
from sharewise.serving.onnx._graph import Graph  # noqa: E402
from sharewise.serving.onnx._trees import Trees, TreeTable  # noqa: E402

WIDE = [
    ("separate", "linear", "ridge"),
    ("joint", "linear", "low-rank ridge"),
    ("separate", "trees", "boosting"),
    ("separate", "trees", "extra-trees"),
    ("joint", "trees", "boosting"),
    ("joint", "trees", "extra-trees"),
    ("chained", "trees", "boosting"),
    ("grouped", "trees", "boosting"),
    ("separate", "network", "mlp"),
    ("joint", "network", "mlp"),
]
LONG = [
    ("separate", "linear", "ridge"),
    ("joint", "linear", "shrunken offsets"),
    ("joint", "linear", "shrunken offsets and slopes"),
    ("separate", "trees", "boosting"),
    ("separate", "trees", "extra-trees"),
    ("joint", "trees", "boosting"),
    ("joint", "trees", "extra-trees"),
    ("grouped", "trees", "extra-trees"),
    ("joint", "network", "mlp"),
]


@pytest.fixture(scope="module")
def wide() -> sw.Problem:
    return cases.problem(cases.table())


@pytest.fixture(scope="module")
def long() -> sw.Problem:
    return cases.problem(cases.table(), long=True)


@pytest.mark.parametrize(("strategy", "family", "learner"), WIDE)
def test_a_wide_model_is_the_same_from_raw_rows(wide, tmp_path, strategy, family, learner):
    model = cases.deployed(wide, cases.fitted(wide, strategy, family, learner))
    report = export_onnx(model, tmp_path / "m.onnx", cases.table().drop(columns="school"))
    assert report.largest <= (1e-5 if family == "network" else 1e-12)
    assert report.rows == cases.ROWS + 400
    assert report.inputs == dict(zip(wide.schema.features, wide.schema.kinds, strict=True))
    assert set(report.inputs.values()) == {"number", "category", "date"}


@pytest.mark.parametrize(("strategy", "family", "learner"), LONG)
def test_a_long_model_selects_by_the_task_column(long, tmp_path, strategy, family, learner):
    model = cases.deployed(long, cases.fitted(long, strategy, family, learner))
    report = export_onnx(model, tmp_path / "m.onnx", cases.table())
    assert report.largest <= (1e-5 if family == "network" else 1e-12)
    assert report.inputs["school"] == "task"


def test_a_session_answers_rows_as_they_stand_in_the_table(wide, long, tmp_path):
    """Without any of our code: a column an input, NaN and the empty string for gaps, words never seen."""
    frame = cases.table().drop(columns="school")
    frame.loc[:5, "colour"] = "never seen"
    for problem in (wide, long):
        model = cases.deployed(problem, cases.fitted(problem, "joint", "trees", "boosting"))
        export_onnx(model, tmp_path / "m.onnx")
        session = runtime.InferenceSession(tmp_path / "m.onnx")
        fed = {
            "size": frame["size"].to_numpy(float)[:, None],
            "count": frame["count"].to_numpy(float)[:, None],
            "flag": frame["flag"].to_numpy(float)[:, None],
            "when": (frame["when"] - pd.Timestamp("1970-01-01")).dt.days.to_numpy(float)[:, None],
            "colour": frame["colour"].fillna("").to_numpy(object)[:, None],
            "town": frame["town"].to_numpy(object)[:, None],
        }
        rows = frame
        if problem is long:
            fed["school"] = cases.table()["school"].to_numpy(object)[:, None]
            rows = frame.assign(school=cases.table()["school"])
        near, high, shares = session.run(["near", "high", "high (probabilities)"], fed)
        with pytest.warns(sw.errors.SharewiseWarning, match="never seen"):
            own, chances = model.predict(rows), model.predict_proba(rows)
        np.testing.assert_allclose(near, own["near"], rtol=1e-12)
        assert (high == own["high"]).all()
        np.testing.assert_allclose(shares, chances[["high=no", "high=yes"]], atol=1e-12)
    fed["school"][3] = "s99"
    with pytest.raises(Exception, match="out of data bounds"):
        session.run(None, fed)


def test_blends_and_constants_keep_their_weights(wide, long, tmp_path):
    for problem, learner in ((wide, "low-rank ridge"), (long, "shrunken offsets")):
        sample = cases.sample(problem)
        models = (
            fit_constant_model(sample, Run(0)).model,
            cases.fitted(problem, "joint", "linear", learner),
            cases.fitted(problem, "grouped", "trees", "extra-trees"),
        )
        weights = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, sample.n_levels))
        weights[:, :, 2] = 0.0
        weights[0, 0, 2] = 0.5  # the one cell of the target that all members serve
        weights /= weights.sum(axis=2, keepdims=True)
        report = export_onnx(cases.deployed(problem, BlendModel(models, weights)), tmp_path / "m.onnx")
        assert report.largest < 1e-12


def test_texts_are_cut_and_weighed_as_scikit_learn_does(tmp_path):
    frame = cases.table(text=True)
    problem = cases.problem(frame)
    assert "text" in problem.schema.kinds
    family = FAMILIES["trees"]
    model = family.table_together(cases.sample(problem), configuration("extra-trees"), Run(0, effort=0)).model
    report = export_onnx(cases.deployed(problem, model), tmp_path / "m.onnx", frame.drop(columns="school"))
    assert report.largest < 1e-12
    assert len(report.notes) == 1


def test_ordered_classes_are_named_by_their_median(tmp_path):
    problem = cases.problem(cases.table(), grade="ordinal")
    model = cases.deployed(problem, cases.fitted(problem, "separate", "linear", "ridge"))
    export_onnx(model, tmp_path / "m.onnx")
    made = onnx.load(tmp_path / "m.onnx")
    assert {node.op_type for node in made.graph.node} >= {"CumSum", "ArgMax"}


def test_trees_split_where_float64_does():
    """A threshold and the number after it are one number in float32."""
    threshold = 0.1
    stump = Trees(
        np.array([0]), np.array([threshold]), {}, np.array([~0]), np.array([~1]), np.array([True]),
        np.array([1.0, 2.0]), np.array([0]), np.array([0, 0]),
    )  # fmt: skip
    table = TreeTable()
    table.add(stump, None)
    graph = Graph(["x", "y"])
    value = table.node(graph, "x", 1)
    made = graph.build({"x": ("double", ("n", 1))}, {"y": (value, "double", ("n", 1))})
    found = runtime.InferenceSession(made.SerializeToString()).run(
        None, {"x": np.array([[threshold], [np.nextafter(threshold, 1)], [np.nan]])}
    )[0]
    assert found.ravel().tolist() == [1.0, 2.0, 1.0]


def test_a_file_that_differs_is_not_written(wide, tmp_path, monkeypatch):
    from sharewise.serving.onnx import _parts

    model = cases.deployed(wide, cases.fitted(wide, "separate", "linear", "ridge"))
    emit = _parts.EMIT[LinearPart]

    def off(graph, members, X, width, rows):
        return graph.node("Mul", emit(graph, members, X, width, rows), graph.constant(np.float64(1 + 1e-4)))

    monkeypatch.setitem(_parts.EMIT, LinearPart, off)
    with pytest.raises(OptionError, match="differs by 1"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_the_difference_is_a_share_of_value_or_spread():
    own = np.array([[0.0], [10.0], [np.nan]])
    assert relative(own + np.array([[1e-3], [0.0], [0.0]]), own) == pytest.approx(1e-3 / 5.0)
    assert relative(np.array([[0.0], [10.0], [1.0]]), own) == np.inf


def test_what_has_no_form_in_onnx_is_refused_in_a_sentence(wide, tmp_path):
    class OwnPart(LinearPart):
        pass

    model = cases.deployed(wide, cases.fitted(wide, "separate", "linear", "ridge"))
    assert isinstance(model.model, PartsModel)
    part = model.model.parts[0][0]
    strange = OwnPart(part.weights, part.intercept, part.link)
    parts = ((strange,), *model.model.parts[1:])
    place = tmp_path / "m.onnx"
    with pytest.raises(OptionError, match="OwnPart"):
        export_onnx(replace(model, model=replace(model.model, parts=parts)), place)
    with pytest.raises(OptionError, match="adapted to later"):
        export_onnx(replace(model, adapted={"school 9": None}), place)
    sentences = replace(model.schema, kinds=("sentence", *model.schema.kinds[1:]))
    with pytest.raises(OptionError, match="holds a sentence"):
        export_onnx(replace(model, schema=sentences), place)
    assert not place.exists()


def test_the_command_writes_a_checked_file(wide, tmp_path, capsys):
    model: DeployedModel = cases.deployed(wide, cases.fitted(wide, "separate", "linear", "ridge"))
    model.save(tmp_path / "model")
    rows = tmp_path / "rows.csv"
    cases.table().drop(columns="school").to_csv(rows, index=False)
    out = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "model"), str(out), "--check", str(rows)]) == 0
    assert "4 targets out; on 560 rows" in capsys.readouterr().out
    onnx.checker.check_model(out, full_check=True)
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "model.bin")]) == 2
    assert "ends in .onnx" in capsys.readouterr().err


def test_without_the_extra_it_is_named(wide, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = cases.deployed(wide, fit_constant_model(cases.sample(wide), Run(0)).model)
    with pytest.raises(OptionError, match=r"sharewise\[onnx\]"):
        export_onnx(model, Path(tmp_path) / "m.onnx")
    assert TOLERANCE == 1e-5
