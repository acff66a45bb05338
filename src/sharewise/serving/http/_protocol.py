"""Clients that are slow on purpose: uvicorn waits for them for ever, this does not."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sharewise.serving.http._answers import written
from sharewise.serving.http._limits import Limits

_BODY = written({"error": "a request's headers must arrive in time; these did not."})
_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)


class Watched(asyncio.Protocol):
    """Final. Uvicorn's HTTP/1.1 protocol with a clock on what the client has to do.

    It hands everything on, and looks at the parser's state after each arrival:

    * a request whose head is not complete within ``head_seconds`` is answered with 408, a connection without one closed;
    * a body that goes on after its answer (a refusal needs no body) has ``body_seconds`` to end;
    * an answer that is not read for ``send_seconds`` drops the connection.

    The parser in Python (h11) rather than in C: it is strict about what it reads and bounds the head (64 KiB).

    Args:
        limits: The seconds.
        rest: What uvicorn hands to a protocol.
    """

    def __init__(self, limits: Limits, **rest: Any) -> None:
        self._limits = limits
        self._inner = H11Protocol(**rest)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # told whenever the client leaves something unread
        self._start("head", self._limits.head_seconds, self._late_head)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)
        if self._is_closing():
            self._stop("head")
            self._stop("body")
            return
        theirs = self._inner.conn.their_state
        if theirs is h11.IDLE:
            self._start("head", self._limits.head_seconds, self._late_head)
        else:
            self._stop("head")
        if theirs is h11.SEND_BODY and self._inner.cycle.response_complete:
            self._start("body", self._limits.body_seconds, self._abort)
        else:
            self._stop("body")

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_all()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._start("send", self._limits.send_seconds, self._abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop("send")
        self._inner.resume_writing()

    def _late_head(self) -> None:
        self._timers.pop("head", None)
        if self._transport is None or self._is_closing() or self._inner.conn.their_state is not h11.IDLE:
            return
        begun, _ = self._inner.conn.trailing_data
        if begun and self._inner.conn.our_state is h11.IDLE:
            self._transport.write(_LATE)
        self._transport.close()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _start(self, name: str, seconds: float, late: Any) -> None:
        if name not in self._timers:
            self._timers[name] = self._loop.call_later(seconds, late)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _stop_all(self) -> None:
        for name in list(self._timers):
            self._stop(name)
