"""MTAN: a shared network, and for each task attention over its features, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._layout import Pointwise, channel_axis, resized
from sharewise.networks._per_task import PerTask
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import stages_of, widths_of


class MTAN(MultiTaskNetwork):
    """Final. Attention modules of each task on one shared network (Liu et al., *End-to-End Multi-Task Learning
    with Attention*, CVPR 2019, https://arxiv.org/abs/1803.10704).

    The attention reads every stage of an ``nn.Sequential`` (cut before each layer with a weight matrix); any
    other encoder is one stage. Nothing is duplicated. Features are the stages' outputs, in any layout; the
    attention belongs to `decode`. Deviations from the paper, whose stages have two convolutions: a stage shows
    one tensor, so that u = p; the layer f is a task's own rather than common to all, so that only its loss moves
    it, and is 1×1 with means of neighbours for the new resolution; no batch normalisation, so that rows do not
    depend on each other.

    Args:
        example: A small batch of inputs, for encoders that do not show their stages' widths.
    """

    task_free: ClassVar[bool] = True

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        example: Any = None,
    ) -> None:
        super().__init__(heads)
        stages = stages_of(encoder)
        widths = widths_of(stages, example)
        check_width(self.heads, widths[-1])
        self.stages = nn.ModuleList(stages)
        self.attention = PerTask({task: Attention(widths) for task in self.tasks})

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        outputs: list[Tensor] = []
        for place, stage in enumerate(self.stages, start=1):
            x = apply(stage, x, f"stage {place} of the encoder")
            outputs.append(x.view_as(x))  # a view: the next stage reads x, and no feature depends on another
        return tuple(outputs)

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        own = {
            task: self.attention[task](features[task] if isinstance(features, dict) else features)
            for task in tasks
        }
        return self.heads(own, tasks)  # type: ignore[no-any-return]

    def _own(self, task: str) -> Iterable[nn.Module]:
        return (self.attention[task],)


class Attention(nn.Module):
    """Final. One task's attention modules, one a stage."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        before = [0, *widths[:-1]]
        self.carry = nn.ModuleList(
            Pointwise(earlier, width) if earlier else nn.Identity()
            for earlier, width in zip(before, widths, strict=True)
        )  # f
        self.read = nn.ModuleList(
            Pointwise(width * (2 if earlier else 1), width)
            for earlier, width in zip(before, widths, strict=True)
        )  # g
        self.mask = nn.ModuleList(Pointwise(width, width) for width in widths)  # h

    def forward(self, outputs: tuple[Tensor, ...]) -> Tensor:
        """From the shared stages' outputs to the task's features, of the last stage's shape."""
        own: Tensor | None = None
        for shared, carry, read, mask in zip(outputs, self.carry, self.read, self.mask, strict=True):
            seen = shared
            if own is not None:
                carried = resized(carry(own).relu(), shared)
                seen = torch.cat([shared, carried], dim=channel_axis(shared))
            own = mask(read(seen).relu()).sigmoid() * shared  # eq. 2, then eq. 1
        assert own is not None
        return own
