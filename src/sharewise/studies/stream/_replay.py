"""Rows arrive in time order; each is predicted first, and its label becomes known afterwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.problems import Problem
from sharewise.studies._protocol import derived_seed
from sharewise.studies.stream._changes import change_points
from sharewise.studies.stream._choice import choose_recipe
from sharewise.studies.stream._contender import Contender
from sharewise.studies.stream._gather import gather
from sharewise.studies.stream._moments import Change, change_places, split_place, steps_of
from sharewise.studies.stream._named import DEFAULT, contenders_of
from sharewise.studies.stream._past import Past, Rows
from sharewise.studies.stream._record import Course, Replay
from sharewise.studies.stream._recovery import smoothed
from sharewise.studies.stream._score import constant_losses, hindsight_losses, losses_of
from sharewise.tasks import Array

Against = Literal["hindsight", "before"]
FEWEST = 20
"""Rows to learn on at least."""


def replay(
    problem: Problem,
    contenders: Sequence[str | Contender] = DEFAULT,
    *,
    learn: float = 0.5,
    every: int = 1,
    family: str = "linear",
    share: bool | None = None,
    refit_every: int | None = None,
    window: int | None = None,
    shots: Sequence[int] = (10, 50),
    blocks: int | None = None,
    seconds: float = 10.0,
    changes: Sequence[Change] | None = None,
    false_alarms: float = 0.05,
    smooth: int | None = None,
    tolerance: float = 0.1,
    against: Against = "hindsight",
    confidence: float = 0.95,
    seed: int = 0,
) -> Replay:
    """Replay a problem's rows in time order, and see how fast each way of keeping up recovers from a change.

    Test then train (prequential evaluation: Gama, Sebastião & Rodrigues 2013,
    https://doi.org/10.1007/s10994-012-5320-9): everybody learns on the first rows; then each step of rows is predicted
    before any of its labels is known. Rows of equal time are one step. Nothing is tuned: a family's
    usual guesses compete once, on held-out learning rows, and a strategy takes its first. Costs are CPU seconds of
    learning, of all updates and of predicting.

    Args:
        problem: With a time; wide or long.
        contenders: ``frozen`` (fitted once), ``refit`` (on all rows so far), ``window`` (on the latest), the
            strategies for new tasks (adapted to the last ``k`` labels of a row's task), or a `Contender` of your own.
            ``window/trees`` and ``separate/linear`` name the family too.
        learn: Share of the rows, the earliest, to learn on.
        every: Rows a step.
        family: Of ``frozen``, ``refit`` and ``window``, and of the model in hindsight.
        share: Whether these fit all tasks together; without, what loses least on held-out learning rows.
        refit_every: Rows between two refits; without, a fiftieth of the arriving ones.
        window: Rows of the window; without, a quarter of the learning rows.
        shots: Numbers of labels ``k``.
        blocks: Blocks of time that strategies for new tasks learn across; without, the levels of the task column, and
            blocks only where there is none.
        seconds: CPU seconds of learning for each of these strategies, at most.
        changes: Times from which the world was another, as the time column writes them (dates as text or as days
            since 1970), or pairs of times between which it changed little by little; without, they are found by
            `change_points` on the losses of the first contender that is fixed.
        false_alarms: Chance of finding any change in a stationary stream.
        smooth: Rows that a loss is smoothed over; without, a twentieth of the arriving ones, between 10 and 50.
        tolerance: A contender has recovered when it explains ``1 - tolerance`` of what the level does; see `Replay`.
        against: Which level: ``hindsight`` or ``before``.
        confidence: Of all intervals.
        seed: Same seed, same result, but for the seconds.

    Raises:
        DataError: The problem has no time, or too few rows on a side of the split.
        OptionError: A contender or option is unknown, or a change lies outside the arriving rows.
    """
    _check(every, shots, tolerance, against, false_alarms, confidence)
    if problem.time is None:
        raise DataError(
            "a replay needs rows in time order; this problem has no time column. Name it: "
            "Problem.from_frame(…, time='date')."
        )
    order = np.argsort(problem.time, kind="stable").astype(np.intp)
    when = problem.time[order]
    seen = split_place(when, learn)
    arriving = len(order) - seen
    m = int(np.clip(arriving // 20, 10, 50)) if smooth is None else smooth
    if seen < FEWEST or arriving < 2 * m:
        raise DataError(
            f"a replay needs {FEWEST} rows to learn on and {2 * m} that arrive; got {seen} and {arriving}. Bring more "
            "rows, split elsewhere with learn=, or smooth over fewer."
        )
    rows, when = order[seen:], when[seen:]
    named = contenders_of(
        contenders, family=family, share=share, every=refit_every or max(1, arriving // 50),
        window=window or max(FEWEST, seen // 4), shots=shots, blocks=blocks, seconds=seconds,
    )  # fmt: skip
    if changes is None and not any(one.fixed for one in named):
        raise OptionError(
            "changes are found on the losses of a contender that nothing updates; got none. Add 'frozen', or give "
            "changes=[…]."
        )
    places, settled = ((), ()) if changes is None else change_places(changes, when, m)
    constants = constant_losses(problem, order[:seen])
    steps = steps_of(when, every)
    drives = [
        _drive(one, problem, order, seen, steps, derived_seed(seed, place)) for place, one in enumerate(named)
    ]
    losses = np.array([losses_of(problem, rows, drive.predictions, constants) for drive in drives])
    if changes is None:
        reference = [one.fixed for one in named].index(True)
        places = change_points(losses[reference], level=false_alarms, seed=seed, least=max(m, FEWEST))
        settled = places
    bounds = [0, *places, arriving]
    hindsight = np.full(arriving, np.nan)
    if against == "hindsight" and places:
        recipe = choose_recipe(problem, order[:seen], family, share, seed)
        for start, stop in zip(settled, bounds[2:], strict=True):
            hindsight[start:stop] = hindsight_losses(problem, rows[start:stop], constants, recipe, seed)
    courses = tuple(
        Course(
            one.name, one.fixed, own, _by_part(own, bounds, m), drive.predictions,
            drive.learn, drive.update, drive.predict, drive.updates,
        )
        for one, drive, own in zip(named, drives, losses, strict=True)
    )  # fmt: skip
    recoveries, replicates = gather(
        losses, hindsight, when, bounds, settled, m, tolerance, against, confidence, seed
    )
    return Replay(
        courses, rows, when, seen, places, settled, changes is None, hindsight, recoveries, replicates, constants, m,
        tolerance, against, confidence, seed,
    )  # fmt: skip


def _check(
    every: int, shots: Sequence[int], tolerance: float, against: str, false_alarms: float, confidence: float
) -> None:
    """Refuse options out of range."""
    rules = (
        (every >= 1, f"a step has at least one row; got every={every}."),
        (bool(shots) and min(shots, default=0) >= 1, f"shots are numbers of labels from 1 on; got {shots}."),
        (0 <= tolerance < 1, f"a tolerance is a share from 0 to below 1; got {tolerance}."),
        (against in get_args(Against), f"a level is one of {', '.join(get_args(Against))}; got '{against}'."),
        (0 < false_alarms < 1, f"a chance of false alarms lies between 0 and 1; got {false_alarms}."),
        (0 < confidence < 1, f"a confidence lies between 0 and 1; got {confidence}."),
    )
    for kept, message in rules:
        if not kept:
            raise OptionError(message)


@dataclass
class _Drive:
    """A contender's predictions and CPU seconds."""

    predictions: list[Array]
    learn: float = 0.0
    update: float = 0.0
    predict: float = 0.0
    updates: int = 0


def _drive(
    contender: Contender, problem: Problem, order: Rows, seen: int, steps: Sequence[int], seed: int
) -> _Drive:
    """Send one contender through the stream; ``steps`` are numbers of rows."""
    found = _Drive([np.empty((len(order) - seen, target.kind.width)) for target in problem.targets])
    past = Past(problem, order, seen)
    began = time.process_time()
    runner = contender.start(past, seed)
    found.learn = time.process_time() - began
    at = 0
    for count in steps:
        rows = past.order[past.seen : past.seen + count]
        began = time.process_time()
        predicted = runner.predict(rows)
        between = time.process_time()
        for whole, part in zip(found.predictions, predicted, strict=True):
            whole[at : at + count] = part
        past.reveal(count)
        middle = time.process_time()
        found.updates += runner.update(rows)
        found.predict += between - began
        found.update += time.process_time() - middle
        at += count
    return found


def _by_part(losses: Array, bounds: Sequence[int], m: int) -> Array:
    """Smoothed losses that do not reach over a change."""
    parts = [losses[a:b] for a, b in pairwise(bounds)]
    return np.concatenate([smoothed(part, m) for part in parts])
