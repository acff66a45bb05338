"""Every loss falls by the same share, without gradients of single tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._adam import Adam
from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen, array_of
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]

EPSILON = 1e-8


@final
class FAMO(Scalarizer):
    """c sum_t z_t log(L_t - b_t), z = softmax(ξ), c = 1 / sum_t (z_t / (L_t - b_t)).

    B. Liu et al., *FAMO: Fast Adaptive Multitask Optimization*, NeurIPS 2023 (https://arxiv.org/abs/2306.03792),
    algorithm 2. ξ is learned here, by Adam, from how much each logarithm fell with the last update: hand
    `after_step` the losses of the same batch after the optimizer's step. Skipped, ξ stays where it is.
    """

    name: ClassVar[str] = "famo"
    stateful: ClassVar[bool] = True
    needs_losses_after: ClassVar[bool] = True

    def __init__(
        self,
        lr: float = 0.025,
        decay: float = 1e-3,
        *,
        floor: Sequence[float] | float = 0.0,
        norm: Norm = "sum",
    ) -> None:
        """`lr` and `decay` of ξ (the paper's β and γ); `floor` b: what each loss always stays above."""
        super().__init__(norm)
        if not lr >= 0 or not decay >= 0:
            raise OptionError(
                f"FAMO's lr and decay are not negative; got {lr} and {decay}. The paper has 0.025 and 1e-3."
            )
        self.lr, self.decay = lr, decay
        self.floor = floor if isinstance(floor, float | int) else tuple(floor)
        self._adam = Adam(lr)
        self._start(0)

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        above = losses - losses.new_tensor(self._floors(seen)) + EPSILON
        _refuse_below_floor(above)
        shares = losses.new_tensor(_softmax(self._logits[seen.tasks]))
        scale = 1.0 / (shares / above.detach()).sum()  # the logarithm's 1/L taken out in the mean
        self._tasks_before = seen.tasks
        self._logs_before = above.detach().to("cpu", torch.float64).log().numpy()
        self._floors_before = self._floors(seen)
        return Combined(scale * (shares * above.log()).sum(), scale * shares / above.detach())

    def after_step(self, losses: Tensor | None = None) -> None:
        """Learn ξ from the same tasks' losses (T',) after the update."""
        if losses is None or not len(self._tasks_before):
            return
        tasks, self._tasks_before = self._tasks_before, np.zeros(0, dtype=np.int64)
        if len(losses) != len(tasks):
            raise DataError(
                f"after_step takes the losses of the step's own {len(tasks)} tasks; got {len(losses)}. "
                "Compute them on the same batch after the optimizer's step."
            )
        after = losses.detach().to("cpu", torch.float64).numpy() - self._floors_before + EPSILON
        if not np.isfinite(after).all():  # the step failed; the loop sees it in the next losses
            return
        fell = self._logs_before - np.log(np.maximum(after, EPSILON))
        shares = _softmax(self._logits[tasks])
        slope = (
            shares * (fell - shares @ fell) + self.decay * self._logits[tasks]
        )  # softmax's derivative, and the regulariser
        self._logits[tasks] = self._adam.step(self._logits[tasks], slope, tasks)

    def _floors(self, seen: Seen) -> Array:
        if isinstance(self.floor, float | int):
            return np.full(len(seen.tasks), float(self.floor))
        if len(self.floor) != seen.total:
            raise OptionError(
                f"FAMO's floor has one loss a task; got {len(self.floor)} of them and {seen.total} tasks."
            )
        return np.asarray(self.floor, dtype=np.float64)[seen.tasks]

    def _start(self, tasks: int) -> None:
        self._logits = np.zeros(tasks)
        self._adam.start(tasks)
        self._tasks_before = np.zeros(0, dtype=np.int64)
        self._logs_before = self._floors_before = np.zeros(0)

    def _state(self) -> Mapping[str, Array]:
        return {"logits": self._logits, **self._adam.state()}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._logits = array_of(state["logits"])
        self._adam.restore(state)


def _softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


def _refuse_below_floor(above: Tensor) -> None:
    if bool((above.detach() <= 0).any()):
        place = int(above.detach().argmin())
        raise DataError(
            f"famo takes the logarithm of losses above their floor; loss {place} lies {-float(above[place]):.3g} below "
            "it. Give floor= a bound that it never reaches."
        )
