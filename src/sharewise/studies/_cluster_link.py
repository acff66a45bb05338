"""The way to a cluster: its scheduler's address, a quiet connection, the same versions on all machines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import pickle
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distributed import Client, Security, rpc

from sharewise.errors import OptionError, WorkerError
from sharewise.problems import Problem
from sharewise.studies._cluster_worker import Caretaker, Desk, difference, installed

REACH = 10.0
"""Seconds within which a scheduler must answer."""
PATIENCE = 60.0
"""Seconds within which it must answer later, when it may be busy."""
TRIES = 5
"""How often the problem is sent again when a worker dies meanwhile."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what Dask logs off the terminal: all that matters is said in our own words."""
    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in ("distributed", "tornado")
    ]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


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
    """A client of the scheduler, which must answer and have our versions, as must the workers it has.

    Raises:
        OptionError: Nothing answers at the address.
        WorkerError: Other versions.
    """
    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook has a loop of its own in this thread
            kind = aside.submit(asyncio.run, _kind_of(address)).result()
        if kind != "Scheduler":
            raise ValueError(f"it is a Dask {kind.lower()}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Dask's own table of versions
            client = Client(address, timeout=REACH, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or f"no answer within {REACH:g} s"
        raise OptionError(
            f"workers must name a Dask scheduler that answers; {address} does not ({reason}). "
            "Start one with 'dask scheduler', or name its address."
        ) from error
    try:
        _compare_versions(client, address)
    except BaseException:
        client.close()
        raise
    return client


async def _kind_of(address: str) -> str:
    """What answers at an address. `Client` alone would wait for ever where something else than Dask listens."""
    arguments = Security().get_connection_args("client")
    async with asyncio.timeout(REACH), rpc(address, connection_args=arguments) as other:
        return str((await other.identity())["type"])


def furnish(client: Client, address: str, study: str, problem: Problem) -> None:
    """Put a study's problem on all workers, those that join later included, until the client leaves.

    Raises:
        WorkerError: The scheduler is lost, or some worker cannot load sharewise.
    """
    desk = Desk(pickle.dumps(problem, protocol=pickle.HIGHEST_PROTOCOL), installed())
    try:
        client.register_plugin(Caretaker(study, client.id), name=study)
        for tries in range(TRIES):
            try:
                client.register_plugin(desk, name=study)
                return
            except OSError:  # most likely a worker died while it was told; the others are told again
                if tries == TRIES - 1:
                    raise
    except OSError as error:
        raise lost(address) from error
    except Exception as error:
        raise _lacking(f"a worker of {address}", error) from error


def _lacking(where: str, error: BaseException) -> WorkerError:
    return WorkerError(
        f"every machine of a cluster must have sharewise with its extra 'dask'; {where} cannot load it ({error}). "
        "Install the same version there, and start it again."
    )


def _compare_versions(client: Client, address: str) -> None:
    needed = installed()
    with ThreadPoolExecutor(
        1
    ) as aside:  # all at once: who answers first loads the libraries, which takes seconds
        scheduler = aside.submit(client.run_on_scheduler, installed)
        told = {
            f"the worker {name}": answer for name, answer in client.run(installed, on_error="return").items()
        }
    told[f"the scheduler {address}"] = scheduler.exception() or scheduler.result()
    for where, answer in told.items():
        if isinstance(answer, OSError):
            continue  # it left while it was asked; who comes back is asked with its first job
        if isinstance(answer, BaseException):
            raise _lacking(where, answer) from answer
        wrong = difference(where, answer, needed)
        if wrong is not None:
            raise WorkerError(wrong)
