"""The competing answers: what tasks share, built from families.

`separate`, `joint` and `chained` are fitted in every family; `grouped` trains the groups of tasks that
`GroupSearch` asks for; `ensemble` is chosen greedily over everything that was fitted. Networks have two more, in two
stages, for who asks for them: `transfer` (all tasks, then each alone) and `pretrained` (features, then each alone).

A strategy of your own subclasses `Strategy` and joins the shipped tests in one line,
``sharewise.strategies.conformance.check_strategy(Mine)``. A package that names it under the entry points
``sharewise.strategies`` has it in studies that ask for it by that name.

>>> from sharewise.strategies import STRATEGIES
>>> [name for name, strategy in STRATEGIES.items() if strategy.shares]
['joint', 'chained', 'grouped', 'transfer']
"""

from sharewise._plugins import Registry
from sharewise.strategies._base import Strategy, strategy_of
from sharewise.strategies._blend import (
    BlendModel,
    greedy,
    mix,
    pick_by_group,
    pick_by_task,
    pick_for_all,
    row_losses,
)
from sharewise.strategies._chained import Chained, ChainedModel
from sharewise.strategies._constant import ConstantModel, fit_constant_model
from sharewise.strategies._group_prior import affinity
from sharewise.strategies._group_search import GroupSearch
from sharewise.strategies._grouped import Grouped, GroupModel, cell_codes, of_group
from sharewise.strategies._joint import Joint
from sharewise.strategies._many import fit_many, stack_of
from sharewise.strategies._pretrained import Pretrained
from sharewise.strategies._separate import Separate
from sharewise.strategies._transfer import Transfer

ENSEMBLE = "ensemble"
"""The name of the strategy that is assembled from fitted ones rather than fitted."""
STRATEGIES: Registry[Strategy] = Registry(
    "sharewise.strategies",
    "strategy",
    {
        strategy.name: strategy
        for strategy in (Separate(), Joint(), Chained(), Grouped(), Transfer(), Pretrained())
    },
    strategy_of,
    reserved=(ENSEMBLE, "constant"),
)
"""By name; with those of installed packages."""
STRATEGY_STATE: tuple[type, ...] = (BlendModel, ChainedModel, ConstantModel, GroupModel)
"""The classes that strategies' models are made of, for whoever stores them."""
USUAL: tuple[str, ...] = (*(name for name, one in STRATEGIES.built_in.items() if one.usual), ENSEMBLE)
"""What competes where no strategies are named; those of installed packages are asked for by name."""

__all__ = [
    "ENSEMBLE",
    "STRATEGIES",
    "STRATEGY_STATE",
    "USUAL",
    "BlendModel",
    "Chained",
    "ChainedModel",
    "ConstantModel",
    "GroupModel",
    "GroupSearch",
    "Grouped",
    "Joint",
    "Pretrained",
    "Separate",
    "Strategy",
    "Transfer",
    "affinity",
    "cell_codes",
    "fit_constant_model",
    "fit_many",
    "greedy",
    "mix",
    "of_group",
    "pick_by_group",
    "pick_by_task",
    "pick_for_all",
    "row_losses",
    "stack_of",
]
