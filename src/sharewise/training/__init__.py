"""Training loops.

`train_population` trains many small networks as one stacked program, each with its own rows, batches, rates,
stopping and best weights, and each as if it were trained alone.
"""

from sharewise.training._members import Data, Member, Recipe, Trained
from sharewise.training._population import train_population

__all__ = ["Data", "Member", "Recipe", "Trained", "train_population"]
