"""What a request may hold, as JSON Schema, for the model at hand.

The document is exact: what it allows is answered, what it does not is refused. Peers that test a server against its own
document rely on that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sharewise.problems._words import HUGE, number_in, word
from sharewise.serving.http._fields import Field, label_of
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._pictures import PATTERN
from sharewise.serving.http._served import Served

Json = dict[str, Any]
MOST_NAMED = 500
"""Values that the document lists at most."""

_NUMBER: Json = {"type": "number", "minimum": -HUGE, "maximum": HUGE}
_NULL: Json = {"type": "null"}


def request_schemas(served: Served, limits: Limits) -> dict[str, Json]:
    """Schemas ``Row``, ``LabelledRow``, ``Predict`` and ``Adapt``."""
    rows: Json = {"type": "array", "minItems": 1, "maxItems": limits.rows}
    return {
        "Row": _row(tuple(_current(field, served) for field in served.fields)),
        "LabelledRow": _labelled(served),
        "Predict": {
            "type": "object",
            "properties": {
                "rows": {**rows, "items": _ref("Row")},
                "tasks": _tasks(served),
                "probabilities": {"type": "boolean", "default": False},
            },
            "required": ["rows", "tasks"] if served.is_pool else ["rows"],
            "additionalProperties": False,
        },
        "Adapt": {
            "type": "object",
            "properties": {
                "task": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[^\\s]"},
                "rows": {**rows, "items": _ref("LabelledRow")},
                "existing": {"enum": ["refuse", "update", "replace"], "default": "refuse"},
            },
            "required": ["task", "rows"],
            "additionalProperties": False,
        },
    }


def _current(field: Field, served: Served) -> Field:
    """A task column with the tasks adapted to."""
    return replace(field, values=served.levels) if field.kind == "task" and field.required else field


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _row(fields: tuple[Field, ...]) -> Json:
    return {
        "type": "object",
        "properties": {field.name: cell_schema(field) for field in fields},
        "required": [field.name for field in fields if field.required],
        "description": "A value a field, null where it is unknown; further fields are ignored with a warning.",
    }


def _labelled(served: Served) -> Json:
    labels = [label_of(target) for target in served.targets]
    row = _row(tuple(field for field in served.fields if field.kind != "task"))
    for label in labels:
        row["properties"][label.name] = _present(label, own=served.is_pool)
    if len(labels) == 1:
        row["required"].append(labels[0].name)
    else:
        row["anyOf"] = [{"required": [label.name]} for label in labels]
    return row


def _present(label: Field, *, own: bool) -> Json:
    """A label that is there; in a pool classes are the rows' ``own``."""
    if label.kind == "number":
        return dict(_NUMBER)
    if own:
        return {"type": "string", "minLength": 1, "pattern": "^[^\\s]"}
    return {"enum": _spellings(label.values or ())}


def _tasks(served: Served) -> Json:
    """The document is made anew when it is asked for, so that it knows the tasks adapted to."""
    found: Json = {
        "type": "array",
        "minItems": 1,
        "items": {"type": "string"},
        "description": "All where it is left out.",
    }
    if served.is_pool:
        if served.adapted:
            found["items"] = {"enum": list(served.adapted)}
        return {**found, "maxItems": 1, "description": "The one task that was adapted to."}
    return {**found, "items": {"enum": [target.name for target in served.targets]}}


def cell_schema(field: Field) -> Json:
    """What a cell of a field may be."""
    match field.kind:
        case "number":
            return {"anyOf": [_NUMBER, _NULL]}
        case "truth":
            return {"anyOf": [{"type": "boolean"}, _NUMBER, _NULL]}
        case "category":
            found: Json = {"type": ["string", "number", "boolean", "null"]}
            if field.values:
                found["examples"] = list(field.values[:5])
            return found
        case "text":
            return {"type": ["string", "null"]}
        case "date":
            return {"anyOf": [{"type": "string", "format": "date"}, _NULL]}
        case "task":
            if not field.values or len(field.values) > MOST_NAMED:
                return {"type": ["string", "number"]}
            return {"enum": _spellings(field.values)}
        case "sentence":
            return {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "minLength": 1, "pattern": "^[^\\s]+$"},
            }
        case "picture":
            pixels = _tensor(field.shape or (), "uint8")
            file = {"type": "string", "contentEncoding": "base64", "pattern": PATTERN}
            return {
                "anyOf": [file, pixels],
                "description": "A PNG or JPEG file, or pixels of the model's size.",
            }
        case "tensor":
            return _tensor(field.shape or (), field.dtype or "float32")


def _tensor(shape: tuple[int, ...], dtype: str) -> Json:
    found: Json = (
        {"type": "number"} if dtype == "float32" else {"type": "integer", "minimum": 0, "maximum": 255}
    )
    for size in reversed(shape):
        found = {"type": "array", "minItems": size, "maxItems": size, "items": found}
    return found


def _spellings(values: tuple[str, ...]) -> list[Any]:
    """Each value as text, and as a number where it is one."""
    numbers = [number_in(value) for value in values]
    found = [
        int(number) if number == int(number) else number
        for value, number in zip(values, numbers, strict=True)
        if abs(number) < 2.0**53 and word(number) == value
    ]
    return [*values, *found]
