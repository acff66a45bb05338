"""Proposals beyond the families' own configurations, from Optuna's tree-structured Parzen estimator.

Bergstra et al. 2011 (TPE). Every strategy is given the same number of proposals in each family it is still
in the race with, from the same search space; each strategy's proposals learn from its own trials only.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sharewise.families import Choice, Configuration, Space
from sharewise.studies._protocol import derived_seed

if TYPE_CHECKING:
    import optuna

BATCH = 4
"""Proposals made at once, whatever the number of workers, so that these do not change what is proposed."""
STARTUP = 4
"""Trials with a value before proposals stop being drawn at random."""
DIGITS = 3
"""Significant digits of a proposed number: more say nothing."""
LEARNER = "learner"


def propose(
    space: Space, seen: Sequence[tuple[Configuration, float | None]], count: int, seed: int, name: str
) -> list[Configuration]:
    """Up to ``count`` configurations that were not seen.

    Args:
        space: Of the family; empty where there is nothing to tune.
        seen: What was tried with its inner error (lower is better), in the order of trying; None where it
            failed.
        seed: Of the study.
        name: Of the strategy and family, so that each draws numbers of its own.

    Returns:
        Configurations; the same for the same arguments.
    """
    if not space or count <= 0:
        return []
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=STARTUP,
        seed=derived_seed(seed, zlib.crc32(name.encode()), len(seen)) % 2**31,
        constant_liar=True,
    )
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for configuration, value in seen:
        past = _past(space, configuration, value)
        if past is not None:
            study.add_trial(past)
    known = {configuration for configuration, _ in seen}
    found: list[Configuration] = []
    for _ in range(4 * count):
        if len(found) == count:
            break
        one = _asked(study.ask(), space)
        if one not in known:
            known.add(one)
            found.append(one)
    return found


def _asked(trial: optuna.Trial, space: Space) -> Configuration:
    learner = trial.suggest_categorical(LEARNER, sorted(space))
    options: list[tuple[str, str | int | float]] = []
    for name, dimension in sorted(space[learner].items()):
        key = f"{learner} {name}"
        if isinstance(dimension, Choice):
            options.append((name, str(trial.suggest_categorical(key, dimension.options))))
        elif dimension.whole:
            whole = trial.suggest_int(key, int(dimension.low), int(dimension.high), log=dimension.log)
            options.append((name, whole))
        else:
            value = trial.suggest_float(key, dimension.low, dimension.high, log=dimension.log)
            options.append((name, float(f"{value:.{DIGITS}g}")))
    return Configuration(learner, tuple(options))


def _past(space: Space, configuration: Configuration, value: float | None) -> optuna.trial.FrozenTrial | None:
    """What was tried, as Optuna keeps it; None where it lies outside the space, as some defaults do."""
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if configuration.learner not in space:
        return None
    given = dict(configuration.options)
    params: dict[str, object] = {LEARNER: configuration.learner}
    kinds: dict[str, BaseDistribution] = {LEARNER: CategoricalDistribution(sorted(space))}
    for name, dimension in space[configuration.learner].items():
        if name not in given:
            continue
        key = f"{configuration.learner} {name}"
        if isinstance(dimension, Choice):
            if given[name] in dimension.options:
                params[key] = str(given[name])
                kinds[key] = CategoricalDistribution(dimension.options)
            continue
        number = float(given[name])
        if not dimension.low <= number <= dimension.high:
            continue
        params[key] = int(number) if dimension.whole else number
        kinds[key] = (
            IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
            if dimension.whole
            else FloatDistribution(dimension.low, dimension.high, log=dimension.log)
        )
    state = optuna.trial.TrialState.FAIL if value is None else optuna.trial.TrialState.COMPLETE
    return optuna.trial.create_trial(params=params, distributions=kinds, value=value, state=state)
