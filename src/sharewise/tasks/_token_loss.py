"""How a network learns a tag a word: the loss of a head's outputs over the words that have a label.

A negative code is a gap, whatever its reason: a word of a sentence that the task says nothing of, or a place beyond a
sentence's end. Gaps cost nothing; the loss is a mean over labelled words alone.

Symbols: ``B`` sentences of a batch, ``L`` places (words of the longest), ``K`` labels.

The module needs torch, the rest of ``tasks`` does not: import it as ``sharewise.tasks._token_loss``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.tasks._token_kind import Codes, TokenKind
from sharewise.tasks._torch_loss import IGNORED, LossSum


def padded_codes(codes: Sequence[Codes | None], lengths: Sequence[int] | NDArray[np.integer]) -> Tensor:
    """Targets ``(B, L)`` of a batch from each sentence's codes; gaps and padding are -100.

    Raises:
        DataError: A sentence has another number of codes than of words.
    """
    target = torch.full((len(codes), int(max(lengths, default=0))), IGNORED)
    for row, (labels, length) in enumerate(zip(codes, lengths, strict=True)):
        if labels is None:
            continue
        if len(labels) != length:
            raise DataError(
                f"every word needs one tag; a sentence of {length} words has {len(labels)}. Read both from one file."
            )
        target[row, :length] = torch.from_numpy(labels)
    return target


def token_loss_sum(kind: TokenKind, outputs: Tensor, target: Tensor) -> LossSum:
    """Cross-entropy (natural logarithm) summed over labelled words, and their number.

    Args:
        outputs: ``(B, L, K)``.
        target: ``(B, L)`` codes, negative where there is no label.

    Raises:
        OptionError: The outputs do not fit the kind or the target.
        DataError: A code is beyond the kind's labels.
    """
    if outputs.shape != (*target.shape, kind.outputs):
        raise OptionError(
            f"a head of a {kind.name} task gives {kind.outputs} outputs for each of {tuple(target.shape)} places; got "
            f"shape {tuple(outputs.shape)}. Give the head that many outputs."
        )
    if target.numel() and int(target.max()) >= kind.outputs:
        raise DataError(
            f"codes go from 0 to {kind.outputs - 1}, the places of the {kind.name} task's labels; got "
            f"{int(target.max())}. Encode the tags with the kind."
        )
    known = target >= 0
    codes = torch.where(known, target, IGNORED).flatten()
    scores = outputs.flatten(0, 1)
    scores = scores if scores.dtype == torch.float64 else scores.float()
    total = F.cross_entropy(scores, codes, ignore_index=IGNORED, reduction="sum")
    return LossSum(total, known.sum())


def token_loss(kind: TokenKind, outputs: Tensor, target: Tensor) -> Tensor:
    """The mean over labelled words, a scalar; without any a zero that keeps its graph."""
    total, words = token_loss_sum(kind, outputs, target)
    return total / words.clamp(min=1)
