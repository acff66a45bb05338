"""How a network learns a kind of task: the loss of a head's outputs, and the predictions in them.

A gap is NaN in a target of floating point, and any negative code in a target of classes. Gaps cost nothing:
every loss here is a mean over the labelled rows alone.

Symbols: ``B`` rows of a batch; ``W`` outputs of a head (`Kind.outputs`; a binary head may also give the one
logit of its second class).

The module needs torch, the rest of ``tasks`` does not: import it as ``sharewise.tasks._torch_loss``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.tasks._classification import Binary, Classification
from sharewise.tasks._kind import Kind
from sharewise.tasks._metric import Array
from sharewise.tasks._ordinal import Ordinal

IGNORED = -100
"""The code that takes the place of a gap (torch's own ``ignore_index``)."""


class LossSum(NamedTuple):
    """A loss before it is averaged, so that parts of a batch can be put together.

    Attributes:
        total: Scalar, the sum over the labelled rows; zero, with its graph, where there is none.
        rows: Scalar, the number of labelled rows.
    """

    total: Tensor
    rows: Tensor


def labelled(kind: Kind, target: Tensor) -> Tensor:
    """Which rows have a label, ``(B,)`` booleans."""
    known = ~torch.isnan(target) if target.is_floating_point() else torch.ones_like(target, dtype=torch.bool)
    return known & (target >= 0) if isinstance(kind, Classification) else known


def check_labels(kind: Kind, target: Tensor, task: str = "") -> None:
    """Raises where labels are no column of numbers, or no codes of the kind's classes.

    Cheap on the CPU; on an accelerator it waits for the device, so check before labels are moved there.

    Raises:
        DataError: In one sentence.
    """
    of = f" of task '{task}'" if task else ""
    if target.ndim != 1:
        raise DataError(
            f"labels{of} are one column, of shape (rows,); got shape {tuple(target.shape)}. "
            "Give one label a row, with NaN or a negative code for a gap."
        )
    if not isinstance(kind, Classification):
        return
    known = target[labelled(kind, target)]
    wrong = (known >= kind.width) | (known != known.floor())
    if bool(wrong.any()):
        raise DataError(
            f"labels{of} are codes from 0 to {kind.width - 1}, the places of its {kind.width} classes; "
            f"got {known[wrong][0].item():g}. Encode the labels so, with a negative code for a gap."
        )


def check_outputs(kind: Kind, outputs: Tensor, rows: int, task: str = "") -> None:
    """Raises where a head's outputs do not fit its kind and the rows of the batch.

    Raises:
        OptionError: In one sentence.
    """
    of = f" of task '{task}'" if task else ""
    allowed = {kind.outputs, 1} if isinstance(kind, Binary) else {kind.outputs}
    width = 1 if outputs.ndim == 1 else outputs.shape[-1]
    if outputs.ndim > 2 or len(outputs) != rows or width not in allowed:
        raise OptionError(
            f"the head{of} gives {kind.outputs} output(s) a row, as its kind is {kind.name}; got shape "
            f"{tuple(outputs.shape)} for {rows} rows. Give the head that many outputs."
        )


def loss_sum(kind: Kind, outputs: Tensor, target: Tensor) -> LossSum:
    """The loss summed over the labelled rows, and their number; nothing is checked.

    Squared error for a regression, cross-entropy (natural logarithm) for classes, its cumulative form for ordered
    ones (`cumulative_losses`). Computed in at least 32
    bits, whatever the precision of the outputs. Nothing here waits for the device.

    Args:
        outputs: ``(B, W)``, or ``(B,)`` where ``W`` is 1.
        target: ``(B,)`` with gaps.
    """
    outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
    known = labelled(kind, target)
    count = known.sum()
    single = outputs.ndim == 1 or outputs.shape[-1] == 1
    if not isinstance(kind, Classification):
        # Gaps leave before the square: the slope through a NaN would be NaN, whatever it is multiplied by.
        error = torch.where(known, outputs.reshape(-1) - target.to(outputs.dtype), 0.0)
        return LossSum(error.square().sum(), count)
    if single:
        truth = torch.where(known, target, 0).to(outputs.dtype)
        each = F.binary_cross_entropy_with_logits(outputs.reshape(-1), truth, reduction="none")
        return LossSum(torch.where(known, each, 0.0).sum(), count)
    if isinstance(kind, Ordinal):
        each = cumulative_losses(outputs, torch.where(known, target, 0))
        return LossSum(torch.where(known, each, 0.0).sum(), count)
    codes = torch.where(known, target, IGNORED).long()
    return LossSum(F.cross_entropy(outputs, codes, ignore_index=IGNORED, reduction="sum"), count)


def cumulative_losses(scores: Tensor, codes: Tensor) -> Tensor:
    """Of ordered classes the loss of each row ``(B,)``: the mean, over the ``W - 1`` places where the scale can be cut,
    of the binary cross-entropy of lying above the cut.

    One binary question a cut is the decomposition of Frank & Hall (*A Simple Approach to Ordinal Classification*,
    ECML 2001); all are answered by one softmax, so that they never contradict one another and predictions stay
    probabilities of classes. The score is proper (Tödter & Ahrens, *Generalization of the Ignorance Score*, Monthly
    Weather Review 140, 2012), and cross-entropy where there are two classes.

    Args:
        scores: ``(B, W)``, before the softmax.
        codes: ``(B,)``, without gaps.
    """
    total = torch.logsumexp(scores, dim=-1, keepdim=True)
    below = torch.logcumsumexp(scores, dim=-1)[:, :-1] - total
    above = torch.logcumsumexp(scores.flip(-1), dim=-1).flip(-1)[:, 1:] - total
    cuts = torch.arange(scores.shape[-1] - 1, device=scores.device)
    return -torch.where(codes[:, None] <= cuts, below, above).mean(dim=-1)


def loss_of(kind: Kind, outputs: Tensor, target: Tensor) -> Tensor:
    """The mean loss over the labelled rows, a scalar.

    Without any labelled row it is a zero that keeps its graph; the task then does not count as present.

    Args:
        outputs: ``(B, W)``, or ``(B,)`` where ``W`` is 1.
        target: ``(B,)`` numbers, or class codes; NaN or, for classes, a negative code is a gap.

    Raises:
        DataError: Labels out of range, or not one a row.
        OptionError: The head's outputs do not fit the kind.

    >>> from sharewise.tasks import Regression
    >>> gap = float("nan")
    >>> float(loss_of(Regression(), torch.tensor([[1.0], [5.0]]), torch.tensor([3.0, gap])))
    4.0
    """
    check_labels(kind, target)
    check_outputs(kind, outputs, len(target))
    total, rows = loss_sum(kind, outputs, target)
    return total / rows.clamp(min=1)


def predict_of(kind: Kind, outputs: Tensor) -> Array:
    """Predictions ``(B, kind.width)``: the number, or the probability of every class.

    Args:
        outputs: ``(B, W)``, or ``(B,)`` where ``W`` is 1.
    """
    values = outputs.detach().to("cpu", torch.float64)
    if not isinstance(kind, Classification):
        found: Array = values.reshape(-1, 1).numpy()
        return found
    if values.ndim == 1 or values.shape[-1] == 1:
        positive = torch.sigmoid(values.reshape(-1)).numpy()
        return np.stack([1.0 - positive, positive], axis=1)
    found = torch.softmax(values, dim=-1).numpy()
    return found
