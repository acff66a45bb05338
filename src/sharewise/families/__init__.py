"""What is fitted: linear models, trees, networks; each family fits one task alone, or several together.

Sharing exists in every family, and the family often matters more than the sharing. A `Family` turns a
`Sample` (training rows with inner folds) into a `Fit`: a model, and its predictions for the rows that each
inner fold held out.

>>> from sharewise.families import FAMILIES
>>> sorted(FAMILIES)
['linear', 'network', 'trees']
"""

from sharewise.families._base import Configuration, Family, configuration
from sharewise.families._linear import Linear
from sharewise.families._network import Network
from sharewise.families._sample import Fit, Model, OutOfTime, Part, Predictions, Run, Sample
from sharewise.families._trees import Trees

FAMILIES: dict[str, Family] = {family.name: family for family in (Linear(), Trees(), Network())}

__all__ = [
    "FAMILIES",
    "Configuration",
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
    "Trees",
    "configuration",
]
