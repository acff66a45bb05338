"""What a step of second-order MAML costs beside learn2learn and TorchOpt.

    pip install --no-deps learn2learn torchopt optree   # each is left out, and said so, where it does not import
    python benchmarks/meta.py                           # some minutes, most of them compiling
    python benchmarks/meta.py --problems sinusoid --no-compile

A meta-step is the inner loops of all tasks, the query losses and the gradient of their mean; no optimizer. All ways run
in turn in each repeat on the same batch, on one thread, counted in its own processor time; printed are medians over
repeats, and the median of the quotient by learn2learn (else the plain loop) in the same repeat. Before, in double
precision, all ways' gradients are compared; nothing is timed whose gradient differs.

* sinusoid: MLP 1-40-40-1, 25 tasks, 10 support and 10 query rows, 5 inner steps.
* Omniglot shapes: four times 3×3 convolution (64), batch normalisation, rectifier, 2×2 pooling, on random pictures of
  28×28; 5 ways, 1 shot, 5 query rows a class. Its batch normalisation reads query rows, as the peers' does
  (``transductive=True``), so that all compute the same.

Memory: the most bytes that torch's allocator hands out during a step, besides weights and data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sharewise.meta import MAML, Episodes
from torch import nn

from meta_peers import PEERS, Step

CLOSE = 1e-8
NOISE = 1.03
"""Quotient of medians up to which two ways count as equally fast."""


@dataclass(frozen=True)
class Problem:
    """What is computed.

    Attributes:
        eager, compiled: How many times as fast as learn2learn we aim to be.
    """

    name: str
    network: Callable[[], nn.Module]
    episodes: Callable[[], Episodes]
    steps: int
    rate: float
    eager: float
    compiled: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=["sinusoid", "omniglot"])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument(
        "--conv-steps", type=int, default=1, help="inner steps on pictures (Finn et al. train with 1)"
    )
    parser.add_argument("--conv-tasks", type=int, default=4)
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False, width=120)
    problems = {
        "sinusoid": Problem("sinusoid MLP, 25 tasks, 5 steps", mlp, sinusoids, 5, 0.01, 6.0, 15.0),
        "omniglot": Problem(
            f"4-conv, {given.conv_tasks} tasks, {given.conv_steps} steps",
            conv,
            lambda: pictures(given.conv_tasks),
            *(given.conv_steps, 0.1, 1 / NOISE, 1.3),
        ),
    }
    for name in given.problems:
        measure(problems[name], given.repeats, not given.no_compile, console)


def measure(problem: Problem, repeats: int, compiled: bool, console: Console) -> None:
    """All ways on one problem: gradients, seconds, bytes, aims."""
    torch.manual_seed(0)
    network, episodes = problem.network(), problem.episodes()
    exact = ways_of(problem, network.double(), episodes.to(torch.float64), console)
    reference = gradient(exact["plain loop"])
    for way, step in exact.items():
        off = float((gradient(step) - reference).norm() / reference.norm())
        console.print(f"{way}: in double precision off from the plain loop by {off:.0e}")
        if off > CLOSE:
            raise SystemExit(f"{way} computes something else; nothing is timed.")
    steps = ways_of(problem, network.float(), episodes, console)
    if compiled:
        before = time.perf_counter()
        steps["sharewise, compiled"] = ours(problem, network, episodes, compiled=True)
        steps["sharewise, compiled"]()
        console.print(f"compiling took {time.perf_counter() - before:.0f} s")
    for mode in ("vectorised", "looped"):
        steps[f"sharewise, {mode}"] = ours(problem, network, episodes, mode=mode)
    costs: dict[str, list[float]] = {way: [] for way in steps}
    names = list(steps)
    for repeat in range(-1, repeats):
        for place in range(len(names)):
            way = names[(place + repeat) % len(names)]
            before = time.process_time()
            steps[way]()
            if repeat >= 0:
                costs[way].append(time.process_time() - before)
    base = "learn2learn" if "learn2learn" in steps else "plain loop"
    ratios = {way: float(np.median(np.array(costs[base]) / np.array(cost))) for way, cost in costs.items()}
    table = Table(problem.name, "ms", f"times as fast as {base}", "peak MB")
    for way, step in steps.items():
        peak = peak_bytes(step) / 1e6
        table.add_row(way, f"{1e3 * np.median(costs[way]):.1f}", f"{ratios[way]:.2f}", f"{peak:.1f}")
    console.print(table)
    aims = {"sharewise": problem.eager, "sharewise, compiled": problem.compiled}
    for way, aim in aims.items():
        if way in ratios:
            met = "met        " if ratios[way] >= aim else "FALLS SHORT"
            console.print(
                f"{met}  {problem.name}: {way} {ratios[way]:.2f} times as fast as {base}, aim {aim:.2f}"
            )
    bound_kept(problem, network, episodes, console)


def ours(problem: Problem, network: nn.Module, episodes: Episodes, **options: object) -> Step:
    learner = MAML(network, steps=problem.steps, rate=problem.rate, transductive=True, **options)  # type: ignore[arg-type]

    def step() -> nn.Module:
        learner.zero_grad()
        learner.meta_loss(episodes).backward()
        return learner.network

    return step


def ways_of(problem: Problem, network: nn.Module, episodes: Episodes, console: Console) -> dict[str, Step]:
    """Peers that are there, and sharewise with its mode chosen by itself."""
    found: dict[str, Step] = {}
    for name, make in PEERS.items():
        try:
            found[name] = make(network, episodes, problem.steps, problem.rate)
        except ImportError as error:
            console.print(f"{name} is left out: {error}")
    return {**found, "sharewise": ours(problem, network, episodes)}


def gradient(step: Step) -> torch.Tensor:
    return torch.cat(
        [weight.grad.flatten() for _, weight in step().named_parameters() if weight.grad is not None]
    )


def peak_bytes(step: Step) -> int:
    """The most bytes held at any time of a step, as torch's allocator reports them."""
    step()
    with torch.profiler.profile(
        profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]
    ) as seen:
        step()
    alive = peak = 0
    changes = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(changes, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def bound_kept(problem: Problem, network: nn.Module, episodes: Episodes, console: Console) -> None:
    """Three fifths of what the vectorised mode holds, as the bound."""
    whole = peak_bytes(ours(problem, network, episodes, mode="vectorised"))
    bound = 3 * whole // 5
    found = peak_bytes(ours(problem, network, episodes, mode="vectorised", memory=bound))
    met = "met        " if found <= bound else "FALLS SHORT"
    console.print(
        f"{met}  {problem.name}: vectorised within {bound / 1e6:.1f} MB holds {found / 1e6:.1f} MB\n"
    )


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def conv() -> nn.Module:
    def block(channels: int) -> list[nn.Module]:
        norm = nn.BatchNorm2d(64, track_running_stats=False)
        return [nn.Conv2d(channels, 64, 3, padding=1), norm, nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1), *block(64), *block(64), *block(64), nn.Flatten(), nn.Linear(64, 5))


def sinusoids() -> Episodes:
    x = 10 * torch.rand(25, 20, 1) - 5
    y = (0.1 + 4.9 * torch.rand(25, 1)) * (x[..., 0] - torch.pi * torch.rand(25, 1)).sin()
    there = torch.ones_like(y, dtype=torch.bool)
    return Episodes(x[:, :10], y[:, :10], there[:, :10], x[:, 10:], y[:, 10:], there[:, 10:])


def pictures(tasks: int) -> Episodes:
    x, y = torch.rand(tasks, 30, 1, 28, 28), torch.arange(30).remainder(5).expand(tasks, 30)
    there = torch.ones_like(y, dtype=torch.bool)
    sides = [(part[:, :5], part[:, 5:]) for part in (x, y, there)]
    return Episodes(*(side[0] for side in sides), *(side[1] for side in sides), torch.full((tasks,), 5))


if __name__ == "__main__":
    main()
