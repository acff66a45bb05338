"""One process or many: where a network lives and how processes agree.

Gradients are averaged over the processes by hand, after the backward pass, and not by torch's
``DistributedDataParallel``: a balancer asks for gradients several times a step, which its hooks do not survive.
Lightning Fabric launches the processes, knows the devices and carries the sums; it is never imported here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError


class Fabric(Protocol):
    """What is used of a ``lightning_fabric.Fabric`` that has been launched."""

    @property
    def device(self) -> torch.device: ...
    @property
    def global_rank(self) -> int: ...
    @property
    def world_size(self) -> int: ...
    @property
    def strategy(self) -> Any: ...
    def all_reduce(self, data: Any, group: Any = None, reduce_op: Any = "mean") -> Any: ...
    def broadcast(self, obj: Any, src: int = 0) -> Any: ...
    def barrier(self, name: str | None = None) -> None: ...


class Devices:
    """The processes of a run, seen from one of them.

    Args:
        device: Where the network is, without a fabric.
        fabric: Launched, or None for one process.

    Raises:
        OptionError: The fabric's strategy splits the network itself, or its precision is not 32 bits.
    """

    def __init__(self, device: torch.device, fabric: Fabric | None = None) -> None:
        self._fabric = fabric
        self.device = device if fabric is None else fabric.device
        self.rank = 0 if fabric is None else fabric.global_rank
        self.world = 1 if fabric is None else fabric.world_size
        if fabric is None:
            return
        strategy = type(fabric.strategy).__name__
        if strategy not in ("DDPStrategy", "SingleDeviceStrategy"):
            raise OptionError(
                f"fit keeps a copy of the network on every device (Fabric's strategy 'ddp'); got {strategy}."
            )
        precision = str(getattr(fabric.strategy.precision, "precision", "32-true"))
        if precision != "32-true":
            raise OptionError(f"precision is an argument of fit; got a Fabric with '{precision}'.")

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the processes, the same bits on each."""
        return value if self.world == 1 else self._reduce(value, "sum")

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, the same bits on each."""
        return value if self.world == 1 else self._reduce(value, "sum") / self.world

    def _reduce(self, value: Tensor, how: str) -> Tensor:
        assert self._fabric is not None
        own = value.detach().to(self.device, copy=True)
        found = self._fabric.all_reduce(own, reduce_op=how)
        assert isinstance(found, Tensor)
        return found.to(value.device)

    def barrier(self) -> None:
        """Waits for all processes."""
        if self._fabric is not None:
            self._fabric.barrier()

    def same_start(self, network: nn.Module) -> None:
        """Gives every process the first one's weights and buffers."""
        self._from_first(network.state_dict().values())

    def same_buffers(self, network: nn.Module) -> None:
        """Gives every process the first one's buffers (running statistics are each process's own until then)."""
        self._from_first(network.buffers())

    def _from_first(self, values: Iterable[Tensor]) -> None:
        if self.world == 1 or self._fabric is None:
            return
        for value in values:
            value.copy_(self._fabric.broadcast(value.detach().clone()))

    def mean_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Replaces each gradient by its mean over the processes, in one exchange.

        A parameter without a gradient here counts as zero; one without any anywhere stays without, so that
        the optimizer passes it over as it does in a single process.
        """
        if self.world == 1:
            return
        flags = torch.tensor([float(p.grad is not None) for p in parameters], device=self.device)
        flat = torch.cat(
            [flags, *((torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters)]
        )
        flat = self.mean(flat)
        known, place = flat[: len(parameters)].tolist(), len(parameters)
        for parameter, share in zip(parameters, known, strict=True):
            size = parameter.numel()
            own = flat[place : place + size].view_as(parameter).to(parameter.dtype)
            parameter.grad = own.clone() if share > 0 else None
            place += size
