"""Progressive layered extraction, and its single level, customized gate control."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._experts import ExpertFactory, Experts, mixed
from sharewise.networks._heads import Heads
from sharewise.networks._layout import pooled
from sharewise.networks._per_task import PerTask
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import widths_of


class PLE(MultiTaskNetwork):
    """Final. Common experts beside experts of each task, in levels (Tang et al., *Progressive Layered Extraction:
    A Novel Multi-Task Learning Model for Personalized Recommendations*, RecSys 2020,
    https://doi.org/10.1145/3383313.3412236). With ``levels=1`` it is the paper's CGC (section 4.1).

    The levels stand on the encoder's features, which are not duplicated. Of a sequence or map gates read the
    mean over places (the paper has vectors). Below the last level every task's experts also feed the common
    path, so that all losses move them: of a task alone are its last experts, its last gate, the gate before
    that (which feeds those experts), and its head. Features are, by task, the common experts' outputs
    ``(B, E, ...)`` of the last level and the task's own path ``(B, ...)`` into it.

    Args:
        common, own: Experts of all tasks, and of each task, in every level.
        levels: How many.
        expert: As for `MMoE`; with more than one level it keeps the width.
        example: A small batch of inputs, for encoders that do not show their width.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        common: int = 2,
        own: int = 1,
        levels: int = 2,
        expert: ExpertFactory | None = None,
        example: Any = None,
    ) -> None:
        if levels < 1:
            raise OptionError(f"PLE has at least one level; got {levels}. Raise it.")
        super().__init__(heads)
        width = widths_of([encoder], example)[0]
        if expert is None:
            check_width(self.heads, width)
        self.encoder = encoder
        self.levels = nn.ModuleList(
            Level(width, self.tasks, common, own, expert, last=place == levels - 1) for place in range(levels)
        )

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        shared = apply(self.encoder, x, "the encoder")
        paths = dict.fromkeys(self.tasks, shared)
        for level in self._levels()[:-1]:
            paths, shared = level(paths, shared)
        outputs = self._levels()[-1].common(shared)
        # A view: without lower levels the common experts read the same tensor, and no feature may depend
        # on another.
        views = {id(path): path.view_as(path) for path in paths.values()}
        found: dict[str, tuple[Tensor, ...]] = {task: (outputs, views[id(paths[task])]) for task in tasks}
        return found

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert isinstance(features, dict)
        last = self._levels()[-1]
        mixtures: dict[str, Tensor] = {}
        for task in tasks:
            common, path = features[task]
            mixtures[task] = last.mixture(task, path, last.own[task](path), common)
        return self.heads(mixtures, tasks)  # type: ignore[no-any-return]

    def _own(self, task: str) -> Iterable[nn.Module]:
        levels = self._levels()
        yield levels[-1].own[task]
        for level in levels[-2:]:
            yield level.gates[task]

    def _levels(self) -> list[Level]:
        return [cast(Level, level) for level in self.levels]


class Level(nn.Module):
    """Final. Experts, a gate a task over its own and the common ones, and, but in the last level, a gate over
    all for the common path."""

    def __init__(
        self,
        width: int,
        tasks: tuple[str, ...],
        common: int,
        own: int,
        expert: ExpertFactory | None,
        *,
        last: bool,
    ) -> None:
        super().__init__()
        self.common = Experts(width, common, expert)
        self.own = PerTask({task: Experts(width, own, expert) for task in tasks})
        self.gates = PerTask({task: nn.Linear(width, own + common) for task in tasks})
        self.common_gate = None if last else nn.Linear(width, len(tasks) * own + common)

    def forward(self, paths: dict[str, Tensor], shared: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Every task's path and the common one, ``(B, ...)``, one level up."""
        assert self.common_gate is not None
        common = self.common(shared)
        own = {task: self.own[task](path) for task, path in paths.items()}
        above = {task: self.mixture(task, paths[task], own[task], common) for task in paths}
        weights = self.common_gate(pooled(shared)).softmax(dim=-1)
        return above, mixed(weights, torch.cat([*own.values(), common], dim=1))

    def mixture(self, task: str, path: Tensor, own: Tensor, common: Tensor) -> Tensor:
        """A task's own and the common experts ``(B, E, ...)`` by its gate, a softmax of its path."""
        weights = self.gates[task](pooled(path)).softmax(dim=-1)
        return mixed(weights, torch.cat([own, common], dim=1))
