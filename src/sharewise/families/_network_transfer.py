"""Transfer between the tasks of a problem: a network learns all of them, then each task goes on alone.

Symbols: ``n`` rows, ``K`` inner folds, ``D`` targets, ``L`` levels (1 in a wide problem).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from sharewise.errors import OptionError
from sharewise.families._architectures import PLAIN
from sharewise.families._base import Configuration
from sharewise.families._network import EPOCHS, MORE_TOGETHER, Cell, Network, _members
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families._two_stages import TwoStages
from sharewise.families._warm_start import Ready, Stage, Weights, go_on
from sharewise.problems import Problem

if TYPE_CHECKING:
    from sharewise.training import Trained

TUNING: Final = "tuning"
WHOLE, HEAD, NEAR = "whole", "head", "l2-sp"
"""What goes on: all weights; the head alone; all weights, pulled to where they started (Li et al. 2018)."""
RATE: Final = 0.3
"""Learning rate of going on, as a share of the first stage's."""
NEARNESS: Final = 10.0
"""Strength of the pull (α of L2-SP): its share of the way in a step is this times the rate."""
PATIENCE: Final = 8
STACKED: Final = "mlp"
"""The learner whose networks train as one program."""


class NetworkTransfer(TwoStages):
    """Sequential transfer (Pratt 1993; Yosinski et al. 2014): the trunk and the task's own head of the joint network
    are where its own network begins. A task never ends worse than its start on the other inner folds' held-out rows.
    """

    def configurations(self, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        usual = Network().configurations(problem, effort=effort, together=True)
        own = tuple(one for one in usual if one.learner in PLAIN)  # readers' networks are their own affair
        if not own or len(problem.tasks) < 2:
            return ()
        ways = (WHOLE, HEAD, NEAR) if effort >= 3 else (WHOLE,)
        return tuple(tuned(own[0], way) for way in ways)

    def fit(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        way = configuration.word(TUNING, WHOLE)
        if way not in (WHOLE, HEAD, NEAR):
            raise OptionError(f"{TUNING} is one of {WHOLE}, {HEAD}, {NEAR}; got '{way}'. Choose one of them.")
        if configuration.learner == STACKED:
            return _stacked(sample, configuration, way, run)
        return _modules(sample, configuration, way, run)


def tuned(configuration: Configuration, way: str) -> Configuration:
    """A family's configuration with what goes on in its options."""
    return replace(configuration, options=tuple(sorted({**dict(configuration.options), TUNING: way}.items())))


def pull_of(way: str, rate: float) -> tuple[float, float]:
    """Shares of the way back to the start after each step, of the trunk and of the head."""
    near = min(NEARNESS * rate, 1.0)
    return {WHOLE: (0.0, 0.0), HEAD: (1.0, 0.0), NEAR: (near, near)}[way]


def _stacked(sample: Sample, configuration: Configuration, way: str, run: Run) -> Fit:
    """Both stages of perceptrons over a table."""
    from sharewise.training import Recipe, train_population

    ready = Ready.of(sample, by_cell=False)
    everything = Cell(tuple(range(len(sample.targets))), 0, np.arange(len(sample)))
    owned = _members(sample, [everything], 0, configuration, run)
    width = int(configuration.get("width", 64))
    shared = train_population(
        ready.data,
        [member for *_, member in owned],
        Recipe(width, epochs=EPOCHS[run.effort]),
        levels=0 if sample.level is None else sample.n_levels,
        on_step=lambda members: run.tick(steps=members),
    )
    run.tick(fits=len(shared))
    starts = {
        (target * sample.n_levels + level, fold): start_of(one, target, level)
        for (_, fold, _), one in zip(owned, shared, strict=True)
        for target in range(len(sample.targets))
        for level in range(sample.n_levels)
        if one.epochs[target] > 0
    }
    rate = RATE * configuration.get("learning_rate", 2e-3)
    stage = Stage(
        width,
        learning_rate=rate,
        weight_decay=0.0 if way == NEAR else configuration.get("weight_decay", 1e-2),
        dropout=configuration.get("dropout", 0.1),
        pull=pull_of(way, rate),
        patience=PATIENCE,
        whole=True,
    )
    return go_on(sample, ready, starts, stage, run)


def start_of(shared: Trained, target: int, level: int) -> Weights:
    """A task's part of the shared network, as one that knows no levels: what the level adds to the first layer's
    bias and to the head is written into these.
    """
    own = shared.weights(target)
    found = {name: value for name, value in own.items() if not name.startswith("level_")}
    if "level_embedding" in own:
        found["first_bias"] = own["first_bias"] + own["level_embedding"][level]
        found["head"] = own["head"] + own["level_head"][level]
        found["head_bias"] = own["head_bias"] + own["level_bias"][level]
    return found


def _modules(sample: Sample, configuration: Configuration, way: str, run: Run) -> Fit:
    """Both stages of networks over the user's own encoder."""
    from sharewise.families._module_fit import fit_modules
    from sharewise.families._warm_modules import OneByOne, slower

    everyone = tuple(range(len(sample.targets) * sample.n_levels))
    width, epochs = int(configuration.get("width", 64)), EPOCHS[run.effort]
    rate = RATE * configuration.get("learning_rate", 2e-3)
    decay = 0.0 if way == NEAR else configuration.get("weight_decay", 1e-2)
    return fit_modules(
        sample,
        configuration,
        run,
        encoder=sample.encoder,
        widths=(width, width),
        epochs=epochs * min(len(everyone), MORE_TOGETHER),
        groups=[everyone],
        onwards=OneByOne(sample, run, slower(configuration, rate, decay), pull_of(way, rate), epochs),
    )
