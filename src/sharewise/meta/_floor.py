"""What every learner must beat: a constant, and a network trained on the support alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from sharewise.errors import OptionError
from sharewise.meta._base import Kind, MetaLearner, State, masked_ways
from sharewise.meta._episodes import Support
from sharewise.meta._ridge import masked_mean


@final
class Constant(MetaLearner):
    """The support's mean, or its classes' shares (with one row more of each class, by Laplace's rule)."""

    name: ClassVar[str] = "constant"
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def _fit(self, support: Support) -> State:
        if support.ways is None:
            return {"outputs": masked_mean(support.y[..., None], support.mask[..., None])}
        return {"outputs": (support.one_hot.sum(1, keepdim=True) + 1).log()}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        outputs = state["outputs"].expand(-1, x.shape[1], -1)
        return outputs[..., 0] if outputs.shape[-1] == 1 else outputs


@final
class FromScratch(MetaLearner):
    """A fresh network for each task, trained by Adam on its support alone; nothing is learnt across tasks.

    Args:
        make: A network from its number of outputs (W, or 1 for numbers); no batch statistics.
        steps: Full-batch steps.
        rate: Adam's learning rate.
        seed: Of the fresh network's weights, the same for all tasks.
    """

    name: ClassVar[str] = "scratch"
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})
    exact: ClassVar[bool] = False

    def __init__(
        self, make: Callable[[int], nn.Module], *, steps: int = 50, rate: float = 1e-3, seed: int = 0
    ) -> None:
        super().__init__()
        if steps < 1 or rate <= 0:
            raise OptionError(
                f"A network is trained for one or more steps at a rate above zero; got {steps} and {rate}. Raise them."
            )
        self.make, self.steps, self.rate, self.seed = make, steps, rate, seed

    def _fit(self, support: Support) -> State:
        with torch.enable_grad():
            networks = [self._train(support, place) for place in range(len(support.y))]
        parameters, buffers = stack_module_state(networks)
        own = {f"network.{name}": value.detach() for name, value in {**parameters, **buffers}.items()}
        return {**own, "outputs": torch.full((len(networks),), max(support.width, 1))}

    def _answer(self, state: State, x: Tensor) -> Tensor:
        width = int(state["outputs"][0])
        network = self._fresh(width, x.dtype)
        own = {
            name.removeprefix("network."): value
            for name, value in state.items()
            if name.startswith("network.")
        }
        outputs = [
            functional_call(network, {name: value[place] for name, value in own.items()}, (rows,))
            for place, rows in enumerate(x)
        ]
        return torch.stack(outputs)[..., 0] if width == 1 else torch.stack(outputs)

    def _fresh(self, outputs: int, dtype: torch.dtype) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.make(outputs)
        return network.to(dtype).eval()

    def _train(self, support: Support, place: int) -> nn.Module:
        there = support.mask[place]
        x, y = support.x[place][there], support.y[place][there]
        ways = None if support.ways is None else support.ways[place : place + 1]
        network = self._fresh(max(support.width, 1), x.dtype)
        optimizer = torch.optim.Adam(network.parameters(), lr=self.rate)
        for _ in range(self.steps):
            outputs = network(x)
            if ways is None:
                loss = nn.functional.mse_loss(outputs[:, 0], y)
            else:
                loss = nn.functional.cross_entropy(masked_ways(outputs[None], ways)[0], y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return network
