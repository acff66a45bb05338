"""A frozen encoder that computes each text once."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from typing import Any, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError

Store = OrderedDict[bytes, Tensor]

BESIDE = 1_000
"""Bytes that a kept row takes besides its numbers: the tensor itself, its key, its place in the store."""


@final
class Cached(nn.Module):
    """Final. An encoder whose features are kept by the content of a row, the least lately used dropped first.

    Padding at the end of a row is not content. Copies of this module share what is kept, as it is the same for all;
    a pickled one starts with nothing. When the encoder's weights change (others are loaded), all is forgotten.

    Args:
        encoder: From ids ``(B, L)`` to features ``(B, D)``, with nothing in it that learns.
        megabytes: The most that kept features take.

    Raises:
        OptionError: Something in the encoder learns, or there is no room.
    """

    def __init__(self, encoder: nn.Module, *, megabytes: float = 256.0) -> None:
        super().__init__()
        learning = [name for name, value in encoder.named_parameters() if value.requires_grad]
        if learning:
            raise OptionError(
                f"only a frozen encoder's features can be kept; '{learning[0]}' learns. Load it with tuning='frozen', "
                "or do without the cache."
            )
        if not megabytes > 0:
            raise OptionError(f"a cache has room; got megabytes={megabytes:g}. Raise it.")
        self.encoder = encoder
        self.megabytes = megabytes
        self.out_features = getattr(encoder, "out_features", None)
        self._store: Store = OrderedDict()
        self._seal = self._weights()

    def forward(self, ids: Tensor) -> Tensor:
        """``(B, L)`` to ``(B, D)``, without gradients, in evaluation mode."""
        if self._weights() != self._seal:
            self._store, self._seal = OrderedDict(), self._weights()
        padding = getattr(self.encoder, "padding", 0)
        keys = [_key(row, padding) for row in ids.cpu()]
        known = {key: self._store[key] for key in keys if key in self._store}
        missing = [place for place, key in enumerate(keys) if key not in known]
        fresh = list({keys[place]: place for place in missing}.values())
        if fresh:
            self.encoder.eval()
            with torch.no_grad():
                for place, found in zip(fresh, self.encoder(ids[fresh]).cpu(), strict=True):
                    known[keys[place]] = found.clone()
        self._keep(keys, known)
        return torch.stack([known[key] for key in keys]).to(ids.device)

    def _keep(self, keys: list[bytes], known: dict[bytes, Tensor]) -> None:
        for key in keys:
            self._store[key] = known[key]
            self._store.move_to_end(key)
        size = BESIDE + (next(iter(known.values())).nbytes if known else 0)
        while len(self._store) * size > self.megabytes * 1e6:
            self._store.popitem(last=False)

    def _weights(self) -> tuple[tuple[int, int], ...]:
        """Where the weights are and how often each was written."""
        return tuple((value.data_ptr(), value._version) for value in self.encoder.state_dict().values())

    def __deepcopy__(self, memo: dict[int, Any]) -> Cached:
        twin = Cached(copy.deepcopy(self.encoder, memo), megabytes=self.megabytes)
        twin.training = self.training
        if self._weights() == self._seal:
            twin._store = self._store
        memo[id(self)] = twin
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_store": OrderedDict(), "_seal": ()}


def _key(row: Tensor, padding: int) -> bytes:
    there = (row != padding).nonzero()
    content = row[: int(there[-1]) + 1] if len(there) else row[:0]
    return hashlib.blake2b(content.long().numpy().tobytes(), digest_size=16).digest()
