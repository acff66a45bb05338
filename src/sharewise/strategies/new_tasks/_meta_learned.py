"""Meta-learned: training tasks teach how to learn a task, and a new one is learnt that way from its few labels."""

from __future__ import annotations

from typing import ClassVar, final

from sharewise.families import Configuration, Run, configuration
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._boosted import boosted_configurations, fit_boosted
from sharewise.strategies.new_tasks._mixed import fit_mixed, mixed_configurations
from sharewise.strategies.new_tasks._network_training import fit_learner
from sharewise.strategies.new_tasks._sample import TaskSample

Listed = tuple[int, Configuration]
"""From which effort on, and what."""

POOLS: tuple[Listed, ...] = (
    (0, configuration("ridge", hidden=128)),
    (0, configuration("prototypes", hidden=128, unit=0)),
    (1, configuration("lda", hidden=128)),
    (1, configuration("logistic", penalty=0.1)),
    (1, configuration("anil", rate=3.0)),
    (2, configuration("maml", rate=3.0)),
    (2, configuration("first-order-maml", rate=3.0)),
    (2, configuration("reptile", rate=3.0)),
    (2, configuration("meta-sgd", rate=3.0)),
)
"""Of pools of classes, best guess and cheap first."""
NUMBERS: tuple[Listed, ...] = (
    (0, configuration("bayes", hidden=32, meta_rate=0.02, spread=4.0)),
    (0, configuration("ridge")),
    (1, configuration("cnp")),
    (1, configuration("tnp")),
    (1, configuration("anil", rate=0.1)),
    (2, configuration("maml", rate=0.1)),
    (2, configuration("reptile", rate=0.1)),
    (2, configuration("meta-sgd", rate=0.1)),
)
"""Of long tables whose labels are numbers."""
CLASSES: tuple[Listed, ...] = (
    (0, configuration("logistic")),
    (0, configuration("prototypes", unit=0)),
    (1, configuration("cnp")),
    (1, configuration("tnp")),
    (1, configuration("anil", rate=0.5)),
    (2, configuration("maml", rate=0.5)),
)
"""Of long tables whose labels are classes."""

PLUGGED = 1
"""From which effort on learners of other packages compete, as their constructors have them."""


@final
class MetaLearned(NewTaskStrategy):
    """Linear: a mixed model with a learnt prior. Trees: a booster with task statistics as features. Network: the
    learners of `sharewise.meta`."""

    name: ClassVar[str] = "meta-learned"
    shares: ClassVar[bool] = True

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family == "linear":
            return mixed_configurations(sample)
        if family == "trees":
            return boosted_configurations(sample)
        return network_configurations(sample, effort) if family == "network" else ()

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        fit = {"linear": fit_mixed, "trees": fit_boosted, "network": fit_learner}[family]
        return fit(sample, configuration, run, seconds)


def network_configurations(sample: TaskSample, effort: int) -> tuple[Configuration, ...]:
    """The learners that serve such tasks, among those that there are."""
    from sharewise.meta import META_LEARNERS, GradientLearner

    listed = POOLS if sample.ways is not None else NUMBERS if sample.classes is None else CLASSES
    kind = "regression" if sample.classes is None else "classification"
    tensors = sample.table.reads_tensors
    found = []
    plugged = [(PLUGGED, Configuration(name)) for name in META_LEARNERS.plugins()]
    for least, entry in (*listed, *plugged):
        learner = META_LEARNERS.get(entry.learner)
        if learner is None or kind not in learner.serves:
            continue
        # An inner loop goes through the user's encoder many times a step.
        heavy = tensors and issubclass(learner, GradientLearner)
        if effort >= (max(least, 2) if heavy else least):
            found.append(_over_tensors(entry) if tensors else entry)
    return tuple(found)


def _over_tensors(entry: Configuration) -> Configuration:
    """Without the options of an encoder of numbers, as the user's own takes its place."""
    kept = tuple((key, value) for key, value in entry.options if key not in ("hidden", "reach"))
    return Configuration(entry.learner, kept)
