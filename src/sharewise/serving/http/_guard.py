"""What stands between the network and the routes: who may ask, what every answer says, what is counted."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sharewise.serving.http._answers import written
from sharewise.serving.http._metrics import Metrics
from sharewise.serving.http._refusal import Refusal

OPEN_PATHS = ("/", "/health")
"""Served without the token: a page that holds no data, and what a watchdog asks."""
METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE")
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
LOG = logging.getLogger("sharewise.serve")


class Guard:
    """Final. An ASGI middleware.

    Args:
        app: The routes.
        metrics: Counts each answer.
        paths: The routes' paths; others are counted together.
        token: That a request must bear, or None.
        hosts: Names that a request may ask for, or None for any. A server on loopback answers to its own names only, so
            that no web page can reach it by a name of its own that points here (DNS rebinding).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        paths: Collection[str],
        token: str | None,
        hosts: Collection[str] | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = frozenset(paths)
        self._token = None if token is None else token.encode()
        self._hosts = None if hosts is None else frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        # What GET answers without its body, which the protocol leaves out.
        asked: Scope = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await respond(refusal, told)
            else:
                await self._app(asked, receive, told)
        except Exception:
            LOG.exception("a request failed by our own fault")
            if status == 0:
                await respond(
                    Refusal(500, "this is our fault, not yours; the server's log says where."), told
                )
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.request(method, path, status or 499, time.perf_counter() - started)

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = scope["headers"]
        if self._hosts is not None:
            named = [value.decode("latin-1") for key, value in headers if key == b"host"]
            if len(named) != 1 or _name(named[0]) not in self._hosts:
                return Refusal(
                    421, "this server answers to its own name only. Ask for 127.0.0.1 or localhost."
                )
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            given = [value for key, value in headers if key == b"authorization"]
            if len(given) != 1 or not self._is_token(given[0]):
                return Refusal(
                    401,
                    "this server asks for its token; send the header 'Authorization: Bearer …'.",
                    {"WWW-Authenticate": "Bearer"},
                )
        return None

    def _is_token(self, given: bytes) -> bool:
        assert self._token is not None
        scheme, _, own = given.partition(b" ")
        return hmac.compare_digest(own.strip(), self._token) and scheme.lower() == b"bearer"


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


async def respond(refusal: Refusal, send: Send) -> None:
    """Send a refusal as JSON."""
    body = written({"error": refusal.sentence})
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((key.lower().encode(), value.encode()) for key, value in refusal.headers.items()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
