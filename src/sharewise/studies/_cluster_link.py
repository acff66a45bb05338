"""The way to a cluster: its scheduler's address, and a quiet connection that is never waited for without end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, cast

from distributed import Client, Security, rpc

from sharewise.errors import OptionError, WorkerError

T = TypeVar("T")

REACH = 10.0
"""Seconds within which a scheduler must answer."""
PATIENCE = 120.0
"""Seconds within which it and its workers must answer later, when they may be busy or load libraries."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Dask logs off the terminal: all that matters is said in our own words.

    Log files, and handlers of the root logger, go on.
    """

    def nothing(record: logging.LogRecord) -> bool:
        return False

    handlers = {
        handler
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in ("distributed", "tornado")
        for handler in logging.getLogger(name).handlers
        if type(handler) is logging.StreamHandler
    }
    for handler in handlers:
        handler.addFilter(nothing)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(nothing)


def find_address(given: str) -> str:
    """The scheduler's address, also out of the file that ``dask scheduler --scheduler-file`` writes.

    Raises:
        OptionError: The file holds none.
    """
    if "://" in given:
        return given
    try:
        address = json.loads(Path(given).read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(
            f"workers may name the file that 'dask scheduler --scheduler-file FILE' writes; '{given}' cannot be read "
            f"as one ({error})."
        ) from error
    return str(address)


def lost(address: str) -> WorkerError:
    """The scheduler has gone, or cannot be reached any more."""
    return WorkerError(
        f"a study must stay connected to its scheduler until it ends; {address} was lost. Start it and its workers "
        "again and run the same command: finished trials are kept."
    )


def connect(address: str) -> Client:
    """A client of the scheduler at an address.

    Raises:
        OptionError: None answers there.
    """
    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook has a loop of its own in this thread
            kind = aside.submit(asyncio.run, _kind_of(address)).result()
        if kind != "Scheduler":
            raise ValueError(f"it is a Dask {kind.lower()}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask's own table of versions
            return Client(address, timeout=REACH, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or f"no answer within {REACH:g} s"
        raise OptionError(
            f"workers must name a Dask scheduler that answers; {address} does not ({reason}). "
            "Start one with 'dask scheduler', or name its address."
        ) from error


async def _kind_of(address: str) -> str:
    """What answers at an address. `Client` alone would wait for ever where something else than Dask listens."""
    arguments = Security().get_connection_args("client")
    async with asyncio.timeout(REACH), rpc(address, connection_args=arguments) as other:
        return str((await other.identity())["type"])


def within(client: Client, address: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What comes of asking, unless some machine is silent for too long."""
    try:
        return cast(T, client.sync(ask, callback_timeout=PATIENCE))
    except TimeoutError as error:
        raise WorkerError(
            f"every machine of a cluster must answer; some worker of {address} did not within {PATIENCE:g} s. "
            "Stop it, or see to its machine, and run the same command again."
        ) from error
