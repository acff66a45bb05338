"""Training loops.

`fit` trains any multi-task network on the user's own loaders: gaps, inputs of their own, per-task stopping and
best weights, balancing, mixed precision, several devices, checkpoints that resume to the same weights.

>>> import torch
>>> from sharewise.networks import HardSharing
>>> from sharewise.tasks import Multiclass, Regression
>>> x = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
>>> labels = {"size": x[:, 0] * 2, "side": (x[:, 1] > 0).long()}
>>> labels["size"][::4] = float("nan")  # a gap
>>> rows = [(x[i], {task: y[i] for task, y in labels.items()}) for i in range(64)]
>>> loader = torch.utils.data.DataLoader(rows, batch_size=16, shuffle=True)
>>> trunk = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU())
>>> network = HardSharing(trunk, {"size": torch.nn.Linear(8, 1), "side": torch.nn.Linear(8, 2)})
>>> fitted = fit(network, loader, {"size": Regression(), "side": Multiclass(2)}, epochs=2, progress=False)
>>> fitted.status, fitted.steps
('finished', 8)

`train_population` trains many small networks as one stacked program, each with its own rows, batches, rates,
stopping and best weights, and each as if it were trained alone.

`lookahead_affinity`, `gradient_cosines` and `representation_similarity` measure how near tasks seem: hints only.
"""

from sharewise.training._affinity import (
    gradient_cosines,
    linear_cka,
    lookahead_affinity,
    representation_similarity,
)
from sharewise.training._fit import fit
from sharewise.training._fitted import Fitted
from sharewise.training._front import Front, fit_front
from sharewise.training._loggers import Logger, MLflowLogger, TensorBoardLogger
from sharewise.training._members import Data, Member, Recipe, Trained
from sharewise.training._population import train_population
from sharewise.training._record import BadStep, EpochRow

__all__ = [
    "BadStep",
    "Data",
    "EpochRow",
    "Fitted",
    "Front",
    "Logger",
    "MLflowLogger",
    "Member",
    "Recipe",
    "TensorBoardLogger",
    "Trained",
    "fit",
    "fit_front",
    "gradient_cosines",
    "linear_cka",
    "lookahead_affinity",
    "representation_similarity",
    "train_population",
]
