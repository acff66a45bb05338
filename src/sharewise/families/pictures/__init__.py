"""Rows that are one picture each: what the families make of them.

>>> [learner for reader in READERS["network"] for learner in reader.learners]
['resnet', 'efficientnet_lite0']
"""

from sharewise.families._reader import Reader
from sharewise.families.pictures._design import Design
from sharewise.families.pictures._frozen_map import PictureFeatures
from sharewise.families.pictures._linear import PictureLinear, PictureModel
from sharewise.families.pictures._linear_neighbours import NeighboursPart
from sharewise.families.pictures._model import PictureNets
from sharewise.families.pictures._network import PictureNetwork

READERS: dict[str, tuple[Reader, ...]] = {"linear": (PictureLinear(),), "network": (PictureNetwork(),)}
"""By family."""
STATE: tuple[type, ...] = (Design, NeighboursPart, PictureFeatures, PictureModel, PictureNets)
"""The classes that fitted models are made of."""

__all__ = ["READERS", "STATE", "PictureLinear", "PictureNets", "PictureNetwork"]
