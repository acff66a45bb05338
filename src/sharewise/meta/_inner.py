"""The inner loop: a task's weights after some steps down the loss of its support rows, for many tasks at once.

Symbols: `E` tasks, `N` rows of a task, `W` ways, `P` the shape of a row's inputs. Everything here works in two modes on
the same lines of code. *Vectorised*: tensors have E first, and one pass of `torch.func.vmap` over the network serves all
tasks; as no task's loss depends on another's weights, the gradient of the losses' sum is each task's own gradient, by
plain autograd (cheaper than nested transforms, and right where these are not, see `sharewise.meta._norms`).
*Looped*: one task without the axis E, padded rows left out; the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.conv import _ConvNd

from sharewise.errors import OptionError
from sharewise.meta._norms import batch_norms, statistics_over

Weights = dict[str, Tensor]
"""Tensors by their path in a network, each (E, …) or, looped, without E."""
Rates = float | Mapping[str, Tensor]
"""A step's length: one for all, or one for each number."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled rows of E tasks, or of one without the axis E.

    Attributes:
        x: (E, N, *P) inputs.
        y: (E, N) class places, or numbers.
        mask: (E, N) bool, which rows are there; None for all.
        classes: (E, W) bool, which classes a task has; None for regression.
    """

    x: Tensor
    y: Tensor
    mask: Tensor | None
    classes: Tensor | None

    def task(self, place: int) -> Rows:
        """One task without the axis E and without padding."""
        classes = None if self.classes is None else self.classes[place]
        if self.mask is None:
            return Rows(self.x[place], self.y[place], None, classes)
        there = self.mask[place]
        return Rows(self.x[place][there], self.y[place][there], None, classes)

    def only(self, which: slice) -> Rows:
        """Some of the tasks."""
        mask = None if self.mask is None else self.mask[which]
        return Rows(self.x[which], self.y[which], mask, None if self.classes is None else self.classes[which])

    def of(self, x: Tensor) -> Rows:
        """The same rows with other inputs, such as features of them."""
        return replace(self, x=x)


@final
class Pass:
    """Runs a network on its tasks' own weights.

    Args:
        network: (N, *P) to logits (N, W), or numbers (N, 1); safe (`sharewise.meta._norms`).
        vectorised: Whether weights and inputs have the axis E.
        shared: Whether weights are the same for all tasks, without E; statistics always are a task's own.
    """

    def __init__(self, network: nn.Module, *, vectorised: bool, shared: bool = False) -> None:
        self.network, self.vectorised, self.shared = network, vectorised, shared
        self.norms: Final = batch_norms(network)
        self.statistics: Final = {
            f"{path}.{kind}".lstrip(".") for path in self.norms for kind in ("mean", "var")
        }

    def kept(self, weights: Weights, x: Tensor) -> Tensor:
        """Outputs (E, N, …); batch normalisation by the statistics among `weights`."""
        return self._run(lambda own, inputs: functional_call(self.network, own, (inputs,)), weights, x)

    def own(self, weights: Weights, x: Tensor, mask: Tensor | None) -> Tensor:
        """Outputs (E, N, …); batch normalisation by the statistics of these rows."""
        if not self.norms:
            return self.kept(weights, x)

        def one(own: Weights, inputs: Tensor, rows: Tensor | None = None) -> Tensor:
            with statistics_over(self.norms, rows, alone=not self.vectorised):
                return functional_call(self.network, own, (inputs,))  # type: ignore[no-any-return]

        return self._run(one, weights, x, mask)

    def with_statistics(self, weights: Weights, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Weights]:
        """Outputs of `own`, and what `kept` needs of them: means and variances (E, C) by path."""

        def one(own: Weights, inputs: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Weights]:
            with statistics_over(self.norms, rows, alone=not self.vectorised, keep=True):
                outputs = functional_call(self.network, own, (inputs,))
            found: Weights = {}
            for path, layer in self.norms.items():
                if layer.found is not None:
                    found[f"{path}.mean".lstrip(".")], found[f"{path}.var".lstrip(".")] = layer.found
                layer.found = None
            return outputs, found

        return self._run(one, weights, x, mask)  # type: ignore[return-value]

    def _run(self, one: Callable[..., Any], weights: Weights, *inputs: Tensor | None) -> Tensor:
        given = [part for part in inputs if part is not None]
        if not self.vectorised:
            return one(weights, *given)  # type: ignore[no-any-return]
        axes = {name: 0 if name in self.statistics or not self.shared else None for name in weights}
        return vmap(one, in_dims=(axes, *[0] * len(given)), randomness="different")(weights, *given)  # type: ignore[no-any-return]


def descend(
    run: Pass, start: Weights, rates: Rates, rows: Sequence[Rows], *, graph: bool
) -> tuple[Weights, list[Tensor]]:
    """Weights after one step of gradient descent for each of `rows`, and each step's losses (E,) before it.

    Args:
        graph: Whether to keep the way from `start` to the end, for second derivatives.
    """
    weights, seen = start, []
    for part in rows:
        if not graph:
            weights = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        losses = row_losses(run.own(weights, part.x, part.mask), part)
        found = torch.autograd.grad(
            losses.sum(), list(weights.values()), create_graph=graph, materialize_grads=True
        )
        seen.append(losses)
        weights = {
            name: torch.sub(weight, gradient, alpha=rates)
            if isinstance(rates, float)
            else torch.addcmul(weight, gradient, rates[name], value=-1)
            for (name, weight), gradient in zip(weights.items(), found, strict=True)
        }
    return weights, seen


def outputs_of(raw: Tensor, classes: Tensor | None) -> Tensor:
    """A network's outputs as logits (…, N, W) with −inf for classes that a task has not, or as numbers (…, N).

    Raises:
        OptionError: The network has other outputs than the tasks ask for.
    """
    if classes is None:
        if raw.ndim > 1 and raw.shape[-1] == 1:
            return raw.squeeze(-1)
        raise OptionError(
            f"A network for regression has one output a row; this one has {raw.shape[-1]}. End it with one."
        )
    width = classes.shape[-1]
    if raw.shape[-1] < width:
        raise OptionError(
            f"A network has an output for each way; it has {raw.shape[-1]} and the task {width} ways. Widen the "
            "last layer, or lower the ways."
        )
    return raw[..., :width].masked_fill(~classes[..., None, :], -torch.inf)


def row_losses(raw: Tensor, rows: Rows) -> Tensor:
    """(E,) or (): mean over a task's rows of cross-entropy, or of squared error."""
    outputs = outputs_of(raw, rows.classes)
    if rows.classes is None:
        losses = (outputs - rows.y).square()
    else:
        labels = rows.y if rows.mask is None else rows.y.masked_fill(~rows.mask, 0)
        losses = -outputs.log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1)
    if rows.mask is None:
        return losses.mean(-1)
    return losses.masked_fill(~rows.mask, 0.0).sum(-1) / rows.mask.sum(-1)


def better_looped(network: nn.Module, device: torch.device) -> bool:
    """The rule by which a mode is chosen: convolutions on a CPU are bound by arithmetic, where a vectorised pass saves
    nothing and costs the memory of all tasks at once; whatever else is bound by the number of calls."""
    return device.type == "cpu" and any(isinstance(layer, _ConvNd) for layer in network.modules())


@contextmanager
def differentiable_twice() -> Iterator[None]:
    """Attention by plain arithmetic: fused kernels have no second derivative, nor a rule under `vmap`."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
