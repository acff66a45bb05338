"""The Gramian of a layer's parameter gradients, from what goes in and the gradients of what comes out.

Of a linear layer y = W h + b, task t's gradient is A_t = G_t' h with rows h ``(N, H)`` and G_t ``(N, D)``. The
products <A_s, A_t> are found the cheaper way of

* A_t itself: N·H·D multiplications a task;
* through the rows, <G_s, (h h') G_t>: N²·D a task, for few rows;
* where both ``N`` and ``H`` are larger than `EXACT_UP_TO`: a sketch. ``h`` is replaced by its products with
  `SKETCH` fixed random sign vectors, which keeps <A_s, A_t> in expectation (Johnson and Lindenstrauss), with an error
  of about |A_s| |A_t| / sqrt(`SKETCH` · r), r the number of directions that the gradients spread over. That is far
  below what the last layer leaves out of the rest, and costs N·`SKETCH`·D a task.

Products are float32 (or the layer's own type), the ``(T, T)`` results are added up in float64.

Symbols: ``T`` tasks, ``N`` rows, ``H`` and ``D`` inputs and outputs of the layer, ``C`` channels.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

SKETCH: Final = 32
"""Random directions in place of a layer's inputs."""
EXACT_UP_TO: Final = 128
"""Rows or inputs up to which the Gramian is exact; from there on a sketch costs less than half."""
PARTS: Final = 16
"""Parts of the gradients whose float32 products are added up in float64."""


def linear_gramian(rows: Tensor, slopes: Tensor, *, bias: bool, exact: bool = False) -> Tensor:
    """Gramian ``(T, T)`` of W's (and b's) gradients, float64.

    Args:
        rows: ``(N, H)`` inputs.
        slopes: ``(T, N, D)`` gradients of the outputs.
        bias: Whether there is a bias.
        exact: Never sketch.
    """
    count, width = rows.shape
    if count <= min(width, EXACT_UP_TO) or (exact and count < width):
        kernel = torch.mm(rows, rows.t())
        if bias:
            kernel += 1.0  # a bias is the weight of an input that is always one
        return _cross(slopes.flatten(1), torch.matmul(kernel, slopes).flatten(1))
    return gram(linear_gradients(rows, slopes, bias=bias, exact=exact))


def linear_gradients(rows: Tensor, slopes: Tensor, *, bias: bool, exact: bool = False) -> Tensor:
    """W's (and b's) gradients ``(T, P)`` a task, sketched where both sides are long; arguments as above."""
    if not exact and rows.shape[1] > EXACT_UP_TO:
        rows = sketched(rows)
    if bias:
        rows = F.pad(rows, (0, 1), value=1.0)  # an input that is always one
    return torch.matmul(rows.t(), slopes).flatten(1)


def gram(gradients: Tensor) -> Tensor:
    """``(T, P)`` to ``(T, T)`` in float64."""
    return _cross(gradients, gradients)


def _cross(left: Tensor, right: Tensor) -> Tensor:
    tasks, size = left.shape
    part = size // PARTS
    whole = part * PARTS
    if part < 64:
        return torch.mm(left.double(), right.double().t())
    blocks = (x[:, :whole].view(tasks, PARTS, part).transpose(0, 1) for x in (left, right))
    first, second = blocks
    found = torch.bmm(first, second.transpose(1, 2)).double().sum(0)
    if whole < size:
        found += torch.mm(left[:, whole:].double(), right[:, whole:].double().t())
    return found


def sketched(rows: Tensor) -> Tensor:
    """``(N, H)`` to ``(N, 1 + SKETCH)`` with nearly the same products between sums of rows.

    Inputs behind a rectifier have a common mean that outweighs the rest, so its direction is kept as it is and only
    what is orthogonal to it goes through random signs.
    """
    mean = rows.mean(0)
    mean /= mean.norm().clamp_min(torch.finfo(rows.dtype).tiny)
    random = signs(rows.shape[1], rows.dtype, rows.device)
    basis = torch.cat([mean[:, None], torch.addr(random, mean, mean @ random, alpha=-1)], dim=1)
    return torch.mm(rows, basis)


@lru_cache(maxsize=64)
def signs(width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``(width, SKETCH)`` of plus or minus 1 / sqrt(SKETCH), the same in every process."""
    generator = torch.Generator().manual_seed(width)
    drawn = torch.randint(0, 2, (width, SKETCH), generator=generator)
    found: Tensor = (drawn * 2 - 1).to(device=device, dtype=dtype) / SKETCH**0.5
    return found
