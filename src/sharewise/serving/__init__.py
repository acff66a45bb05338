"""The model after the verdict: predict, save, load.

A model folder holds JSON, safetensors and LightGBM's own text format. Loading builds only classes of a
fixed list and executes nothing from the file.
"""

from sharewise.serving._deployed import DeployedModel, load
from sharewise.serving._folder import versions

__all__ = ["DeployedModel", "load", "versions"]
