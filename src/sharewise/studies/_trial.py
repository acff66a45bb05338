"""One trial: a configuration of a strategy in a family, fitted on one outer fold."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sharewise.families import FAMILIES, Configuration, Fit, Model, OutOfTime, Predictions, Run, Sample
from sharewise.problems import Problem, split
from sharewise.strategies import STRATEGIES, fit_constant_model, fit_many
from sharewise.studies._protocol import INNER_FOLDS, Plan, Protocol, derived_seed, make_round

CONSTANT = "constant"
SINGLES, MOST_SINGLE = 15, 0.15
"""Rows predicted one by one to measure a model's latency, and seconds spent on it at most."""
NO_FAMILY = "none"


@dataclass(frozen=True)
class Recipe:
    """A configuration of a strategy in a family."""

    strategy: str
    family: str
    configuration: Configuration


@dataclass(frozen=True)
class Spec:
    """Which trial.

    Attributes:
        index: Of the round.
        plan: Effort and rows; trials of other efforts are other trials.
    """

    index: int
    effort: int
    cap: int | None
    strategy: str
    family: str
    configuration: Configuration

    @property
    def recipe(self) -> Recipe:
        """What is fitted, whatever the round."""
        return Recipe(self.strategy, self.family, self.configuration)

    @property
    def key(self) -> str:
        """Unique in a study."""
        return f"{self.effort}/{self.cap or 'all'}/{self.index}/{self.strategy}/{self.family}/{self.configuration}"


@dataclass(frozen=True)
class Result:
    """A trial's line in the ledger and its predictions.

    Attributes:
        status: ``done``; ``cut`` by the deadline; ``failed`` with ``message``.
        seconds: Of fitting and predicting.
        fits, steps: Models fitted; boosting rounds, trees and optimiser steps.
        peak_memory_bytes: Highest resident memory of the process during the trial.
        size_bytes: Of the fitted model.
        predict_ms_per_1000_rows: On the test rows.
        predict_ms_one_row: The median over some test rows, each predicted by itself.
        held_out: For the training rows (in the round's order), by models that did not see them.
        test: For the test rows.
    """

    spec: Spec
    status: str
    seconds: float
    fits: int
    steps: int
    peak_memory_bytes: int
    size_bytes: int
    predict_ms_per_1000_rows: float
    message: str | None
    held_out: Predictions
    test: Predictions
    predict_ms_one_row: float = float("nan")


def specs_for(problem: Problem, protocol: Protocol, plan: Plan, index: int) -> list[Spec]:
    """All trials of a round, the floor first."""

    def spec(strategy: str, family: str, configuration: Configuration) -> Spec:
        return Spec(index, plan.effort, plan.cap, strategy, family, configuration)

    found = [spec(CONSTANT, NO_FAMILY, Configuration("mean"))]
    for name in protocol.strategies:
        strategy = STRATEGIES.get(name)
        if strategy is None or strategy.refusal(problem) is not None:
            continue
        for family in protocol.families:
            for configuration in strategy.configurations(FAMILIES[family], problem, effort=plan.effort):
                found.append(spec(name, family, configuration))
    return found


def run_trial(problem: Problem, protocol: Protocol, spec: Spec, deadline: float | None) -> Result:
    """Fit and predict; a failure is a value in the result, not an exception.

    Args:
        deadline: `time.monotonic` value at which the trial is cut, or None.
    """
    return run_trials(problem, protocol, (spec,), deadline)[0]


def run_trials(
    problem: Problem, protocol: Protocol, specs: Sequence[Spec], deadline: float | None
) -> list[Result]:
    """Trials that differ in their configuration only, fitted in one go; they share the seconds equally.

    Where they fail together, each is tried by itself, so that one bad configuration costs only its own.
    """
    started = time.monotonic()
    reset_peak()
    run = Run(seed=0, deadline=deadline, effort=specs[0].effort)
    try:
        around = make_round(problem, protocol, Plan(specs[0].effort, 0, specs[0].cap), specs[0].index)
        run.seed = around.seed
        sample = Sample.of(problem, around.train, around.folds)
        fits = fit_recipes(sample, [spec.recipe for spec in specs], run)
        tests, latencies, singles = [], [], []
        level = None if problem.level is None else problem.level[around.test]
        for spec, fit in zip(specs, fits, strict=True):
            before = time.perf_counter()
            tests.append(fit.model.predict(problem.table.take(around.test), level))
            latencies.append((time.perf_counter() - before) * 1e6 / max(len(around.test), 1))
            singles.append(one_row_ms(fit.model, problem, around.test))
            _check_finite(tests[-1], partial=_partial(spec))
    except OutOfTime:
        return [_without(spec, "cut", "the budget ended", started, run, len(specs)) for spec in specs]
    except Exception as error:  # noqa: BLE001 - one learner's failure is a line in the ledger, not the study's end
        if len(specs) > 1:
            return [run_trial(problem, protocol, spec, deadline) for spec in specs]
        return [_without(specs[0], "failed", f"{type(error).__name__}: {error}", started, run, 1)]
    seconds, peak = (time.monotonic() - started) / len(specs), peak_memory()
    return [
        Result(
            spec, "done", seconds, run.fits // len(specs), run.steps // len(specs), peak, size_of(fit.model),
            latency, None, fit.held_out, test, single,
        )
        for spec, fit, test, latency, single in zip(specs, fits, tests, latencies, singles, strict=True)
    ]  # fmt: skip


def _without(spec: Spec, status: str, message: str, started: float, run: Run, share: int) -> Result:
    """The line of a trial that came to nothing."""
    seconds = (time.monotonic() - started) / share
    return Result(
        spec, status, seconds, run.fits // share, run.steps // share, peak_memory(), 0, float("nan"), message, [], [],
    )  # fmt: skip


def _partial(spec: Spec) -> bool:
    return spec.strategy in STRATEGIES and STRATEGIES[spec.strategy].partial


def fit_recipes(sample: Sample, recipes: Sequence[Recipe], run: Run) -> list[Fit]:
    """The fits that recipes of one strategy and family name, on any sample."""
    first = recipes[0]
    if first.strategy == CONSTANT:
        return [fit_constant_model(sample, run)]
    strategy, family = STRATEGIES[first.strategy], FAMILIES[first.family]
    return fit_many(strategy, sample, family, [recipe.configuration for recipe in recipes], run)


def refit(problem: Problem, protocol: Protocol, plan: Plan, recipe: Recipe) -> Model:
    """The model of a recipe fitted on all rows (or as many as the plan allows), however long it takes."""
    seed = derived_seed(protocol.seed, 10_000)
    rows = np.arange(len(problem))
    if plan.refit is not None and plan.refit < len(rows):
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[: plan.refit])
    folds = split(problem, rows, folds=INNER_FOLDS[plan.effort], seed=seed)
    run = Run(seed=seed, effort=plan.effort)
    return fit_recipes(Sample.of(problem, rows, folds), [recipe], run)[0].model


def one_row_ms(model: Model, problem: Problem, rows: NDArray[np.intp]) -> float:
    """Median milliseconds of predicting one row; the first call, which may load things, does not count."""
    spent: list[float] = []
    started = time.perf_counter()
    for one in np.resize(rows, (SINGLES + 1, 1)):
        table, level = problem.table.take(one), None if problem.level is None else problem.level[one]
        before = time.perf_counter()
        model.predict(table, level)
        spent.append(1e3 * (time.perf_counter() - before))
        if len(spent) > 2 and time.perf_counter() - started > MOST_SINGLE:
            break
    return float(np.median(spent[1:]))


def _check_finite(predictions: Predictions, *, partial: bool) -> None:
    for values in predictions:
        if values.dtype == object:
            parts = [np.asarray(cell, dtype=np.float64) for cell in values.ravel()]
            values = np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])
        if not (np.isfinite(values) | (partial & np.isnan(values))).all():
            raise FloatingPointError("a prediction is not finite")


def size_of(value: object) -> int:
    """Bytes of the numbers and texts a fitted model holds."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes) if value.dtype != object else sum(len(str(cell)) for cell in value.ravel())
    if isinstance(value, str):
        return len(value)
    if isinstance(value, tuple | list):
        return sum(size_of(item) for item in value)
    if isinstance(value, dict):
        return sum(size_of(key) + size_of(item) for key, item in value.items())
    if is_dataclass(value):
        return sum(size_of(getattr(value, field.name)) for field in fields(value))
    if type(value).__module__.startswith("sklearn."):
        return size_of(vars(value))
    return 8


def reset_peak() -> None:
    """Start measuring a trial's memory."""
    # Linux: start the high-water mark of resident memory anew, so that it is this trial's own.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """Highest resident bytes since `reset_peak`; where that has no effect, of the process."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
