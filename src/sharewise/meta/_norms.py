"""Normalisation layers that stay right when many tasks' weights are differentiated twice in one pass.

torch 2.13 computes second derivatives by nested transforms (`vmap` over `grad` under `grad`) over an affine batch, layer
or instance normalisation silently wrong, by about 1%. The inner loop here asks `vmap` for the forward pass alone, which
is right even so, but whoever transforms a learner's network may not: such layers normalise without weights, and scale
and shift in plain arithmetic. Names of parameters stay what they were. Group and RMS normalisation are right as they are.

Batch normalisation has a rule of its own: in adaptation its statistics are those of the task's support rows. They are
kept with the adapted weights and serve the query rows, so that no query row's prediction depends on another's
(unless a learner is asked to be transductive).

Symbols: `N` rows of one task, `C` channels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.instancenorm import _InstanceNorm
from torch.nn.parameter import is_lazy

from sharewise.errors import OptionError


@final
class TaskBatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1) of one task's rows.

    Inputs (N, C, …). Inside `statistics_over` the statistics are taken over the rows named there; elsewhere the
    buffers `mean` (C,) and `var` (C,) hold them, which a task's own state stands in for.

    Attributes:
        found: Mean (C,) and biased variance (C,) of the last pass that took statistics.
    """

    mean: Tensor
    var: Tensor

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias = _own(layer)
        self.eps = layer.eps
        like = torch.zeros(layer.num_features) if self.weight is None else self.weight.detach()
        self.register_buffer("mean", torch.zeros_like(like), persistent=False)
        self.register_buffer("var", torch.ones_like(like), persistent=False)
        self.taking = False
        self.keeping = False
        self.alone = False
        self.rows: Tensor | None = None
        self.found: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, …) to the same shape."""
        if self.taking and self.rows is None and not self.keeping:  # torch's kernel is the fastest
            if self.alone:
                return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
            return _scaled(F.batch_norm(x, None, None, training=True, eps=self.eps), self.weight, self.bias)
        mean, var = _moments(x, self.rows) if self.taking else (self.mean, self.var)
        self.found = (mean, var) if self.keeping else None
        factor = (var + self.eps).rsqrt() if self.weight is None else self.weight * (var + self.eps).rsqrt()
        shift = -mean * factor if self.bias is None else self.bias - mean * factor
        return torch.addcmul(_by_channel(shift, x), x, _by_channel(factor, x))


@final
class TaskLayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016, https://arxiv.org/abs/1607.06450, eq. 3), scaled in plain arithmetic."""

    def __init__(self, layer: nn.LayerNorm) -> None:
        super().__init__()
        self.weight, self.bias = _own(layer)
        self.eps = layer.eps
        self.shape = layer.normalized_shape

    def forward(self, x: Tensor) -> Tensor:
        """(…, *shape) to the same shape."""
        normal = F.layer_norm(x, self.shape, eps=self.eps)
        normal = normal if self.weight is None else normal * self.weight
        return normal if self.bias is None else normal + self.bias


@final
class TaskInstanceNorm(nn.Module):
    """Instance normalisation (Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022), scaled in plain arithmetic."""

    def __init__(self, layer: _InstanceNorm) -> None:
        super().__init__()
        self.weight, self.bias = _own(layer)
        self.eps = layer.eps

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, L, …) to the same shape."""
        return _scaled(F.instance_norm(x, eps=self.eps), self.weight, self.bias)


def made_safe(network: nn.Module) -> nn.Module:
    """A copy of the network in which unsafe layers are replaced; what was given stays as it is.

    Raises:
        OptionError: A layer can neither be used nor replaced.
    """
    network = copy.deepcopy(network)
    for path, parameter in network.named_parameters():
        if is_lazy(parameter):
            raise OptionError(
                f"A meta-learner copies weights that exist; '{path}' is not initialised. Pass a batch through the "
                "network first."
            )
    return _replaced(network, "")


def batch_norms(network: nn.Module) -> dict[str, TaskBatchNorm]:
    """The batch normalisations by path."""
    return {path: layer for path, layer in network.named_modules() if isinstance(layer, TaskBatchNorm)}


@contextmanager
def statistics_over(
    layers: dict[str, TaskBatchNorm], rows: Tensor | None, *, alone: bool, keep: bool = False
) -> Iterator[None]:
    """In here `layers` take statistics over the rows of a pass.

    Args:
        rows: (N,) bool, which rows count; None for all.
        alone: Whether there is one task, outside `vmap`: torch's affine kernel is right there, and faster.
        keep: Whether each layer's `found` is wanted.
    """
    for layer in layers.values():
        layer.taking, layer.rows, layer.alone, layer.keeping = True, rows, alone, keep
    try:
        yield
    finally:
        for layer in layers.values():
            layer.taking, layer.rows, layer.keeping = False, None, False


def _own(layer: nn.Module) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    """Scale and shift, each where the layer has it."""
    own = dict(layer.named_parameters(recurse=False))
    return own.get("weight"), own.get("bias")


def _replaced(layer: nn.Module, path: str) -> nn.Module:
    if isinstance(layer, nn.SyncBatchNorm):
        raise OptionError(
            f"Statistics in adaptation are one task's own; '{path}' is a SyncBatchNorm, which mixes machines. "
            "Use BatchNorm or GroupNorm."
        )
    if isinstance(layer, _BatchNorm):
        return TaskBatchNorm(layer)
    if isinstance(layer, _InstanceNorm):
        if layer.track_running_stats:
            raise OptionError(
                f"Instance normalisation in adaptation reads one row at a time; '{path}' tracks running statistics. "
                "Set track_running_stats=False."
            )
        return TaskInstanceNorm(layer)
    if isinstance(layer, nn.LayerNorm):
        return TaskLayerNorm(layer)
    if isinstance(layer, _NormBase):
        raise OptionError(
            f"Normalisation must be known to be safe over many tasks at once; '{path}' is a {type(layer).__name__}. "
            "Use BatchNorm, LayerNorm, GroupNorm, InstanceNorm or RMSNorm."
        )
    for name, child in layer.named_children():
        if (new := _replaced(child, f"{path}.{name}".lstrip("."))) is not child:
            setattr(layer, name, new)
    return layer


def _moments(x: Tensor, rows: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean (C,) and biased variance (C,) over rows and places."""
    axes = [0, *range(2, x.ndim)]
    if rows is None:
        var, mean = torch.var_mean(x, dim=axes, correction=0)
        return mean, var
    weights = rows.to(x.dtype)
    weights = (weights / (weights.sum() * x[0, 0].numel())).reshape(-1, *[1] * (x.ndim - 1))
    mean = (x * weights).sum(axes)
    return mean, ((x - _by_channel(mean, x)).square() * weights).sum(axes)


def _scaled(normal: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is None or bias is None:
        return normal
    return torch.addcmul(_by_channel(bias, normal), normal, _by_channel(weight, normal))


def _by_channel(numbers: Tensor, x: Tensor) -> Tensor:
    """(C,) as (C, 1, …), to go with x (N, C, …)."""
    return numbers.reshape(-1, *[1] * (x.ndim - 2))
