"""A run that was killed goes on to the same weights; a checkpoint executes nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader

import sharewise as sw
from sharewise.errors import OptionError, StorageError
from sharewise.training import Fitted, fit
from sharewise.training._checkpoint import Checkpoint
from sharewise.training._tree import flatten, unflatten
from training_jobs import (
    KINDS,
    Table,
    environment,
    loader,
    make_balancer,
    network,
    own_loaders,
    same,
    train_and_kill,
    weights_of,
)


def run(folder: Path | None, **options: Any) -> Fitted:
    given = {"epochs": 3, "progress": False, "checkpoint": folder, **options}
    data = given.pop("data", None)
    return fit(network(dropout=0.2, norm=True), loader() if data is None else data, KINDS, **given)


def job(folder: Path, out: Path, **extra: str) -> int:
    command = [
        sys.executable,
        str(Path(__file__).with_name("training_jobs.py")),
        "kill",
        str(folder),
        str(out),
    ]
    return subprocess.run(command, env={**environment(), **extra}, check=False).returncode


@pytest.mark.slow
def test_killed_and_resumed_is_the_same_as_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL in the middle of an epoch, with dropout, running statistics, a loader's own generator, a
    schedule and a balancer that draws; another process goes on."""
    monkeypatch.setenv("BALANCER", "pcgrad")
    whole, cut, folder = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors", tmp_path / "run"
    assert job(folder, cut, KILL_AT="4") == -signal.SIGKILL
    assert not cut.exists()
    assert (folder / "state.safetensors").exists()
    assert job(folder, cut) == 0
    train_and_kill(str(tmp_path / "other"), str(whole))
    assert same(load_file(whole), load_file(cut))


def stopped_after(monkeypatch: pytest.MonkeyPatch, folder: Path, updates: int, **options: Any) -> None:
    """A run in this process that ends as if by Ctrl-C before an update."""
    from sharewise.training import _loop

    original = _loop.Stepper.__call__
    taken = 0

    def step(self: Any, *given: Any) -> Any:
        nonlocal taken
        if taken == updates:
            raise KeyboardInterrupt
        taken += 1
        return original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(_loop.Stepper, "__call__", step)
        with pytest.raises(KeyboardInterrupt):
            run(folder, **options)


@pytest.mark.parametrize("every", [1, 5, None])
@pytest.mark.parametrize(
    "options",
    [
        {"balancer": "famo", "optimizer": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9)},
        {"balancer": "rlw", "schedule": lambda o, n: torch.optim.lr_scheduler.CosineAnnealingLR(o, n)},
        {"balancer": "gradvac", "accumulate": 2, "precision": "16-mixed"},
        {"balancer": "dwa", "own": True, "validation": DataLoader(Table(60, 1), 60), "patience": 2},
    ],
    ids=lambda options: options["balancer"],
)
def test_stopped_anywhere_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], every: int | None
) -> None:
    def given() -> dict[str, Any]:
        data = own_loaders(size=70, side=20, odd=45) if options.get("own") else None
        rest = {key: value for key, value in options.items() if key not in ("own", "balancer")}
        return {**rest, "data": data, "every": every, "balancer": make_balancer(options["balancer"])}

    whole = run(None, **given())
    stopped_after(monkeypatch, tmp_path, 7, **given())
    again = run(tmp_path, **given())
    assert same(weights_of(whole.network), weights_of(again.network))
    for task in KINDS:
        assert same(weights_of(whole.network_of(task)), weights_of(again.network_of(task)))
    assert [tuple(map(str, row)) for row in again.history] == [tuple(map(str, row)) for row in whole.history]
    assert np.array_equal(again.cosines, whole.cosines, equal_nan=True)
    assert again.steps == whole.steps


def test_stopped_between_the_last_batch_of_an_epoch_and_its_judgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sharewise.training import _loop

    def given() -> dict[str, Any]:
        return {"validation": DataLoader(Table(60, 1), 60), "every": 1}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    whole = run(None, **given())
    with monkeypatch.context() as patch:
        patch.setattr(_loop.Loop, "_judge", stop)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, **given())
    again = run(tmp_path, **given())
    assert same(weights_of(whole.network), weights_of(again.network))
    assert again.best == whole.best
    assert str(again.history) == str(whole.history)  # NaN is not equal to itself


def test_a_finished_run_is_read_and_may_be_prolonged(tmp_path: Path) -> None:
    options: dict[str, Any] = {"validation": DataLoader(Table(60, 1), 60)}
    first = run(tmp_path, epochs=2, **options)
    again = run(tmp_path, epochs=2, **options)
    assert again.steps == first.steps
    assert same(weights_of(first.network), weights_of(again.network))
    longer, whole = run(tmp_path, epochs=4, **options), run(None, epochs=4, **options)
    assert same(weights_of(longer.network), weights_of(whole.network))
    assert longer.seconds > first.seconds
    kept = {path.name for path in tmp_path.iterdir()} - {"state.safetensors"}
    assert kept == {f"best-{epoch}.safetensors" for epoch in set(longer.best.values())}


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    with pytest.raises(OptionError, match="its seed was 0, not 1"):
        run(tmp_path, epochs=1, seed=1)
    with pytest.raises(OptionError, match="its balancer was"):
        run(tmp_path, epochs=1, balancer=make_balancer("mgda"))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    run(tmp_path, epochs=1)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StorageError, match="must be complete"):
        run(tmp_path, epochs=1)


def test_a_state_that_cannot_be_stored_is_found_out_before_training(tmp_path: Path) -> None:
    class Odd(torch.optim.SGD):
        def state_dict(self) -> dict[str, Any]:
            return {**super().state_dict(), "what": object()}

    taken = []
    with pytest.raises(StorageError, match="got object in the state of the optimizer"):
        run(
            tmp_path,
            optimizer=lambda p: Odd(p, 0.1),
            loggers=[type("L", (), {"log": lambda *a: taken.append(a)})()],
        )
    assert not taken


def test_a_write_that_fails_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Checkpoint(tmp_path)
    folder.write({"a": torch.ones(2)}, {})
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(StorageError, match="disk full"):
            folder.write({"a": torch.zeros(2)}, {})
    found = folder.read()
    assert found is not None
    assert found[0]["a"].tolist() == [1.0, 1.0]


def test_nested_states_come_back_as_they_were() -> None:
    shared = torch.arange(3.0)
    tree = {
        "a": [1, 2.5, None, "x", True, (shared, shared)],
        0: {"inf": float("inf"), "big": 2**80},
        "array": np.arange(4).reshape(2, 2),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "empty": [],
        "ordered": OrderedDict(b=torch.tensor(1)),
    }
    tensors: dict[str, torch.Tensor] = {}
    form = json.loads(json.dumps(flatten(tree, tensors)))
    back = unflatten(form, tensors)
    assert list(back) == list(tree)
    assert back["a"][:5] == tree["a"][:5]  # type: ignore[index]
    assert isinstance(back["a"][5], tuple)
    assert torch.equal(back["a"][5][1], shared)
    assert back[0] == tree[0]
    assert np.array_equal(back["array"], tree["array"])  # type: ignore[arg-type]
    assert back["half"].dtype == torch.bfloat16
    with pytest.raises(StorageError, match="got set"):
        flatten({"a": {1, 2}}, {})


def test_tied_weights_are_stored() -> None:
    layer = nn.Linear(5, 5)
    trunk = nn.Sequential(layer, nn.ReLU(), layer)
    net = sw.networks.HardSharing(trunk, {"size": nn.Linear(5, 1)})
    tensors: dict[str, torch.Tensor] = {}
    back = unflatten(flatten(dict(net.state_dict()), tensors), tensors)
    assert same(weights_of(net), back)
