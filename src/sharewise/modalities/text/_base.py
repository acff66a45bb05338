"""What all text encoders keep: ids in, features out, and padding that changes nothing.

Symbols: ``B`` texts, ``L`` tokens, ``D`` features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError


class TextEncoder(nn.Module, ABC):
    """Abstract. From ids ``(B, L)`` to features ``(B, D)``.

    Columns that are padding in every row of a batch are left out before anything is computed, so a column of ids
    padded to one width costs no more than its texts. A row of padding alone is read as one padding token.

    Attributes:
        size: Ids run from 0 to ``size - 1``.
        padding: The id that says nothing.
        out_features: ``D``.
    """

    def __init__(self, size: int, out_features: int, *, padding: int = 0) -> None:
        super().__init__()
        if size < 1 or not 0 <= padding < size or out_features < 1:
            raise OptionError(
                "a text encoder knows one id or more, its padding among them, and gives one feature or more; "
                f"got size={size}, padding={padding} and {out_features}. Pass the vocabulary's size."
            )
        self.size, self.padding, self.out_features = size, padding, out_features

    def forward(self, ids: Tensor) -> Tensor:
        """``(B, L)`` whole numbers to ``(B, D)``.

        Raises:
            DataError: They are no ids, or not of this encoder's vocabulary.
        """
        if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
            raise DataError(
                f"a text encoder takes ids (B, L) as whole numbers; got {tuple(ids.shape)} in {ids.dtype}. "
                "Make them with the encode method of a vocabulary."
            )
        ids = ids.long()
        if ids.shape[1] == 0:
            ids = F.pad(ids, (0, 1), value=self.padding)
        if not _traced(ids) and len(ids):
            ids = self._checked(ids)
        first = torch.arange(ids.shape[1], device=ids.device) == 0
        return self._encode(ids, (ids != self.padding) | first)

    def _checked(self, ids: Tensor) -> Tensor:
        """Ids known to be in range, without the columns that hold padding only."""
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= self.size:
            raise DataError(
                f"ids of this encoder run from 0 to {self.size - 1}; got {low if low < 0 else high}. Encode the texts "
                "with the vocabulary that the encoder was made for."
            )
        there = (ids != self.padding).any(0).nonzero()
        return ids[:, : int(there[-1]) + 1] if len(there) else ids[:, :1]

    @abstractmethod
    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """``(B, D)`` from ids ``(B, L)`` and their mask ``(B, L)``, True where there is a token; what a row says
        must not depend on the columns where its mask is False."""


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over places ``(B, D)`` of ``x`` ``(B, L, D)`` where ``mask`` ``(B, L)`` says so."""
    weight = mask.to(x.dtype)
    weight = weight / weight.sum(1, keepdim=True).clamp_min(1.0)
    return (weight.unsqueeze(1) @ x).squeeze(1)


def _traced(ids: Tensor) -> bool:
    """Whether the values of a tensor cannot be looked at: in ``torch.compile`` and export, and inside ``vmap``."""
    functorch: Any = torch._C._functorch
    return bool(torch.compiler.is_compiling() or functorch.is_batchedtensor(ids))
