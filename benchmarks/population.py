"""Many small networks as one stacked program, beside the same networks trained one after another.

    python benchmarks/population.py              # the table; about two minutes on one core
    python benchmarks/population.py --repeats 9

Every row trains the same members three ways, in turn, in each repeat:

* stacked: one call of ``sharewise.training.train_population`` with all members;
* one by one: the same function, called with one member at a time;
* plain torch: ``nn.Sequential``, ``torch.optim.AdamW`` and a loop, one network at a time.

Each does the same steps on the same rows, the validation loss after every epoch, and a copy of the weights
whenever it is the best so far; nobody stops early, so that the work is equal. Printed are microseconds for one
step of one member, and how many times faster the stacked program is: medians over repeats of the quotients
inside a repeat. On a CPU one thread is used, and its own processor time is counted, so that other programs
weigh less; on a GPU, where there is one, wall-clock time between synchronisations.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sharewise.training import Data, Member, Recipe, train_population
from torch import nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STEPS = 8
"""Steps of an epoch, as the library's geometry has it for these row counts."""
ALONE = 3
"""Members that are trained one by one; they are alike, so a few tell what all cost."""
WORK = 4e9
"""Multiplications for which the stacked program of a row is trained, about."""


@dataclass(frozen=True)
class Shape:
    """One row of the table."""

    members: int
    width: int
    batch: int
    inputs: int = 32
    rates: int = 1
    """Different learning rates among the members."""


SHAPES = (
    *(Shape(members, 64, 32) for members in (2, 5, 16, 64)),
    Shape(64, 64, 32, rates=8),
    Shape(64, 64, 32, inputs=128),
    *(Shape(members, 64, 256) for members in (2, 5, 16, 64)),
    Shape(16, 64, 256, inputs=256),
    *(Shape(64, 16, batch) for batch in (16, 256)),
    *(Shape(16, 64, batch) for batch in (16, 64, 128)),
    *(Shape(16, 128, batch) for batch in (32, 256)),
    *(Shape(members, 256, batch) for members in (2, 8) for batch in (16, 256)),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False, width=110)
    table = Table("members", "width", "batch", "inputs", "rates", title=f"on {_machine()}")
    for name in ("stacked µs", "one by one µs", "plain torch µs", "× one by one", "× plain torch"):
        table.add_column(name, justify="right")
    ratios: dict[Shape, tuple[float, float]] = {}
    for shape in SHAPES:
        stacked, single, plain = _measure(shape, given.repeats)
        ratios[shape] = float(np.median(single / stacked)), float(np.median(plain / stacked))
        table.add_row(
            *(str(v) for v in (shape.members, shape.width, shape.batch, shape.inputs, shape.rates)),
            *(f"{1e6 * np.median(seconds):.0f}" for seconds in (stacked, single, plain)),
            *(f"{ratio:.2f}" for ratio in ratios[shape]),
        )
    console.print(table)
    for line in _aims(ratios):
        console.print(line)


def _aims(ratios: dict[Shape, tuple[float, float]]) -> list[str]:
    """What was wanted, and what was found, for the larger of the populations and over all rows."""
    wanted = [("width 64, batch 32, 64 members", Shape(64, 64, 32), 5.0)]
    wanted += [("width 64, batch 256, 64 members", Shape(64, 64, 256), 2.0)]
    if DEVICE.type == "cuda":
        wanted = [(name, shape, 15.0) for name, shape, _ in wanted]
    lines = []
    for name, shape, least in wanted:
        single, plain = ratios[shape]
        lines.append(f"{name}: wanted {least:g}×; {single:.1f}× one by one, {plain:.1f}× plain torch")
    low = [min(ratio[way] for ratio in ratios.values()) for way in range(2)]
    lines.append(f"every row: wanted 1×; least {low[0]:.2f}× one by one, {low[1]:.2f}× plain torch")
    return lines


def _measure(shape: Shape, repeats: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds a member and step, ``(repeats,)`` each: stacked, one by one, plain torch."""
    train, valid = STEPS * shape.batch, 2 * shape.batch
    rng = np.random.default_rng(0)
    X = rng.normal(size=(train + valid, shape.inputs)).astype(np.float32)
    Y = (X[:, :1] + rng.normal(size=(len(X), 1))).astype(np.float32)
    data = Data(torch.from_numpy(X).to(DEVICE), torch.from_numpy(Y).to(DEVICE), None, ((0, 1),), (False,))
    members = [
        Member(
            np.arange(train),
            np.arange(train, train + valid),
            (0,),
            group=place,
            seed=place,
            learning_rate=1e-3 * (1 + place % shape.rates),
        )
        for place in range(shape.members)
    ]
    cost = 6 * shape.batch * shape.width * (shape.inputs + shape.width) * STEPS * shape.members
    epochs = int(np.clip(WORK / cost, 2, 25))
    recipe = Recipe(shape.width, epochs=epochs, patience=epochs)
    few = members[:ALONE]

    def stacked() -> None:
        train_population(data, members, recipe)

    def single() -> None:
        for member in few:
            train_population(data, [member], recipe)

    def plain() -> None:
        for member in few[:2]:
            _plain(data, member, shape, epochs)

    ways: Sequence[tuple[Callable[[], None], int]] = (
        (stacked, len(members)), (single, len(few)), (plain, len(few[:2])),
    )  # fmt: skip
    for way, _ in ways:
        way()
    found = [[_seconds(way) / (count * epochs * STEPS) for way, count in ways] for _ in range(repeats)]
    return tuple(np.array(found).T)


def _plain(data: Data, member: Member, shape: Shape, epochs: int) -> None:
    """One network as one would write it."""
    torch.manual_seed(member.seed)
    net = nn.Sequential(
        nn.Linear(shape.inputs, shape.width), nn.ReLU(), nn.Dropout(member.dropout),
        nn.Linear(shape.width, shape.width), nn.ReLU(), nn.Dropout(member.dropout),
        nn.Linear(shape.width, 1),
    ).to(DEVICE)  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), lr=member.learning_rate, weight_decay=member.weight_decay)
    train = torch.from_numpy(member.train).to(DEVICE)
    valid = torch.from_numpy(member.valid).to(DEVICE)
    best = np.inf
    for _ in range(epochs):
        net.train()
        for rows in train[torch.randperm(len(train), device=DEVICE)].split(shape.batch):
            optimizer.zero_grad()
            nn.functional.mse_loss(net(data.X[rows]), data.Y[rows]).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            loss = nn.functional.mse_loss(net(data.X[valid]), data.Y[valid]).item()
        if loss < best:
            best = loss
            copy.deepcopy(net.state_dict())


def _seconds(way: Callable[[], None]) -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
        started = time.perf_counter()
        way()
        torch.cuda.synchronize()
        return time.perf_counter() - started
    started = time.thread_time()
    way()
    return time.thread_time() - started


def _machine() -> str:
    return torch.cuda.get_device_name() if DEVICE.type == "cuda" else "one core"


if __name__ == "__main__":
    main()
