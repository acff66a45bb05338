"""Hard parameter sharing: one encoder for all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import known_width


class HardSharing(MultiTaskNetwork):
    """Final. All tasks share the whole encoder; each has a head (Caruana, *Multitask Learning*, Machine
    Learning 28, 1997, section 1.2).

    Features are the encoder's outputs in any form the heads take. Nothing is duplicated.
    """

    task_free: ClassVar[bool] = True

    def __init__(self, encoder: nn.Module, heads: Heads | Mapping[str, nn.Module]) -> None:
        super().__init__(heads)
        check_width(self.heads, known_width(encoder))
        self.encoder = encoder

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        return apply(self.encoder, x, "the encoder")

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert not isinstance(features, tuple)
        return self.heads(features, tasks)  # type: ignore[no-any-return]
