"""What every balancer is: a rule that turns the tasks' losses, or the Gramian of their gradients, into weights.

`T` tasks. A *scalarizer* sees the losses alone and gives one number to differentiate; a *weighting* sees the
Gramian G = J J' of the tasks' gradients (the rows of J) and gives the weights of their sum J'w. The bases check
what comes in and make updates comparable; a method only says its rule. Applying weights is `backward`'s.

Updates of a common length: published methods differ up to 100-fold in the length of the update they make of the
same gradients (some weights sum to one, some to T, some follow the gradients' inverse), so at one learning rate they
could not be compared. By default (``norm="sum"``) everything has the scale of the plain sum, which is the baseline
and whose learning rate then serves every balancer: a weighting's J'w is as long as the sum of the gradients, a
scalarizer's weights sum to T. ``"mean"`` is that divided by T; ``"raw"`` is what the paper's equation gives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.balancing import _checks as checks
from sharewise.balancing._solvers import length_of
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]
Norm = Literal["sum", "mean", "raw"]
State = dict[str, Tensor | int | float | None]

LONGEST_PARTS = 10.0
"""Bound on sum_i |w_i| |g_i| as a multiple of sum_i |g_i|. Near a Pareto-stationary point the parts of J'w cancel;
stretching what is left to full length would blow up noise, so from there on the update fades instead."""
NO_GRADIENT = 1e-20
"""A task whose gradient is shorter than this share of the longest has none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a method is told about a step besides the losses or the Gramian that it weights."""

    tasks: NDArray[np.int64]
    """(T',) positions of the rows among all tasks, rising: state kept by task is read and written here."""
    total: int
    """Number of all tasks, T."""
    losses: Array | None = None
    """(T',) values of the losses, where a weighting was given them."""


@dataclass(frozen=True, slots=True)
class Combined:
    """A scalarizer's answer."""

    total: Tensor
    """() what to differentiate."""
    weights: Tensor
    """(T',) its derivative by each loss, detached."""


class Balancer(ABC):
    """State and identity, common to scalarizers and weightings."""

    name: ClassVar[str]
    """The key in `BALANCERS`."""
    needs_losses: ClassVar[bool] = False
    """Whether the losses' values are asked for (a scalarizer has them anyway)."""
    needs_losses_after: ClassVar[bool] = False
    """Whether `after_step` wants the losses of the same batch after the update."""
    stateful: ClassVar[bool] = False
    """Whether anything is kept by task from step to step; the number of tasks is fixed then."""
    nonnegative: ClassVar[bool] = True
    """Whether weights are never below zero."""
    equivariant: ClassVar[bool] = True
    """Whether reordering tasks reorders the weights (methods that draw by task do not)."""
    scale_free: ClassVar[bool] = False
    """Whether a task whose loss is multiplied by k gets its weight divided by k, up to a common factor."""

    def __init__(self, norm: Norm = "sum") -> None:
        if norm not in get_args(Norm):
            raise OptionError(
                f"norm is one of 'sum', 'mean' and 'raw'; got {norm!r}. Leave it out for 'sum'."
            )
        self.norm: Norm = norm
        self._tasks: int | None = None

    @final
    def start(self, tasks: int) -> None:
        """Make room for `tasks` tasks. A loop calls this before it builds its optimizer; the first step does so
        otherwise.

        Raises:
            OptionError: if the balancer keeps state for another number of tasks.
        """
        if tasks < 1:
            raise OptionError(f"A balancer needs at least one task; got {tasks}.")
        if self._tasks is not None and self.stateful and tasks != self._tasks:
            raise OptionError(
                f"A balancer that learns ({self.name}) serves one number of tasks; this one has state for "
                f"{self._tasks} and got {tasks}. Make a new one, or name the tasks of a step with present=."
            )
        fresh, self._tasks = self._tasks != tasks, tasks
        if fresh:
            self._start(tasks)

    @final
    def reset(self) -> None:
        """Forget every step taken; parameters go back to their first values in place."""
        if self._tasks is not None:
            self._start(self._tasks)

    @final
    def state_dict(self) -> State:
        """All that is kept between steps: tensors and plain numbers, safe for ``torch.load(weights_only=True)``."""
        if self._tasks is None:
            return {"tasks": None}
        kept = {name: _as_saved(value) for name, value in self._state().items()}
        return {"tasks": self._tasks, **kept}

    @final
    def load_state_dict(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            DataError: if the state is of another method.
        """
        tasks = state.get("tasks")
        if tasks is None:
            self.reset()
            return
        self.start(int(tasks))
        self._start(int(tasks))
        if (wanted := set(self._state())) != (found := set(state) - {"tasks"}):
            raise DataError(
                f"A saved state fits only the method it is of: {self.name} keeps {sorted(wanted)}, the state holds "
                f"{sorted(found)}. Load it into the balancer that it was saved from."
            )
        self._restore({name: value for name, value in state.items() if name != "tasks"})

    def parameters(self) -> Iterator[nn.Parameter]:
        """What the loop's optimizer learns along with the network; nothing for most methods."""
        return iter(())

    def after_epoch(self) -> None:  # noqa: B027 (a hook, empty for most methods)
        """Told by the loop at the end of each epoch."""

    def _start(self, tasks: int) -> None:  # noqa: B027
        """Set the state for `tasks` tasks to its first values; parameters that exist keep their identity."""

    def _state(self) -> Mapping[str, Array | Tensor | int | float | None]:
        """What is kept between steps, by name."""
        return {}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:  # noqa: B027
        """Take over what `_state` gave; tensors stand where arrays were."""

    def __repr__(self) -> str:
        shown = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in shown.items())})"


class Scalarizer(Balancer):
    """From losses (T,) to one number. One plain backward pass through it moves the whole network."""

    positive: ClassVar[bool] = False
    """Whether losses below zero are refused (the method takes their logarithm)."""

    @final
    def __call__(self, losses: Tensor, *, present: NDArray[np.bool_] | None = None) -> Tensor:
        """The number to differentiate, (). See `combine`."""
        return self.combine(losses, present=present).total

    @final
    def combine(self, losses: Tensor, *, present: NDArray[np.bool_] | None = None) -> Combined:
        """The number to differentiate and its derivative by each loss.

        Args:
            losses: (T',) the losses of the tasks that this batch has.
            present: (T,) which of all tasks these are; None where they are all.

        Raises:
            DataError: if `losses` is not a vector, or a loss is not finite (or negative where that is refused).
        """
        checks.loss_tensor(losses, self.name, positive=self.positive)
        seen = Seen(*checks.positions(present, len(losses)))
        self.start(seen.total)
        found = self._combine(losses, seen)
        if self.norm == "raw":
            return found
        target = len(losses) if self.norm == "sum" else 1.0
        factor = target / found.weights.sum().clamp_min(torch.finfo(found.weights.dtype).tiny)
        return Combined(found.total * factor, found.weights * factor)

    def after_step(self, losses: Tensor | None = None) -> None:
        """Told by the loop after the optimizer's step.

        Args:
            losses: (T',) of the same batch and tasks after the step, where `needs_losses_after` asks for them.
        """

    @abstractmethod
    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        """The paper's own total, and its derivative by each loss (detached)."""


class Weighting(Balancer):
    """From the Gramian (T, T) of the tasks' gradients to the weights (T,) of their sum.

    A task without any gradient is left out and gets weight 0: otherwise one solved task would stop (MGDA) or
    break (Nash-MTL) the rest. A Gramian of nothing but zeros gets the plain sum's weights.
    """

    @final
    def __call__(
        self, gramian: Array, losses: Array | None = None, *, present: NDArray[np.bool_] | None = None
    ) -> Array:
        """Weights (T',) in float64.

        Args:
            gramian: (T', T') inner products of the gradients of the tasks that this batch has.
            losses: (T',) their losses, where `needs_losses` asks for them.
            present: (T,) which of all tasks these are; None where they are all.

        Raises:
            DataError: if the Gramian is not square, symmetric and finite, or losses are missing or not finite.
        """
        gramian = checks.gramian(gramian)
        losses = checks.loss_array(losses, len(gramian), self.name, needed=self.needs_losses)
        places, total = checks.positions(present, len(gramian))
        self.start(total)
        plain = 1.0 / len(gramian) if self.norm == "mean" else 1.0
        lengths = np.sqrt(np.maximum(gramian.diagonal(), 0.0))
        live = lengths > NO_GRADIENT * lengths.max()
        if not live.any():
            return np.full(len(gramian), plain)
        if live.all():
            weights = self._weights(gramian, Seen(places, total, losses))
            return weights if self.norm == "raw" else plain * _as_long_as_the_sum(weights, gramian, lengths)
        part = gramian[np.ix_(live, live)]
        weights = self._weights(part, Seen(places[live], total, None if losses is None else losses[live]))
        if self.norm != "raw":
            weights = plain * _as_long_as_the_sum(weights, part, lengths[live])
        full = np.zeros(len(gramian))
        full[live] = weights
        return full

    @abstractmethod
    def _weights(self, gramian: Array, seen: Seen) -> Array:
        """The paper's own weights (T',) of a Gramian without rows of zeros."""


def _as_long_as_the_sum(weights: Array, gramian: Array, lengths: Array) -> Array:
    """`weights` times the positive number that makes |J'w| the length of the plain sum J'1, within `LONGEST_PARTS`."""
    parts = float(np.abs(weights) @ lengths)
    if parts == 0.0:
        return weights
    weights = weights * (
        lengths.sum() / parts
    )  # first by the parts' lengths, so that the bound is a plain number
    own = length_of(weights, gramian)
    wanted = length_of(np.ones(len(weights)), gramian)
    return weights * (LONGEST_PARTS if wanted >= LONGEST_PARTS * own else wanted / own)


def array_of(saved: Tensor | int | float | None) -> Array:
    """An array of a state, as `Balancer.state_dict` made a tensor of it."""
    if not isinstance(saved, Tensor):
        raise DataError(
            f"A saved state holds tensors and numbers as it gave them out; got {saved!r} for an array."
        )
    return np.array(saved.detach().cpu().numpy(), dtype=np.float64)


def _as_saved(value: Array | Tensor | int | float | None) -> Tensor | int | float | None:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.detach().clone() if isinstance(value, Tensor) else value
