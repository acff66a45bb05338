"""What a balanced step costs beside a plain one, and how close its direction comes to the exact one.

    python benchmarks/balancing.py            # about two minutes on one core
    python benchmarks/balancing.py --repeats 40 --tasks 8

Time: a step is the forward pass, the losses, and the gradients of all parameters; no optimizer, which would only bring
the ratios closer to one. All ways run in turn in each repeat on the same batch, on one thread, counted in its
own processor time; printed is the median over repeats of the quotient by the plain sum in the same repeat. The weights
are fixed, so that no solver is timed, except in the rows that name a method.

* plain sum: ``torch.stack(losses).sum().backward()``;
* last-layer, features, exact: `sharewise.balancing.backward` in that mode;
* TorchJD: ``mtl_backward`` and ``jac_to_grad`` (which takes the Gramian), with its default and with
  ``parallel_chunk_size=1``;
* a pass per task: what LibMTL documents, in own words (see `balancing_peers.py`).

Cosine: of the shared parameters' gradient to that of the exact mode, for the same batch and method; mean over random
networks, at random weights and after some training, and the lowest of them.

Stacked: a plain sum with heads from ``sharewise.networks.heads``, beside a loop over the same heads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sharewise.balancing import BALANCERS, Weighting, backward
from sharewise.networks import heads
from torch import Tensor

from balancing_peers import Fixed, PassPerTask, Torchjd
from balancing_problems import Problem, cnn, cnn_pooled, mlp

Step = Callable[[list[Tensor], Tensor], object]
METHODS = ("mgda", "nash-mtl", "cagrad")
MODES = ("last-layer", "features")
LAST_LAYER_AIMS = {"MLP": 1.7, "CNN": 1.3}
COSINE_AIM = 0.9
STACKED_AIM = 0.7
NOISE = 1.03
"""Quotient of medians up to which two ways count as equally fast."""
MAKERS = {mlp: 256, cnn: 64, cnn_pooled: 64}
"""Networks, and rows of a batch."""
SEEDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=30, help="rounds for 8 tasks on the MLP; others less")
    parser.add_argument("--tasks", type=int, nargs="+", default=[2, 8, 32])
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False, width=120)
    aims: list[tuple[str, float, float, bool]] = []
    table = Table("network", "tasks", "plain ms", *(ways := list(_steps(mlp(2, 0, 4)))[1:]))
    for make, rows in MAKERS.items():
        for tasks in given.tasks:
            problem = make(tasks, 0, rows)
            costs = _costs(problem, _repeats(given.repeats, make, tasks))
            plain = costs.pop("plain sum")
            ratios = {way: float(np.median(np.array(cost) / plain)) for way, cost in costs.items()}
            cells = [f"{ratios[way]:.2f}" if way in ratios else "" for way in ways]
            table.add_row(problem.name, str(tasks), f"{1e3 * np.median(plain):.1f}", *cells)
            if tasks == 8:
                aims += _time_aims(problem.name, ratios, costs)
    console.print(table, "Time of a step as a ratio to the plain sum: medians over interleaved repeats.\n")
    aims += _cosines(console)
    aims += _stacked(console, given.repeats)
    for text, value, aim, upward in aims:
        met = value >= aim if upward else value <= aim
        sign = "at least" if upward else "at most"
        console.print(f"{'met        ' if met else 'FALLS SHORT'}  {text}: {value:.2f}, aim {sign} {aim:g}")


def _repeats(most: int, make: object, tasks: int) -> int:
    if make is mlp:
        return most if tasks <= 8 else max(most // 3, 5)
    return max(most // 3, 5) if tasks <= 8 else 3


def _steps(problem: Problem) -> dict[str, Step]:
    tasks = len(problem.heads)
    weights = [1.0 / tasks] * tasks
    fixed = Fixed(weights)
    shared = list(problem.encoder.parameters())
    alone, together, passes = Torchjd(weights, 1), Torchjd(weights, None), PassPerTask(weights)
    total = BALANCERS["sum"]()

    def balanced(balancer: object, mode: str) -> Step:
        return lambda losses, features: backward(losses, features, balancer, mode=mode)  # type: ignore[arg-type]

    return {
        "plain sum": lambda losses, features: torch.stack(losses).sum().backward(),
        "sum, ours": balanced(total, "last-layer"),
        "last-layer": balanced(fixed, "last-layer"),
        **{f"with {name}": balanced(BALANCERS[name](), "last-layer") for name in METHODS},
        "features": balanced(fixed, "features"),
        "exact": balanced(fixed, "exact"),
        "TorchJD": lambda losses, features: together(losses, features, shared),
        "TorchJD, chunk 1": lambda losses, features: alone(losses, features, shared),
        "a pass per task": lambda losses, features: passes(losses, features, shared),
    }


def _costs(problem: Problem, repeats: int) -> dict[str, np.ndarray]:
    """Seconds of processor time, by way and repeat."""
    steps = _steps(problem)
    inputs, targets = problem.draw()

    def timed(step: Step) -> float:
        problem.clear()
        start = time.process_time()
        features = problem.encoder(inputs)
        step(problem.losses(features, targets), features)
        return time.process_time() - start

    found: dict[str, list[float]] = {way: [] for way in steps}
    names = list(steps)
    for repeat in range(-1, repeats):
        for place in range(len(names)):
            way = names[(place + repeat) % len(names)]
            cost = timed(steps[way])
            if repeat >= 0:
                found[way].append(cost)
    return {way: np.array(cost) for way, cost in found.items()}


def _time_aims(
    name: str, ratios: Mapping[str, float], costs: Mapping[str, np.ndarray]
) -> list[tuple[str, float, float, bool]]:
    peers = ("TorchJD", "TorchJD, chunk 1", "a pass per task")
    better = min(peers, key=lambda peer: ratios[peer])
    quotient = float(np.median(costs["exact"] / costs[better]))
    aim = LAST_LAYER_AIMS[name.split(",")[0]]
    return [
        (f"{name}: time of last-layer over the plain sum", ratios["last-layer"], aim, False),
        (f"{name}: time of exact over the better peer ({better})", quotient, NOISE, False),
    ]


def _cosines(console: Console) -> list[tuple[str, float, float, bool]]:
    table = Table("network", "tasks", "method", "plain sum", *MODES)
    aims: list[tuple[str, float, float, bool]] = []
    for make, rows in MAKERS.items():
        for tasks in (2, 8, 32):
            found: dict[tuple[str, str], list[float]] = {}
            seeds = SEEDS if make is mlp else 2
            for seed in range(seeds if tasks <= 8 else 1):
                for steps in (0, 100) if make is mlp else (0, 25):
                    problem = make(tasks, seed, rows)
                    problem.train(steps)
                    for key, cosine in _compare(problem).items():
                        found.setdefault(key, []).append(cosine)
            for method in METHODS:
                kinds = ("plain sum", *MODES)
                cells = [f"{np.mean(found[method, k]):.2f} ({min(found[method, k]):.2f})" for k in kinds]
                table.add_row(problem.name, str(tasks), method, *cells)
                if tasks == 8:
                    mean = float(np.mean(found[method, "last-layer"]))
                    aims.append(
                        (f"{problem.name}: cosine of last-layer to exact, {method}", mean, COSINE_AIM, True)
                    )
    console.print(table, "Cosine to the exact direction: mean (lowest).\n")
    return aims


def _compare(problem: Problem) -> dict[tuple[str, str], float]:
    inputs, targets = problem.draw()

    def direction(balancer: Weighting | None, mode: str) -> Tensor:
        problem.clear()
        features = problem.encoder(inputs)
        losses = problem.losses(features, targets)
        if balancer is None:
            torch.stack(losses).sum().backward()
        else:
            backward(losses, features, balancer, mode=mode)  # type: ignore[arg-type]
        return problem.direction()

    plain = direction(None, "")
    found: dict[tuple[str, str], float] = {}
    for method in METHODS:
        exact = direction(_method(method), "exact")
        for mode in MODES:
            found[method, mode] = _cosine(direction(_method(method), mode), exact)
        found[method, "plain sum"] = _cosine(plain, exact)
    return found


def _method(name: str) -> Weighting:
    found = BALANCERS[name]()
    assert isinstance(found, Weighting)
    return found


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first.double(), second.double(), dim=0))


def _stacked(console: Console, repeats: int) -> list[tuple[str, float, float, bool]]:
    """A plain sum with stacked heads over a loop; both give each task's outputs and a loss a task."""
    table = Table("network", "tasks", "stacked / loop")
    aims: list[tuple[str, float, float, bool]] = []
    for make, rows in MAKERS.items():
        problem = make(32, 0, rows)
        names = [f"task {task}" for task in range(32)]
        stacked = heads(dict.fromkeys(names, 1), problem.heads[0].in_features)
        inputs, targets = problem.draw()

        def outputs(way: str, features: Tensor) -> Sequence[Tensor]:
            if way == "loop":
                return [head(features) for head in problem.heads]  # noqa: B023
            return list(stacked(features, names).values())  # noqa: B023

        costs: dict[str, list[float]] = {"loop": [], "stacked": []}
        for _ in range(repeats if make is mlp else max(repeats // 3, 5)):
            for way, cost in costs.items():
                problem.clear()
                start = time.process_time()
                parts = outputs(way, problem.encoder(inputs))
                losses = [
                    torch.nn.functional.mse_loss(part[:, 0], targets[:, task])
                    for task, part in enumerate(parts)
                ]
                torch.stack(losses).sum().backward()
                cost.append(time.process_time() - start)
        ratio = float(np.median(np.array(costs["stacked"]) / np.array(costs["loop"])))
        table.add_row(problem.name, "32", f"{ratio:.2f}")
        if make is mlp:
            aims.append(
                (f"{problem.name}: plain sum with 32 stacked heads over a loop", ratio, STACKED_AIM, False)
            )
    console.print(table, "Time of a plain step with stacked heads as a ratio to a loop over heads.\n")
    return aims


if __name__ == "__main__":
    main()
