"""The population loop: train the members of a stacked network together, each stopped by itself.

Symbols: ``M`` members, ``D`` targets, ``N`` rows, ``P`` inputs, ``O`` outputs of all targets together.
Members never mix: each has its own rows and its own batches. A member of a group (one task's folds) keeps,
target by target, the weights of the epoch at which the *other* members' validation loss is least, so that
its own validation rows remain held out. Nothing a member is given depends on another group's labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adamw import adamw

from sharewise.networks import StackedMLP


@dataclass(frozen=True)
class Member:
    """What one member learns from.

    Attributes:
        train, valid: Rows of the common data.
        targets: Places of the targets it learns.
        group: Members of one group (the folds of a task) judge each other's epochs.
    """

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    targets: tuple[int, ...]
    group: int


@dataclass(frozen=True)
class Data:
    """Rows common to all members.

    Attributes:
        X: ``(N, P)`` float32.
        Y: ``(N, D)`` float32: standardised numbers or class codes, NaN for gaps.
        level: ``(N,)`` int64, or None.
        columns: Each target's (start, stop) among the outputs.
        is_class: Whether each target is a class (cross-entropy) or a number (squared error).
    """

    X: Tensor
    Y: Tensor
    level: Tensor | None
    columns: tuple[tuple[int, int], ...]
    is_class: tuple[bool, ...]


@dataclass(frozen=True)
class Recipe:
    """How to train: AdamW (Loshchilov & Hutter 2019) at a constant rate, early stopping a target."""

    width: int = 96
    dropout: float = 0.1
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    epochs: int = 200
    patience: int = 16


@dataclass(frozen=True)
class Trained:
    """Best weights of a population.

    Attributes:
        weights: By parameter name, ``(M, S, …)``: slot ``s`` holds the weights at the epoch that was
            best for the member's ``s``-th target.
        epochs: ``(M, S)`` the epoch they come from; 0 where no epoch had a finite loss.
    """

    weights: dict[str, Tensor]
    epochs: Tensor


def train_population(
    data: Data,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    levels: int,
    seed: int,
    on_step: Callable[[], None],
) -> Trained:
    """Train all members, each with per-task best weights: a joint member's targets may come from
    different epochs.

    Args:
        levels: Levels the network is conditioned on, 0 for none.
        on_step: Called after each optimiser step; what it raises ends the training.
    """
    generator = torch.Generator().manual_seed(seed % 2**63)
    net = StackedMLP(
        len(members),
        data.X.shape[1],
        recipe.width,
        data.columns[-1][1],
        levels=levels,
        dropout=recipe.dropout,
        generator=generator,
    )
    optimizer = _AdamW(net, recipe)
    slots = max(len(member.targets) for member in members)
    target = torch.tensor([(*m.targets, *[-1] * (slots - len(m.targets))) for m in members])
    used = target >= 0
    best_loss = torch.full(target.shape, torch.inf)
    best_epoch = torch.zeros(target.shape, dtype=torch.long)
    best = {
        name: value.detach()[:, None].expand(-1, slots, *value.shape[1:]).clone()
        for name, value in net.named_parameters()
    }
    train = [torch.from_numpy(member.train) for member in members]
    valid, real = _padded([torch.from_numpy(member.valid) for member in members])
    labelled = (~torch.isnan(data.Y[valid]) & real[:, :, None]).sum(dim=1).float()
    judge = _Judge(
        torch.tensor([member.group for member in members]), labelled.gather(1, target.clamp(min=0)) * used
    )

    def losses(rows: Tensor, real: Tensor | None) -> Tensor:
        level = data.level[rows] if data.level is not None and levels else None
        truth = data.Y[rows]
        if real is not None:
            truth = torch.where(real[:, :, None], truth, torch.nan)
        every = _losses(net(data.X[rows], level), truth, data)
        alive = net.alive
        return torch.where(used[alive], every.gather(1, target[alive].clamp(min=0)), 0.0)

    for epoch in range(1, recipe.epochs + 1):
        net.train()
        for batch in _batches(train, generator):
            rows = batch[net.alive]
            net.zero_grad(set_to_none=True)
            losses(rows, None).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            on_step()
        net.eval()
        alive = net.alive
        with torch.no_grad():
            now = judge(losses(valid[alive], real[alive]), alive)
            better = used[alive] & (now < best_loss[alive])
            for slot in range(slots):
                place = better[:, slot].nonzero()[:, 0]
                member = alive[place]
                best_loss[member, slot] = now[place, slot]
                best_epoch[member, slot] = epoch
                for name, value in net.named_parameters():
                    best[name][member, slot] = value[place]
        keep = judge.whole_groups(
            (used[alive] & (epoch - best_epoch[alive] < recipe.patience)).any(dim=1), alive
        )
        if not keep.any():
            break
        # Leaving a few finished members in costs less than rebuilding the optimiser each epoch.
        if keep.float().mean() < 0.7:
            net.keep(keep)
            optimizer.keep(keep)
    return Trained(best, best_epoch)


class _Judge:
    """Turns members' validation losses into the ones that their stopping goes by.

    Args:
        group: ``(M,)``.
        labels: ``(M, S)`` known validation labels of each member and slot.
    """

    def __init__(self, group: Tensor, labels: Tensor) -> None:
        self.group, self.labels = group, labels
        self.size = int(group.max()) + 1

    def __call__(self, losses: Tensor, alive: Tensor) -> Tensor:
        """Mean loss of the rest of each member's group, ``(A, S) -> (A, S)`` for the ``A`` members still in
        training; its own where the rest has no labels."""
        group, weight = self.group[alive], self.labels[alive]
        rows = torch.zeros(self.size, losses.shape[1]).index_add_(0, group, weight)[group]
        total = torch.zeros(self.size, losses.shape[1]).index_add_(0, group, losses * weight)[group]
        others = rows - weight
        return torch.where(others > 0, (total - losses * weight) / others.clamp(min=1.0), losses)

    def whole_groups(self, keep: Tensor, alive: Tensor) -> Tensor:
        """``keep`` ``(A,)`` for whole groups: a member stays while one of its group does."""
        group = self.group[alive]
        kept = torch.zeros(self.size, dtype=torch.long).index_add_(0, group, keep.long())
        return (kept > 0)[group]


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Row lists of unequal length as ``(M, V)`` with a mask of the real ones."""
    longest = max(len(r) for r in rows)
    filled = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for place, r in enumerate(rows):
        filled[place, : len(r)] = r
        mask[place, : len(r)] = True
    return filled, mask


def _batches(train: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """One epoch of batches ``(M, B)``; a member with fewer rows than the largest starts over."""
    longest = max(len(rows) for rows in train)
    size = min(max(longest // 8, 16), 256, longest)
    steps = max(1, longest // size)
    order = torch.empty(len(train), steps * size, dtype=torch.long)
    for place, rows in enumerate(train):
        passes = -(-order.shape[1] // len(rows))
        drawn = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(passes)])
        order[place] = rows[drawn[: order.shape[1]]]
    return list(torch.split(order, size, dim=1))


def _losses(scores: Tensor, truth: Tensor, data: Data) -> Tensor:
    """Mean loss of each member and target over the rows where the target is known, ``(M, D)``.

    A target without labels in the batch counts zero.
    """
    found = []
    for target, (start, stop) in enumerate(data.columns):
        y = truth[:, :, target]
        known = ~torch.isnan(y)
        if data.is_class[target]:
            codes = torch.where(known, y, 0.0).long()
            flat = scores[:, :, start:stop].flatten(0, 1)
            each = nn.functional.cross_entropy(flat, codes.flatten(), reduction="none").view_as(y)
        else:
            each = 0.5 * (scores[:, :, start] - torch.where(known, y, 0.0)) ** 2
        total = torch.where(known, each, 0.0).sum(dim=1)
        found.append(total / known.sum(dim=1).clamp(min=1))
    return torch.stack(found, dim=1)


class _AdamW:
    """torch's AdamW through its functional form.

    The optimiser class imports torch's compiler when first made, two seconds in every worker; and here
    members leave the population, moments and all.
    """

    def __init__(self, net: StackedMLP, recipe: Recipe) -> None:
        self.parameters = list(net.parameters())
        self.recipe = recipe
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = [torch.tensor(0.0) for _ in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """One update of all members."""
        adamw(
            [p.data for p in self.parameters],
            [p.grad for p in self.parameters if p.grad is not None],
            self.first,
            self.second,
            [],
            self.steps,
            foreach=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    def keep(self, which: Tensor) -> None:
        """Drop the members that are not marked in ``which`` ``(A,)``."""
        for place in range(len(self.parameters)):
            self.first[place] = self.first[place][which].contiguous()
            self.second[place] = self.second[place][which].contiguous()
