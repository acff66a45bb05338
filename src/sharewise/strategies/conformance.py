"""What every strategy must keep, shipped so that one from outside joins in one line.

>>> from sharewise.strategies import Joint
>>> check_strategy(Joint, families=["linear"])

`check_strategy` fits small tables of every shape and raises AssertionError with a sentence if a promise is broken.

Symbols: ``n`` rows, ``D`` targets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sharewise.families import (
    FAMILIES,
    FAMILY_STATE,
    Configuration,
    Family,
    Fit,
    OutOfTime,
    Predictions,
    Run,
    Sample,
)
from sharewise.modalities import TABULAR_STATE
from sharewise.problems import Problem, Schema, Table, split
from sharewise.strategies import STRATEGY_STATE
from sharewise.strategies._base import Strategy, strategy_of
from sharewise.tasks import Array, Classification

SEED, FOLDS, NOISE_ROWS, NOISE_SEEDS = 7, 3, 150, 2


def check_strategy(kind: type[Strategy], *, families: Sequence[str] | None = None) -> None:
    """Raise AssertionError at the first promise that strategies of a class break.

    Args:
        kind: The class; it is made without arguments, as for a package's entry point.
        families: Those to look at; None for all.
    """
    try:
        strategy = strategy_of(kind)
    except TypeError as error:
        raise AssertionError(f"{kind.__name__} is no strategy: {error}") from error
    chosen = [family for name, family in FAMILIES.items() if families is None or name in families]
    tried = 0
    for problem in (wide(), long()):
        if strategy.refusal(problem) is None:
            for family in chosen:
                _check_no_leak(strategy, family, long_form=problem.level is not None)
    for problem in (wide(), long()):
        told = strategy.refusal(problem)
        must(told is None or bool(told.strip()), "a refusal is a reason, or None")
        for family in chosen if told is None else ():
            for way in _ways(strategy, family, problem):
                tried += 1
                _check_way(strategy, way, sample_of(problem))
    must(tried > 0, "it has configurations for some family on a wide or a long table")


# --- tables -----------------------------------------------------------------------------------------------


def wide() -> Problem:
    """A number, two classes and three classes, each with gaps of its own."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(72, 3))
    number = x[:, 0] + 0.3 * rng.normal(size=72)
    binary = np.where(x[:, 1] + 0.5 * rng.normal(size=72) > 0, "yes", "no").astype(object)
    three = np.array(["a", "b", "c"], dtype=object)[np.digitize(x[:, 2], [-0.5, 0.5])]
    number[::5], binary[1::6], three[2::7] = np.nan, None, None
    return _problem(x, {"number": number, "binary": binary, "three": three})


def long() -> Problem:
    """Numbers of tasks of 40 rows down to 5."""
    rng = np.random.default_rng(5)
    level = np.repeat(np.arange(7), (40, 25, 12, 8, 5, 5, 5))
    x = rng.normal(size=(len(level), 3))
    score = x[:, 0] + rng.normal(size=7)[level] + 0.3 * rng.normal(size=len(level))
    return _problem(x, {"score": score}, level)


def noise(seed: int, *, long_form: bool) -> Sample:
    """Labels that have nothing to do with features or tasks; targets of one row are nearly equal, so that a look at
    another target's label of the same row would show too."""
    rng = np.random.default_rng([seed, long_form])
    y = rng.normal(size=NOISE_ROWS)
    level = rng.integers(0, 6, size=NOISE_ROWS) if long_form else None
    targets = {"y0": y} if long_form else {"y0": y, "y1": y + 0.1 * rng.normal(size=NOISE_ROWS)}
    problem = _problem(rng.normal(size=(NOISE_ROWS, 4)), targets, level)
    part = rng.permutation(NOISE_ROWS) % FOLDS
    rows = np.arange(NOISE_ROWS)
    return Sample.of(problem, rows, tuple((rows[part != k], rows[part == k]) for k in range(FOLDS)))


def sample_of(problem: Problem) -> Sample:
    """All rows, with inner folds."""
    rows = np.arange(len(problem))
    return Sample.of(problem, rows, split(problem, rows, folds=FOLDS, seed=SEED))


def _problem(x: Array, targets: Mapping[str, Array], level: NDArray[np.intp] | None = None) -> Problem:
    columns: dict[str, object] = {f"x{place}": x[:, place] for place in range(x.shape[1])}
    columns.update(targets)
    if level is not None:
        columns["task"] = [f"t{code}" for code in level]
    return Problem.from_frame(columns, targets=list(targets), task=None if level is None else "task")


# --- properties -------------------------------------------------------------------------------------------


class _Way:
    """One configuration in one family."""

    def __init__(self, family: Family, configuration: Configuration) -> None:
        self.family, self.configuration = family, configuration

    def fit(self, strategy: Strategy, sample: Sample, deadline: float | None = None) -> Fit:
        return strategy.fit(sample, self.family, self.configuration, Run(SEED, deadline, effort=0))


def _ways(strategy: Strategy, family: Family, problem: Problem) -> Iterator[_Way]:
    """The first configuration of each learner; the search space grows with effort and holds none twice."""
    sizes = []
    for effort in range(4):
        found = strategy.configurations(family, problem, effort=effort)
        must(all(isinstance(one, Configuration) for one in found), "configurations are Configuration")
        must(len(set(found)) == len(found), f"no configuration comes twice ({family.name}, effort {effort})")
        sizes.append(len(found))
    must(sizes == sorted(sizes), f"the search space grows with effort; got {sizes} in {family.name}")
    learners = {one.learner: one for one in reversed(strategy.configurations(family, problem, effort=0))}
    return (_Way(family, configuration) for configuration in learners.values())


def _check_way(strategy: Strategy, way: _Way, sample: Sample) -> None:
    told = f"({way.family.name} {way.configuration})"
    before = sample.labels.copy()
    one, other = way.fit(strategy, sample), way.fit(strategy, sample)
    must(np.array_equal(before, sample.labels, equal_nan=True), f"labels stay as they are {told}")
    _check_predictions(one.held_out, sample, told, known_only=True)
    found = one.model.predict(sample.table, sample.level)
    _check_predictions(found, sample, told, known_only=False)
    must(_same(one.held_out, other.held_out), f"the same seed says the same of held-out rows {told}")
    must(
        _same(found, other.model.predict(sample.table, sample.level)),
        f"the same seed gives the same model {told}",
    )
    few = np.array([5, 0, len(sample) - 1])
    level = None if sample.level is None else sample.level[few]
    alone = one.model.predict(sample.table.take(few), level)
    near = all(np.allclose(a, b[few], rtol=1e-5, atol=1e-6) for a, b in zip(alone, found, strict=True))
    must(near, f"a row is predicted alike whatever rows come with it {told}")
    for strange in _strange(one.model, (*FAMILY_STATE, *STRATEGY_STATE, *TABULAR_STATE, *strategy.state)):
        raise AssertionError(
            f"a model is made of arrays, plain values, sharewise's classes and those listed as 'state'; got {strange} {told}"
        )
    _check_stops(strategy, way, sample, told)
    if not strategy.shares:
        _check_independent(strategy, way, sample, told)


def _check_predictions(found: Predictions, sample: Sample, told: str, *, known_only: bool) -> None:
    """A finite ``(n, W)`` a target (on labelled rows), classes as probabilities."""
    must(len(found) == len(sample.targets), f"there are predictions for each target {told}")
    for place, (values, target) in enumerate(zip(found, sample.targets, strict=True)):
        wanted = (len(sample), target.kind.width)
        must(values.shape == wanted, f"predictions have shape {wanted}; got {values.shape} {told}")
        rows = sample.known(place) if known_only else np.ones(len(sample), dtype=bool)
        must(bool(np.isfinite(values[rows]).all()), f"predictions of '{target.name}' are finite {told}")
        if isinstance(target.kind, Classification):
            sums = values[rows].sum(axis=1)
            must(
                bool(values[rows].min() >= 0 and np.allclose(sums, 1.0, atol=1e-6)),
                f"classes get probabilities {told}",
            )


def _check_stops(strategy: Strategy, way: _Way, sample: Sample, told: str) -> None:
    started = time.monotonic()
    try:
        way.fit(strategy, sample, started - 1.0)
    except OutOfTime:
        must(time.monotonic() - started < 2.0, f"a deadline in the past ends a fit at once {told}")
        return
    raise AssertionError(f"a deadline in the past ends a fit as OutOfTime (call run.tick) {told}")


def _check_independent(strategy: Strategy, way: _Way, sample: Sample, told: str) -> None:
    """What does not share says the same of a task, whatever the labels of the others."""
    own = np.ones(len(sample), bool) if sample.level is None else sample.level == sample.level[0]
    labels = sample.labels.copy()
    for place in range(len(sample.targets)):
        if sample.level is None and place == 0:
            continue
        rows = np.flatnonzero(sample.known(place) & (~own if sample.level is not None else own))
        labels[rows, place] = labels[np.random.default_rng(0).permutation(rows), place]
    before, after = (way.fit(strategy, one) for one in (sample, replace(sample, labels=labels)))
    same = np.array_equal(before.held_out[0][own], after.held_out[0][own], equal_nan=True)
    must(
        same, f"it says that it does not share, and a task's predictions change with another's labels {told}"
    )


def _check_no_leak(strategy: Strategy, family: Family, *, long_form: bool) -> None:
    """On noise, held-out predictions know nothing of the labels: their correlation is never clearly positive."""
    found = []
    for seed in range(NOISE_SEEDS):
        sample = noise(seed, long_form=long_form)
        shape = long() if long_form else wide()
        for way in list(_ways(strategy, family, shape))[:1]:
            held_out = way.fit(strategy, sample).held_out
            for place, guess in enumerate(held_out):
                spread = guess[:, -1].std()
                found.append(
                    np.corrcoef(guess[:, -1], sample.labels[:, place])[0, 1] if spread > 1e-9 else 0.0
                )
    bound = 4 / np.sqrt(NOISE_SEEDS * NOISE_ROWS) + 0.02
    must(
        not found or float(np.mean(found)) < bound,
        f"held-out predictions come from models that did not see the row; on noise they correlate with its label by "
        f"{np.mean(found or [0.0]):.2f} ({family.name})",
    )


def _strange(part: object, known: tuple[type, ...]) -> Iterator[str]:
    """Classes in a model that no folder may hold."""
    module = type(part).__module__.partition(".")[0]
    if part is None or isinstance(part, bool | int | float | str | np.ndarray | np.generic | np.dtype | type):
        return
    if isinstance(part, tuple | list | dict):
        for one in part.values() if isinstance(part, dict) else part:
            yield from _strange(one, known)
    elif is_dataclass(part) and (
        isinstance(part, (*known, Table, Schema)) or "sharewise.tasks" in type(part).__module__
    ):
        for field in fields(part):
            if field.init:
                yield from _strange(getattr(part, field.name), known)
    elif module != "sklearn":
        yield f"a {type(part).__module__}.{type(part).__qualname__}"


def _same(one: Predictions, other: Predictions) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def must(holds: bool, promise: str) -> None:
    """Raise where a promise is not kept."""
    if not holds:
        raise AssertionError(f"{promise[0].upper()}{promise[1:]}.")
