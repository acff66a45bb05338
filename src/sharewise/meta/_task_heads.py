"""The last layer of a transferred network: where a new task's head starts, and what it computes.

A head says how it starts for a task and, apart from that, is a plain function of features and its own weights, so that
many tasks' heads are computed by one `vmap`.

Symbols: `E` tasks, `S` support rows, `N` rows, `W` ways, `D` features, `C` classes of the source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._episodes import Support
from sharewise.meta._inner import Weights
from sharewise.meta._prototypes import class_means


class TaskHead(nn.Module, ABC):
    """Abstract. From features (N, D) to outputs (N, W), or (N, 1) for numbers.

    Attributes:
        transferred: Whether its weights are the source's; otherwise they are new for each task.
    """

    transferred: ClassVar[bool] = False

    @abstractmethod
    def start(self, features: Tensor, support: Support) -> Weights:
        """Weights (E, …) by name before any step, differentiable, from features (E, S, D) of support rows."""

    @abstractmethod
    def outputs(self, features: Tensor, weights: Weights) -> Tensor:
        """Outputs (…, N, W) of features (…, N, D)."""

    @abstractmethod
    def source(self, classes: int) -> nn.Module:
        """What stands in its place while the source is learnt: features (N, D) to outputs (N, C), with weights of its
        own for the C classes, or, where they are transferred, the head itself."""

    def forward(self, features: Tensor) -> Tensor:
        """Outputs by the weights that the module holds, or that `functional_call` puts in their place."""
        held = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return self.outputs(features, held)


@final
class PooledHead(TaskHead):
    """One linear layer for all tasks, where each task starts: for numbers, and for classes that tasks have in common."""

    transferred: ClassVar[bool] = True

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        layer = nn.Linear(width, outputs)
        self.weight, self.bias = layer.weight, layer.bias

    @property
    def count(self) -> int:
        """Outputs."""
        return len(self.weight)

    def start(self, features: Tensor, support: Support) -> Weights:
        """The source's own weights, of the task's ways the first."""
        held, wanted = self.count, max(support.width, 1)
        if held != 1 if support.ways is None else held < max(wanted, 2):
            raise OptionError(
                "A pooled head has one output for numbers and an output for each way; it has "
                f"{held} and the task {'numbers' if support.ways is None else f'{wanted} ways'}. Change outputs=."
            )
        count = len(features)
        weight, bias = self.weight[:wanted], self.bias[:wanted]
        return {"weight": weight.expand(count, *weight.shape), "bias": bias.expand(count, *bias.shape)}

    def outputs(self, features: Tensor, weights: Weights) -> Tensor:
        """W f + b."""
        return features @ weights["weight"].mT + weights["bias"].unsqueeze(-2)

    def source(self, classes: int) -> nn.Module:
        """Itself."""
        return self


class NewHead(TaskHead):
    """Abstract. A head for classes that no source task had; features are centred on the source's mean first, as
    nearest centroids want it (Wang et al. 2019, https://arxiv.org/abs/1911.04623, section 3.1).

    Attributes:
        centre: (D,) mean feature of the source.
        log_scale: Of logits.
    """

    centre: Tensor

    def __init__(self, width: int, scale: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.register_buffer("centre", torch.zeros(width))
        for name in ("weight", "bias"):  # whose place a task's own weights take
            self.register_buffer(name, torch.zeros(0), persistent=False)

    @final
    def source(self, classes: int) -> nn.Module:
        """This head with weights for the source's classes."""
        return SourceHead(self, classes)


@final
class CosineHead(NewHead):
    """Logits are a learnt scale times the cosine between feature and weight (Gidaris & Komodakis 2018,
    https://arxiv.org/abs/1804.09458, eq. 4); weights start as the class means of features of length one."""

    def start(self, features: Tensor, support: Support) -> Weights:
        """Class means (E, W, D)."""
        return {"weight": class_means(F.normalize(features - self.centre, dim=-1), support.one_hot)}

    def outputs(self, features: Tensor, weights: Weights) -> Tensor:
        """Logits s cos(f − c, w)."""
        unit = F.normalize(features - self.centre, dim=-1)
        return self.log_scale.exp() * unit @ F.normalize(weights["weight"], dim=-1).mT


@final
class LinearHead(NewHead):
    """A linear layer that starts as nearest class mean, or, with ``zeros``, as no opinion."""

    def __init__(self, width: int, scale: float, *, zeros: bool = False) -> None:
        super().__init__(width, scale)
        self.zeros = zeros

    def start(self, features: Tensor, support: Support) -> Weights:
        """W = 2 s m / D and b = −s |m|² / D for class means m: −s |f − m|² / D up to what all classes share."""
        means = class_means(features - self.centre, support.one_hot)
        if self.zeros:
            means = torch.zeros_like(means)
        scale = self.log_scale.exp() / means.shape[-1]
        return {"weight": 2 * scale * means, "bias": -scale * means.square().sum(-1)}

    def outputs(self, features: Tensor, weights: Weights) -> Tensor:
        """W (f − c) + b."""
        return (features - self.centre) @ weights["weight"].mT + weights["bias"].unsqueeze(-2)


@final
class SourceHead(nn.Module):
    """A new head's stand-in while the source is learnt."""

    def __init__(self, head: NewHead, classes: int) -> None:
        super().__init__()
        layer = nn.Linear(len(head.centre), classes).to(head.centre)
        self.weight, self.bias = layer.weight, layer.bias
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, D) to logits (N, C)."""
        return self.head.outputs(features, {"weight": self.weight, "bias": self.bias})
