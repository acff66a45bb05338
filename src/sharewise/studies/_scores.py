"""One trial's scores by name, for whoever follows a study while it runs.

Symbols: ``K`` numbers of labels, ``M`` test tasks.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem
from sharewise.studies._protocol import Plan, Protocol, Round, make_round
from sharewise.studies._trial import Result
from sharewise.tasks import said

MOST_TASKS = 50
"""Tasks that are told one by one at most; of more only their mean is."""


class Scores:
    """Scores of the trials of one study, each target's own metric.

    ``inner/…`` are on the rows that inner folds held out, by which choices are made; ``test/…`` on the outer fold, which
    no choice sees. Of new tasks both are means over unseen tasks, by the number of labels.
    """

    def __init__(self, problem: Problem, protocol: Protocol) -> None:
        self._problem, self._protocol = problem, protocol
        self._round = lru_cache(maxsize=16)(self._make_round)

    def of(self, result: Result) -> dict[str, float]:
        """The finite ones; none of a trial that did not end."""
        if result.status != "done":
            return {}
        found = self._new(result) if self._protocol.question == "new" else self._known(result)
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _known(self, result: Result) -> dict[str, float]:
        spec, problem = result.spec, self._problem
        around = self._round(spec.effort, spec.cap, spec.index)
        found: dict[str, float] = {}
        for side, rows, said_of in (
            ("inner", around.train, result.held_out),
            ("test", around.test, result.test),
        ):
            by_target: dict[int, list[float]] = {}
            for index, task in enumerate(problem.tasks):
                values = said_of[task.target]
                own = self._labelled(rows, index)
                own = own[said(values[own]).all(axis=1)]
                target = problem.targets[task.target]
                if len(own):
                    score = target.metric(problem.truths(task.target, rows[own]), values[own])
                    by_target.setdefault(task.target, []).append(score)
                    if not problem.is_wide and len(problem.tasks) <= MOST_TASKS:
                        found[f"{side}/{target.metric.name}/{task.name}"] = score
            for place, scores in by_target.items():
                target = problem.targets[place]
                found[f"{side}/{target.metric.name}/{target.name}"] = float(np.mean(scores))
        return found

    def _new(self, result: Result) -> dict[str, float]:
        found: dict[str, float] = {}
        for place, target in enumerate(self._problem.targets):
            scores = result.test[2 * place + 1]
            for at, shots in enumerate(self._protocol.shots):
                found[f"inner/error/{target.name}/{shots} labels"] = float(result.held_out[place][at])
                known = scores[at][~np.isnan(scores[at])]
                if len(known):
                    found[f"test/{target.metric.name}/{target.name}/{shots} labels"] = float(known.mean())
        return found

    def _make_round(self, effort: int, cap: int | None, index: int) -> Round:
        return make_round(self._problem, self._protocol, Plan(effort, 0, cap), index)

    def _labelled(self, rows: NDArray[np.intp], task: int) -> NDArray[np.intp]:
        """A task's labelled rows, as places in ``rows``."""
        what = self._problem.tasks[task]
        known = ~np.isnan(self._problem.labels[rows, what.target])
        if self._problem.level is not None:
            known &= self._problem.level[rows] == what.level
        return np.flatnonzero(known)
