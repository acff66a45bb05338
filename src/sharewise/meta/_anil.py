"""ANIL: only the head is adapted; the features below it are computed once."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sharewise.meta._base import State
from sharewise.meta._gradient import GradientLearner, Mode
from sharewise.meta._inner import Pass, Weights
from sharewise.meta._parts import Part

ENCODER = "network.encoder."


@final
class ANIL(GradientLearner):
    """Almost no inner loop (Raghu et al. 2020, https://arxiv.org/abs/1909.09157).

    Inner steps move the head alone (eq. 3); training lowers the query loss by encoder and head, through the steps. As
    the encoder does not move within a task, features are computed once, not once a step.

    Args:
        encoder: (N, *P) to features, flattened to (N, D).
        head: (N, D) to logits (N, W), or one number (N, 1).
    """

    name: ClassVar[str] = "anil"

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        *,
        steps: int = 5,
        rate: float = 0.01,
        adapt_steps: int | None = None,
        mode: Mode = "auto",
        memory: int | None = None,
        compiled: bool = False,
        transductive: bool = False,
    ) -> None:
        super().__init__(
            nn.Sequential(OrderedDict(encoder=encoder, head=head)),
            steps=steps,
            rate=rate,
            adapt_steps=adapt_steps,
            mode=mode,
            memory=memory,
            compiled=compiled,
            transductive=transductive,
        )

    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        adapted, read = self._adapted(part, weights, graph=True)
        total = self._query_losses(adapted, read).sum()
        found = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
        return total, list(found)

    def _moved(self) -> str:
        return "network.head"

    def _read(self, part: Part, weights: Weights) -> tuple[Part, State]:
        run, support = self._encoder(part.tasks), part.support
        if not run.norms:
            kept: State = {}
            features = self._features(run, weights, support.x, part.tasks)
        else:
            raw, found = run.with_statistics(_of_encoder(weights), support.x, support.mask)
            features = raw.flatten(support.y.ndim)
            kept = {f":{path}": value for path, value in found.items()}
        if part.query is part.support:
            query = features
        elif self.transductive:
            query = run.own(_of_encoder(weights), part.query.x, part.query.mask).flatten(part.query.y.ndim)
        else:
            query = self._read_query(kept, part.query.x, weights, part.tasks)
        return Part(support.of(features), part.query.of(query), part.tasks), kept

    def _read_query(self, state: State, x: Tensor, weights: Weights, tasks: int | None) -> Tensor:
        run, rows = self._encoder(tasks), 1 if tasks is None else 2
        if run.norms and self.transductive:
            return run.own(_of_encoder(weights), x, None).flatten(rows)
        if run.norms:
            kept = {path[1:]: value for path, value in state.items() if path[1:] in run.statistics}
            return run.kept({**_of_encoder(weights), **kept}, x).flatten(rows)
        return self._features(run, weights, x, tasks)

    def _encoder(self, tasks: int | None) -> Pass:
        return Pass(self.get_submodule("network.encoder"), vectorised=tasks is not None, shared=True)

    @staticmethod
    def _features(run: Pass, weights: Weights, x: Tensor, tasks: int | None) -> Tensor:
        """Of all tasks' rows in one pass: without batch normalisation no row's features depend on another."""
        if tasks is None:
            return functional_call(run.network, _of_encoder(weights), (x,)).flatten(1)  # type: ignore[no-any-return]
        flat = functional_call(run.network, _of_encoder(weights), (x.flatten(0, 1),))
        return flat.flatten(1).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]


def _of_encoder(weights: Weights) -> Weights:
    return {path.removeprefix(ENCODER): w for path, w in weights.items() if path.startswith(ENCODER)}
