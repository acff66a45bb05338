"""From a deployed model to a checked file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.problems import Table, Target
from sharewise.serving._folder import versions
from sharewise.serving._program_differences import refuse_different
from sharewise.serving._program_file import refuse_tasks, write_whole
from sharewise.serving._rows import read_rows
from sharewise.serving.onnx._characters import NOTE
from sharewise.serving.onnx._check import PROBABILITIES, compare, open_session
from sharewise.serving.onnx._drawn import draw
from sharewise.serving.onnx._graph import MOST_BYTES, Element, Graph
from sharewise.serving.onnx._models import emit
from sharewise.serving.onnx._report import Report
from sharewise.serving.onnx._rows import Rows, feed, open_rows
from sharewise.tasks import Classification, Kind, MaskRows, Ordinal, Regression
from sharewise.tasks._ordinal_metric import ROUNDING

if TYPE_CHECKING:
    from sharewise.serving._deployed import DeployedModel

Outputs = dict[str, tuple[str, Element, tuple[int | str, ...]]]


def export(model: DeployedModel, path: Path, given: object = None) -> Report:
    """See `sharewise.serving.onnx.export_onnx`."""
    refuse_tasks(model, "an ONNX file")
    held: list[tuple[Table, NDArray[np.intp] | None]] = []
    if given is not None:
        held.append(read_rows(model.schema, given))
    made, rows = build(model)
    content = _content(made)
    session = open_session(content)
    held.append(draw(model.schema, rows.points))
    assert model.model is not None
    differences = {target.name: 0.0 for target in model.targets}
    for table, level in held:
        own = model.model.predict(table, level)
        found = compare(session, feed(model.schema, table, level), model.targets, own)
        differences = {name: max(worst, found[name]) for name, worst in differences.items()}
    refuse_different(differences, "an ONNX file")
    write_whole(path, content, "an ONNX file")
    return Report(
        path,
        len(content),
        _kinds(model),
        tuple(output.name for output in session.get_outputs()),
        sum(len(table) for table, _ in held),
        differences,
        (*((NOTE,) if "text" in model.schema.kinds else ()), *dict.fromkeys(rows.notes)),
    )


def build(model: DeployedModel) -> tuple[onnx.ModelProto, Rows]:
    """The graph, unchecked, and the rows it reads.

    Raises:
        OptionError: The model has a part that ONNX files cannot hold.
    """
    assert model.model is not None
    names = [
        *model.schema.features,
        *([model.schema.level_name] if model.schema.level_name else []),
        *(target.name for target in model.targets),
        *(target.name + PROBABILITIES for target in model.targets if not isinstance(target.kind, Regression)),
    ]
    twice = [name for place, name in enumerate(names) if name in names[:place] or not name]
    if twice:
        raise OptionError(
            f"inputs and outputs of an ONNX file have names of their own; two are '{twice[0]}'. Rename the column and "
            "compare again."
        )
    graph = Graph(names)
    rows, inputs = open_rows(model.schema, graph)
    outputs: Outputs = {}
    for target, value in zip(model.targets, emit(model.model, graph, rows), strict=True):
        outputs |= _outputs(graph, target, value)
    made = graph.build(inputs, outputs)
    kinds = _kinds(model)
    for entry in made.graph.input:
        entry.doc_string = kinds[entry.name]
    facts = {
        "sharewise": versions().get("sharewise", ""),
        "inputs": json.dumps(kinds),
        "classes": json.dumps({t.name: names for t in model.targets if (names := _classes(t.kind))}),
        "verdict": str(model.card.get("verdict", {}).get("sentence", "")),
    }
    if model.schema.pictures is not None:
        facts["pictures"] = json.dumps(dict(model.schema.pictures))
    onnx.helper.set_model_props(made, facts)
    return made, rows


def _classes(kind: Kind) -> list[str]:
    """Names of what outputs tell apart."""
    if isinstance(kind, MaskRows):
        return [str(one) for one in kind.of.classes]
    return [str(one) for one in kind.classes] if isinstance(kind, Classification) else []


def _kinds(model: DeployedModel) -> dict[str, str]:
    """What each input holds."""
    kinds: dict[str, str] = dict(zip(model.schema.features, model.schema.kinds, strict=True))
    if model.schema.level_name is not None and model.schema.levels is not None:
        kinds[model.schema.level_name] = "task"
    return kinds


def _outputs(graph: Graph, target: Target, value: str) -> Outputs:
    """The value of a number; class and probabilities of a class."""
    kind = target.kind
    if isinstance(kind, Regression):
        return {target.name: (graph.reshape(value, -1), "double", ("n",))}
    if isinstance(kind, MaskRows):
        codes = graph.node("ArgMax", value, axis=1, keepdims=0)
        shape = ("n", f"height of {target.name}", f"width of {target.name}")
        return {
            target.name: (graph.cast(codes, "uint8"), "uint8", shape),
            target.name + PROBABILITIES: (value, "float", ("n", kind.outputs, *shape[1:])),
        }
    if not isinstance(kind, Classification):
        raise OptionError(
            f"an ONNX file predicts numbers, classes and masks; '{target.name}' is a {kind.name} task. "
            "Use model.save and sw.load."
        )
    table, element = _labels(target.name, kind)
    chosen = _chosen(graph, kind, value)
    return {
        target.name: (graph.gather(table, chosen), element, ("n",)),
        target.name + PROBABILITIES: (value, "double", ("n", kind.width)),
    }


def _chosen(graph: Graph, kind: Classification, value: str) -> str:
    """Codes ``(n,)``: of the most probable class, of ordered ones of the median."""
    if not isinstance(kind, Ordinal):
        return graph.node("ArgMax", value, axis=1, keepdims=0)
    below = graph.node("CumSum", value, graph.constant(np.int64(1)))
    half = graph.node("Less", below, graph.constant(np.float64(0.5 - ROUNDING)))
    codes = graph.total(graph.cast(half, "int64"), 1)
    return graph.node("Min", codes, graph.constant(np.int64(kind.width - 1)))


def _labels(name: str, kind: Classification) -> tuple[NDArray[Any], Element]:
    """Classes as an array that a graph can hold."""
    sorts = {type(label) for label in kind.classes}
    elements: dict[type, Element] = {str: "string", int: "int64", float: "double", bool: "bool"}
    if len(sorts) > 1 or (sort := sorts.pop()) not in elements:
        raise OptionError(
            f"the classes of an ONNX output are all words or all numbers; those of '{name}' are of several types. "
            "Write them alike and compare again."
        )
    return np.array(kind.classes, dtype=object if sort is str else None), elements[sort]


def _content(made: onnx.ModelProto) -> bytes:
    try:
        size = made.ByteSize()
        if size < MOST_BYTES:
            content: bytes = made.SerializeToString(deterministic=True)
            return content
    except ValueError:
        size = MOST_BYTES
    raise OptionError(
        f"one ONNX file holds less than 2 GiB; this model takes {size:,} bytes. Use model.save and sw.load."
    )
