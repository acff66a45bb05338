"""Several processes: the same curves as one process with the same global batches, the same weights on each."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, IterableDataset

from sharewise.errors import OptionError
from sharewise.training import fit
from sharewise.training._devices import Devices
from sharewise.training._ranks import on_all
from sharewise.training._share import Share, share
from training_jobs import case, environment, make_balancer, network, weights_of

BALANCERS = ("sum", "sum:own", "uncertainty", "geometric-mean", "mgda:features", "mgda", "pcgrad:exact")
EXACT = BALANCERS[:5]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, torch.Tensor]]:
    """What each of two gloo processes ended with."""
    pytest.importorskip("lightning_fabric")
    folder = tmp_path_factory.mktemp("ranks")
    shared = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": "2",
        "GROUP_RANK": "0",
    }
    shared |= {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test", "BALANCERS": ",".join(BALANCERS)}
    script = str(Path(__file__).with_name("training_jobs.py"))
    processes = [
        subprocess.Popen(
            [sys.executable, script, "apart", str(folder / "out")],
            env={**environment(), **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return [load_file(folder / f"out-{rank}.safetensors") for rank in range(2)]


def of(found: dict[str, torch.Tensor], balancer: str) -> dict[str, torch.Tensor]:
    start = f"{balancer}/"
    return {name[len(start) :]: value for name, value in found.items() if name.startswith(start)}


@pytest.mark.slow
@pytest.mark.parametrize("balancer", BALANCERS)
def test_all_processes_end_with_the_same_weights(ranks: list[dict[str, torch.Tensor]], balancer: str) -> None:
    one, other = (of(found, balancer) for found in ranks)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("balancer", BALANCERS)
def test_two_processes_train_as_one(ranks: list[dict[str, torch.Tensor]], balancer: str) -> None:
    name, _, mode = balancer.partition(":")
    alone = fit(network(), **case(name, mode))
    together = of(ranks[0], balancer)
    losses = torch.tensor([[row.loss, row.validation_loss] for row in alone.history])
    # Where Gramians are those of half a batch, weights differ a little, and so does the curve.
    tolerance = 1e-4 if balancer in EXACT else 0.02
    torch.testing.assert_close(together["losses"], losses, rtol=tolerance, atol=0.0)
    if balancer in EXACT:
        for key, value in weights_of(alone.network).items():
            torch.testing.assert_close(together[key], value, rtol=1e-3, atol=1e-4)


class Half:
    """One of two processes, as far as the parts that are tested here ask."""

    world, rank = 2, 0

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        return (value + torch.eye(len(value)).double() * 4) / 2


def test_a_weighting_is_asked_with_the_mean_gramian() -> None:
    import numpy as np

    inner = make_balancer("mgda")
    inner.norm = "raw"
    shared = on_all(inner, Half())  # type: ignore[arg-type]
    # Here all is zero, on the other process it is 4 and 4: MGDA halves.
    assert shared(np.zeros((2, 2))).tolist() == pytest.approx([0.5, 0.5])
    # (2 + 4) / 2 and (0 + 4) / 2: weights go by one over the squared length.
    assert shared(np.diag([2.0, 0.0])).tolist() == pytest.approx([2 / 5, 3 / 5])
    plain = make_balancer("dwa")
    assert on_all(plain, Half()) is plain  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match="on several processes a balancer is one of sharewise's; got Foreign"
    ):
        on_all(type("Foreign", (), {})(), Half())  # type: ignore[arg-type]


@pytest.mark.parametrize(("rows", "drop"), [(20, False), (21, False), (22, False), (21, True)])
def test_processes_share_each_batch(rows: int, drop: bool) -> None:
    whole = DataLoader(list(range(rows)), 5, drop_last=drop)  # type: ignore[arg-type]
    parts = [[b.tolist() for b in share(whole, rank, 2)] for rank in range(2)]
    assert len(parts[0]) == len(parts[1]) == len(share(whole, 0, 2))  # type: ignore[arg-type]
    for one, other, batch in zip(*parts, whole, strict=False):
        assert sorted(one + other) == batch.tolist()


def test_a_batch_too_small_for_all_processes_is_left_out_by_all() -> None:
    assert [list(Share([[0, 1, 2], [3]], rank, 2)) for rank in range(2)] == [[[0, 2]], [[1]]]


def test_a_loader_without_numbered_rows_is_refused() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(range(3))

    for odd in ([1, 2], DataLoader(Stream())):
        with pytest.raises(OptionError, match="numbered rows"):
            share(odd, 0, 2)
        assert share(odd, 0, 1) is odd


def test_strategies_that_split_the_network_are_refused() -> None:
    class Fake:
        device, global_rank, world_size = torch.device("cpu"), 0, 2
        strategy = type("FSDPStrategy", (), {})()

    with pytest.raises(OptionError, match=r"strategy 'ddp'.*got FSDPStrategy"):
        Devices(torch.device("cpu"), Fake())  # type: ignore[arg-type]
