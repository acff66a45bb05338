"""Texts of like length together: less padding, the same steps.

Symbols: ``N`` texts, ``B`` texts of a batch, ``L`` tokens, ``D`` features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.modalities.text._token_rows import TokenRows

POOL = 50
"""Batches whose rows are sorted by length together; a batch is otherwise as chance has it."""


@final
class LengthBatches:
    """Final. Batches of row numbers: each pass goes through all rows once, in another order.

    Rows are shuffled, sorted by length within pools of `POOL` batches, and the batches shuffled. It is what
    ``DataLoader(batch_sampler=…)`` takes.

    Args:
        lengths: ``(N,)`` tokens of each text.
        size: ``B``; the last batch of a pool may be smaller.
        seed: Of the first pass; later passes go on from there.
    """

    def __init__(self, lengths: NDArray[np.int64], size: int, *, seed: int = 0) -> None:
        if size < 1:
            raise OptionError(f"a batch has at least one row; got size={size}. Raise it.")
        self.lengths, self.size = lengths, size
        self._rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.size)

    def __iter__(self) -> Iterator[list[int]]:
        for rows in self.plan():
            yield rows.tolist()

    def plan(self) -> list[NDArray[np.intp]]:
        """The batches of one pass."""
        rows = self._rng.permutation(len(self.lengths))
        pool = self.size * POOL
        found: list[NDArray[np.intp]] = []
        for start in range(0, len(rows), pool):
            part = rows[start : start + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            found += [part[place : place + self.size] for place in range(0, len(part), self.size)]
        return [found[place] for place in self._rng.permutation(len(found))]


def batches(tokens: TokenRows, plan: LengthBatches) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over the texts: row numbers ``(B,)`` and their ids ``(B, L)``, padded to the longest of the batch."""
    for rows in plan.plan():
        yield torch.from_numpy(rows), torch.from_numpy(tokens.padded(rows))


def features(encoder: nn.Module, tokens: TokenRows, *, size: int = 64) -> Tensor:
    """Features ``(N, D)`` of all texts in their order, in evaluation mode and without gradients.

    The encoder's mode is as before afterwards. Computed on its device, in batches of ``size`` texts of like length,
    and collected in main memory.

    Raises:
        OptionError: There are no texts.
    """
    if not len(tokens):
        raise OptionError("features are of one text or more; got none. Bring a text.")
    modes = [(module, module.training) for module in encoder.modules()]
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    order = np.argsort(tokens.lengths, kind="stable")
    found: Tensor | None = None
    try:
        encoder.eval()
        with torch.no_grad():
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                part = encoder(torch.from_numpy(tokens.padded(rows)).to(device)).cpu()
                if found is None:
                    found = part.new_empty(len(order), part.shape[1])
                found[torch.from_numpy(rows)] = part
    finally:
        for module, mode in modes:
            module.training = mode
    assert found is not None
    return found
