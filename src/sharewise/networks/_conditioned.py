"""A trunk that is told the task: every stage is scaled and shifted by what the task's embedding says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._layout import spread
from sharewise.networks._stacked_heads import StackedHeads, check_width
from sharewise.networks._stages import stages_of, widths_of


class Conditioned(MultiTaskNetwork):
    """Final. One trunk conditioned on the task by FiLM (Perez et al., *FiLM: Visual Reasoning with a General
    Conditioning Layer*, AAAI 2018, https://arxiv.org/abs/1709.07871), for up to hundreds of tasks.

    A task is an embedding ``(size,)`` and a head. After every stage of an ``nn.Sequential`` (cut before each
    layer with a weight matrix), or after any other encoder as a whole, linear layers turn the embedding into a
    scale and a shift of each channel. They start at one and zero: training starts from the pooled trunk.
    Nothing is duplicated. The table of embeddings is one parameter, counted as shared, of which each task's
    loss moves its own row.

    Rows of several tasks go through the trunk in one pass: with common inputs each row once a task (the first
    stage once for all), with own inputs of one shape all tasks' rows together, or with `forward_rows` rows that
    name their task. Batch normalisation in the trunk then sees all of them. Features are by task ``(B, ...)``.

    Args:
        size: Of an embedding.
        by: ``film`` scales and shifts; ``embedding`` only shifts, which for the first layer is what
            concatenating the embedding to the inputs computes.
        example: A small batch of inputs, for encoders that do not show their stages' widths.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        size: int = 16,
        by: Literal["film", "embedding"] = "film",
        example: Any = None,
    ) -> None:
        if size < 1:
            raise OptionError(f"an embedding has at least one number; got size={size}. Raise it.")
        if by not in ("film", "embedding"):
            raise OptionError(f"by is 'film' or 'embedding'; got '{by}'. Take one of them.")
        super().__init__(heads)
        stages = stages_of(encoder)
        widths = widths_of(stages, example)
        check_width(self.heads, widths[-1])
        self.stages = nn.ModuleList(stages)
        self.embedding = nn.Embedding(len(self.tasks), size)
        self.shifts = nn.ModuleList(_zero(size, width) for width in widths)
        self.scales = nn.ModuleList(_zero(size, width) for width in widths if by == "film")

    def encode_rows(self, x: Any, task: Tensor) -> Tensor:
        """Features ``(B, ...)`` of rows that belong to one task each, in one pass.

        Args:
            task: ``(B,)`` integers, the places of the rows' tasks in ``tasks``.
        """
        if (
            task.ndim != 1
            or task.is_floating_point()
            or bool((task < 0).any() or (task >= len(self.tasks)).any())
        ):
            raise OptionError(
                f"the tasks of rows are integers (B,) from 0 to {len(self.tasks) - 1}; got "
                f"{task.dtype} {tuple(task.shape)}. Number them by their place in network.tasks."
            )
        return self._trunk(x, task, 0)

    def decode_rows(self, features: Tensor, task: Tensor) -> Tensor:
        """Outputs ``(B, ..., O)`` of what `encode_rows` gave; the heads are linear and of one shape."""
        if not isinstance(self.heads, StackedHeads):
            raise OptionError(
                "rows of several tasks in one tensor need heads of one shape; got modules of the user's own. "
                "Build them with sharewise.networks.heads."
            )
        return self.heads.rows(features, task)

    def forward_rows(self, x: Any, task: Tensor) -> Tensor:
        """Outputs ``(B, ..., O)``, each row by its own task."""
        return self.decode_rows(self.encode_rows(x, task), task)

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        first = apply(self.stages[0], x, "stage 1 of the encoder")
        codes = self._places(tasks, first).repeat_interleave(first.shape[0])
        rows = first.repeat(len(tasks), *([1] * (first.ndim - 1)))
        parts = self._trunk(self._told(rows, codes, 0), codes, 1)
        return dict(
            zip(tasks, parts.view(len(tasks), *first.shape[:1], *parts.shape[1:]).unbind(), strict=True)
        )

    def _encode_own(self, x: dict[str, Any]) -> Features:
        inputs = list(x.values())
        if not all(isinstance(each, Tensor) and each.shape[1:] == inputs[0].shape[1:] for each in inputs):
            return super()._encode_own(x)
        counts = [len(each) for each in inputs]
        places = self._places(tuple(x), inputs[0])
        codes = places.repeat_interleave(torch.tensor(counts, device=places.device))
        features = self._trunk(torch.cat(inputs), codes, 0)
        return dict(zip(x, torch.split(features, counts), strict=True))

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert isinstance(features, dict)
        return self.heads(features, tasks)  # type: ignore[no-any-return]

    def _trunk(self, x: Any, codes: Tensor, start: int) -> Tensor:
        """The stages from ``start`` on, for rows of tasks ``codes`` ``(B,)``."""
        for place in range(start, len(self.stages)):
            x = apply(self.stages[place], x, f"stage {place + 1} of the encoder")
            x = self._told(x, codes, place)
        return x  # type: ignore[no-any-return]

    def _told(self, x: Tensor, codes: Tensor, place: int) -> Tensor:
        """A stage's outputs ``(B, ...)`` scaled and shifted by the rows' tasks (eqs. 1 and 2)."""
        # Scales and shifts are computed once a task, then handed to its rows.
        shift = spread(self.shifts[place](self.embedding.weight).index_select(0, codes), x)
        if not len(self.scales):
            return x + shift
        return torch.addcmul(
            x + shift, x, spread(self.scales[place](self.embedding.weight).index_select(0, codes), x)
        )

    def _places(self, tasks: tuple[str, ...], like: Tensor) -> Tensor:
        return torch.tensor([self.tasks.index(task) for task in tasks], device=like.device)


def _zero(size: int, width: int) -> nn.Linear:
    layer = nn.Linear(size, width)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
