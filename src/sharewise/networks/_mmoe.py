"""Multi-gate mixture of experts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._experts import ExpertFactory
from sharewise.networks._heads import Heads
from sharewise.networks._mixture import Mixture
from sharewise.networks._stacked_heads import heads as built_heads


class MMoE(Mixture):
    """Final. Each task mixes common experts by a gate of its own (Ma et al., *Modeling Task Relationships in
    Multi-task Learning with Multi-gate Mixture-of-Experts*, KDD 2018, https://doi.org/10.1145/3219819.3220007).

    The experts stand on the encoder's features; an ``nn.Identity`` as encoder (with ``example``) gives the
    paper's form, where experts and gates read the inputs. Of a sequence or map the gate reads the mean over
    places (the paper has vectors). The encoder is not duplicated.

    Args:
        experts: ``E``, two or more.
        expert: From the features' width to an expert; by default a linear layer over the channels that keeps
            their number, and a rectifier, as in the paper. Heads take what it gives.
        example: A small batch of inputs, for encoders that do not show their width.
    """

    def __init__(
        self,
        encoder: nn.Module,
        heads: Heads | Mapping[str, nn.Module],
        *,
        experts: int = 4,
        expert: ExpertFactory | None = None,
        example: Any = None,
    ) -> None:
        if experts < 2:
            raise OptionError(f"a gate mixes at least two experts; got {experts}. For one, take HardSharing.")
        super().__init__(encoder, heads, experts, expert, example)
        self.gates = built_heads(dict.fromkeys(self.tasks, experts), self.width)

    def _weights(self, x: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        return {task: scores.softmax(dim=-1) for task, scores in self.gates(x, tasks).items()}  # eq. 8

    def _own(self, task: str) -> Iterable[nn.Module]:
        return (self.gates,)
