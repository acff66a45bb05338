"""Training loops.

`train_population` trains many small networks as one stacked program, each with its own rows, batches,
stopping and best weights.
"""

from sharewise.training._population import Data, Member, Recipe, Trained, train_population

__all__ = ["Data", "Member", "Recipe", "Trained", "train_population"]
