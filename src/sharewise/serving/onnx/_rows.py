"""The rows of a table as values of a graph, and as what a session is fed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.problems import Schema, Table
from sharewise.serving.onnx._graph import TREES, Element, Graph

BLANK = r"[\s\x{85}\x{1c}-\x{1f}\p{Z}]*"
"""What counts as an empty word."""
MISSING = "(missing)"
"""What the encoders put for a gap; see `sharewise.modalities`."""

TENSORS: dict[str, Element] = {
    "float64": "double", "float32": "float", "float16": "float16", "int64": "int64", "int32": "int32",
    "int16": "int16", "int8": "int8", "uint8": "uint8", "bool": "bool",
}  # fmt: skip
"""Elements by NumPy's names."""


@dataclass(frozen=True)
class Rows:
    """What a model reads.

    Symbols: ``n`` rows, ``p`` numbers and dates.

    Attributes:
        numbers, dates: Values ``(n, 1)`` in double; one of several columns where they come of one computation.
        categories, texts: Values ``(n, 1)`` of strings, gaps as `MISSING`.
        tensors: Values ``(n, …)`` of pictures and of what an encoder of the user's own reads.
        names: Of ``numbers`` then ``dates``; None for what is no column of the user's (a chain's predictions).
        words: Of ``categories`` then ``texts``.
        level: Codes ``(n,)`` of the task column, or None.
        levels: Their number.
        shape: Of one row's tensor.
        notes: What a user should know, a sentence each; shared by all that read the rows.
        points: By column what rows should be tried (thresholds, edges, words); shared by all that read the rows.
    """

    numbers: tuple[str, ...]
    dates: tuple[str, ...]
    categories: tuple[str, ...]
    texts: tuple[str, ...]
    names: tuple[str | None, ...]
    words: tuple[str, ...]
    level: str | None
    levels: int
    points: dict[str, list[Any]] = field(default_factory=dict)
    tensors: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def code(self) -> str:
        """``level``, of rows that have one."""
        assert self.level is not None
        return self.level

    def raw(self, graph: Graph) -> str | None:
        """``(n, p)``, or None where there is no number."""
        return graph.columns((*self.numbers, *self.dates)) if self.names else None

    def with_numbers(self, values: tuple[str, ...]) -> Rows:
        """These rows with further number columns."""
        before = len(self.names) - len(self.dates)
        names = (*self.names[:before], *(None for _ in values), *self.names[before:])
        return replace(self, numbers=self.numbers + values, names=names)

    def recoded(self, level: str, levels: int) -> Rows:
        """These rows with other codes ``(n,)`` of other levels."""
        return replace(self, level=level, levels=levels)

    def try_numbers(self, column: int, values: NDArray[np.float64]) -> None:
        """Note values of number ``column`` at which something changes."""
        if column < len(self.names) and (name := self.names[column]) is not None:
            self.points.setdefault(name, []).append(np.unique(values))

    def try_texts(self, place: int, pieces: list[str]) -> None:
        """Note pieces that texts of the column at a place should have."""
        self.points.setdefault(self.words[len(self.categories) + place], []).append(pieces)

    def count(self, graph: Graph) -> str:
        """``n`` as ``(1,)``."""
        some = (*self.numbers, *self.dates, *self.categories, *self.texts, *self.tensors)[0]
        return graph.node("Shape", some, start=0, end=1)

    def constant(self, graph: Graph, row: NDArray[np.float64]) -> str:
        """One row ``(W,)`` for each row: ``(n, W)``."""
        count = self.count(graph)
        width = graph.constant(np.array([len(row)], dtype=np.int64))
        return graph.node("Expand", graph.constant(row[None]), graph.node("Concat", count, width, axis=0))


def open_rows(schema: Schema, graph: Graph) -> tuple[Rows, dict[str, tuple[Element, tuple[int | str, ...]]]]:
    """The rows that a schema describes, and the graph's inputs.

    Raises:
        OptionError: The model reads something else than numbers, dates and words.
    """
    inputs: dict[str, tuple[Element, tuple[int | str, ...]]] = {}
    sorts = ("number", "date", "category", "text", "tensor")
    values: dict[str, list[tuple[str, str]]] = {kind: [] for kind in sorts}
    for name, kind in zip(schema.features, schema.kinds, strict=True):
        if kind not in values:
            raise OptionError(
                f"an ONNX file is made of models of tables, texts, pictures and tensors; '{name}' holds a {kind}. "
                "Use model.save and sw.load."
            )
        if kind == "tensor":
            inputs[name] = _element(schema, name), ("n", *(schema.shape or ()))
            values[kind].append((name, name))
            continue
        words = kind in ("category", "text")
        inputs[name] = ("string" if words else "double", ("n", 1))
        values[kind].append((name, _without_gaps(graph, name) if words else name))
    level, levels = None, 1
    if schema.levels is not None and schema.level_name is not None:
        inputs[schema.level_name] = ("string", ("n", 1))
        level, levels = _level(graph, schema.level_name, schema.levels), len(schema.levels)
    taken = {kind: tuple(value for _, value in pairs) for kind, pairs in values.items()}
    named = {kind: tuple(name for name, _ in pairs) for kind, pairs in values.items()}
    rows = Rows(
        taken["number"],
        taken["date"],
        taken["category"],
        taken["text"],
        named["number"] + named["date"],
        named["category"] + named["text"],
        level,
        levels,
        tensors=taken["tensor"],
        shape=schema.shape or (),
    )
    return rows, inputs


def _element(schema: Schema, name: str) -> Element:
    """Of a tensor's numbers."""
    found: Element | None = TENSORS.get(schema.dtype or "")
    if found is None:
        raise OptionError(
            f"an ONNX file reads tensors of {', '.join(TENSORS)}; '{name}' is one of {schema.dtype}. "
            "Use model.save and sw.load."
        )
    return found


def _without_gaps(graph: Graph, name: str) -> str:
    blank = graph.node("RegexFullMatch", name, pattern=BLANK)
    return graph.node("Where", blank, graph.constant([[MISSING]]), name)


def _level(graph: Graph, name: str, levels: tuple[str, ...]) -> str:
    """Codes ``(n,)``; an unknown task lies outside the table that is then read, which ONNX calls an error."""
    code = graph.node(
        "LabelEncoder",
        graph.reshape(name, -1),
        domain=TREES,
        keys_strings=list(levels),
        values_int64s=list(range(len(levels))),
        default_int64=len(levels),
    )
    return graph.gather(np.arange(len(levels)), code)


def feed(schema: Schema, table: Table, level: NDArray[np.intp] | None) -> dict[str, NDArray[Any]]:
    """Rows as a session takes them."""
    found: dict[str, NDArray[Any]] = {}
    for column in table:
        values = column.values
        if column.kind in ("category", "text"):
            values = np.array(["" if cell is None else cell for cell in values], dtype=object)
        found[column.name] = values if column.kind == "tensor" else values[:, None]
    if level is not None and schema.levels is not None and schema.level_name is not None:
        found[schema.level_name] = np.array(schema.levels, dtype=object)[level][:, None]
    return found
