"""Other ways to MAML's meta-gradient for ``benchmarks/meta.py``; nothing to run.

Each takes a network and episodes and leaves the gradient of the mean query loss in the network's parameters.

learn2learn 0.2 cannot be imported whole beside today's gym and torchvision: only its algorithms are, from where it is
installed or unpacked (``PYTHONPATH``), by an empty package in place of its ``__init__``; their source is untouched.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from sharewise.meta import Episodes
from torch import Tensor, nn
from torch.func import functional_call

Step = Callable[[], nn.Module]
"""Computes a meta-gradient and returns the network that holds it."""


def loss_of(outputs: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy for classes, squared error for numbers."""
    return F.mse_loss(outputs[:, 0], y) if y.is_floating_point() else F.cross_entropy(outputs, y)


def learn2learn(network: nn.Module, episodes: Episodes, steps: int, rate: float) -> Step:
    """As its examples do: a clone a task, `adapt` a step.

    Raises:
        ImportError: It is not there.
    """
    model = _learn2learn_maml()(copy.deepcopy(network), lr=rate)

    def step() -> nn.Module:
        model.zero_grad()
        total = torch.zeros((), dtype=episodes.query_x.dtype)
        for task in range(len(episodes)):
            own = model.clone()
            for _ in range(steps):
                own.adapt(loss_of(own(episodes.support_x[task]), episodes.support_y[task]))
            total = total + loss_of(own(episodes.query_x[task]), episodes.query_y[task])
        (total / len(episodes)).backward()
        return model.module  # type: ignore[no-any-return]

    return step


def torchopt(network: nn.Module, episodes: Episodes, steps: int, rate: float) -> Step:
    """As its examples do: a differentiable optimizer that moves the network, and a state to return to.

    Raises:
        ImportError: It is not there.
    """
    library = importlib.import_module("torchopt")
    model = copy.deepcopy(network)
    own = dict(model.named_parameters())
    inner = library.MetaSGD(model, lr=rate)
    start = library.extract_state_dict(model, by="reference", detach_buffers=True)
    fresh = library.extract_state_dict(inner, by="reference")
    kept = types.SimpleNamespace(named_parameters=own.items)

    def step() -> nn.Module:
        for weight in own.values():
            weight.grad = None
        total = torch.zeros((), dtype=episodes.query_x.dtype)
        for task in range(len(episodes)):
            for _ in range(steps):
                inner.step(loss_of(model(episodes.support_x[task]), episodes.support_y[task]))
            total = total + loss_of(model(episodes.query_x[task]), episodes.query_y[task])
            library.recover_state_dict(model, start)
            library.recover_state_dict(inner, fresh)
        (total / len(episodes)).backward()
        return kept  # type: ignore[return-value]

    return step


def plain_loop(network: nn.Module, episodes: Episodes, steps: int, rate: float) -> Step:
    """The fewest lines: `functional_call` and `autograd.grad`, task after task."""
    model = copy.deepcopy(network)

    def step() -> nn.Module:
        model.zero_grad()
        total = torch.zeros((), dtype=episodes.query_x.dtype)
        for task in range(len(episodes)):
            own = dict(model.named_parameters())
            for _ in range(steps):
                loss = loss_of(
                    functional_call(model, own, (episodes.support_x[task],)), episodes.support_y[task]
                )
                slopes = torch.autograd.grad(loss, list(own.values()), create_graph=True)
                own = {name: w - rate * slope for (name, w), slope in zip(own.items(), slopes, strict=True)}
            total = total + loss_of(
                functional_call(model, own, (episodes.query_x[task],)), episodes.query_y[task]
            )
        (total / len(episodes)).backward()
        return model

    return step


PEERS = {"learn2learn": learn2learn, "TorchOpt": torchopt, "plain loop": plain_loop}


def _learn2learn_maml() -> Callable[..., nn.Module]:
    if "learn2learn" not in sys.modules:
        spec = importlib.util.find_spec("learn2learn")
        if spec is None or spec.origin is None:
            raise ImportError("learn2learn is not installed")
        root = Path(spec.origin).parent
        for name, place in (("learn2learn", root), ("learn2learn.algorithms", root / "algorithms")):
            shell = types.ModuleType(name)
            shell.__path__ = [str(place)]
            sys.modules[name] = shell
    return importlib.import_module("learn2learn.algorithms.maml").MAML  # type: ignore[no-any-return]
