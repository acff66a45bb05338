"""The OpenAPI document of the paths over one model, made by FastAPI when somebody asks for it.

FastAPI and pydantic take a third of the time that a server needs to start, and answers need neither: they are imported
with the first request for the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from sharewise.serving.http import _records
from sharewise.serving.http._document import request_schemas
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._routes import Endpoint
from sharewise.serving.http._served import Served

_TOLD = {
    400: "The body is no strict JSON.",
    401: "The token is missing or another.",
    404: "No such task.",
    408: "The request came too slowly.",
    409: "This model does not do that, or the task is there already.",
    413: "The body is too large.",
    415: "The body is of another type than application/json.",
    421: "The request asks for another host.",
    422: "The rows do not fit the model.",
    500: "Our own fault.",
    503: "Too many requests wait; ask again after the seconds of Retry-After.",
    504: "The answer took too long.",
}
_ALWAYS = (401, 421, 500, 503)


def paths_of(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The document without what a row of the model holds."""
    app = FastAPI(
        title="sharewise", version=version, description="Predictions of one model for several tasks."
    )
    for one in endpoints:
        found: dict[str, Any] = {}
        responses: dict[int | str, dict[str, Any]] = {
            status: {"model": _records.Error, "description": _TOLD[status]}
            for status in sorted((*_ALWAYS, *one.refusals))
        }
        if one.media is not None:
            kind, told = one.media
            responses[200] = {"description": told, "content": {kind: {}}}
            found["response_class"] = Response
        if one.record is not None:
            found["response_model"] = getattr(_records, one.record)
        if one.body is not None:
            content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{one.body}"}}}
            found["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
        app.add_api_route(one.path, one.answer, methods=[one.method], responses=responses, **found)
    return app.openapi()


def document(paths: dict[str, Any], served: Served, limits: Limits, token: str | None) -> dict[str, Any]:
    """The whole document, with the tasks adapted to so far.

    Args:
        paths: As `paths_of` gave it.
        served: The model.
        limits: Of requests.
        token: That they must bear.
    """
    components = {**paths["components"]}
    components["schemas"] = {**components["schemas"], **request_schemas(served, limits)}
    found = {**paths}
    if token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return {**found, "components": components}
