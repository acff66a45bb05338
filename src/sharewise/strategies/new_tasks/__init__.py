"""The competing answers to tasks not seen yet, which will arrive with a few labels.

A strategy learns across the training tasks of a `TaskSample` and leaves an `Adapter`: plain data that turns a few
labelled rows into a model of their task, in milliseconds, and is not changed by it.

>>> import numpy as np
>>> from sharewise.families import Run
>>> from sharewise.problems import Column, Table
>>> from sharewise.tasks import Regression
>>> rng = np.random.default_rng(0)
>>> task, x = np.repeat(np.arange(20), 8), rng.normal(size=160)
>>> y = (2 + rng.normal(scale=0.1, size=20))[task] * x  # tasks have slopes near 2
>>> kind = Regression()
>>> sample = TaskSample(
...     Table((Column("x", "number", x),), 160), y, task, kind, kind.metric(), task < 16, shots=(1, 5)
... )
>>> strategy = NEW_TASK_STRATEGIES["meta-learned"]
>>> best_guess = strategy.configurations(sample, "linear", effort=0)[0]
>>> adapter = strategy.fit(sample, "linear", best_guess, Run(seed=0), seconds=1.0)
>>> rows = adapter.encode(Table((Column("x", "number", np.array([1.0, -1.0])),), 2))
>>> model = adapter.adapt(rows[:1], np.array([2.1]), None)  # one label of a new task
>>> bool(abs(model.predict(rows)[1, 0] + 2) < 0.3)
True
"""

from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._boosted import BoostedAdapter, BoostedModel, BoostedPart, Statistics
from sharewise.strategies.new_tasks._by_labels import ByLabels
from sharewise.strategies.new_tasks._class_means import ClassMeansAdapter, ClassMeansPart, Subspace
from sharewise.strategies.new_tasks._constant import Constant, ConstantAdapter
from sharewise.strategies.new_tasks._meta_learned import MetaLearned
from sharewise.strategies.new_tasks._mixed import MixedAdapter
from sharewise.strategies.new_tasks._neighbours import NearestAdapter, NearestPart, Neighbours
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter, NetworkPart
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._own import Own, OwnLinear, OwnTrees
from sharewise.strategies.new_tasks._own_network import OwnNetwork, Rescaled
from sharewise.strategies.new_tasks._pooled import BoosterPart, Pooled, PooledAdapter
from sharewise.strategies.new_tasks._pretrained import Pretrained
from sharewise.strategies.new_tasks._prior import Prior
from sharewise.strategies.new_tasks._rows import RowReader
from sharewise.strategies.new_tasks._sample import Draw, TaskSample, draws_of
from sharewise.strategies.new_tasks._served import ServedTasks, serve_known
from sharewise.strategies.new_tasks._text_grams import ProjectedText
from sharewise.strategies.new_tasks._transfer import TransferStrategy

NEW_TASK_STRATEGIES: dict[str, NewTaskStrategy] = {
    strategy.name: strategy
    for strategy in (
        *(Constant(), Neighbours(), Own()),
        *(Pooled(), MetaLearned(), TransferStrategy(), Pretrained()),
    )
}
NEW_TASK_STATE: tuple[type, ...] = (
    BoostedAdapter,
    BoostedModel,
    BoostedPart,
    BoosterPart,
    ByLabels,
    ClassMeansAdapter,
    ClassMeansPart,
    ConstantAdapter,
    MixedAdapter,
    NearestAdapter,
    NearestPart,
    NetworkAdapter,
    NetworkInputs,
    NetworkPart,
    OwnLinear,
    OwnNetwork,
    OwnTrees,
    PooledAdapter,
    Prior,
    ProjectedText,
    Rescaled,
    RowReader,
    ServedTasks,
    Statistics,
    Subspace,
)
"""The classes that adapters and adapted models are made of, for whoever stores them."""

__all__ = [
    "NEW_TASK_STATE",
    "NEW_TASK_STRATEGIES",
    "Adapter",
    "Draw",
    "NewTaskStrategy",
    "TaskSample",
    "draws_of",
    "serve_known",
]
