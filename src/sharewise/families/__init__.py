"""What is fitted: linear models, trees, networks; each family fits one task alone, or several together.

Sharing exists in every family, and the family often matters more than the sharing. A `Family` turns a
`Sample` (training rows with inner folds) into a `Fit`: a model, and its predictions for the rows that each
inner fold held out.

>>> from sharewise.families import FAMILIES
>>> sorted(FAMILIES)
['linear', 'network', 'trees']
"""

from sharewise.families._base import Choice, Configuration, Dimension, Family, Space, configuration
from sharewise.families._boosting import Committee, Stack, StackedBoosterModel
from sharewise.families._extra_trees import ForestPart, LevelMeans, SharedForestModel
from sharewise.families._forest import Forest
from sharewise.families._linear import Linear
from sharewise.families._linear_long import LevelLinear, LevelLinearModel
from sharewise.families._module_nets import ModuleNets, Snapshot
from sharewise.families._net import Net, NetworkModel
from sharewise.families._network import Network
from sharewise.families._parts import ConstantPart, LinearPart, PartsModel
from sharewise.families._sample import Fit, Model, OutOfTime, Part, Predictions, Run, Sample
from sharewise.families._stacked_family import StackedFamily
from sharewise.families._trees import Trees
from sharewise.families.pictures import STATE as PICTURE_STATE
from sharewise.families.sentences import SENTENCE_STATE
from sharewise.families.texts import TEXT_MODEL_STATE

FAMILIES: dict[str, Family] = {family.name: family for family in (Linear(), Trees(), Network())}
FAMILY_STATE: tuple[type, ...] = (
    Committee,
    ConstantPart,
    Forest,
    ForestPart,
    LevelLinear,
    LevelLinearModel,
    LevelMeans,
    LinearPart,
    ModuleNets,
    Net,
    NetworkModel,
    PartsModel,
    SharedForestModel,
    Snapshot,
    Stack,
    StackedBoosterModel,
    *PICTURE_STATE,
    *SENTENCE_STATE,
    *TEXT_MODEL_STATE,
)
"""The classes that fitted models are made of, for whoever stores them."""

__all__ = [
    "FAMILIES",
    "FAMILY_STATE",
    "Choice",
    "Configuration",
    "Dimension",
    "Family",
    "Fit",
    "Linear",
    "Model",
    "Network",
    "OutOfTime",
    "Part",
    "Predictions",
    "Run",
    "Sample",
    "Space",
    "StackedFamily",
    "Trees",
    "configuration",
]
