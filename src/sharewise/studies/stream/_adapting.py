"""A strategy for new tasks in a stream: it learns how tasks differ, then adapts to each task's latest labels.

Symbols: ``D`` targets, ``k`` labels adapted to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.families import Configuration, Part, Predictions, Run
from sharewise.families._parts import ConstantPart
from sharewise.problems import Problem
from sharewise.strategies.new_tasks import Adapter, NewTaskStrategy, TaskSample
from sharewise.studies._protocol import derived_seed
from sharewise.studies.stream._contender import Contender, Runner
from sharewise.studies.stream._past import Past, Rows
from sharewise.tasks import Array, Classification

MOST_BLOCKS = 20
FAMILY_ORDER = ("linear", "trees", "none", "network")
"""Cheapest to adapt first."""
LEAST_BLOCK = 10
"""Rows of a block of time at least."""


@final
@dataclass(frozen=True)
class Adapting(Contender):
    """Learnt once on the first rows; each task's model is adapted anew to its last ``k`` labels.

    What it learns across are the levels of the task column; without one, consecutive blocks of time, each a task,
    so that it learns how the world has changed so far. A fifth of them only validates.

    Attributes:
        strategy: How new tasks are served.
        k: Latest labels of a task that it is adapted to.
        family: Of its configurations; None for the first that has one: linear, trees, none, network.
        configuration: One of them; None for its first guess.
        blocks: Of time, each a task of its own (in a long table each level in each block); None: levels where there
            are some, else as many blocks as can hold ``2k`` rows, at most `MOST_BLOCKS`.
        seconds: CPU seconds that learning may take.
        label: A name other than its own.
    """

    strategy: NewTaskStrategy
    k: int
    family: str | None = None
    configuration: Configuration | None = None
    blocks: int | None = None
    seconds: float = 10.0
    label: str = ""

    @property
    def name(self) -> str:
        return self.label or f"{self.strategy.name} k={self.k}"

    def start(self, past: Past, seed: int) -> Runner:
        return _AdaptingRunner(self, past, seed)


@final
class _AdaptingRunner(Runner):
    def __init__(self, contender: Adapting, past: Past, seed: int) -> None:
        self.contender, self.past = contender, past
        self.adapters: list[Adapter] = []
        self.fallback: list[Array] = []
        self.latest: dict[tuple[int, int], deque[int]] = defaultdict(lambda: deque(maxlen=contender.k))
        self.parts: dict[tuple[int, int], Part] = {}
        problem = past.problem
        for target in range(len(problem.targets)):
            sample = sample_of(past, target, contender, seed)
            self.adapters.append(_learn(contender, sample, derived_seed(seed, target)))
            self.fallback.append(problem.targets[target].kind.constant(sample.y))
        self.update(past.rows)

    def predict(self, rows: Rows) -> Predictions:
        problem = self.past.problem
        level = _levels(problem, rows)
        found = []
        for target, adapter in enumerate(self.adapters):
            values = np.tile(self.fallback[target], (len(rows), 1))
            X = adapter.encode(problem.table.take(rows))
            for code in np.unique(level):
                part, mine = self.parts.get((target, int(code))), level == code
                if part is not None:
                    own = part.predict(X[mine])
                    values[mine] = np.where(np.isfinite(own), own, values[mine])
            found.append(values)
        return found

    def update(self, rows: Rows) -> int:
        """Adapt anew the tasks that these rows belong to."""
        problem = self.past.problem
        touched: dict[tuple[int, int], None] = {}
        for target in range(len(problem.targets)):
            known = rows[~np.isnan(self.past.labels[rows, target])]
            for row, code in zip(known.tolist(), _levels(problem, known).tolist(), strict=True):
                self.latest[target, code].append(row)
                touched[target, code] = None
        for target, code in touched:
            self.parts[target, code] = self._adapted(
                target, np.array(self.latest[target, code], dtype=np.intp)
            )
        return len(touched)

    def _adapted(self, target: int, rows: Rows) -> Part:
        problem, adapter = self.past.problem, self.adapters[target]
        kind, y = problem.targets[target].kind, self.past.labels[rows, target]
        classes = kind.width if isinstance(kind, Classification) else None
        if classes is not None and len(np.unique(y)) == 1:
            return ConstantPart(kind.constant(y))
        X: NDArray[Any] = adapter.encode(problem.table.take(rows))
        try:
            return adapter.adapt(X, y, classes)
        except DataError:  # such as a class without rows, where the adapter needs each
            return ConstantPart(kind.constant(y))


def _levels(problem: Problem, rows: Rows) -> Rows:
    return np.zeros(len(rows), dtype=np.intp) if problem.level is None else problem.level[rows]


def sample_of(past: Past, target: int, contender: Adapting, seed: int) -> TaskSample:
    """The labelled rows seen so far, as tasks to learn across.

    Raises:
        OptionError: There are fewer than two tasks.
    """
    problem, k = past.problem, contender.k
    rows = past.rows[~np.isnan(past.labels[past.rows, target])]
    blocks = contender.blocks
    if blocks is None:
        blocks = 1 if problem.level is not None else min(len(rows) // max(2 * k, LEAST_BLOCK), MOST_BLOCKS)
    place = np.minimum(np.arange(len(rows)) * max(blocks, 1) // max(len(rows), 1), max(blocks - 1, 0))
    codes = np.unique(_levels(problem, rows) * max(blocks, 1) + place, return_inverse=True)[1].astype(np.intp)
    tasks = np.unique(codes)
    if len(tasks) < 2:
        raise OptionError(
            f"'{contender.name}' learns across at least two tasks, levels or blocks of {max(2 * k, LEAST_BLOCK)} rows; "
            f"the first {len(rows)} labelled rows hold {len(tasks)}. Adapt to fewer labels, or learn on a larger part."
        )
    held = np.random.default_rng(seed).permutation(tasks)[: len(tasks) // 5]
    first = problem.targets[target]
    return TaskSample(
        problem.table.take(rows), past.labels[rows, target], codes, first.kind, first.metric,
        ~np.isin(codes, held), (k,), encoder=problem.encoder,
    )  # fmt: skip


def _learn(contender: Adapting, sample: TaskSample, seed: int) -> Adapter:
    """Fit the strategy across the tasks.

    Raises:
        OptionError: It has no configuration for the problem.
    """
    run, strategy = Run(seed, effort=0), contender.strategy
    families = FAMILY_ORDER if contender.family is None else (contender.family,)
    for family in families:
        chosen = contender.configuration
        if chosen is None:
            listed = strategy.configurations(sample, family, effort=0)
            if not listed:
                continue
            chosen = listed[0]
        return strategy.fit(sample, family, chosen, run, seconds=contender.seconds)
    raise OptionError(
        f"'{strategy.name}' has no configuration for this problem in {' or '.join(families)}. Leave it out, or name "
        f"another family, as in '{strategy.name}/{families[0]}'."
    )
