"""Adapters: a shared trunk with small layers of each task between its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._base import Features, MultiTaskNetwork
from sharewise.networks._heads import Heads
from sharewise.networks._layout import Pointwise
from sharewise.networks._per_task import PerTask
from sharewise.networks._stacked_heads import check_width
from sharewise.networks._stages import stages_of, widths_of


class Adapters(MultiTaskNetwork):
    """Final. A bottleneck of each task after every stage, ``h + up(relu(down(h)))`` (Houlsby et al.,
    *Parameter-Efficient Transfer Learning for NLP*, ICML 2019, https://arxiv.org/abs/1902.00751, section 2.1).

    Stages are those of an ``nn.Sequential`` (cut before each layer with a weight matrix); any other encoder is
    one stage. ``up`` starts at zero: training starts from the shared trunk. The trunk is not duplicated but
    runs once a task (its first stage once for all). Of a task alone are its adapters and head; freeze
    `shared_parameters` to learn tasks on a trained trunk, as in the paper. Features are by task ``(B, ...)``, in
    any layout.

    Args:
        size: Width of the bottleneck.
        example: A small batch of inputs, for encoders that do not show their stages' widths.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        size: int = 8,
        example: Any = None,
    ) -> None:
        if size < 1:
            raise OptionError(f"an adapter is at least one wide; got size={size}. Raise it.")
        super().__init__(heads)
        stages = stages_of(encoder)
        widths = widths_of(stages, example)
        check_width(self.heads, widths[-1])
        self.stages = nn.ModuleList(stages)
        self.adapters = PerTask(
            {task: nn.ModuleList(Adapter(width, size) for width in widths) for task in self.tasks}
        )

    def _encode(self, x: Any, tasks: tuple[str, ...]) -> Features:
        first = apply(self.stages[0], x, "stage 1 of the encoder")
        found: dict[str, Tensor] = {}
        for task in tasks:
            adapters = self.adapters[task]
            hidden: Tensor = adapters[0](first)
            for place in range(1, len(self.stages)):
                hidden = apply(self.stages[place], hidden, f"stage {place + 1} of the encoder")
                hidden = adapters[place](hidden)
            found[task] = hidden
        return found

    def _decode(self, features: Features, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        assert isinstance(features, dict)
        return self.heads(features, tasks)  # type: ignore[no-any-return]

    def _own(self, task: str) -> Iterable[nn.Module]:
        return (self.adapters[task],)


class Adapter(nn.Module):
    """Final. One bottleneck, the same at every place of a sequence or map."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = Pointwise(width, size)
        self.up = Pointwise(size, width)
        nn.init.zeros_(self.up.linear.weight)
        nn.init.zeros_(self.up.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to the same shape."""
        return x + self.up(self.down(x).relu())  # type: ignore[no-any-return]
