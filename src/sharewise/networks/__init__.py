"""How tasks share weights: network architectures, one a file.

`StackedMLP` computes many small networks of one shape at once: the separate networks of all tasks and
folds, or the joint networks of all folds, train as one program.

>>> import torch
>>> from sharewise.networks import StackedMLP
>>> networks = StackedMLP(20, 8, 16, 2, generator=torch.Generator().manual_seed(0))
>>> networks(torch.zeros(20, 5, 8)).shape
torch.Size([20, 5, 2])
"""

from sharewise.networks._stacked import StackedMLP

__all__ = ["StackedMLP"]
