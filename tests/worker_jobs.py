"""Jobs that tests send to worker processes, in a module that these can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

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
