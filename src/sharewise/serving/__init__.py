"""The model after the verdict: predict, adapt to new tasks, save, load.

A `DeployedModel` serves the study's tasks; `DeployedModel.adapt` makes an `AdaptedModel` of a task not seen yet from a
few labelled rows. A model folder holds JSON, safetensors and LightGBM's own text format. Loading builds only classes
of a fixed list and executes nothing from the file.
"""

from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._deployed import DeployedModel, load
from sharewise.serving._folder import versions
from sharewise.serving._measure import Cost, measure

__all__ = ["AdaptedModel", "Cost", "DeployedModel", "load", "measure", "versions"]
