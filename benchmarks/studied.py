"""One study of a problem, as a user would run it, and what it would hand over.

``benchmarks/verdict.py`` uses it. A study is kept beside the reference and not run again while data,
budget, seed and the source of sharewise are the same.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sharewise as sw
from sharewise.problems import fingerprint
from sharewise.strategies import USUAL

import problems
from regret import Board, Choice


@dataclass(frozen=True)
class Studied:
    """What one study said and took.

    Attributes:
        outcome: Of the verdict.
        deployed: The row ``strategy/family`` that serves each task, by task name.
        trial_seconds: Of all trials in its ledger, in the unit of the reference's.
        cpu_seconds: Of the whole call, deciding included.
        wall_seconds: Of the whole call.
        budget: Seconds it was given.
        rounds: It rests on.
        effort: Of its plan.
    """

    outcome: str
    deployed: dict[str, str]
    trial_seconds: float
    cpu_seconds: float
    wall_seconds: float
    budget: float
    rounds: int
    effort: str

    def choice(self, board: Board) -> Choice | None:
        """``(T,)`` rows of the reference, None where it lacks one that was deployed.

        A task too small to be one in the study is served like most others.
        """
        usual = Counter(self.deployed.values()).most_common(1)[0][0]
        places = [board.place(self.deployed.get(task, usual)) for task in board.tasks]
        known = [place for place in places if place is not None]
        return np.array(known, dtype=np.intp) if len(known) == len(places) else None


def study(
    name: str, cache: Path, budget: float, seed: int, *, show: bool = False, without: tuple[str, ...] = ()
) -> Studied | None:
    """The kept study, or a new one; with ``show`` None where none is kept.

    Args:
        without: Strategies left out, because the reference did not run them and could not judge them.
    """
    path = cache / "studies" / f"{name}-{seed}.json"
    if show:
        return Studied(**json.loads(path.read_text())["study"]) if path.exists() else None
    problem = problems.problem(problems.load(name))
    stamp = {"data": fingerprint(problem), "budget": round(budget, 1), "seed": seed, "source": source()}
    stamp |= {"without": list(without)} if without else {}
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["stamp"] == stamp:
            return Studied(**kept["study"])
    found = _run(problem, round(budget, 1), seed, without)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"stamp": stamp, "study": asdict(found)}))
    return found


def _run(problem: sw.Problem, budget: float, seed: int, without: tuple[str, ...]) -> Studied:
    wall, cpu = time.perf_counter(), time.process_time()
    names = [name for name in USUAL if name not in without]
    done = sw.compare(problem, seed=seed, budget=budget, workers=1, strategies=names, quiet=True)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    details: dict[str, Any] = done.verdict.details
    return Studied(
        outcome=done.verdict.outcome,
        deployed={
            task: f"{one['choice']['strategy']}/{one['choice']['family']}"
            for task, one in done.verdict.per_task.items()
        },
        trial_seconds=float(done.ledger()["seconds"].sum()),
        cpu_seconds=cpu,
        wall_seconds=wall,
        budget=budget,
        rounds=int(details["protocol"]["rounds"]),
        effort=str(details["protocol"]["effort"]),
    )


def source() -> str:
    """A digest of sharewise's own files."""
    digest = hashlib.sha256()
    folder = Path(sw.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
