"""Reading a request's body: bounded in bytes and in time while it arrives."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.requests import Request

from sharewise.serving.http._limits import Limits
from sharewise.serving.http._refusal import Refusal
from sharewise.serving.http._room import Share
from sharewise.serving.http._strict_json import parse

_CLOSE = {"Connection": "close"}
_DRAINED = 4_000_000
"""Bytes of an oversized body that are read and dropped, so that an honest client gets to read why it was refused."""
_DRAIN_SECONDS = 1.0


async def read_json(request: Request, limits: Limits, share: Share) -> Any:
    """The JSON value of a request's body, whose bytes its share is told.

    Raises:
        Refusal: 400 for what is no strict JSON, 408 for a slow client, 413 for a large body, 415 for other types, 503
            where all bodies together are too large.
    """
    _check_type(request)
    body: bytes | None = None
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await _read(request, limits.body, share)
    except Refusal:
        await _drain(request)
        raise
    except TimeoutError:
        raise Refusal(
            408, f"a body must arrive within {limits.body_seconds:g} seconds; this one did not.", _CLOSE
        ) from None
    if body is None:
        await _drain(request)
        raise Refusal(
            413,
            f"a body has {limits.body:,} bytes at most; this one is larger. Send fewer rows at once.",
            _CLOSE,
        )
    return await share.beside(partial(parse, body))


def _check_type(request: Request) -> None:
    given = request.headers.getlist("content-type")
    kind, _, parameters = (given[0] if len(given) == 1 else "").partition(";")
    charset = parameters.strip().lower()
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise Refusal(
            415,
            "rows are sent as JSON; the header must be 'Content-Type: application/json'.",
            {"Accept": "application/json"},
        )
    coding = request.headers.get("content-encoding", "identity")
    if coding.strip().lower() != "identity":
        # A few kilobytes unpack to gigabytes.
        raise Refusal(415, "a body comes as it is; this one is packed. Send it without Content-Encoding.")


async def _read(request: Request, most: int, share: Share) -> bytes | None:
    """The body, or None where it is larger."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 18 or int(told) > most):
        return None
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the connection ended before the body did.", _CLOSE)
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            return None
        share.take(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _drain(request: Request) -> None:
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            dropped, more = 0, True
            while more and dropped < _DRAINED:
                message = await request.receive()
                more = message["type"] == "http.request" and message.get("more_body", False)
                dropped += len(message.get("body", b""))
    except TimeoutError:
        return
