"""From a model folder to a running server."""

from __future__ import annotations

import functools
import gc
import ipaddress
import logging
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from sharewise.errors import OptionError, SharewiseWarning
from sharewise.serving._deployed import load
from sharewise.serving.http._app import create_app
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._protocol import Watched

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_STOP_SECONDS = 10
_COLLECT_AFTER = 20_000
"""Objects that are made before the collector looks for cycles: a request makes hundreds, and hardly a cycle."""


def serve(
    folder: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    token: str | None = None,
    limits: Limits | None = None,
    encoder: object = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Answer for a saved model until Ctrl-C or SIGTERM; what waits then is answered first.

    Args:
        folder: Of the model, or of its study.
        host: Address to bind; only this machine reaches the default.
        port: 0 takes a free one.
        token: That requests must bear; see `create_app`.
        limits: What one client may ask for.
        encoder: The user's module, where the model needs it; see `sharewise.load`.
        ready: Is told the address once requests are answered; by default it is written to standard error.

    Raises:
        OptionError: The address cannot be bound, or the token is none.
        StorageError: The folder holds no model.
    """
    limits = limits or Limits()
    with _bound(host, port) as listener:
        local = _is_loopback(host)
        if not local and token is None:
            warnings.warn(
                f"everybody who reaches {host} can ask this server and adapt tasks: it has no token. "
                "Give it one, or bind it to 127.0.0.1.",
                SharewiseWarning,
                stacklevel=2,
            )
        model = load(folder, encoder)
        app = create_app(
            model,
            token=token,
            limits=limits,
            hosts=(*LOOPBACK_NAMES, host.lower()) if local else None,
        )
        server = server_of(app, limits)
        # What was loaded stays: the collector need not look through it again while somebody waits.
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER)
        gc.enable()
        with _ended_by_signals():
            (ready or _told)(_address(listener))
            server.run(sockets=[listener])


def server_of(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Uvicorn with its clocks on, quiet about what clients do wrong."""
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=functools.partial(Watched, limits, set()),  # type: ignore[arg-type]
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return uvicorn.Server(config)


def _told(address: str) -> None:
    sys.stderr.write(f"sharewise serves {address} (Ctrl-C ends it)\n")
    sys.stderr.flush()


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Bound before the model is loaded: who asks meanwhile waits instead of being turned away."""
    if not 0 <= port <= 65_535:
        raise OptionError(f"a port is a number from 0 to 65535; got {port}.")
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=512)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionError(
            f"the server listens on {host}, port {port}; the system answered '{reason}'. "
            "Choose another with --port or --host."
        ) from error
    with listener:
        yield listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _address(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how a server ends, no failure.

    Uvicorn raises a signal again once it has ended, for whoever handled it before; that is nobody here.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = {one: signal.signal(one, _nothing) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in held.items():
            signal.signal(one, handler)


def _nothing(_: int, __: FrameType | None) -> None:
    return None
