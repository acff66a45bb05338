"""What a model to be deployed costs, measured on it as users call it: their rows in, a frame out."""

from __future__ import annotations

import resource
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sharewise.problems import Problem
from sharewise.serving._deployed import DeployedModel

BATCH = 1000
SINGLES, MOST_SECONDS = 100, 0.4
"""Rows predicted one by one, and seconds spent on that at most."""


@dataclass(frozen=True)
class Cost:
    """Of a deployed model, on the machine at hand, one thread.

    Attributes:
        row_ms_p50, row_ms_p99: Milliseconds of predicting one row by itself, all tasks.
        batch_rows, batch_ms: Rows of a batch, and the median milliseconds of predicting it.
        rows: Rows that were predicted by themselves.
        size_bytes: Of the saved folder.
        peak_memory_bytes: Highest resident memory of this process so far, the model's training not excluded.
        retrained: Tasks whose models are fitted anew when one task's labels change.
    """

    row_ms_p50: float
    row_ms_p99: float
    batch_rows: int
    batch_ms: float
    rows: int
    size_bytes: int
    peak_memory_bytes: int
    retrained: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-plain."""
        return asdict(self)


def measure(model: DeployedModel, problem: Problem, folder: Path, *, retrained: int) -> Cost:
    """Predict rows of the problem with a model, one by one and in a batch.

    Args:
        model: Serves the problem's tasks.
        problem: Whose rows are predicted.
        folder: Where the model is saved.
        retrained: See `Cost`.
    """
    order = np.random.default_rng(0).permutation(len(problem))
    batch = order[:BATCH]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities of training rows were told when they were read
        model.predict(as_given(problem, order[:1]))  # the first call loads things
        given = [as_given(problem, order[place][None]) for place in range(min(SINGLES, len(order)))]
        singles = _timed(lambda place: model.predict(given[place % len(given)]), SINGLES)
        many = as_given(problem, batch)
        batches = _timed(lambda place: model.predict(many), 3)
    return Cost(
        float(np.median(singles)),
        float(np.quantile(singles, 0.99)),
        len(batch),
        float(np.median(batches)),
        len(singles),
        size_of(folder),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        retrained,
    )


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _timed(call: Callable[[int], object], most: int) -> list[float]:
    """Milliseconds of each call."""
    spent: list[float] = []
    started = time.perf_counter()
    while len(spent) < most and (not spent or time.perf_counter() - started < MOST_SECONDS):
        before = time.perf_counter()
        call(len(spent))
        spent.append(1e3 * (time.perf_counter() - before))
    return spent


def as_given(problem: Problem, rows: np.ndarray[Any, np.dtype[np.intp]]) -> Any:
    """Rows of a problem as a user would bring them: a frame, or an array of tensors."""
    import pandas

    table = problem.table.take(rows)
    if table.reads_tensors:
        return table.columns[0].values
    columns: dict[str, Any] = {}
    for column in table:
        values = column.values
        if column.kind == "date":
            values = np.array(np.round(values * 86_400e6), dtype="timedelta64[us]") + np.datetime64(0, "us")
        columns[column.name] = list(values) if values.dtype == object else values
    if problem.level is not None and problem.levels is not None and problem.level_name is not None:
        columns[problem.level_name] = [problem.levels[code] for code in problem.level[rows]]
    if table.of_kind("sentence"):
        return [list(words) for words in columns[table.columns[0].name]]
    return pandas.DataFrame(columns)
