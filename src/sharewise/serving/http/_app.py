"""The application: routes over one model, behind the guard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from sharewise.errors import OptionError
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._deployed import DeployedModel
from sharewise.serving.http._answers import written
from sharewise.serving.http._batching import Turns
from sharewise.serving.http._document import request_schemas
from sharewise.serving.http._guard import Guard
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._metrics import Metrics
from sharewise.serving.http._refusal import Refusal
from sharewise.serving.http._routes import routes
from sharewise.serving.http._served import Served

_TOKEN = re.compile(r"[!-~]{8,512}")
PATHS = ("/", "/predict", "/adapt", "/tasks", "/model", "/health", "/metrics", "/openapi.json")


def create_app(
    model: DeployedModel | AdaptedModel,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] | None = None,
) -> FastAPI:
    """An ASGI application that answers for a model.

    Args:
        model: As `sharewise.load` gives it. Adapting over HTTP changes it.
        token: That requests must bear (``Authorization: Bearer …``), 8 printable ASCII characters or more; the page and
            ``/health`` are open, and hold no data.
        limits: What one client may ask for.
        hosts: Host names that it answers to, without ports; None for any.

    Raises:
        OptionError: The token is none.
    """
    import sharewise

    if token is not None and not _TOKEN.fullmatch(token):
        raise OptionError(
            "a token has 8 to 512 printable ASCII characters without blanks; this one does not. "
            "python -c 'import secrets; print(secrets.token_urlsafe())' makes one."
        )
    limits = limits or Limits()
    served = Served(model)
    metrics = Metrics(
        {
            "sharewise_waiting": ("Requests that wait for the model.", lambda: len(turns)),
            "sharewise_adapted_tasks": ("Tasks adapted to.", lambda: len(served.adapted)),
        }
    )
    turns = Turns(served.answer, limits, metrics.batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        turns.close()

    app = FastAPI(
        title="sharewise",
        version=sharewise.__version__,
        description="Predictions of one model for several tasks.",
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from other machines
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Guard, metrics=metrics, paths=PATHS, token=token, hosts=hosts)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _not_there)
    app.include_router(routes(served, turns, metrics, limits, sharewise.__version__))

    @app.get("/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(written(_document(app, served, limits, token)), media_type="application/json")

    return app


def _document(app: FastAPI, served: Served, limits: Limits, token: str | None) -> dict[str, Any]:
    """FastAPI's document with what a row of this model holds."""
    found: dict[str, Any] = {**app.openapi()}
    components = {**found["components"]}
    components["schemas"] = {**components["schemas"], **request_schemas(served, limits)}
    if token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    return {**found, "components": components}


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(error.status, error.sentence, error.headers)


async def _not_there(request: Request, error: Exception) -> Response:
    """A path or method that no route has."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        return _answer(
            405, f"this path takes {headers.get('Allow', headers.get('allow', 'another method'))}.", headers
        )
    if error.status_code == 404:
        return _answer(404, f"there is no such path; paths are {', '.join(PATHS)}.", headers)
    return _answer(error.status_code, str(error.detail), headers)


def _answer(status: int, sentence: str, headers: dict[str, str]) -> Response:
    return Response(written({"error": sentence}), status, headers, media_type="application/json")
