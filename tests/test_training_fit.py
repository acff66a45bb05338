"""Training any multi-task network: what is learnt, kept, skipped and told."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import sharewise as sw
from sharewise.tasks import Binary, Kind
from sharewise.tasks._torch_loss import loss_of
from sharewise.training import Fitted, TensorBoardLogger, fit
from sharewise.training._bar import RichBar
from sharewise.training._record import EpochRow
from training_jobs import (
    GAP,
    KINDS,
    Table,
    loader,
    make_balancer,
    network,
    own_loaders,
    same,
    weights_of,
)


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1)


def run(net: nn.Module | None = None, data: Any = None, **options: Any) -> Fitted:
    given = {"tasks": KINDS, "epochs": 2, "progress": False, **options}
    return fit(network() if net is None else net, loader() if data is None else data, **given)  # type: ignore[arg-type]


def test_it_learns_every_task() -> None:
    fitted = run(
        data=loader(400),
        validation=DataLoader(Table(300, 1), 100),
        epochs=15,
        optimizer=lambda p: torch.optim.AdamW(p, 0.01),
    )
    assert fitted.status == "finished"
    assert fitted.steps == 15 * 20
    for task in KINDS:
        curve = fitted.curve(task, "validation_loss")
        assert curve.shape == (15,)
        assert curve.min() < (0.9 if task == "odd" else 0.5) * fitted.scales[task]
    table = fitted.table()
    assert list(table.columns) == list(EpochRow._fields)
    assert "validation" in str(fitted)


def test_same_seed_same_weights_and_the_callers_randomness_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = run(network(dropout=0.3))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again, other = run(network(dropout=0.3)), run(network(dropout=0.3), seed=1)
    assert same(weights_of(one.network), weights_of(again.network))
    assert not same(weights_of(one.network), weights_of(other.network))


def test_a_loaders_own_generator_decides_too_and_is_put_back() -> None:
    generator = torch.Generator().manual_seed(7)
    state = generator.get_state()
    found = [run(data=loader(generator=g)) for g in (generator, generator, torch.Generator().manual_seed(8))]
    assert torch.equal(generator.get_state(), state)
    one, again, other = (weights_of(fitted.network) for fitted in found)
    assert same(one, again)
    assert not same(one, other)


def test_one_update_is_that_of_the_plain_losses_of_labelled_rows() -> None:
    table = Table(50)
    scales = {"size": 5.0, "side": 1.0, "odd": 0.5}
    fitted = run(data=DataLoader(table, 50), epochs=1, scale=scales, optimizer=sgd)
    by_hand = network()
    outputs = by_hand(table.x)
    total = sum(loss_of(kind, outputs[task], table.y[task]) / scales[task] for task, kind in KINDS.items())
    assert isinstance(total, torch.Tensor)
    total.backward()
    sgd(by_hand.parameters()).step()
    for name, value in by_hand.state_dict().items():
        torch.testing.assert_close(fitted.network.state_dict()[name], value)
    assert [row.rows for row in fitted.history] == [40, 40, 40]


@pytest.mark.parametrize("balancer", ["sum", "geometric-mean"])
def test_accumulated_micro_batches_are_one_batch(balancer: str) -> None:
    """The mean is over the labelled rows of all of them, not a mean of means."""
    table = Table(48)
    table.y["size"][:24] = GAP
    whole, parts = (
        run(
            data=DataLoader(table, size),
            epochs=2,
            accumulate=k,
            optimizer=sgd,
            balancer=make_balancer("sum"),
        )
        for size, k in ((48, 1), (12, 4))
    )
    assert whole.steps == parts.steps == 2
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], value)
    for task in KINDS:
        assert parts.curve(task) == pytest.approx(whole.curve(task), rel=1e-5)


def test_scales_are_the_losses_of_constant_predictors() -> None:
    table = Table(100)
    fitted = run(data=DataLoader(table, 30), epochs=1)
    values = table.y["size"][~torch.isnan(table.y["size"])]
    assert fitted.scales["size"] == pytest.approx(values.var(correction=0).item(), rel=1e-5)
    shares = torch.bincount(table.y["side"][table.y["side"] >= 0]) / 80
    assert fitted.scales["side"] == pytest.approx(-(shares * shares.log()).sum().item(), rel=1e-5)
    assert run(epochs=1, scale="none").scales == dict.fromkeys(KINDS, 1.0)


def test_each_task_keeps_its_own_best_epoch_and_the_run_stops_with_the_last() -> None:
    net = network()
    fitted = run(
        net,
        validation=DataLoader(Table(60, 1), 60),
        epochs=60,
        patience=3,
        optimizer=lambda p: torch.optim.Adam(p, 0.05),
    )
    assert fitted.status == "stopped"
    assert fitted.stopped == set(KINDS)
    assert len(set(fitted.best.values())) > 1  # or the test says nothing
    assert fitted.epochs == max(fitted.best.values()) + 4
    assert set(fitted.weights) == set(fitted.best.values())
    rows = Table(60, 1)
    for task, kind in KINDS.items():
        curve = fitted.curve(task, "validation_loss")
        assert fitted.best[task] == int(curve.argmin())
        own = fitted.network_of(task)
        assert not own.training
        with torch.no_grad():
            loss = loss_of(kind, own(rows.x)[task], rows.y[task])
        assert loss.item() == pytest.approx(curve.min(), rel=1e-5)
    with pytest.raises(sw.SharewiseError, match="tasks are 'size', 'side', 'odd'; got 'none'"):
        fitted.network_of("none")


def test_one_best_epoch_for_all_and_none() -> None:
    best = run(validation=DataLoader(Table(60, 1), 60), epochs=4, keep="best", by="metric")
    assert len(set(best.best.values())) == 1
    assert same(weights_of(best.network_of("size")), weights_of(best.network))
    last = run(validation=DataLoader(Table(60, 1), 60), epochs=2, keep="last")
    assert last.weights == {}
    assert same(weights_of(last.network_of("odd")), weights_of(last.network))


def test_a_stopped_task_may_leave() -> None:
    table, rows = Table(60), Table(40, 1)
    rows.y["odd"] = torch.where(torch.isnan(rows.y["odd"]), GAP, 1.0 - rows.y["odd"])  # only gets worse
    fitted = run(
        data=DataLoader(table, 20, shuffle=True),
        validation=DataLoader(rows, 40),
        epochs=30,
        patience=2,
        when_stopped="leave",
        optimizer=lambda p: torch.optim.Adam(p, 0.01),
    )
    used = fitted.curve("odd", "rows")
    gone = int((used == 0).argmax())
    assert used.tolist() == [48] * gone + [0] * (fitted.epochs - gone)
    assert fitted.best["odd"] == gone - 3
    assert fitted.curve("size", "rows")[gone] == 48


@pytest.mark.parametrize("sampling", ["proportional", "sqrt", "uniform", "temperature"])
def test_inputs_of_their_own(sampling: str) -> None:
    data = own_loaders(size=80, side=20, odd=40)
    fitted = run(data=data, validation=own_loaders(size=40, side=40, odd=40), sampling=sampling, epochs=2)
    rows = {task: fitted.curve(task, "rows") for task in KINDS}
    assert all((fitted.curve(task, "validation_loss") > 0).all() for task in KINDS)
    batches = {task: int(found[0]) / 10 for task, found in rows.items()}
    assert sum(batches.values()) == 14
    if sampling == "proportional":
        assert batches == {"size": 8, "side": 2, "odd": 4}
    if sampling == "uniform":
        assert sorted(batches.values()) == [4, 5, 5]
    again = run(data=own_loaders(size=80, side=20, odd=40), sampling=sampling, epochs=2)
    assert same(weights_of(fitted.network), weights_of(again.network))


@pytest.mark.parametrize("name", ["mgda", "pcgrad", "nash-mtl", "gradnorm", "famo", "uncertainty", "dwa"])
def test_balancers_train_and_tell_their_weights(name: str) -> None:
    balancer = make_balancer(name)
    balancer.start(3)
    before = [p.detach().clone() for p in balancer.parameters()]
    fitted = run(balancer=balancer, epochs=2)
    table = fitted.table()
    assert np.isfinite(table["weight"]).all()
    assert (table["loss"].to_numpy()[3:] < table["loss"].to_numpy()[:3]).all()
    gradients = hasattr(balancer, "_weights")
    assert np.isfinite(table["gradient_norm"]).all() == gradients
    assert fitted.cosines.shape == (2, 3, 3)
    if gradients:
        assert np.allclose(np.einsum("ett->et", fitted.cosines), 1.0)
        assert (np.abs(fitted.cosines) <= 1.0).all()
    for old, new in zip(before, balancer.parameters(), strict=True):
        assert not torch.equal(old, new)


def test_balancers_with_inputs_of_their_own_see_the_tasks_whose_turn_it_is() -> None:
    fitted = run(data=own_loaders(size=80, side=20, odd=40), balancer=make_balancer("cagrad"), epochs=2)
    assert np.isfinite(fitted.table()["weight"]).all()
    assert fitted.skipped == 0


@pytest.mark.parametrize("name", sw.networks.ARCHITECTURES)
def test_every_architecture_trains(name: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        heads = sw.networks.heads({"size": 1, "side": 3, "odd": 2}, 16)
        net = sw.networks.ARCHITECTURES[name](sw.networks.mlp(5, [16, 16]), heads)  # type: ignore[call-arg]
    before = weights_of(net)
    fitted = run(net, epochs=1, balancer=make_balancer("mgda"))
    own = run(
        net, own_loaders(size=30, side=30, odd=30), epochs=1, balancer=make_balancer("mgda"), mode="exact"
    )
    assert fitted.status == own.status == "finished"
    assert fitted.skipped == own.skipped == 0
    assert any(not torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert np.isfinite(fitted.cosines).all()


def test_torchjds_balancers_are_taken() -> None:
    aggregation = pytest.importorskip("torchjd.aggregation")
    fitted = run(balancer=aggregation.UPGrad(), epochs=1)
    assert np.isfinite(fitted.table()["weight"]).all()
    assert fitted.skipped == 0


class Spoilt(Table):
    """Some rows hold an infinite number."""

    def __init__(self, rows: int, bad: range) -> None:
        super().__init__(rows)
        self.x[bad.start : bad.stop] = float("inf")


def test_a_step_that_is_not_finite_is_skipped_and_noted() -> None:
    table = Spoilt(100, range(40, 41))
    fitted = run(network(norm=True), DataLoader(table, 20), epochs=2)
    assert fitted.status == "finished"
    assert fitted.skipped == 2
    assert [(bad.epoch, bad.step) for bad in fitted.bad_steps] == [(0, 3), (1, 8)]
    assert "'size', 'side', 'odd' is not finite" in fitted.bad_steps[0].why
    for value in fitted.network.state_dict().values():
        assert torch.isfinite(value).all()  # the running statistics too


def test_a_run_that_diverges_ends_with_a_record_of_what_was_learnt() -> None:
    def explode(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 if step < 12 else 1e30)

    fitted = run(
        validation=DataLoader(Table(60, 1), 60),
        epochs=9,
        max_bad_steps=4,
        schedule=explode,
        optimizer=sgd,
    )
    assert fitted.status == "diverged"
    assert fitted.skipped == 4
    assert "for 4 steps in a row; lower the learning rate" in fitted.because
    assert fitted.because in str(fitted)
    assert set(fitted.best.values()) <= {0, 1}
    with torch.no_grad():
        for outputs in fitted.network_of("size")(Table(9).x).values():
            assert torch.isfinite(outputs).all()


def test_a_balancer_that_meets_infinite_gradients_skips_the_step() -> None:
    class Root(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.clamp(min=0).sqrt()  # of slope infinite at zero

    class Late(Table):
        def __init__(self) -> None:
            super().__init__(40)
            self.x = self.x.abs() + 0.1
            self.x[30] = 0.0

    trunk = nn.Sequential(nn.Linear(5, 5, bias=False), Root())
    with torch.no_grad():
        trunk[0].weight.copy_(torch.eye(5))  # type: ignore[union-attr, operator]
    net = sw.networks.HardSharing(
        trunk, {"size": nn.Linear(5, 1), "side": nn.Linear(5, 3), "odd": nn.Linear(5, 2)}
    )
    fitted = run(
        net,
        DataLoader(Late(), 10),
        epochs=1,
        balancer=make_balancer("mgda"),
        optimizer=lambda p: torch.optim.SGD(p, 1e-4),
    )
    assert fitted.skipped >= 1
    assert fitted.bad_steps[0].step == 4
    assert all(torch.isfinite(p).all() for p in net.parameters())


def test_clipping_bounds_the_update() -> None:
    net = network()
    before = weights_of(net)
    run(net, DataLoader(Table(40), 40), epochs=1, clip=0.01, optimizer=lambda p: torch.optim.SGD(p, 1.0))
    moved = torch.cat([(v - before[k]).flatten() for k, v in net.state_dict().items()])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-4)


def test_a_schedule_gets_the_number_of_updates() -> None:
    told: list[int] = []

    def line(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        told.append(steps)
        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)

    class Rates:
        def __init__(self) -> None:
            self.seen: list[float] = []

        def log(self, step: int, values: Mapping[str, float]) -> None:
            self.seen.append(values["learning_rate"])

    rates = Rates()
    run(epochs=3, accumulate=4, schedule=line, optimizer=sgd, loggers=[rates])
    assert told == [3 * 2]
    assert rates.seen == pytest.approx([0.1 * 4 / 6, 0.1 * 2 / 6, 0.0])


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("balancer", ["sum", "mgda"])
def test_mixed_precision_learns_about_the_same(precision: str, balancer: str) -> None:
    exact, mixed = (
        run(
            precision=p,
            epochs=4,
            balancer=make_balancer(balancer),
            optimizer=lambda p: torch.optim.Adam(p, 0.01),
        )
        for p in ("32", precision)
    )
    assert mixed.status == "finished"
    assert mixed.network.encoder[0].weight.dtype == torch.float32  # type: ignore[union-attr, index]
    assert mixed.skipped <= 2  # while the scale of 16 bits is looked for
    for task in KINDS:
        assert mixed.curve(task)[-1] == pytest.approx(exact.curve(task)[-1], rel=0.05)


def test_a_binary_head_of_one_logit() -> None:
    net = sw.networks.HardSharing(nn.Linear(5, 4), {"odd": nn.Linear(4, 1)})
    fitted = run(net, tasks={"odd": Binary((0, 1))}, validation=DataLoader(Table(60, 1), 60))
    assert fitted.curve("odd", "metric") == pytest.approx(fitted.curve("odd", "validation_loss"), rel=1e-5)


def test_numbers_go_to_loggers(tmp_path: Path) -> None:
    class Kept:
        def __init__(self) -> None:
            self.rows: list[tuple[int, dict[str, float]]] = []

        def log(self, step: int, values: Mapping[str, float]) -> None:
            self.rows.append((step, dict(values)))

    kept = Kept()
    run(loggers=[kept], validation=DataLoader(Table(60, 1), 60), balancer=make_balancer("mgda"))
    assert [step for step, _ in kept.rows] == [6, 12]
    names = {"train/loss/size", "validation/loss/odd", "validation/rmse/size", "weight/side"}
    assert names | {"gradient_norm/odd", "cosine/lowest", "learning_rate"} <= set(kept.rows[0][1])
    assert all(math.isfinite(value) for _, row in kept.rows for value in row.values())


@pytest.mark.slow
def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    logger = TensorBoardLogger(tmp_path)
    run(loggers=[logger])
    logger.close()
    (file,) = tmp_path.iterdir()
    assert b"train/loss/size" in file.read_bytes()


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Client:
        def __init__(self, tracking_uri: str | None) -> None:
            self.metrics: list[tuple[str, str, float, int]] = []
            made.append(self)

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str) -> str:
            return "7"

        def create_run(self, number: str, run_name: str | None) -> Any:
            from types import SimpleNamespace

            return SimpleNamespace(info=SimpleNamespace(run_id=f"run of {number}"))

        def log_metric(self, run: str, name: str, value: float, *, step: int) -> None:
            self.metrics.append((run, name, value, step))

        def set_terminated(self, run: str) -> None:
            self.metrics.append((run, "end", 0.0, 0))

    import sys
    from types import ModuleType

    fake = ModuleType("mlflow.tracking")
    fake.MlflowClient = Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.tracking", fake)
    logger = sw.training.MLflowLogger("joint")
    logger.log(3, {"loss/a(b)": 1.5})
    logger.close()
    assert made[0].metrics == [("run of 7", "loss/a_b_", 1.5, 3), ("run of 7", "end", 0.0, 0)]


def test_a_logger_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(sw.SharewiseError, match=r"pip install 'sharewise\[mlflow\]'"):
        sw.training.MLflowLogger("joint")


def test_the_bar_shows_each_tasks_loss_and_metric() -> None:
    from rich.console import Console

    screen = io.StringIO()
    kinds: dict[str, Kind] = dict(KINDS)
    bar = RichBar(kinds, 2, 0, Console(file=screen, width=120, force_terminal=True))
    bar.step(3, 6)
    bar.epoch([EpochRow(0, "size", 1.25, 9, 1.5, 0.75, 1.0, GAP)])
    bar.close()
    assert "loss 1.25 · validation 1.5 · rmse 0.75" in screen.getvalue()


def test_no_progress_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    run()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler imports what torch deprecates
@pytest.mark.parametrize(
    ("balancer", "mode"), [("sum", "last-layer"), ("mgda", "features"), ("mgda", "exact")]
)
def test_compiled_encoders_learn_the_same(balancer: str, mode: str) -> None:
    """By a backend that writes no C++, to be quick."""
    plain, compiled = (
        run(epochs=1, compile=compile, balancer=make_balancer(balancer), mode=mode)
        for compile in (False, "aot_eager")
    )
    for task in KINDS:
        assert compiled.curve(task) == pytest.approx(plain.curve(task), rel=1e-4)
