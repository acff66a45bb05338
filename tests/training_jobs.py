"""Small problems and processes that the tests of `sharewise.training.fit` share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sharewise.networks import HardSharing
from sharewise.tasks import Binary, Kind, Multiclass, Regression

GAP = float("nan")
KINDS: dict[str, Kind] = {"size": Regression(), "side": Multiclass(3), "odd": Binary((0, 1))}


class Table(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Three tasks on five numbers, a fifth of the labels missing."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(rows, 5, generator=generator)
        size = 2.0 * self.x[:, 0] + self.x[:, 1]
        side = (self.x[:, 1] > 0).long() + (self.x[:, 2] > 0).long()
        odd = (self.x[:, 0] * self.x[:, 3] > 0).float()
        self.y = {"size": size, "side": side, "odd": odd}
        for place, (task, column) in enumerate(self.y.items()):
            column[place::5] = -1 if task == "side" else GAP

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[row], {task: column[row] for task, column in self.y.items()}


class One(Dataset[tuple[Tensor, Tensor]]):
    """One task's labelled rows of a table."""

    def __init__(self, table: Table, task: str, rows: int | None = None) -> None:
        column = table.y[task]
        known = ~torch.isnan(column) & ((column >= 0) if task == "side" else True)
        self.x, self.y = table.x[known][:rows], column[known][:rows]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return self.x[row], self.y[row]


def network(dropout: float = 0.0, norm: bool = False, seed: int = 0) -> HardSharing:
    """Hard sharing; the same weights for a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts: list[nn.Module] = [nn.Linear(5, 16)]
        parts += [nn.BatchNorm1d(16)] if norm else []
        trunk = nn.Sequential(*parts, nn.ReLU(), nn.Dropout(dropout))
        heads = {"size": nn.Linear(16, 1), "side": nn.Linear(16, 3), "odd": nn.Linear(16, 2)}
        return HardSharing(trunk, heads)


def loader(rows: int = 120, batch: int = 20, seed: int = 0, **options: Any) -> DataLoader[Any]:
    """Shuffled, of a `Table`."""
    return DataLoader(Table(rows, seed), batch, shuffle=True, **options)


def own_loaders(**rows: int) -> dict[str, DataLoader[Any]]:
    """One a task, with so many rows each."""
    table = Table(200)
    return {task: DataLoader(One(table, task, n), 10, shuffle=True) for task, n in rows.items()}


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two sets of weights are equal bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def make_balancer(name: str) -> Any:
    """By name."""
    from sharewise.balancing import BALANCERS

    return BALANCERS[name]()


def environment() -> dict[str, str]:
    """Of a process of the tests: one thread, this folder importable."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}


def train_and_kill(folder: str, out: str) -> None:
    """Trains with checkpoints; with KILL_AT in the environment the process is killed before that update."""
    import signal

    from sharewise.training import _loop, fit

    torch.set_num_threads(1)
    at = int(os.environ.get("KILL_AT", "-1"))
    original = _loop.Stepper.__call__
    taken = 0

    def step(self: Any, *given: Any) -> Any:
        nonlocal taken
        if taken == at:
            os.kill(os.getpid(), signal.SIGKILL)
        taken += 1
        return original(self, *given)

    if at >= 0:
        _loop.Stepper.__call__ = step  # type: ignore[method-assign]
    fitted = fit(
        network(dropout=0.2, norm=True),
        loader(generator=torch.Generator().manual_seed(5)),
        KINDS,
        validation=DataLoader(Table(60, 1), 30),
        epochs=3,
        balancer=make_balancer(os.environ.get("BALANCER", "sum")),
        schedule=lambda optimizer, steps: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, steps),
        accumulate=2,
        checkpoint=folder,
        every=1,
        progress=False,
    )
    state = {f"last/{name}": value for name, value in weights_of(fitted.network).items()}
    for task in KINDS:
        state |= {f"{task}/{name}": v for name, v in weights_of(fitted.network_of(task)).items()}
    state["losses"] = torch.tensor([[row.loss, row.validation_loss] for row in fitted.history])
    from safetensors.torch import save_file

    save_file({name: value.clone() for name, value in state.items()}, out)


def case(name: str, mode: str) -> dict[str, Any]:
    """What one and two processes are to do alike; mode "own": tasks have inputs of their own."""
    own = mode == "own"
    return {
        "loaders": own_loaders(size=75, side=20, odd=45) if own else loader(),
        "tasks": KINDS,
        "validation": DataLoader(Table(60, 1), 30),
        "epochs": 2,
        "balancer": make_balancer(name),
        "mode": "last-layer" if own or not mode else mode,
        "accumulate": 2 if name == "sum" and not own else 1,
        "sampling": "sqrt",
        "progress": False,
    }


def train_apart(out: str) -> None:
    """One of several processes (gloo); writes the losses and weights it ends with, and ends at once."""
    import torch.distributed as dist
    from lightning_fabric import Fabric
    from safetensors.torch import save_file

    from sharewise.training import fit

    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=int(os.environ["WORLD_SIZE"]), strategy="ddp")
    fabric.launch()
    found = {}
    for balancer in os.environ["BALANCERS"].split(","):
        name, _, mode = balancer.partition(":")
        fitted = fit(
            # Other weights on every process: the first one's are taken.
            network(seed=fabric.global_rank),
            fabric=fabric,
            **case(name, mode),
        )
        found[f"{balancer}/losses"] = torch.tensor([[r.loss, r.validation_loss] for r in fitted.history])
        found[f"{balancer}/weights"] = torch.tensor([row.weight for row in fitted.history])
        found |= {f"{balancer}/{key}": value for key, value in weights_of(fitted.network).items()}
    save_file(found, f"{out}-{fabric.global_rank}.safetensors")
    fabric.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # gloo's threads may abort a process that ends in the common way


if __name__ == "__main__":
    {"kill": train_and_kill, "apart": train_apart}[sys.argv[1]](*sys.argv[2:])
