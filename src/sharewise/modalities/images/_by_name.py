"""Backbones by name: ours, and any of `timm` where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, final

from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.images._backbone import Backbone, Standardise
from sharewise.modalities.images._efficientnet_lite import EfficientNetLite0
from sharewise.modalities.images._resnet import ResNet

BACKBONES: dict[str, Callable[..., Backbone]] = {"resnet": ResNet, "efficientnet_lite0": EfficientNetLite0}


def backbone(name: str, **options: Any) -> Backbone:
    """One of `BACKBONES`, or ``timm:NAME`` for a model of timm's (random weights unless ``pretrained=True``, for which
    timm asks the network unless it has them).

    Raises:
        OptionError: The name is unknown, timm is not installed or does not know or have the model.
    """
    if name.startswith("timm:"):
        return _from_timm(name.removeprefix("timm:"), options)
    if name not in BACKBONES:
        raise OptionError(
            f"A backbone is one of {', '.join(BACKBONES)}, or timm:NAME; got '{name}'. Choose one, or wrap your own "
            "module in Maps."
        )
    try:
        return BACKBONES[name](**options)
    except TypeError as error:
        raise OptionError(f"The backbone '{name}' has other options; {error}. Correct them.") from error


@final
class Maps(Backbone):
    """Any module that gives a sequence of maps, fine to coarse, as a backbone.

    Args:
        channels, strides: Of each map.
        standardise: What the module wants done to numbers from 0 to 1.
    """

    def __init__(
        self,
        module: nn.Module,
        channels: tuple[int, ...],
        strides: tuple[int, ...],
        *,
        inputs: int = 3,
        standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        if len(channels) != len(strides) or not channels or sorted(set(strides)) != list(strides):
            raise OptionError(
                f"A backbone has as many channels as rising strides; got {channels} and {strides}. Correct them."
            )
        self.inputs, self.channels, self.strides = inputs, channels, strides
        self.module = module
        self.standardise = standardise if standardise is not None else nn.Identity()

    def _maps(self, x: Tensor) -> tuple[Tensor, ...]:
        found = tuple(self.module(self.standardise(x)))
        if [each.shape[1] for each in found] != list(self.channels):
            raise OptionError(
                f"A backbone's maps have the channels stated, {self.channels}; got {[each.shape[1] for each in found]}. "
                "Correct them."
            )
        return found


def _from_timm(name: str, options: dict[str, Any]) -> Backbone:
    try:
        timm = import_module("timm")
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch raises RuntimeError
        raise OptionError(
            f"'timm:{name}' needs timm, which cannot be imported ({str(error).splitlines()[0]}). Install it, or choose "
            f"one of {', '.join(BACKBONES)}."
        ) from error
    try:
        module = timm.create_model(name, features_only=True, **options)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        raise OptionError(
            f"timm gives no '{name}' ({str(error).splitlines()[0]}). Check its name, or pass pretrained=False while "
            "offline."
        ) from error
    info = module.feature_info
    inputs = int(options.get("in_chans", 3))
    wants = getattr(module, "default_cfg", None) or {}
    standardise = (
        Standardise(tuple(wants["mean"]), tuple(wants["std"])) if inputs == 3 and "mean" in wants else None
    )
    return Maps(
        module,
        tuple(info.channels()),
        tuple(info.reduction()),
        inputs=inputs,
        standardise=standardise,
    )
