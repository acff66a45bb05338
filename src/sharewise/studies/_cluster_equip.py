"""What a cluster needs for a study: the same versions on all machines, and the problem."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

from distributed import Client

from sharewise.errors import WorkerError
from sharewise.problems import Problem
from sharewise.studies._cluster_link import lost, within
from sharewise.studies._cluster_worker import Caretaker, Desk, difference, installed

TRIES = 5
"""How often the problem is sent again when a worker dies meanwhile."""


def check_versions(client: Client, address: str) -> None:
    """Compare the scheduler's and its present workers' versions with ours.

    Raises:
        WorkerError: They differ, or sharewise is missing there.
    """

    async def ask() -> tuple[Any, Any]:
        # All at once: who is asked first loads the libraries, which takes seconds.
        return await asyncio.gather(
            client.run_on_scheduler(installed),
            client.run(installed, on_error="return"),
            return_exceptions=True,
        )

    scheduler, workers = within(client, address, ask)
    if isinstance(workers, BaseException):
        raise lost(address) from workers
    told = {f"the scheduler {address}": scheduler}
    told |= {f"the worker {worker}": answer for worker, answer in workers.items()}
    for where, answer in told.items():
        if isinstance(answer, OSError):
            continue  # it left while it was asked; who comes back is asked with its first job
        if isinstance(answer, BaseException):
            raise _lacking(where, answer) from answer
        wrong = difference(where, answer, installed())
        if wrong is not None:
            raise WorkerError(wrong)


def furnish(client: Client, address: str, study: str, problem: Problem) -> None:
    """Put a study's problem on all workers, those that join later included, until the client leaves.

    Raises:
        WorkerError: The scheduler is lost, or some worker does not answer or cannot load sharewise.
    """
    desk = Desk(pickle.dumps(problem, protocol=pickle.HIGHEST_PROTOCOL), installed())

    async def register() -> None:
        await client.register_plugin(Caretaker(study, client.id), name=study)
        for tries in range(TRIES):
            try:
                await client.register_plugin(desk, name=study)
                return
            except OSError:  # most likely a worker died while it was told; the others are told again
                if tries == TRIES - 1:
                    raise

    try:
        within(client, address, register)
    except OSError as error:
        raise lost(address) from error
    except WorkerError:
        raise
    except Exception as error:
        raise _lacking(f"a worker of {address}", error) from error


def _lacking(where: str, error: BaseException) -> WorkerError:
    return WorkerError(
        f"every machine of a cluster must have sharewise with its extra 'dask'; {where} cannot load it ({error}). "
        "Install the same version there, and start it again."
    )
