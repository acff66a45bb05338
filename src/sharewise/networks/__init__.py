"""How tasks share weights: network architectures, one a file.

An architecture takes any encoder and a head for each task:

>>> import torch
>>> network = HardSharing(mlp(8, [32, 16]), heads({"lang": 1, "level": 5}, 16))
>>> {task: tuple(outputs.shape) for task, outputs in network(torch.zeros(4, 8)).items()}
{'lang': (4, 1), 'level': (4, 5)}
>>> print(network.describe())
918 parameters: 816 shared; of one task alone: lang 17, level 85

`StackedMLP` computes many small networks of one shape at once: the separate networks of all tasks and
folds, or the joint networks of all folds, train as one program.

>>> generators = [torch.Generator().manual_seed(seed) for seed in range(20)]
>>> networks = StackedMLP.start(8, 16, 2, generators=generators)
>>> networks.forward(torch.zeros(20, 5, 8)).scores.shape
torch.Size([20, 5, 2])
"""

from sharewise._plugins import Registry, subclass_of
from sharewise.networks._adapters import Adapters
from sharewise.networks._base import Features, MultiTaskNetwork, Size, feature_tensors
from sharewise.networks._conditioned import Conditioned
from sharewise.networks._crf import LinearChainCRF
from sharewise.networks._cross_stitch import CrossStitch
from sharewise.networks._dselect_k import DSelectK
from sharewise.networks._encoders import mlp, small_cnn
from sharewise.networks._hard_sharing import HardSharing
from sharewise.networks._heads import Heads, SeparateHeads
from sharewise.networks._low_rank import LowRank
from sharewise.networks._mmoe import MMoE
from sharewise.networks._mtan import MTAN
from sharewise.networks._ple import PLE
from sharewise.networks._stacked import Pass, StackedMLP
from sharewise.networks._stacked_heads import StackedHeads, heads

ARCHITECTURES: Registry[type[MultiTaskNetwork]] = Registry(
    "sharewise.architectures",
    "architecture",
    {
        "hard_sharing": HardSharing,
        "mmoe": MMoE,
        "ple": PLE,
        "cross_stitch": CrossStitch,
        "mtan": MTAN,
        "dselect_k": DSelectK,
        "conditioned": Conditioned,
        "adapters": Adapters,
        "low_rank": LowRank,
    },
    subclass_of(MultiTaskNetwork),  # type: ignore[type-abstract]
    reserved=("mlp", "encoder"),
)
"""By name, with those of installed packages (entry points ``sharewise.architectures``), for whoever searches over them:
each is called with an encoder and heads."""

__all__ = [
    "ARCHITECTURES",
    "MTAN",
    "PLE",
    "Adapters",
    "Conditioned",
    "CrossStitch",
    "DSelectK",
    "Features",
    "HardSharing",
    "Heads",
    "LinearChainCRF",
    "LowRank",
    "MMoE",
    "MultiTaskNetwork",
    "Pass",
    "SeparateHeads",
    "Size",
    "StackedHeads",
    "StackedMLP",
    "feature_tensors",
    "heads",
    "mlp",
    "small_cnn",
]
