"""The routes: read, check, wait for the model, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from sharewise.errors import SharewiseError
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving.http._answers import plain, written, written_in_parts
from sharewise.serving.http._batching import Turns
from sharewise.serving.http._body import read_json
from sharewise.serving.http._fields import Field
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._metrics import CONTENT_TYPE, Metrics
from sharewise.serving.http._page import Page
from sharewise.serving.http._refusal import Refusal
from sharewise.serving.http._room import Room
from sharewise.serving.http._served import Served
from sharewise.tasks import Classification

T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """A path, what answers on it, and how the document tells of it.

    Attributes:
        method, path: Of the request.
        answer: Called with the request; its docstring is the document's.
        record: Name of what it answers, in `_records`; None for text.
        refusals: Its statuses besides those of every path.
        body: Name of the request's schema, if it has a body.
        media: Type and description of a text.
    """

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Response]]
    record: str | None = None
    refusals: tuple[int, ...] = ()
    body: str | None = None
    media: tuple[str, str] | None = None


_SENT = (400, 404, 408, 409, 413, 415, 422, 504)
"""What a request with a body may be refused for."""


def endpoints(
    served: Served,
    turns: Turns,
    metrics: Metrics,
    limits: Limits,
    version: str,
    scores: list[dict[str, Any]],
) -> tuple[Endpoint, ...]:
    """All paths over one model."""
    page, room = Page(), Room(limits)

    async def predict(request: Request) -> Response:
        """Predict one row or many, for all tasks or some."""
        with room.share() as share:
            given = _object(await read_json(request, limits, share), {"rows", "tasks", "probabilities"})
            tasks, shares = given.get("tasks"), given.get("probabilities", False)
            if "tasks" in given and not (
                isinstance(tasks, list) and tasks and set(map(type, tasks)) == {str}
            ):
                raise Refusal(422, "'tasks' is a list of names, one or more. Leave it out for all tasks.")
            if not isinstance(shares, bool):
                raise Refusal(422, "'probabilities' is true or false. Leave it out for false.")
            rows = _rows(given, limits)
            ask = await share.beside(partial(served.ask, rows, tasks, shares=shares))
            answer = await _in_time(turns.predict(ask), limits)
            told = {
                "predictions": answer.predictions,
                "probabilities": answer.shares,
                "warnings": list(ask.warnings),
            }
            content = await share.beside(partial(written_in_parts, told))
        return Response(content, media_type="application/json")

    async def adapt(request: Request) -> Response:
        """Adapt to a new task from a few labelled rows; no other task changes."""
        with room.share() as share:
            given = _object(await read_json(request, limits, share), {"task", "rows", "existing"})
            task, existing = given.get("task"), given.get("existing", "refuse")
            if not isinstance(task, str) or not task[:1].strip() or len(task) > 200:
                raise Refusal(
                    422,
                    "'task' is the new task's name: text of 1 to 200 characters that begins with none blank.",
                )
            if existing not in ("refuse", "update", "replace"):
                raise Refusal(
                    422, "'existing' says what becomes of a task of that name: refuse, update or replace."
                )
            rows = _rows(given, limits)
            found = await _in_time(turns.alone(partial(served.adapt, task, rows, existing, limits)), limits)
        return _json({"task": found.task, "labels": found.labels, "strategies": found.strategies})

    async def tasks(_: Request) -> Response:
        """The tasks that are served, and the columns of their predictions."""
        return _json({"tasks": _tasks(served), "targets": _targets(served)})

    async def model(_: Request) -> Response:
        """The model's card: the verdict, what a row holds, what is predicted."""
        card = plain(served.model.card)
        verdict = card.get("verdict") if isinstance(card.get("verdict"), dict) else {}
        fields = [
            {
                "name": field.name,
                "kind": field.kind,
                "required": field.required,
                "values": _values(field, served),
                "shape": None if field.shape is None else list(field.shape),
            }
            for field in served.fields
        ]
        return _json(
            {
                "sentence": verdict.get("sentence"),
                "outcome": verdict.get("outcome"),
                "adapts": served.adapts,
                "pool": served.is_pool,
                "rows": limits.rows,
                "body": limits.body,
                "scores": scores,
                "fields": fields,
                "targets": _targets(served),
                "tasks": _tasks(served),
                "card": card,
            }
        )

    async def health(_: Request) -> Response:
        """Whether the server lives, and whether it takes requests."""
        ready = len(turns) < limits.waiting
        return _json({"live": True, "ready": ready, "waiting": len(turns), "version": version})

    async def prometheus(_: Request) -> Response:
        """Counts and times in Prometheus' text format."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def root(_: Request) -> Response:
        """A page: a form for one row, a place for a CSV file, the verdict beside."""
        return page.response()

    return (
        Endpoint("POST", "/predict", predict, "Predicted", _SENT, body="Predict"),
        Endpoint("POST", "/adapt", adapt, "Adapted", _SENT, body="Adapt"),
        Endpoint("GET", "/tasks", tasks, "Tasks"),
        Endpoint("GET", "/model", model, "Card"),
        Endpoint("GET", "/health", health, "Health"),
        Endpoint("GET", "/metrics", prometheus, media=("text/plain", "Prometheus text.")),
        Endpoint("GET", "/", root, media=("text/html", "A page for people.")),
    )


async def _in_time(turn: Awaitable[T], limits: Limits) -> T:
    try:
        async with asyncio.timeout(limits.seconds):
            return await turn
    except TimeoutError:
        raise Refusal(
            504,
            f"an answer takes {limits.seconds:g} seconds at most; this one did not come. Send fewer rows at once.",
        ) from None
    except SharewiseError as error:
        raise Refusal.of(error) from error


def _object(given: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Refusal(422, 'a request is an object, as in {"rows": [{…}]}.')
    unknown = sorted(set(given) - names)
    if unknown:
        raise Refusal(
            422,
            f"a request holds {', '.join(sorted(names))}; '{unknown[0][:80]}' is none of them. Leave it out.",
        )
    return given


def _rows(given: dict[str, Any], limits: Limits) -> list[dict[str, Any]]:
    rows = given.get("rows")
    if not isinstance(rows, list) or not rows:
        raise Refusal(422, "'rows' is a list of one row or more, each an object with a value a field.")
    if len(rows) > limits.rows:
        raise Refusal(
            422, f"a request holds {limits.rows:,} rows at most; got {len(rows):,}. Send them in parts."
        )
    if set(map(type, rows)) != {dict}:
        place = next(place for place, row in enumerate(rows) if type(row) is not dict)
        raise Refusal(422, f"a row is an object with a value a field; row {place + 1} is none.")
    return rows


def _tasks(served: Served) -> list[dict[str, Any]]:
    return [{"name": name, "adapted": name in served.adapted} for name in served.tasks]


def _targets(served: Served) -> list[dict[str, Any]]:
    return [
        {
            "name": target.name,
            "kind": target.kind.name,
            "metric": target.metric.name,
            "classes": plain(target.kind.classes) if isinstance(target.kind, Classification) else None,
        }
        for target in served.targets
    ]


def _values(field: Field, served: Served) -> list[str] | None:
    if field.kind == "task":
        return (
            list(served.levels)
            if field.required
            else [served.model.level]
            if isinstance(served.model, AdaptedModel)
            else None
        )
    return None if field.values is None else list(field.values)


def _json(value: Any) -> Response:
    return Response(written(value), media_type="application/json")
