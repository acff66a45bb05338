"""Jobs that tests send to worker processes, in a module that these can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from sharewise.problems import Problem


def square(value: int, problem: Problem, deadline: float | None) -> tuple[int, int, int]:
    return value * value, len(problem), os.getpid()


def kill_once(flag: str, problem: Problem, deadline: float | None) -> str:
    """Takes its worker down the first time."""
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def kill_always(problem: Problem, deadline: float | None) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def fail(problem: Problem, deadline: float | None) -> str:
    raise ValueError("a job's own fault")


def wait_for_the_end(file: str, problem: Problem, deadline: float | None) -> str:
    """The first time: says who it is, then waits to be killed."""
    path = Path(file)
    if path.exists():
        return "run again"
    path.with_suffix(".new").write_text(str(os.getpid()))
    path.with_suffix(".new").rename(path)
    time.sleep(60)
    return "never killed"


def seconds_left(problem: Problem, deadline: float | None) -> float | None:
    return None if deadline is None else deadline - time.monotonic()


def nap(seconds: float, problem: Problem, deadline: float | None) -> int:
    """Takes its time; says in which process."""
    time.sleep(seconds)
    return os.getpid()


steps: list[str] = []
"""What `in_and_out` did in this process."""


def in_and_out(problem: Problem, deadline: float | None) -> int:
    """Says when it begins and ends; the number of torch threads it had."""
    import torch

    steps.append("in")
    time.sleep(0.02)
    steps.append("out")
    return torch.get_num_threads()


def kill_beside(file: str, problem: Problem, deadline: float | None) -> str:
    """The first time: takes its worker down once `touch` runs in another."""
    flag = Path(file + ".killed")
    if not flag.exists():
        while not Path(file).exists():
            time.sleep(0.01)
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def touch(file: str, seconds: float, problem: Problem, deadline: float | None) -> str:
    """Leaves a line when it begins, then takes its time."""
    with Path(file).open("a") as lines:
        lines.write("begun\n")
    time.sleep(seconds)
    return file


def work_seen(dask_worker: Any) -> int:
    """Asked of a Dask worker: how much it has had to do with jobs."""
    return int(dask_worker.state.transition_counter)


def studies_kept(dask_worker: Any) -> list[str]:
    """Asked of a Dask worker: the studies whose problem it holds."""
    return [name for name in dask_worker.plugins if name.startswith("sharewise")]
