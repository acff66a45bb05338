"""Cross-stitch networks: one network a task, which exchange features after every stage."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import known_width, stages_of

KEPT = 0.9
"""Where a unit starts: the share of a task's own features (0.9 in the paper); the rest comes evenly from the
other tasks."""


class CrossStitch(MultiTaskNetwork):
    """Final. Units that mix the features of all tasks' networks (Misra et al., *Cross-stitch Networks for
    Multi-task Learning*, CVPR 2016, https://arxiv.org/abs/1604.03539).

    The encoder is duplicated: the first task has the one given, each other task a copy. A unit stands after
    every stage of an ``nn.Sequential`` (cut before each layer with a weight matrix), or after the encoder as a
    whole if it is any other module. All losses move all networks; of a task alone is only its head. Whatever
    tasks are asked for, all networks run (with own inputs: for each task asked for). Features are each task's
    ``(B, ...)`` after the last unit, in any layout.

    Args:
        pretrained: Copies keep the encoder's weights; else every layer of a copy that can
            (``reset_parameters``) starts anew, so that the networks differ.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        pretrained: bool = False,
    ) -> None:
        super().__init__(heads)
        check_width(self.heads, known_width(encoder))
        copies = [encoder, *(_copy(encoder, fresh=not pretrained) for _ in self.tasks[1:])]
        self.networks = nn.ModuleList(nn.ModuleList(stages_of(each)) for each in copies)
        count = len(self.tasks)
        start = torch.full((count, count), (1 - KEPT) / max(count - 1, 1))
        start.fill_diagonal_(KEPT if count > 1 else 1.0)
        stages = len(stages_of(encoder))
        self.units = nn.ParameterList(nn.Parameter(start.clone()) for _ in range(stages))  # each (T, T)

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        wanted = [self.tasks.index(task) for task in tasks]
        streams: list[Any] = [x] * len(self.tasks)
        for place, unit in enumerate(self.units):
            what = f"stage {place + 1} of the encoder"
            stages = [network[place] for network in self.networks]  # type: ignore[index]
            outputs = torch.stack(
                [apply(stage, stream, what) for stage, stream in zip(stages, streams, strict=True)]
            )
            last = place == len(self.units) - 1
            weights = unit[wanted] if last else unit
            streams = list(
                torch.tensordot(weights.to(outputs.dtype), outputs, dims=1).unbind()
            )  # eq. 1, for T tasks
        return dict(zip(tasks, streams, strict=True))

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert isinstance(features, dict)
        return self.heads(features, tasks)  # type: ignore[no-any-return]


def _copy(encoder: nn.Module, *, fresh: bool) -> nn.Module:
    made = copy.deepcopy(encoder)
    for module in made.modules() if fresh else ():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    return made
