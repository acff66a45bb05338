"""Meta-learners by name and plain options, built the same way in training and when a stored one is read again.

What a learner is built of follows from its constructor: one with ``encoder`` gets an encoder, one with ``network`` (or
``head``) an encoder and a layer on top, one with ``make`` what makes such a network; one that does without an encoder
gets one only where an option asks for it. Options that its constructor knows are handed on. So a learner that joins
`META_LEARNERS` needs no line here.

Symbols: ``N`` rows, ``P`` numbers of a row, ``D`` features, ``W`` outputs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from sharewise.errors import NotFittedError, OptionError

if TYPE_CHECKING:
    from torch import nn

    from sharewise.meta import MetaLearner

Option = str | int | float
OptionMap = Mapping[str, Option]


VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
ENCODER_OPTIONS = ("hidden", "depth", "reach", "unit")
"""Width and number of hidden layers, the width of the learnt linear map beside them (0: inputs as they are), and whether
(1 or 0) features are divided by the root of their number."""


def learner_class(name: str) -> type[MetaLearner]:
    """The class of that name.

    Raises:
        OptionError: There is none.
    """
    from sharewise.meta import META_LEARNERS

    if name not in META_LEARNERS:
        raise OptionError(
            f"A learner is one of {', '.join(sorted(META_LEARNERS))}; got '{name}'. Correct the name."
        )
    return META_LEARNERS[name]


def make_learner(
    name: str,
    options: OptionMap,
    *,
    shape: tuple[int, ...],
    width: int,
    own_encoder: object | None = None,
    dtype: str = "float32",
    seed: int = 0,
) -> MetaLearner:
    """A fresh learner; the same one for the same arguments.

    Args:
        options: Of the encoder (`ENCODER_OPTIONS`) and of the learner's constructor.
        shape: Of one row's inputs.
        width: ``W``, the classes of a task, or 1 for numbers.
        own_encoder: The user's module, which is copied; None for rows of numbers.
        dtype: Of inputs, for the user's module.
        seed: Of the fresh weights.

    Raises:
        OptionError: The name or an option is unknown.
        NotFittedError: Inputs are tensors, and there is no encoder for them.
    """
    import torch

    kind = learner_class(name)
    asked = _asked(kind)
    of_encoder = {key: value for key, value in options.items() if key in ENCODER_OPTIONS and key not in asked}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: dict[str, Any] = {"ways": width if width > 1 else None, "seed": seed}
        if _optional(asked, "encoder") and own_encoder is None and len(shape) == 1 and not of_encoder:
            parts["features"] = shape[0]
        else:
            encoder, features = make_encoder(of_encoder, shape=shape, own_encoder=own_encoder, dtype=dtype)
            parts.update(encoder=encoder, features=features)
            parts["head"] = torch.nn.Linear(features, width)
            parts["network"] = with_head(encoder, features, width)
            parts["make"] = partial(_network_of, encoder, features)
        return kind(**_arguments(kind, parts, options))


def make_encoder(
    options: OptionMap, *, shape: tuple[int, ...], own_encoder: object | None = None, dtype: str = "float32"
) -> tuple[nn.Module, int]:
    """An encoder ``(N, *shape) -> (N, D)`` and ``D``; features of a row have a length of about one unless the option
    ``unit`` is 0.

    Raises:
        NotFittedError: Inputs are tensors, and there is no encoder for them.
    """
    import torch

    from sharewise.strategies.new_tasks._encoders import Flat, LinearBeside

    if own_encoder is None and len(shape) != 1:
        raise NotFittedError(
            "a model with an encoder of your own predicts through it, and files hold no code. Pass the module: "
            "sharewise.load(folder, encoder=module)."
        )
    hidden, depth, reach, unit = (int(options.get(key, default)) for key, default in DEFAULTS.items())
    if own_encoder is None:
        beside = LinearBeside(shape[0], hidden=hidden, depth=depth, reach=reach, unit=bool(unit))
        return beside, beside.width
    copy: nn.Module = deepcopy(own_encoder)  # type: ignore[assignment]
    example = torch.zeros((2, *shape), dtype=getattr(torch, dtype))
    training = copy.training
    with torch.no_grad():
        features = copy.eval()(example).flatten(1).shape[1]
    return Flat(copy.train(training), features if unit else 1), features


DEFAULTS = {"hidden": 64, "depth": 1, "reach": 0, "unit": 1}
"""Of `ENCODER_OPTIONS`."""


def with_head(encoder: nn.Module, features: int, width: int) -> nn.Module:
    """Encoder and a linear layer, ``encoder`` and ``head``, as one network ``(N, *P) -> (N, W)``."""
    from torch import nn

    return nn.Sequential(OrderedDict(encoder=encoder, head=nn.Linear(features, width)))


def _network_of(encoder: nn.Module, features: int, outputs: int) -> nn.Module:
    """A copy of the encoder with *fresh* weights where they can be drawn anew, and a head."""
    copy = deepcopy(encoder)
    for module in copy.modules():
        renew = getattr(module, "reset_parameters", None)
        if callable(renew):
            renew()
    return with_head(copy, features, outputs)


def _asked(kind: type[MetaLearner]) -> dict[str, Parameter]:
    """What a constructor takes by name."""
    return {key: found for key, found in signature(kind).parameters.items() if found.kind not in VARIABLE}


def _optional(asked: Mapping[str, Parameter], part: str) -> bool:
    """Whether a constructor takes this part and does without."""
    return part in asked and asked[part].default is None


def _arguments(kind: type[MetaLearner], parts: Mapping[str, Any], options: OptionMap) -> dict[str, Any]:
    """What a constructor asks for, the parts and among the options those that it knows.

    Raises:
        OptionError: An option is neither the encoder's nor the learner's, or something asked for is no part.
    """
    asked = _asked(kind)
    strange = [key for key in options if key in parts or (key not in asked and key not in ENCODER_OPTIONS)]
    if strange:
        allowed = ", ".join((*ENCODER_OPTIONS, *(key for key in asked if key not in parts)))
        raise OptionError(f"An option of {kind.name} is one of {allowed}; got '{strange[0]}'. Leave it out.")
    missing = [
        key
        for key, found in asked.items()
        if found.default is Parameter.empty and key not in parts and key not in options
    ]
    if missing:
        raise OptionError(
            f"{kind.name} asks for '{missing[0]}', which is no part of a learner. Pass it as an option."
        )
    found = {key: value for key, value in parts.items() if key in asked}
    return {**found, **{key: value for key, value in options.items() if key in asked}}
