"""`fit`: train any multi-task network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from sharewise.balancing import BALANCERS, Sum
from sharewise.balancing._backward import Mode
from sharewise.balancing._torchjd import rule_of
from sharewise.errors import OptionError
from sharewise.networks import MultiTaskNetwork
from sharewise.tasks import Kind
from sharewise.training._bar import Bar, NoBar, RichBar
from sharewise.training._batchloss import BatchLoss
from sharewise.training._checkpoint import Checkpoint
from sharewise.training._devices import Devices, Fabric
from sharewise.training._feed import Feed, Loader, make_feed
from sharewise.training._fitted import Fitted
from sharewise.training._keeper import Judge, Keep, Keeper
from sharewise.training._loggers import Logger
from sharewise.training._loop import Loop
from sharewise.training._options import (
    MakeOptimizer,
    MakeSchedule,
    Options,
    Scale,
    WhenStopped,
    make_optimizer,
    make_schedule,
)
from sharewise.training._precision import Mixed, Precision
from sharewise.training._probe import probe
from sharewise.training._ranks import on_all
from sharewise.training._record import EpochSums
from sharewise.training._sampling import Sampling, exponent_of
from sharewise.training._seeds import undisturbed
from sharewise.training._state import State
from sharewise.training._step import Stepper
from sharewise.training._survey import survey


def fit(
    network: MultiTaskNetwork,
    loaders: Loader | Mapping[str, Loader],
    tasks: Mapping[str, Kind],
    *,
    validation: Loader | Mapping[str, Loader] | None = None,
    epochs: int = 10,
    balancer: Any = None,
    mode: Mode = "last-layer",
    scale: Scale = "constant",
    optimizer: MakeOptimizer | None = None,
    schedule: MakeSchedule | None = None,
    clip: float | None = None,
    accumulate: int = 1,
    precision: Precision = "32",
    sampling: Sampling = "proportional",
    temperature: float = 2.0,
    patience: int | None = None,
    keep: Keep = "per-task",
    by: Judge = "loss",
    when_stopped: WhenStopped = "stay",
    checkpoint: str | os.PathLike[str] | None = None,
    every: int | None = None,
    loggers: Sequence[Logger] = (),
    fabric: Fabric | None = None,
    compile: bool | str = False,
    seed: int = 0,
    progress: bool = True,
    max_bad_steps: int = 10,
) -> Fitted:
    """Trains a network on several tasks, in place, and tells how it went.

    The same arguments and seed give the same weights, also where a run was killed and goes on from its
    checkpoint. The process's own random state is left as it was. Initial weights are the caller's.

    Args:
        network: Any `MultiTaskNetwork`, on the device where it is to be trained (a fabric moves it). It is left
            as it predicts (``eval``), with its last weights, or with the best where ``keep="best"``.
        loaders: One loader of batches ``(x, {task: labels (B,)})``, with NaN or, for classes, a negative code
            as a gap; or ``{task: loader of (x, labels (B,))}`` where tasks have inputs of their own.
        tasks: Kinds by name, for all tasks of the network or some.
        validation: Loaders of rows to judge by, in either form; never trained on. Without them nothing is
            judged, stopped early, or kept but the last weights.
        epochs: At most. With inputs of their own an epoch has as many batches as all loaders together.
        balancer: Of `sharewise.balancing`, or its name there, or of TorchJD; the plain sum without one.
        mode: How a gradient balancer looks at gradients, see `sharewise.balancing.backward`.
        scale: What a task's loss is divided by before balancing. ``constant``: the loss of the best constant
            prediction on its training labels (variance, or entropy), so that losses without a common unit
            start near one; read in one pass over the training loaders, which finds empty tasks as well.
            ``none``: nothing, and no such pass. Or numbers by task.
        optimizer: From parameters (or groups of them) to an optimizer; AdamW with a rate of 0.001 without.
        schedule: From the optimizer and the number of updates of the whole run to a schedule that is stepped
            after every update.
        clip: Longest gradient of the network (2-norm), or None.
        accumulate: Batches of one update. Losses are means over the labelled rows of all of them; a balancer
            decides for each batch.
        precision: ``32``, ``bf16-mixed`` or ``16-mixed``.
        sampling: With inputs of their own: how an epoch's batches are shared out among tasks, by their
            loaders' lengths. ``proportional`` reads each loader once; ``sqrt``; ``uniform``; ``temperature``.
        temperature: Of ``temperature``; 1 is proportional, large is uniform.
        patience: Epochs without improvement after which a task has stopped; the run ends when all have.
            A task that stays may improve again, and then has not stopped.
        keep: ``per-task``: the weights of each task's own best epoch. ``best``: those of one epoch for all
            tasks, by the geometric mean of their scores. ``last``.
        by: What is judged: validation ``loss``, or the kind's first ``metric``.
        when_stopped: A task that has stopped may ``stay`` and go on helping the others, or ``leave``.
        checkpoint: A folder, the same for all processes. A run found there is gone on with; otherwise the state
            is written there after every epoch. Nothing in it is executed when it is read.
        every: Updates after which the state is written within an epoch, too.
        loggers: Called after every epoch with names and numbers.
        fabric: A launched ``lightning_fabric.Fabric``, for other or several devices. Every process reads its
            own rows of the same global batches (a loader's batch size is the global one; a last batch with
            fewer rows than processes is left out). Losses are means
            over all processes' labelled rows and gradients are averaged, so that one process with the same
            batches does the same, up to rounding. That is exact for scalarizers. Weightings weigh by the mean
            of the processes' Gramians, so that all find the same weights: exact in the ``features`` mode,
            else with the noise of batches of one process's size. Running statistics are each process's own
            until an epoch ends, then the first one's.
        compile: Whether the encoder goes through ``torch.compile``; or by which of its backends.
        seed: Of the order of rows, dropout and whatever else is drawn.
        progress: Whether a bar is shown.
        max_bad_steps: A step with a loss or gradient that is not finite is skipped and noted; after so many
            in a row training stops, with the status ``diverged``.

    Raises:
        OptionError: Arguments that are off; a head missing for a task; an encoder whose width does not fit.
        DataError: Labels out of range, a task without labels, a loader that yields nothing.
        StorageError: A checkpoint that cannot be written or read.
    """
    options = Options(
        epochs=epochs,
        mode=mode,
        clip=clip,
        accumulate=accumulate,
        precision=precision,
        patience=patience,
        keep=keep,
        by=by,
        when_stopped=when_stopped,
        max_bad_steps=max_bad_steps,
        every=every,
        seed=seed,
        compile=compile,
    )
    kinds = _checked(network, tasks, options, validation)
    balancer = Sum() if balancer is None else balancer
    balancer = BALANCERS.named(balancer)() if isinstance(balancer, str) else balancer
    rule_of(balancer)  # refuses what is no balancer
    device = next(iter(network.parameters()), torch.zeros(())).device
    devices = Devices(device, fabric)
    network.to(devices.device)
    exponent = exponent_of(sampling, temperature)
    feed = make_feed(loaders, kinds, seed=seed, rank=devices.rank, world=devices.world, exponent=exponent)
    judged = None if validation is None else make_feed(validation, kinds, seed=seed)
    generators = [*feed.generators(), *(judged.generators() if judged else [])]
    with undisturbed(generators), _many_passes(compile):
        folder = None if checkpoint is None else Checkpoint(checkpoint)
        saved = None if folder is None else folder.read()
        devices.barrier()  # the first process writes only after all have read
        devices.same_start(network)
        probe(network, feed, kinds, devices)
        scales = saved[0]["scales"] if saved else _scales(scale, feed, kinds, devices)
        mixed = Mixed(precision, devices.device.type)
        moved = make_optimizer(optimizer, network, balancer, len(kinds))
        losses = BatchLoss(network, kinds, scales, devices, mixed, compiled=compile)
        loop = Loop(
            options=options,
            kinds=kinds,
            scales=scales,
            feed=feed,
            judged=judged,
            losses=losses,
            stepper=Stepper(
                list(kinds), losses, on_all(balancer, devices), mode, moved, devices, mixed, clip
            ),
            optimizer=moved,
            schedule=make_schedule(schedule, moved, feed.steps, options),
            balancer=balancer,
            keeper=Keeper(list(kinds), keep, by, patience, final=when_stopped == "leave"),
            devices=devices,
            mixed=mixed,
            checkpoint=folder,
            loggers=loggers,
            fingerprint=_fingerprint(network, kinds, feed, balancer, moved, options, schedule is not None),
        )
        state = State(EpochSums.empty(len(kinds))) if saved is None else loop.restore(*saved)
        with _bar(progress and devices.first, kinds, options, state) as bar, _training(network):
            loop.run(state, bar)
    return _fitted(loop, state)


def _checked(
    network: MultiTaskNetwork, tasks: Mapping[str, Kind], options: Options, validation: object
) -> dict[str, Kind]:
    if not tasks:
        raise OptionError("there is at least one task to train; got none. Name them with their kinds.")
    headless = [task for task in tasks if task not in network.tasks]
    if headless:
        raise OptionError(
            f"every task has a head in the network; '{headless[0]}' is not among its tasks, "
            f"{', '.join(map(repr, network.tasks))}. Give the network a head for it, or leave the task out."
        )
    if options.patience is not None and validation is None:
        raise OptionError(
            f"stopping early needs validation rows; got patience={options.patience} without validation. Give "
            "rows that are not trained on, or no patience."
        )
    return dict(tasks)


def _scales(scale: Scale, feed: Feed, kinds: Mapping[str, Kind], devices: Devices) -> dict[str, float]:
    if isinstance(scale, Mapping):
        if set(scale) == set(kinds) and all(value > 0 for value in scale.values()):
            return {task: float(scale[task]) for task in kinds}
    elif scale == "none":
        return dict.fromkeys(kinds, 1.0)
    elif scale == "constant":
        tallies = survey(feed, kinds, devices)
        return {task: tallies[task].constant_loss(kind) for task, kind in kinds.items()}
    raise OptionError(f"scale is 'constant', 'none', or a number above 0 for every task; got {scale!r}.")


def _fingerprint(
    network: MultiTaskNetwork,
    kinds: Mapping[str, Kind],
    feed: Feed,
    balancer: Any,
    optimizer: torch.optim.Optimizer,
    options: Options,
    scheduled: bool,
) -> dict[str, Any]:
    """What decides the weights and can be put in words."""
    return {
        "network": [type(network).__name__, [[n, list(p.shape)] for n, p in network.named_parameters()]],
        "tasks": [[task, repr(kind)] for task, kind in kinds.items()],
        "loaders": feed.describe(),
        "balancer": repr(balancer),
        "optimizer": f"{type(optimizer).__name__} {optimizer.defaults}",
        "epochs": options.epochs if scheduled else None,
        **{
            name: getattr(options, name)
            for name in (
                "mode",
                "clip",
                "accumulate",
                "precision",
                "patience",
                "keep",
                "by",
                "when_stopped",
                "seed",
            )
        },
    }


@contextmanager
def _many_passes(compiled: bool | str) -> Iterator[None]:
    """Lets balancers take several backward passes through what is compiled meanwhile."""
    if not compiled:
        yield
        return
    from torch._functorch import config

    with config.patch(donated_buffer=False):
        yield


@contextmanager
def _bar(shown: bool, kinds: dict[str, Kind], options: Options, state: State) -> Iterator[Bar]:
    bar: Bar = RichBar(kinds, options.epochs, state.epoch) if shown else NoBar()
    try:
        yield bar
    finally:
        bar.close()


@contextmanager
def _training(network: MultiTaskNetwork) -> Iterator[None]:
    """The network as it trains; afterwards as it predicts."""
    network.train()
    try:
        yield
    finally:
        network.eval()


def _fitted(loop: Loop, state: State) -> Fitted:
    network, keeper, tasks = loop.losses.network, loop.keeper, len(loop.kinds)
    if keeper.keep == "best" and keeper.weights:
        (weights,) = keeper.weights.values()
        network.load_state_dict(weights)
    assert state.status is not None
    return Fitted(
        network=network,
        tasks=loop.kinds,
        status=state.status,
        because=state.because,
        history=tuple(state.history),
        cosines=np.stack(state.cosines) if state.cosines else np.zeros((0, tasks, tasks)),
        best=dict(keeper.best),
        stopped=keeper.stopped,
        bad_steps=tuple(state.bad),
        skipped=state.skipped,
        scales=dict(loop.scales),
        epochs=len(state.cosines),
        steps=state.steps,
        seconds=state.seconds,
        weights=dict(keeper.weights),
    )
