"""What every strategy is held to: the same folds, effort and search space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Problem, split
from sharewise.studies._limits import FREE, Limits

EFFORTS = ("scouting", "quick", "standard", "thorough")
INNER_FOLDS = (3, 3, 5, 5)
"""Inner folds by effort."""


@dataclass(frozen=True)
class Protocol:
    """What a comparison is asked to do.

    Attributes:
        question: ``known``: serve the tasks at hand; ``new``: tasks not seen yet will arrive with few labels.
        seed: Source of all randomness.
        strategies, families: Names of what competes.
        folds: Outer folds.
        repeats: Outer splits into folds at most.
        rope: Region of practical equivalence: a relative difference too small to matter.
        confidence: Of all intervals.
        budget: Seconds of wall clock for everything, or None.
        workers: Processes here, or the address of a Dask scheduler.
        shots: Numbers of labels of a new task that are asked about, rising; in a pool of classes of each class.
        ways: Classes of a task drawn from a pool, at most.
        limits: On what may be deployed; no trial depends on them.
    """

    question: str
    seed: int
    strategies: tuple[str, ...]
    families: tuple[str, ...]
    folds: int = 5
    repeats: int = 2
    rope: float = 0.01
    confidence: float = 0.95
    budget: float | None = 300.0
    workers: int | str = 1
    shots: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    ways: int = 5
    limits: Limits = FREE


@dataclass(frozen=True)
class Plan:
    """How much of it the budget allows; the same for all strategies.

    Attributes:
        effort: Place in `EFFORTS`: configurations, inner folds and iterations of every fit.
        rounds: Outer folds to run, over all repeats.
        cap: Training rows a round at most, or None for all.
        refit: Rows that the winner is fitted on at the end at most, or None for all.
    """

    effort: int
    rounds: int
    cap: int | None = None
    refit: int | None = None


@dataclass(frozen=True)
class Round:
    """One outer fold with its inner ones; positions are into the problem.

    Attributes:
        repeat, fold: Which outer fold.
        train, test: Its rows.
        folds: Inner (train, validation) rows, inside ``train``.
        seed: For all fits of the round, whatever the strategy.
    """

    repeat: int
    fold: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    folds: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    seed: int


def derived_seed(*parts: int) -> int:
    """A seed from several numbers."""
    return int(np.random.SeedSequence(list(parts)).generate_state(1)[0])


def outer_rows(
    problem: Problem, protocol: Protocol, repeat: int
) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]:
    """The outer folds of one repeat."""
    everything = np.arange(len(problem))
    return split(problem, everything, folds=protocol.folds, seed=derived_seed(protocol.seed, repeat))


def rounds_at_most(problem: Problem, protocol: Protocol) -> int:
    """Rounds that the data allows: a time split has only one repeat."""
    repeats = 1 if problem.time is not None else protocol.repeats
    return repeats * len(outer_rows(problem, protocol, 0))


def make_round(problem: Problem, protocol: Protocol, plan: Plan, index: int) -> Round:
    """The ``index``-th round: folds of the first repeat first."""
    first = outer_rows(problem, protocol, 0)
    repeat, fold = divmod(index, len(first))
    train, test = (first if repeat == 0 else outer_rows(problem, protocol, repeat))[fold]
    seed = derived_seed(protocol.seed, repeat, fold)
    if plan.cap is not None and len(train) > plan.cap:
        train = np.sort(np.random.default_rng(seed).permutation(train)[: plan.cap])
    inner = split(problem, train, folds=INNER_FOLDS[plan.effort], seed=seed)
    return Round(repeat, fold, train, test, inner, seed)
