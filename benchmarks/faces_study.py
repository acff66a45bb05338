"""Tuning and fitting of both sides in every fold, for one way of splitting.

Nothing to run; `faces.py` uses it.

Symbols: ``N`` photographs, ``S`` seeds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sharewise.tasks import PROBABILITY_FLOOR, Array

from faces_data import Faces, Split
from faces_fit import Effort, Learn, Setting, Trained, train


@dataclass
class Side:
    """One way to serve the tasks, filled fold by fold.

    Attributes:
        loss: ``(S, N)`` log loss of each photograph when it was a test row, by task; NaN where it was none.
        hit: ``(S, N)`` whether the likeliest class was right, likewise.
    """

    loss: dict[str, Array]
    hit: dict[str, Array]

    @classmethod
    def empty(cls, tasks: Sequence[str], seeds: int, photographs: int) -> Side:
        def blank() -> dict[str, Array]:
            return {task: np.full((seeds, photographs), np.nan) for task in tasks}

        return cls(blank(), blank())

    def put(self, seed: int, rows: NDArray[np.intp], task: str, found: Array, truth: NDArray[Any]) -> None:
        """The probabilities ``(n, classes)`` of test rows."""
        picked = found[np.arange(len(rows)), truth]
        self.loss[task][seed, rows] = -np.log(np.clip(picked, PROBABILITY_FLOOR, 1.0))
        self.hit[task][seed, rows] = found.argmax(axis=1) == truth


@dataclass
class Study:
    """All that was measured for one way of splitting.

    Attributes:
        fold: ``(N,)`` the fold that tested a photograph, -1 where none did.
        apart, joint: One network a task, and one for all whose weights may be of another epoch for each task.
        one: One for all with one set of weights.
        constant: Shares of classes among training rows, as the floor.
        chosen: Settings that were chosen, by side (``joint`` or the task) and how often.
        seconds: Processor seconds of training by side, tuning included.
    """

    tasks: dict[str, int]
    fold: NDArray[np.intp]
    apart: Side
    joint: Side
    one: Side
    constant: Side
    chosen: dict[str, Counter[Setting]] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)


def run(
    learn: Learn,
    faces: Faces,
    splits: Sequence[Split],
    tasks: dict[str, int],
    effort: Effort,
    balancer: Callable[[], object],
    tick: Callable[[], None] = lambda: None,
) -> Study:
    """Every side tuned and fitted in every fold; ``tick`` is called after every training."""
    sides = [Side.empty(list(tasks), effort.seeds, len(faces)) for _ in range(4)]
    study = Study(tasks, np.full(len(faces), -1, np.intp), *sides)
    for place, split in enumerate(splits[: effort.folds]):
        study.fold[split.test] = place
        for side, outputs in (("joint", tasks), *((task, {task: n}) for task, n in tasks.items())):
            began = time.process_time()
            fit = partial(train, learn, faces, split, outputs, effort=effort, balancer=balancer)
            best, runs = tune(fit, effort, tick)
            study.seconds[side] += time.process_time() - began
            study.chosen.setdefault(side, Counter())[best] += 1
            _note(study, faces, split, side, runs)
    return study


def tune(
    fit: Callable[..., Trained], effort: Effort, tick: Callable[[], None]
) -> tuple[Setting, list[Trained]]:
    """The setting with the least mean validation loss at the first seed, and its runs with all seeds."""

    def run_of(setting: Setting, seed: int) -> Trained:
        found = fit(setting=setting, seed=seed)
        tick()
        return found

    tuned = {setting: run_of(setting, 0) for setting in effort.settings}
    best = min(tuned, key=lambda setting: np.mean(list(tuned[setting].valid.values())))
    return best, [tuned[best], *(run_of(best, seed) for seed in range(1, effort.seeds))]


def _note(study: Study, faces: Faces, split: Split, side: str, runs: Sequence[Trained]) -> None:
    for seed, found in enumerate(runs):
        for task in found.own:
            truth = faces.y[task][split.test].numpy()
            if side != "joint":
                study.apart.put(seed, split.test, task, found.own[task], truth)
                continue
            study.joint.put(seed, split.test, task, found.own[task], truth)
            study.one.put(seed, split.test, task, found.common[task], truth)
            known = np.concatenate([split.train, split.valid])
            share = np.bincount(faces.y[task][known].numpy(), minlength=study.tasks[task]) / len(known)
            study.constant.put(seed, split.test, task, np.tile(share, (len(truth), 1)), truth)
