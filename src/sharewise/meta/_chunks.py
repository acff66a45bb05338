"""Meta-gradients in parts, so that no more than a stated number of bytes is held.

The gradient of a mean over tasks is computed for a few tasks at a time, and each part's graph is dropped before the
next begins. How many tasks go together is measured, not guessed: the bytes that one and two tasks need at most.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sharewise.errors import OptionError


@final
class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts bytes of tensors made inside the `with` block: those alive now, and the most at any time.

    Storages are counted once, however many tensors look at them; what was there before is not counted, nor the
    working space of a kernel that no tensor holds.
    """

    def __init__(self, known: Sequence[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive = self.peak = 0
        self._seen: set[int] = {part.untyped_storage()._cdata for part in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs the operation and counts what it made."""
        known = {
            id(leaf.untyped_storage()) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)
        }
        made = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(made):
            if isinstance(leaf, Tensor) and id(leaf.untyped_storage()) not in known:
                self._count(leaf)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.alive -= size


@dataclass(frozen=True)
class Need:
    """Bytes that a meta-gradient holds at most.

    Attributes:
        fixed: Whatever the number of tasks: gradients of the parameters.
        task: For each task that is computed along with others.
    """

    fixed: int
    task: int

    def tasks(self, bound: int) -> int:
        """How many tasks fit into `bound` bytes.

        Raises:
            OptionError: Not even one does.
        """
        if self.fixed + self.task > bound:
            raise OptionError(
                f"A memory bound holds one task at least, here {self.fixed + self.task} bytes; got {bound}. Raise "
                "memory=, take fewer inner steps or fewer rows, or a first-order method."
            )
        return (bound - self.fixed) // max(self.task, 1)


def measure(run: Callable[[int], object], known: Sequence[Tensor] = (), *, together: bool = True) -> Need:
    """What `run(tasks)` needs at most.

    Args:
        run: Computes the meta-gradient of that many tasks; its result is dropped.
        known: Tensors that exist before and do not count.
        together: Whether tasks are ever computed together; then two are tried beside one.
    """
    peaks = []
    for tasks in (1, 2) if together else (1,):
        with PeakMemory(known) as counted:
            run(tasks)
        peaks.append(counted.peak)
    task = min(peaks[-1] - peaks[0], peaks[0]) if together else peaks[0]
    # Where two need more than twice what one does, all of it is counted as the tasks' own.
    return Need(peaks[0] - task, task) if 2 * peaks[0] >= peaks[-1] else Need(0, -(-peaks[-1] // 2))


def slices(tasks: int, most: int) -> Iterator[slice]:
    """Parts of nearly equal size, none above `most`, so that few shapes occur."""
    count = -(-tasks // most)
    for part in range(count):
        yield slice(part * tasks // count, (part + 1) * tasks // count)


def tied(value: Tensor, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """`value`, (), whose `backward` gives `parameters` these `gradients`, already computed."""
    return _Tied.apply(value, len(gradients), *gradients, *parameters)  # type: ignore[no-any-return, no-untyped-call]


class _Tied(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors[:count])
        return value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.saved_tensors
        return (None, None, *[None] * len(gradients), *[outer * part for part in gradients])
