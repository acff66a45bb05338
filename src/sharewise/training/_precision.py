"""Mixed precision: where autocast runs, and the scaler that 16 bits need."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

from sharewise.errors import OptionError

Precision = Literal["32", "bf16-mixed", "16-mixed"]


class Mixed:
    """The precision of a run.

    Args:
        precision: ``32``: as the weights are. ``bf16-mixed``: matrix products in bfloat16, weights and losses
            as they are. ``16-mixed``: float16 instead, gradients scaled against underflow.
        device: Its type, ``cpu`` or ``cuda``.

    Raises:
        OptionError: Another precision.
    """

    def __init__(self, precision: Precision, device: str) -> None:
        if precision not in get_args(Precision):
            raise OptionError(f"precision is one of {', '.join(get_args(Precision))}; got '{precision}'.")
        self._device = device
        self._type = {"32": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[precision]
        self.scaler = torch.amp.GradScaler(device) if precision == "16-mixed" else None
        if self.scaler is not None:
            # A scaler makes its scale when it is first used.
            self.scaler.scale(torch.zeros((), device=device))

    def autocast(self) -> AbstractContextManager[object]:
        """Around the forward pass; losses are computed outside."""
        return nullcontext() if self._type is None else torch.autocast(self._device, self._type)

    @property
    def scale(self) -> float:
        """What losses are multiplied by before the backward pass."""
        return 1.0 if self.scaler is None else float(self.scaler.get_scale())
