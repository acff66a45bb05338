"""The loop: updates, epochs, judgement, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sharewise.errors import OptionError
from sharewise.tasks import Array, Kind
from sharewise.training._bar import Bar
from sharewise.training._batchloss import BatchLoss
from sharewise.training._checkpoint import Checkpoint
from sharewise.training._devices import Devices
from sharewise.training._evaluate import evaluate
from sharewise.training._feed import Feed
from sharewise.training._keeper import Keeper
from sharewise.training._loggers import Logger
from sharewise.training._options import Options
from sharewise.training._precision import Mixed
from sharewise.training._record import EpochRow, Score, rows_of
from sharewise.training._state import State
from sharewise.training._step import Stepper
from sharewise.training._survey import empty_task


@dataclass(eq=False)
class Loop:
    """The parts of a run.

    Attributes:
        fingerprint: What a checkpoint must share with this run to be gone on from, for JSON.
    """

    options: Options
    kinds: Mapping[str, Kind]
    scales: Mapping[str, float]
    feed: Feed
    judged: Feed | None
    losses: BatchLoss
    stepper: Stepper
    optimizer: Optimizer
    schedule: LRScheduler | None
    balancer: Any
    keeper: Keeper
    devices: Devices
    mixed: Mixed
    checkpoint: Checkpoint | None
    loggers: Sequence[Logger]
    fingerprint: dict[str, Any]

    def run(self, state: State, bar: Bar) -> State:
        """Trains until the epochs are over, every task has stopped, or too many steps were skipped."""
        if self.devices.first and self.checkpoint is not None and state.steps == 0:
            self._save(state)  # at once, so that a state that cannot be stored is found out before any work
        while state.status is None:
            if state.epoch >= self.options.epochs:
                state.status = "finished"
                break
            self._epoch(state, bar)
            if state.status == "diverged":
                self._note(state, {}, bar)
                break
            self._judge(state, bar)
            if self.devices.first and self.checkpoint is not None:
                self._save(state)
        return state

    def _epoch(self, state: State, bar: Bar) -> None:
        leave = self.keeper.stopped if self.options.when_stopped == "leave" else frozenset()
        batches = self.feed.epoch(state.epoch, state.at)
        while window := list(islice(batches, self.options.accumulate)):
            key = (self.options.seed, "step", state.epoch, state.at)
            report = self.stepper(window, leave, *key)
            state.steps += 1
            state.at += len(window)
            if report.bad is None:
                state.in_a_row = 0
                state.sums.add(report)
            else:
                state.skip(report.bad, grave=report.grave)
                if state.in_a_row >= self.options.max_bad_steps:
                    state.status = "diverged"
                    state.because = (
                        f"training stopped because {report.bad}, for {state.in_a_row} steps in a row; lower the "
                        "learning rate, clip gradients, or look for values that are not finite in the data."
                    )
                    return
            if self.schedule is not None and report.bad is None and report.rows.any():
                self.schedule.step()  # a step that was not taken is none of the schedule's
            bar.step(state.at, self.feed.steps)
            due = self.options.every is not None and state.steps % self.options.every == 0
            if due and self.devices.first and self.checkpoint is not None:
                self._save(state)

    def _judge(self, state: State, bar: Bar) -> None:
        if state.epoch == 0 and state.skipped == 0:
            for task, rows in zip(self.kinds, state.sums.rows, strict=True):
                if rows == 0:
                    raise empty_task(task, "training")
        self.devices.same_buffers(self.losses.network)
        if hasattr(self.balancer, "after_epoch"):
            self.balancer.after_epoch()
        scores: dict[str, Score] = {}
        if self.judged is not None:
            scores = evaluate(self.losses, self.judged, self.kinds, self.devices)
            self.keeper.see(state.epoch, scores, self.losses.network)
        self._note(state, scores, bar)
        state.next_epoch()
        if len(self.keeper.stopped) == len(self.kinds):
            state.status = "stopped"
        elif state.epoch >= self.options.epochs:
            state.status = "finished"

    def _note(self, state: State, scores: dict[str, Score], bar: Bar) -> None:
        rows, cosines = rows_of(state.epoch, list(self.kinds), state.sums, scores)
        state.history += rows
        state.cosines.append(cosines)
        bar.epoch(rows)
        if self.devices.first:
            for logger in self.loggers:
                logger.log(state.steps, self._numbers(rows, cosines))

    def _numbers(self, rows: Sequence[EpochRow], cosines: Array) -> dict[str, float]:
        found = {"learning_rate": float(self.optimizer.param_groups[0]["lr"])}
        for row in rows:
            found[f"train/loss/{row.task}"] = row.loss
            found[f"validation/loss/{row.task}"] = row.validation_loss
            found[f"validation/{self.kinds[row.task].metric().name}/{row.task}"] = row.metric
            found[f"weight/{row.task}"] = row.weight
            found[f"gradient_norm/{row.task}"] = row.gradient_norm
        apart = cosines[~np.eye(len(cosines), dtype=bool)]
        if np.isfinite(apart).any():
            found["cosine/lowest"] = float(np.nanmin(apart))
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _save(self, state: State) -> None:
        assert self.checkpoint is not None
        scaler = self.mixed.scaler
        self.checkpoint.write(
            {
                "fingerprint": self.fingerprint,
                "network": dict(self.losses.network.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "schedule": None if self.schedule is None else self.schedule.state_dict(),
                "scaler": None if scaler is None else scaler.state_dict(),
                "balancer": dict(self.balancer.state_dict())
                if hasattr(self.balancer, "state_dict")
                else None,
                "keeper": self.keeper.state(),
                "scales": dict(self.scales),
                "progress": state.saved(),
            },
            self.keeper.weights,
        )

    def restore(self, saved: dict[str, Any], best: dict[int, Any]) -> State:
        """Puts every part where a checkpoint was.

        Raises:
            OptionError: The checkpoint is of another run.
        """
        for name, value in self.fingerprint.items():
            if saved["fingerprint"].get(name) != value:
                raise OptionError(
                    f"a checkpoint is resumed by the run that it is of; its {name} was "
                    f"{saved['fingerprint'].get(name)}, not {value}. Use another folder, or the same arguments."
                )
        self.losses.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(saved["schedule"])
        if self.mixed.scaler is not None:
            self.mixed.scaler.load_state_dict(saved["scaler"])
        if saved["balancer"] is not None:
            self.balancer.load_state_dict(saved["balancer"])
        self.keeper.restore(saved["keeper"], best)
        state = State.restored(saved["progress"])
        if state.status == "finished" and state.epoch < self.options.epochs:
            state.status = None  # asked for more epochs
        return state
