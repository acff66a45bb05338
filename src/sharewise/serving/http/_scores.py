"""How well each task is served, as the model's card says it: what the page shows beside predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.serving.http._answers import plain


def scores_of(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line a task: what serves it, how well beside a constant guess, and what sharing gains it, with intervals.

    Args:
        card: As `study_card` made it; what it lacks stays unknown.
    """
    return [_score(str(task), _table(entry)) for task, entry in _table(card.get("tasks")).items()]


def _score(task: str, entry: dict[Any, Any]) -> dict[str, Any]:
    served, choice = _table(entry.get("served")), _table(entry.get("choice"))
    return {
        "task": task,
        "metric": _text(entry.get("metric")),
        "labels": entry["labels"] if isinstance(entry.get("labels"), int) else None,
        "served_by": " ".join(filter(None, (_text(choice.get(key)) for key in ("strategy", "family"))))
        or None,
        "score": _number(served.get("score")),
        "constant": _number(_table(entry.get("scores")).get("constant")),
        "removed": _number(served.get("removed")),
        "removed_interval": _interval(served.get("interval")),
        "decision": _text(entry.get("decision")),
        "gain": _number(entry.get("delta")),
        "gain_interval": _interval(entry.get("interval")),
    }


def _table(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return plain(float(value)) if known else None


def _interval(value: Any) -> list[float | None] | None:
    pair = isinstance(value, list | tuple) and len(value) == 2
    return [_number(end) for end in value] if pair else None
