"""The competing answers: what tasks share, built from families.

`separate`, `joint` and `chained` are fitted in every family; `ensemble` is chosen greedily over everything
that was fitted.

>>> from sharewise.strategies import STRATEGIES
>>> [name for name, strategy in STRATEGIES.items() if strategy.shares]
['joint', 'chained']
"""

from sharewise.strategies._base import Strategy
from sharewise.strategies._blend import (
    BlendModel,
    greedy,
    pick_by_group,
    pick_by_task,
    pick_for_all,
    row_losses,
)
from sharewise.strategies._chained import Chained, ChainedModel
from sharewise.strategies._constant import ConstantModel, fit_constant_model
from sharewise.strategies._joint import Joint
from sharewise.strategies._many import fit_many, stack_of
from sharewise.strategies._separate import Separate

STRATEGIES: dict[str, Strategy] = {strategy.name: strategy for strategy in (Separate(), Joint(), Chained())}
STRATEGY_STATE: tuple[type, ...] = (BlendModel, ChainedModel, ConstantModel)
"""The classes that strategies' models are made of, for whoever stores them."""
ENSEMBLE = "ensemble"
"""The name of the strategy that is assembled from fitted ones rather than fitted."""

__all__ = [
    "ENSEMBLE",
    "STRATEGIES",
    "STRATEGY_STATE",
    "BlendModel",
    "Chained",
    "ChainedModel",
    "ConstantModel",
    "Joint",
    "Separate",
    "Strategy",
    "fit_constant_model",
    "fit_many",
    "greedy",
    "pick_by_group",
    "pick_by_task",
    "pick_for_all",
    "row_losses",
    "stack_of",
]
