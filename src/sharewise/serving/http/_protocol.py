"""Clients that are slow on purpose: uvicorn waits for them for ever, this does not."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sharewise.serving.http._answers import written
from sharewise.serving.http._limits import Limits


def _answer(head: str, sentence: str) -> bytes:
    body = written({"error": sentence})
    lines = (
        f"HTTP/1.1 {head}",
        "content-type: application/json",
        "connection: close",
        f"content-length: {len(body)}",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


_LATE = _answer("408 Request Timeout", "a request's headers must arrive in time; these did not.")
_WRONG = _answer(
    "400 Bad Request", "a request must be HTTP/1.1; this one is not. Send it by an HTTP library."
)
_FULL = _answer(
    "503 Service Unavailable\r\nretry-after: 1", "too many connections are open. Ask again in a moment."
)


class Joined:
    """Final. A transport whose writes in one turn of the loop leave together.

    Uvicorn writes an answer's head and its body one after the other; in one packet they take half the time.

    Args:
        transport: Does all else.
        loop: Whose turns.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Soon."""
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """After what was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        data = b"".join(self._held)
        self._held.clear()
        if data:
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Watched(asyncio.Protocol):
    """Final. Uvicorn's HTTP/1.1 protocol with a clock on what the client has to do.

    It hands everything on, and looks at the parser's state after each arrival:

    * a request whose head is not complete within ``head_seconds`` is answered with 408, a connection without one closed;
    * a body that goes on after its answer (a refusal needs no body) has ``body_seconds`` to end;
    * an answer that is not read for ``send_seconds`` drops the connection;
    * connections beyond ``connections`` are answered with 503, and what is no HTTP with 400, in a sentence.

    The parser in Python (h11) rather than in C: it is strict about what it reads and bounds the head (64 KiB).

    Args:
        limits: The seconds, and how many may be connected.
        crowd: Who is connected.
        rest: What uvicorn hands to a protocol.
    """

    def __init__(self, limits: Limits, crowd: set[Watched], **rest: Any) -> None:
        self._limits = limits
        self._crowd = crowd
        self._full = False
        self._inner = H11Protocol(**rest)
        self._inner.send_400_response = self._wrong  # type: ignore[method-assign]
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._full = len(self._crowd) >= self._limits.connections
        self._crowd.add(self)
        transport.set_write_buffer_limits(high=0)  # told whenever the client leaves something unread
        self._start("head", self._limits.head_seconds, self._late_head)
        self._inner.connection_made(Joined(transport, self._loop))  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._full:
            self._end_with(_FULL)
            return
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
        self._crowd.discard(self)
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
        self._end_with(_LATE if begun and self._inner.conn.our_state is h11.IDLE else b"")

    def _wrong(self, msg: str) -> None:
        """In place of uvicorn's own answer, unless another one has begun."""
        self._end_with(_WRONG if self._inner.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) else b"")

    def _end_with(self, answer: bytes) -> None:
        joined = self._inner.transport  # behind what was written there
        if not joined.is_closing():
            joined.write(answer)
            joined.close()

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
