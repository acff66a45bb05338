"""The application: routes over one model, behind the guard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sharewise.errors import OptionError
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._deployed import DeployedModel
from sharewise.serving.http._answers import written
from sharewise.serving.http._batching import Turns
from sharewise.serving.http._guard import Guard
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._metrics import Metrics
from sharewise.serving.http._refusal import Refusal
from sharewise.serving.http._routes import endpoints
from sharewise.serving.http._scores import scores_of
from sharewise.serving.http._served import Served

_TOKEN = re.compile(r"[!-~]{8,512}")
PATHS = ("/", "/predict", "/adapt", "/tasks", "/model", "/health", "/metrics", "/openapi.json")


def create_app(
    model: DeployedModel | AdaptedModel,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    hosts: Collection[str] | None = None,
) -> Starlette:
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
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await turns.alone(served.warm)
        yield
        turns.close()

    scores = scores_of(model.card)
    paths = endpoints(served, turns, metrics, limits, sharewise.__version__, scores)

    @cache
    def told() -> dict[str, Any]:
        from sharewise.serving.http._openapi import paths_of

        return paths_of(paths, sharewise.__version__)

    async def document(_: Request) -> Response:
        def made() -> bytes:
            from sharewise.serving.http import _openapi

            return written(_openapi.document(told(), served, limits, token))

        return Response(await asyncio.to_thread(made), media_type="application/json")

    app = Starlette(
        routes=[
            *(Route(one.path, one.answer, methods=[one.method]) for one in paths),
            Route("/openapi.json", document),
        ],
        middleware=[Middleware(Guard, metrics=metrics, paths=PATHS, token=token, hosts=hosts)],
        exception_handlers={Refusal: _refused, HTTPException: _not_there},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _answer(error.status, error.sentence, error.headers)


async def _not_there(request: Request, error: Exception) -> Response:
    """A path or method that no route has."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(headers.get("Allow", "GET").split(", ")))
        return _answer(405, f"this path takes {headers['Allow']}.", headers)
    if error.status_code == 404:
        return _answer(404, f"there is no such path; paths are {', '.join(PATHS)}.", headers)
    return _answer(error.status_code, str(error.detail), headers)


def _answer(status: int, sentence: str, headers: dict[str, str]) -> Response:
    return Response(written({"error": sentence}), status, headers, media_type="application/json")
