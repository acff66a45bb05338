"""One trial: a configuration learns across the training tasks of a round, and adapts to draws of unseen ones.

Symbols: ``K`` numbers of labels, ``M`` test tasks of the round (in a pool: draws), ``D`` targets.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.families import OutOfTime, Run
from sharewise.problems import Problem
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES, Adapter, Draw, TaskSample
from sharewise.studies._protocol import Protocol
from sharewise.studies._trial import Recipe, Result, Spec, peak_memory, reset_peak, size_of
from sharewise.studies.new_tasks._plan import NewPlan
from sharewise.studies.new_tasks._sample import kind_of, sample_of, test_draws
from sharewise.studies.new_tasks._tasks import codes_of, is_pool, make_task_round, ways_of
from sharewise.tasks import Array, Classification, Metric

TIMED = 9
"""Tasks that adapting is timed on."""


def fit_adapter(sample: TaskSample, recipe: Recipe, run: Run, seconds: float) -> Adapter:
    """What a recipe learns from a sample."""
    strategy = NEW_TASK_STRATEGIES[recipe.strategy]
    return strategy.fit(sample, recipe.family, recipe.configuration, run, seconds=seconds)


def run_new_trial(
    protocol: Protocol, plan: NewPlan, spec: Spec, problem: Problem, deadline: float | None
) -> Result:
    """Fit, adapt and judge; a failure is a value in the result, not an exception. With its first three arguments
    given it is a job for workers.

    The result's ``held_out`` holds a ``(K,)`` array of mean validation errors a target; ``test`` two ``(K, M)`` arrays
    a target, errors and scores by test task, and last ``[CPU seconds of learning, ms of adapting, CPU seconds of all]``.
    """
    started, cpu = time.monotonic(), time.process_time()
    reset_peak()
    around = make_task_round(problem, protocol, spec.index)
    run = Run(seed=around.seed, deadline=deadline, effort=spec.effort)
    held, tests, sizes, latencies, adapting = [], [], 0, [], []
    learning = 0.0
    try:
        for target in range(len(problem.targets)):
            before = time.process_time()
            sample = sample_of(problem, protocol, plan, target, around.train, around.valid)
            adapter = fit_adapter(sample, spec.recipe, run, plan.seconds)
            learning += time.process_time() - before
            judge = Judge(problem, protocol, target, adapter, run)
            valid = test_draws(
                problem, protocol, plan, target, around.valid, count=plan.valid_draws, seed=around.seed
            )
            drawn = test_draws(
                problem, protocol, plan, target, around.test, count=plan.draws, seed=around.seed + 1
            )
            held.append(mean_known(_by_task(judge.errors(valid), valid, is_pool(problem))[0]))
            tests += list(_by_task(judge.errors(drawn), drawn, is_pool(problem)))
            ms, latency = judge.latencies(drawn)
            adapting.append(ms)
            latencies.append(latency)
            sizes += size_of(adapter)
    except OutOfTime:
        return _without(spec, "cut", "the budget ended", started, run)
    except Exception as error:  # noqa: BLE001 - one learner's failure is a line in the ledger, not the study's end
        return _without(spec, "failed", f"{type(error).__name__}: {error}", started, run)
    tests.append(np.array([learning, float(np.sum(adapting)), time.process_time() - cpu]))
    return Result(
        spec, "done", time.monotonic() - started, run.fits, run.steps, peak_memory(), sizes,
        float(np.sum(latencies)), None, held, tests,
    )  # fmt: skip


class Judge:
    """An adapter's errors on draws of tasks that it has not seen."""

    def __init__(self, problem: Problem, protocol: Protocol, target: int, adapter: Adapter, run: Run) -> None:
        self.problem, self.adapter, self.run = problem, adapter, run
        self.metric: Metric = problem.targets[target].metric
        kind = kind_of(problem, target, ways_of(problem, protocol))
        self.classes = kind.width if isinstance(kind, Classification) else None
        self.shots = protocol.shots

    def errors(self, draws: Sequence[Draw]) -> Array:
        """``(2, K, draws)``: errors, and scores in the metric's units; NaN where a draw has too few rows."""
        found = np.full((2, len(self.shots), len(draws)), np.nan)
        rows, X = self._encoded(draws)
        for at in range(len(self.shots)):
            places, jobs = [], []
            for place, draw in enumerate(draws):
                support, y = draw.supports[at], draw.support_y[at]
                if support is not None and y is not None:
                    places.append(place)
                    jobs.append((np.searchsorted(rows, support), y, np.searchsorted(rows, draw.query)))
            if not jobs:
                continue
            for place, prediction in zip(
                places, self.adapter.predict_each(X, jobs, self.classes), strict=True
            ):
                if not np.isfinite(prediction).all():
                    raise FloatingPointError("a prediction is not finite")
                score = self.metric(draws[place].query_y, prediction)
                found[:, at, place] = self.metric.error(score), score
            self.run.tick()
        return found

    def _encoded(self, draws: Sequence[Draw]) -> tuple[NDArray[np.intp], NDArray[np.generic]]:
        """The draws' rows, rising, and what the adapter reads of them."""
        used = [rows for draw in draws for rows in (*draw.supports, draw.query) if rows is not None]
        rows = np.unique(np.concatenate(used))
        return rows, self.adapter.encode(self.problem.table.take(rows))

    def latencies(self, draws: Sequence[Draw]) -> tuple[float, float]:
        """Milliseconds of adapting to a task's largest support, from the table on; and of predicting 1,000 rows."""
        adapting, predicting = [], []
        for draw in draws[:TIMED]:
            largest = [at for at, rows in enumerate(draw.supports) if rows is not None]
            if not largest:
                continue
            support, y = draw.supports[largest[-1]], draw.support_y[largest[-1]]
            assert support is not None
            assert y is not None
            table, query = self.problem.table.take(support), self.problem.table.take(draw.query)
            began = time.perf_counter()
            part = self.adapter.adapt(self.adapter.encode(table), y, self.classes)
            between = time.perf_counter()
            part.predict(self.adapter.encode(query))
            ended = time.perf_counter()
            adapting.append((between - began) * 1e3)
            predicting.append((ended - between) * 1e6 / len(draw.query))
        if not adapting:
            return float("nan"), float("nan")
        return float(np.median(adapting)), float(np.median(predicting))


def _by_task(values: Array, draws: Sequence[Draw], pool: bool) -> Array:
    """``(2, K, M)``: draws of the same task averaged; in a pool each draw is a task of its own."""
    if pool or not draws:
        return values
    tasks = np.array([draw.task for draw in draws])
    names = np.unique(tasks)
    found = np.full((*values.shape[:2], len(names)), np.nan)
    for place, name in enumerate(names):
        own = values[:, :, tasks == name]
        found[:, :, place] = mean_known(own)
    return found


def mean_known(values: Array) -> Array:
    """Mean over the last axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return found


def served(problem: Problem, protocol: Protocol, plan: NewPlan, index: int) -> tuple[int, ...]:
    """``(K,)`` test tasks of a round with rows enough for each number of labels, of the target that has most."""
    around = make_task_round(problem, protocol, index)
    best = np.zeros(len(protocol.shots), dtype=np.intp)
    for target in range(len(problem.targets)):
        draws = test_draws(problem, protocol, plan, target, around.test, count=1, seed=around.seed + 1)
        counts = [
            len({draw.task for draw in draws if draw.supports[at] is not None}) for at in range(len(best))
        ]
        best = np.maximum(best, counts)
    if is_pool(problem):
        names = len(np.intersect1d(around.test, np.unique(codes_of(problem))))
        return tuple(names if count else 0 for count in best.tolist())
    return tuple(int(count) for count in best)


def _without(spec: Spec, status: str, message: str, started: float, run: Run) -> Result:
    """The line of a trial that came to nothing."""
    seconds = time.monotonic() - started
    return Result(spec, status, seconds, run.fits, run.steps, peak_memory(), 0, float("nan"), message, [], [])
