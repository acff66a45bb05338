"""Real gaps: twelve toxicity assays, a fifth of the labels missing."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from sharewise.balancing import BALANCERS
from sharewise.networks import HardSharing, heads, mlp
from sharewise.tasks import Binary
from sharewise.tasks._torch_loss import loss_of
from sharewise.training import fit

ROWS, WIDTH = 1500, 128


@pytest.fixture(scope="module")
def molecules(data_dir: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Hashed three-letter pieces of the formulas, and labels with gaps by assay."""
    path = data_dir / "tox21" / "tox21.csv.gz"
    if not path.exists():
        pytest.skip("needs the data set 'tox21'")
    table = pd.read_csv(path).sample(ROWS, random_state=0)
    counts = np.zeros((ROWS, WIDTH), dtype=np.float32)
    for row, formula in enumerate(table["smiles"]):
        for start in range(len(formula) - 2):
            counts[row, zlib.crc32(formula[start : start + 3].encode()) % WIDTH] += 1
    labels = {name: torch.tensor(table[name].to_numpy(np.float32)) for name in table.columns[:12]}
    return torch.tensor(np.log1p(counts)), labels


def network(tasks: dict[str, Tensor]) -> HardSharing:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HardSharing(mlp(WIDTH, [64, 32]), heads(dict.fromkeys(tasks, 2), 32))


def test_the_masked_loss_is_that_of_the_labelled_rows(molecules: tuple[Tensor, dict[str, Tensor]]) -> None:
    x, labels = molecules
    assert 0.1 < np.mean([torch.isnan(y).float().mean().item() for y in labels.values()]) < 0.3
    net = network(labels)
    outputs = net(x)
    for task, y in labels.items():
        known = ~torch.isnan(y)
        alone = F.cross_entropy(net(x[known])[task], y[known].long())
        torch.testing.assert_close(loss_of(Binary((0, 1)), outputs[task], y), alone)


@pytest.mark.parametrize("balancer", [None, "mgda"])
def test_joint_training_uses_every_label(
    molecules: tuple[Tensor, dict[str, Tensor]], balancer: str | None
) -> None:
    x, labels = molecules
    rows = [(x[i], {task: y[i] for task, y in labels.items()}) for i in range(ROWS)]
    fitted = fit(
        network(labels),
        DataLoader(rows, 64, shuffle=True),  # type: ignore[arg-type]
        dict.fromkeys(labels, Binary((0, 1))),
        epochs=3,
        balancer=None if balancer is None else BALANCERS[balancer](),
        progress=False,
    )
    assert fitted.skipped == 0
    for task, y in labels.items():
        assert fitted.curve(task, "rows").tolist() == [int((~torch.isnan(y)).sum())] * 3
        assert fitted.curve(task)[-1] < fitted.curve(task)[0]


def test_the_first_update_is_that_of_the_labelled_rows_alone(
    molecules: tuple[Tensor, dict[str, Tensor]],
) -> None:
    """One network, one batch: the update from masked losses, and from each task's labelled rows picked out."""
    x, labels = molecules
    small = slice(0, 200)
    rows = [(x[i], {task: y[i] for task, y in labels.items()}) for i in range(200)]
    make: Callable[[object], torch.optim.Optimizer] = lambda p: torch.optim.SGD(p, lr=0.5)  # type: ignore[arg-type] # noqa: E731
    fitted = fit(
        network(labels),
        DataLoader(rows, 200),  # type: ignore[arg-type]
        dict.fromkeys(labels, Binary((0, 1))),
        epochs=1,
        scale="none",
        optimizer=make,
        progress=False,
    )
    by_hand = network(labels)
    for task, y in labels.items():
        known = ~torch.isnan(y[small])
        F.cross_entropy(by_hand(x[small][known])[task], y[small][known].long()).backward()  # type: ignore[no-untyped-call]
    make(by_hand.parameters()).step()
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(fitted.network.state_dict()[name], value, rtol=1e-4, atol=1e-6)
