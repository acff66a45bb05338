"""How tasks share weights: network architectures, one a file.

`StackedMLP` computes many small networks of one shape at once: the separate networks of all tasks and
folds, or the joint networks of all folds, train as one program.

>>> import torch
>>> generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
>>> networks = StackedMLP.start(8, 16, 2, generators=generators)
>>> networks.forward(torch.zeros(20, 5, 8)).scores.shape
torch.Size([20, 5, 2])
"""

from sharewise.networks._stacked import Pass, StackedMLP

__all__ = ["Pass", "StackedMLP"]
