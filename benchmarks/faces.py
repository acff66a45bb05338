"""One network for who, which way, what mood and what eyes, beside a network for each: CMU's faces.

    python benchmarks/faces.py                      # by photograph and by person, some ten minutes on one core
    python benchmarks/faces.py --quick              # fewer folds, seeds and settings: a look, under a minute
    python benchmarks/faces.py --by person          # nobody of the training rows is tested
    python benchmarks/faces.py --balancer nash-mtl  # any of sharewise.balancing.BALANCERS

`learn` is the loop that you would write: an encoder of your own, heads, a balancer. It trains the joint network,
and with one head each of the single ones, so that both get the same settings to choose from (by validation rows
held out of the training rows), the same epochs at most, and the best weights of each task. Every photograph is
tested once, in one of five folds, by three seeds.

*joint* takes for each task the weights of that task's best epoch, which is fair beside single networks that do the
same, but means a copy of the network a task. *joint, 1 set* is what is small and fast to serve: the weights of one
epoch. Size and latency are those of one set. Differences are joint less single on the same photographs, with 95%
intervals over folds; verdicts go by the relative change of the log loss, corrected for looking at several tasks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

import sharewise as sw
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress
from sharewise.balancing import BALANCERS
from torch import Tensor, nn

import faces_data
import faces_fit
import faces_found
import faces_study
from faces_fit import Effort
from faces_show import show


def learn(
    encoder: nn.Module,
    heads: sw.networks.Heads,
    x: Tensor,
    y: Mapping[str, Tensor],
    rate: float,
    decay: float,
    balancer: object,
) -> Iterator[sw.networks.MultiTaskNetwork]:
    """Trains for as long as it is asked; gives the network after every epoch."""
    network = sw.networks.HardSharing(encoder, heads)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay, fused=True)
    while True:
        for rows in torch.randperm(len(x)).split(32):
            features = network.encode(x[rows])
            outputs = network.decode(features)
            losses = {task: F.cross_entropy(found, y[task][rows]) for task, found in outputs.items()}
            optimizer.zero_grad()
            sw.balancing.backward(losses, features, balancer)
            optimizer.step()
        yield network


QUICK = Effort(settings=faces_fit.SETTINGS[3:], seeds=1, folds=2)
"""As many epochs as else: a network of all tasks needs more of them, and would look worse than it is."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a look, no verdict: one setting, one seed, two folds",
    )
    parser.add_argument("--by", choices=("photograph", "person", "both"), default="both")
    parser.add_argument("--balancer", choices=sorted(BALANCERS), default="sum")
    given = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(highlight=False, width=132)
    faces, effort = faces_data.load(), QUICK if given.quick else Effort()
    for by in ("photograph", "person") if given.by == "both" else (given.by,):
        tasks, began = faces_data.tasks_by(by), time.perf_counter()
        runs = effort.folds * (1 + len(tasks)) * (len(effort.settings) + effort.seeds - 1)
        with Progress(console=console, transient=True) as bar:
            line = bar.add_task(f"by {by}", total=runs)
            study = faces_study.run(
                learn, faces, faces_data.splits(faces, by), tasks, effort, BALANCERS[given.balancer],
                lambda: bar.advance(line),  # noqa: B023
            )  # fmt: skip
        console.print(
            f"\n[bold]Split by {by}[/bold]: {len(faces)} photographs, {runs} trainings (a side and fold: "
            f"settings {len(effort.settings)}, seeds {effort.seeds}; folds {effort.folds}), balancer {given.balancer}, "
            f"{time.perf_counter() - began:.0f} s"
        )
        if effort.folds < faces_data.FOLDS:
            console.print("A verdict takes all five folds; these are too few for one.")
        own, one = (faces_found.findings(study, side) for side in (study.joint, study.one))
        show(console, study, own, one, faces_found.cost(study, faces.x))


if __name__ == "__main__":
    main()
