"""One trial: a configuration of a strategy in a family, fitted on one outer fold."""

from __future__ import annotations

import contextlib
import resource
import time
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np

from sharewise.families import FAMILIES, Configuration, Fit, Model, OutOfTime, Predictions, Run, Sample
from sharewise.problems import Problem, split
from sharewise.strategies import STRATEGIES, fit_constant_model
from sharewise.studies._protocol import INNER_FOLDS, Plan, Protocol, derived_seed, make_round

CONSTANT = "constant"
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
    started = time.monotonic()
    _reset_peak()
    run = Run(seed=0, deadline=deadline, effort=spec.effort)
    blank: Predictions = []
    message: str | None = None
    try:
        around = make_round(problem, protocol, Plan(spec.effort, 0, spec.cap), spec.index)
        run.seed = around.seed
        sample = Sample.of(problem, around.train, around.folds)
        fit = fit_recipe(sample, spec.recipe, run)
        before = time.perf_counter()
        level = None if problem.level is None else problem.level[around.test]
        test = fit.model.predict(problem.table.take(around.test), level)
        latency = (time.perf_counter() - before) * 1e6 / max(len(around.test), 1)
        _check_finite(test)
        return Result(
            spec,
            "done",
            time.monotonic() - started,
            run.fits,
            run.steps,
            _peak(),
            size_of(fit.model),
            latency,
            None,
            fit.held_out,
            test,
        )
    except OutOfTime:
        status, message = "cut", "the budget ended"
    except Exception as error:  # noqa: BLE001 - one learner's failure is a line in the ledger, not the study's end
        status, message = "failed", f"{type(error).__name__}: {error}"
    return Result(
        spec,
        status,
        time.monotonic() - started,
        run.fits,
        run.steps,
        _peak(),
        0,
        float("nan"),
        message,
        blank,
        blank,
    )


def fit_recipe(sample: Sample, recipe: Recipe, run: Run) -> Fit:
    """The fit a recipe names, on any sample."""
    if recipe.strategy == CONSTANT:
        return fit_constant_model(sample, run)
    return STRATEGIES[recipe.strategy].fit(sample, FAMILIES[recipe.family], recipe.configuration, run)


def refit(problem: Problem, protocol: Protocol, plan: Plan, recipe: Recipe) -> Model:
    """The model of a recipe fitted on all rows (or as many as the plan allows), however long it takes."""
    seed = derived_seed(protocol.seed, 10_000)
    rows = np.arange(len(problem))
    if plan.refit is not None and plan.refit < len(rows):
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[: plan.refit])
    folds = split(problem, rows, folds=INNER_FOLDS[plan.effort], seed=seed)
    return fit_recipe(Sample.of(problem, rows, folds), recipe, Run(seed=seed, effort=plan.effort)).model


def _check_finite(predictions: Predictions) -> None:
    for values in predictions:
        if not np.isfinite(values).all():
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


def _reset_peak() -> None:
    # Linux: start the high-water mark of resident memory anew, so that it is this trial's own.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
