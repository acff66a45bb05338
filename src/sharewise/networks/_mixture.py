"""What architectures with common experts and a gate a task have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._experts import ExpertFactory, Experts, mixed_for
from sharewise.networks._heads import Heads
from sharewise.networks._layout import pooled
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import widths_of


class Mixture(MultiTaskNetwork):
    """Abstract: experts on the encoder's features, and for each task weights by which they are mixed.

    Features are the experts' outputs ``(B, E, ...)`` and what gates read ``(B, C)``: the encoder's features,
    of a sequence or map their mean over places, so that a row has one mixture. Gates belong to `decode`.
    """

    task_free: ClassVar[bool] = True

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        experts: int,
        expert: ExpertFactory | None,
        example: Any,
    ) -> None:
        super().__init__(heads)
        self.width = widths_of([encoder], example)[0]
        if expert is None:
            check_width(self.heads, self.width)
        self.encoder = encoder
        self.experts = Experts(self.width, experts, expert)

    @abstractmethod
    def _weights(self, x: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        """Weights ``(B, E)`` by task, from what gates read ``(B, C)``."""

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        z = apply(self.encoder, x, "the encoder")
        return self.experts(z), pooled(z)

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        if isinstance(features, dict):  # own inputs
            mixtures: dict[str, Tensor] = {}
            for task in tasks:
                experts, read = features[task]
                mixtures.update(mixed_for(self._weights(read, (task,)), experts))
        else:
            experts, read = features
            mixtures = mixed_for(self._weights(read, tasks), experts)
        return self.heads(mixtures, tasks)  # type: ignore[no-any-return]
