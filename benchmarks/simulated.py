"""Problems drawn from a known structure, so that what sharing truly gains is known.

A `Setting` fixes the tasks' true functions; `draw` samples rows from it, `evidence_of` runs a study's own
protocol on them (no scouting, no budget), and `truth_of` measures the estimand: many fresh training sets,
each as large as a round's training part, scored on large fresh test sets.

The tasks' coefficients are ``w_t = √r · s_t + √(1 − r) · o_t``, each of unit length: ``s_t`` in a common
space of ``rank`` directions, ``o_t`` the task's own, and ``r`` the relatedness. With ``r = 1`` and rank 1
all tasks are one; with ``r = 0`` they have nothing to tell each other. *Strangers* are tasks with ``r = 0``
among related ones. Labels add noise, of which a wide row's tasks may share a part; *permuted* tasks are
noise alone.

Symbols: ``T`` tasks, ``P`` features, ``n`` rows (a task in long problems), ``M`` training sets.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sharewise.families import FAMILIES, Fit, Run, Sample
from sharewise.problems import Problem, split
from sharewise.strategies import STRATEGIES, fit_constant_model
from sharewise.studies import (
    CONSTANT,
    INNER_FOLDS,
    Candidate,
    Plan,
    Protocol,
    Result,
    Round,
    Spec,
    assemble,
    make_round,
    run_trial,
    specs_for,
)
from sharewise.studies._trial import size_of
from sharewise.tasks import Array
from sharewise.verdicts import Evidence

TEST_ROWS = 3000
"""Rows of a fresh test set, over all tasks."""


@dataclass(frozen=True)
class Setting:
    """One structure to draw problems from.

    Attributes:
        name: Also the seed of its coefficients and draws.
        form: ``wide``: every row carries all tasks; ``long``: a row belongs to one.
        kind: Of all tasks.
        tasks, features, rows: ``T``, ``P`` and ``n``.
        relatedness: ``r``.
        rank: Of the common space.
        noise: Standard deviation beside a signal of 1.
        common_noise: Share of the noise's variance that a wide row's tasks have in common.
        strangers: How many tasks are.
        permuted: How many tasks are noise alone.
        bends: The signal passes through a hinge, so that linear models fall short.
        strategies, families, effort: What competes.
        role: ``null``: there is nothing to share. ``power``: sized so that a clear verdict can be asked of
            it. ``other``: anything between.
    """

    name: str
    form: Literal["wide", "long"] = "wide"
    kind: Literal["regression", "binary"] = "regression"
    tasks: int = 4
    features: int = 8
    rows: int = 120
    relatedness: float = 1.0
    rank: int = 1
    noise: float = 1.5
    common_noise: float = 0.0
    strangers: int = 0
    permuted: int = 0
    bends: bool = False
    strategies: tuple[str, ...] = ("separate", "joint", "ensemble")
    families: tuple[str, ...] = ("linear",)
    effort: int = 0
    role: Literal["null", "power", "other"] = "other"

    @property
    def seed(self) -> int:
        return zlib.crc32(self.name.encode())

    def coefficients(self) -> Array:
        """``(P, T)``, columns of unit length (zero for permuted tasks); always the same."""
        rng = np.random.default_rng(self.seed)
        directions = np.linalg.qr(rng.normal(size=(self.features, self.rank)))[0]
        mix = np.abs(rng.normal(size=(self.rank, self.tasks))) + 0.2
        own = rng.normal(size=(self.features, self.tasks))
        related = np.full(self.tasks, self.relatedness)
        related[: self.strangers] = 0.0
        weights = _unit(np.sqrt(related) * _unit(directions @ mix) + np.sqrt(1 - related) * _unit(own))
        weights[:, self.tasks - self.permuted :] = 0.0
        return weights

    def protocol(self, seed: int, rope: float = 0.01, confidence: float = 0.95) -> Protocol:
        """Folds, repeats and seeds as `sharewise.compare` would have them."""
        return Protocol(
            "known", seed, self.strategies, self.families, rope=rope, confidence=confidence, budget=None
        )


def _unit(columns: Array) -> Array:
    unit: Array = columns / np.linalg.norm(columns, axis=0)
    return unit


def draw(setting: Setting, rng: np.random.Generator, rows: int | None = None) -> Problem:
    """A problem of ``rows`` rows (a task, in long form) drawn from the setting."""
    rows = setting.rows if rows is None else rows
    T, P = setting.tasks, setting.features
    n = rows * T if setting.form == "long" else rows
    X = rng.normal(size=(n, P))
    signal = X @ setting.coefficients()
    if setting.bends:
        signal = np.sqrt(2) * np.maximum(signal, 0.0)
    apart, common = rng.normal(size=(n, T)), rng.normal(size=(n, 1))
    noise = np.sqrt(1 - setting.common_noise) * apart + np.sqrt(setting.common_noise) * common
    values = signal + setting.noise * noise
    if setting.kind == "binary":
        values = (values > 0).astype(np.float64)
    frame: dict[str, object] = {f"x{place}": X[:, place] for place in range(P)}
    targets = [f"t{task}" for task in range(T)]
    level = np.tile(np.arange(T), rows)
    if setting.form == "long":
        values, targets = values[np.arange(n), level][:, None], ["y"]
        frame["unit"] = np.array([f"u{code}" for code in level])
    frame.update({name: values[:, place] for place, name in enumerate(targets)})
    kinds = dict.fromkeys(targets, setting.kind)
    task = "unit" if setting.form == "long" else None
    return Problem.from_frame(frame, targets=targets, task=task, kinds=kinds)


def evidence_of(setting: Setting, seed: int, *, rounds: int = 10, rows: int | None = None) -> Evidence:
    """A study on one draw: every trial of every round, assembled as `sharewise.compare` does."""
    problem = draw(setting, np.random.default_rng([setting.seed, seed]), rows)
    protocol, plan = setting.protocol(seed), Plan(setting.effort, rounds)
    found: list[list[Candidate]] = []
    arounds = [make_round(problem, protocol, plan, index) for index in range(rounds)]
    for index, around in enumerate(arounds):
        specs = specs_for(problem, protocol, plan, index)
        found.append(assemble(problem, around, [run_trial(problem, protocol, spec, None) for spec in specs]))
    overlap = float(np.mean([len(around.test) / len(around.train) for around in arounds]))
    return Evidence.of(problem, protocol, found, overlap, [around.repeat for around in arounds])


def truth_of(setting: Setting, *, sets: int, seed: int = 1) -> Evidence:
    """As evidence of ``M`` independent rounds: each trains on fresh rows, as many as a study's round has,
    and is scored on fresh test rows, many more."""
    rng = np.random.default_rng([setting.seed, 10**6 + seed])
    protocol, plan = setting.protocol(seed), Plan(setting.effort, sets)
    each = setting.tasks if setting.form == "long" else 1
    n_train = setting.rows * (protocol.folds - 1) // protocol.folds
    found = []
    for index in range(sets):
        problem = draw(setting, rng, n_train + TEST_ROWS // each)
        train, test = np.split(np.arange(len(problem), dtype=np.intp), [n_train * each])
        folds = split(problem, train, folds=INNER_FOLDS[setting.effort], seed=index)
        around = Round(0, index, train, test, folds, index)
        found.append(assemble(problem, around, _trials(problem, protocol, plan, around)))
    return Evidence.of(problem, protocol, found, 0.0)


def _trials(problem: Problem, protocol: Protocol, plan: Plan, around: Round) -> list[Result]:
    sample = Sample.of(problem, around.train, around.folds)
    level = None if problem.level is None else problem.level[around.test]
    table = problem.table.take(around.test)
    found = []
    for spec in specs_for(problem, protocol, plan, 0):
        fit = _fit(sample, spec, Run(seed=around.seed, effort=plan.effort))
        test, size = fit.model.predict(table, level), size_of(fit.model)
        found.append(Result(spec, "done", 0.0, 0, 0, 0, size, 0.0, None, fit.held_out, test))
    return found


def _fit(sample: Sample, spec: Spec, run: Run) -> Fit:
    if spec.strategy == CONSTANT:
        return fit_constant_model(sample, run)
    return STRATEGIES[spec.strategy].fit(sample, FAMILIES[spec.family], spec.configuration, run)
