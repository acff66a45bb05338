"""How near tasks seem to each other: lookahead affinity, gradient cosines, similarity of representations.

**Hints only.** On 27 tasks, choosing groups by such scores was worse than chance; whether tasks help each other
is decided by training them together and apart. They are cheap, and may order what is tried.

All are measured on one batch; average over some. Networks are left as they were, and run as they predict
(without dropout), so that differences come from weights alone.

Symbols: ``B`` rows, ``T`` tasks, ``D`` width of features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sharewise.errors import DataError, OptionError
from sharewise.networks import MultiTaskNetwork
from sharewise.tasks import Array, Kind
from sharewise.tasks._torch_loss import labelled, loss_of
from sharewise.training._evaluate import evaluating


def lookahead_affinity(
    network: MultiTaskNetwork,
    x: Any,
    targets: Mapping[str, Tensor],
    tasks: Mapping[str, Kind],
    *,
    rate: float = 0.1,
) -> Array:
    """How much a step on one task's loss lowers another's, ``(T, T)``: row ``i`` moved, column ``j`` measured.

    Z = 1 − L_j(after a gradient step of ``rate`` on L_i, shared weights only) / L_j(before): equation 1 of
    Fifty et al. 2021, *Efficiently Identifying Task Groupings for Multi-Task Learning*,
    `arXiv:2109.04617 <https://arxiv.org/abs/2109.04617>`_. Positive where the step helped. A plain gradient
    step, whatever optimizer the network is trained with. A hint only: see the module.

    Args:
        x: As the network takes it.
        targets: Labels ``(B,)`` by task, with gaps; the row and column of a task without any are NaN.
        rate: Step size.

    Raises:
        OptionError: A rate that is not positive.
    """
    if not rate > 0:
        raise OptionError(f"a lookahead step has a rate above 0; got {rate}.")
    found = np.full((len(tasks), len(tasks)), np.nan)
    with evaluating(network):
        gradients = _gradients(network, x, targets, tasks)
        before = _values(network, x, targets, tasks)
        shared = _shared(network)
        start = [parameter.detach().clone() for parameter in shared]
        try:
            for place, task in enumerate(tasks):
                if task not in gradients:
                    continue
                with torch.no_grad():
                    for parameter, value, slope in zip(shared, start, gradients[task], strict=True):
                        parameter.copy_(value - rate * slope)
                found[place] = 1.0 - _values(network, x, targets, tasks) / before
        finally:
            with torch.no_grad():
                for parameter, value in zip(shared, start, strict=True):
                    parameter.copy_(value)
    return found


def gradient_cosines(
    network: MultiTaskNetwork, x: Any, targets: Mapping[str, Tensor], tasks: Mapping[str, Kind]
) -> Array:
    """Cosines between the tasks' gradients of all shared weights, ``(T, T)``.

    Below zero two tasks pull apart on this batch (Yu et al. 2020, *Gradient Surgery*,
    `arXiv:2001.06782 <https://arxiv.org/abs/2001.06782>`_, definition 1). NaN for a task without labels here,
    or without a gradient. A hint only: see the module.
    """
    found = np.full((len(tasks), len(tasks)), np.nan)
    with evaluating(network):
        gradients = _gradients(network, x, targets, tasks)
    if not gradients:
        return found
    here = [place for place, task in enumerate(tasks) if task in gradients]
    flat = torch.stack([torch.cat([part.flatten() for part in own]) for own in gradients.values()])
    gramian = (flat.double() @ flat.double().T).cpu().numpy()
    lengths = np.sqrt(gramian.diagonal())
    with np.errstate(invalid="ignore", divide="ignore"):
        found[np.ix_(here, here)] = np.clip(gramian / np.outer(lengths, lengths), -1.0, 1.0)
    return found


def linear_cka(one: Tensor, other: Tensor) -> float:
    """Similarity of two representations of the same rows, from 0 to 1.

    |Y'X|² / (|X'X| |Y'Y|) of centred features, Frobenius norms: linear centred kernel alignment, Kornblith et
    al. 2019, `arXiv:1905.00414 <https://arxiv.org/abs/1905.00414>`_, equation 5 and section 3. The same for rotated or
    scaled features; high by itself where there are fewer rows than features. NaN where one does not vary.

    Args:
        one: ``(B, D)``; further axes are flattened.
        other: ``(B, E)``.

    Raises:
        DataError: Different numbers of rows.
    """
    if len(one) != len(other):
        raise DataError(f"representations are of the same rows; got {len(one)} and {len(other)}.")
    x, y = (part.detach().flatten(1).double() for part in (one, other))
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    if len(x) < min(x.shape[1], y.shape[1]):  # through the rows: the same numbers, smaller products
        left, right = x @ x.T, y @ y.T
        among, sizes = (left * right).sum(), left.norm() * right.norm()
    else:
        among, sizes = (y.T @ x).square().sum(), (x.T @ x).norm() * (y.T @ y).norm()
    return float(among / sizes) if float(sizes) > 0 else float("nan")


def representation_similarity(features: Mapping[str, Tensor]) -> Array:
    """`linear_cka` between all pairs, ``(T, T)``: for example of encoders trained a task each, on the same rows
    (Dwivedi and Roig 2019, `arXiv:1904.11740 <https://arxiv.org/abs/1904.11740>`_, with another similarity).

    A hint only: see the module.

    Args:
        features: ``(B, D)`` by task.
    """
    parts = list(features.values())
    found = np.ones((len(parts), len(parts)))
    for i, one in enumerate(parts):
        for j, other in enumerate(parts[: i + 1]):
            found[i, j] = found[j, i] = linear_cka(one, other)
    return found


def _shared(network: MultiTaskNetwork) -> list[torch.nn.Parameter]:
    return [parameter for parameter in network.shared_parameters() if parameter.requires_grad]


def _present(targets: Mapping[str, Tensor], tasks: Mapping[str, Kind]) -> dict[str, Kind]:
    return {t: kind for t, kind in tasks.items() if t in targets and bool(labelled(kind, targets[t]).any())}


def _gradients(
    network: MultiTaskNetwork, x: Any, targets: Mapping[str, Tensor], tasks: Mapping[str, Kind]
) -> dict[str, list[Tensor]]:
    """Of each task present, by the shared weights."""
    present = _present(targets, tasks)
    shared = _shared(network)
    found = {}
    outputs = network(x, tuple(present)) if present else {}
    for task, kind in present.items():
        loss = loss_of(kind, outputs[task], targets[task].to(outputs[task].device))
        slopes = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
        found[task] = list(slopes)
    return found


def _values(
    network: MultiTaskNetwork, x: Any, targets: Mapping[str, Tensor], tasks: Mapping[str, Kind]
) -> Array:
    """Losses ``(T,)``, NaN where a task is not present."""
    present = _present(targets, tasks)
    with torch.no_grad():
        outputs = network(x, tuple(present)) if present else {}
    found = np.full(len(tasks), np.nan)
    for place, (task, kind) in enumerate(tasks.items()):
        if task in present:
            found[place] = float(loss_of(kind, outputs[task], targets[task].to(outputs[task].device)))
    return found
