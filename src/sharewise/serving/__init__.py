"""The model after the verdict: predict, adapt to new tasks, save, load.

A `DeployedModel` serves the study's tasks; `DeployedModel.adapt` makes an `AdaptedModel` of a task not seen yet from a
few labelled rows. A model folder holds JSON, safetensors and LightGBM's own text format. Loading builds only classes
of a fixed list and executes nothing from the file.
"""

from typing import TYPE_CHECKING

from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._card import study_card
from sharewise.serving._deployed import DeployedModel, load
from sharewise.serving._folder import versions
from sharewise.serving._measure import Cost, measure

if TYPE_CHECKING:
    from sharewise.serving._program import Program, load_program

__all__ = [
    "AdaptedModel",
    "Cost",
    "DeployedModel",
    "Program",
    "load",
    "load_program",
    "measure",
    "study_card",
    "versions",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name in ("Program", "load_program"):  # they import torch
            from sharewise.serving import _program

            return getattr(_program, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
