"""The population loop: train many small networks as one stacked program, each stopped by itself.

Members never mix: each has its own rows, batches, dropout and rates, all from its own seed, so that it is
trained as if it were alone. A member of a group (one task's folds) keeps, target by target, the weights of
the epoch at which the *other* members' validation loss is least, so that its own validation rows remain
held out. Nothing a member is given depends on another group's labels.

Symbols: ``M`` members, ``A`` of them still in training, ``S`` slots, ``V`` validation rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sharewise.networks import StackedMLP
from sharewise.training._block import Block, losses_of
from sharewise.training._geometry import Geometry
from sharewise.training._judge import Judge
from sharewise.training._members import Data, Member, Recipe, Trained
from sharewise.training._optimizer import StackedAdamW
from sharewise.training._outputs import Labels, Outputs, Slots
from sharewise.training._programs import blocks, programs, signature
from sharewise.training._randomness import Batches, Dropout, Source, start_noise
from sharewise.training._shelf import Shelf
from sharewise.training._warm import Pull, begin

LEAVE = 0.85
"""Finished members are taken out where at most this share goes on: fewer cost less than the rebuilding."""


@torch.no_grad()
def train_population(
    data: Data,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    levels: int = 0,
    on_step: Callable[[int], None] = lambda members: None,
) -> list[Trained]:
    """Train all members; each is given what it would be given alone, to the rounding of float arithmetic.

    Args:
        levels: Levels the networks are conditioned on, 0 for none.
        on_step: Called with the number of members after each optimiser step; what it raises ends the
            training.

    Returns:
        One record a member, in order.

    Raises:
        OptionError: A group whose members learn targets of different kinds or widths.
    """
    labels = Labels.of(data)
    outputs = data.columns[-1][1]
    cells = (data.X.shape[1] + recipe.width + outputs + levels * (1 + outputs)) * recipe.width
    found: dict[int, Trained] = {}
    for shape, places in programs(data, members, cells):
        program = _Program(data, labels, [members[place] for place in places], recipe, shape, levels)
        found.update(zip(places, program.run(on_step), strict=True))
    return [found[place] for place in range(len(members))]


class _Program:
    """Members of one geometry and signature in training."""

    def __init__(
        self,
        data: Data,
        labels: Labels,
        members: Sequence[Member],
        recipe: Recipe,
        shape: Geometry,
        levels: int,
    ) -> None:
        self.data, self.labels, self.members, self.recipe, self.shape = data, labels, members, recipe, shape
        device = data.X.device
        slots = signature(data, members[0].targets)
        self.outputs = Outputs(slots)
        self.sources = [Source(member) for member in members]
        self.net = StackedMLP.start(
            data.X.shape[1],
            recipe.width,
            self.outputs.size,
            generators=[source.order for source in self.sources],
            levels=levels,
            dtype=data.X.dtype,
        ).to(device)
        begin(self.net, members)
        self.first, self.second = self.net.zeros(), self.net.zeros()
        self.start = (
            self.net.members(torch.arange(len(members))) if any(any(m.pull) for m in members) else None
        )
        self.noise = start_noise(members, shape, recipe.width, device)
        self.alive = torch.arange(len(members), device=device)
        self.steps = 0
        self.rows, real = _padded([torch.from_numpy(member.valid) for member in members], shape.valid, device)
        self.truth, self.weight, counts = self._slots(range(len(members))).gather(self.rows, real)
        numbers = {group: place for place, group in enumerate(dict.fromkeys(m.group for m in members))}
        group = torch.tensor([numbers[member.group] for member in members], device=device)
        self.judge = Judge(group, counts)
        self.shelf = Shelf(self.net, len(slots))

    def run(self, on_step: Callable[[int], None]) -> list[Trained]:
        """Train until every group has stopped."""
        pieces = self._cut()
        self._judge_start(pieces)
        for epoch in range(1, self.recipe.epochs + 1):
            for _, block in pieces:
                block.epoch(on_step)
            self.steps += self.shape.steps
            losses = torch.cat([self._losses(piece, block.net) for piece, block in pieces])
            self.shelf.update(self.net, self.judge(losses, self.alive), self.alive, epoch)
            waiting = epoch - self.shelf.epoch[self.alive] < self.recipe.patience
            keep = self.judge.whole_groups(waiting.any(dim=1), self.alive)
            going = int(keep.sum())
            if going == 0:
                break
            if going <= LEAVE * len(keep):
                self._leave(keep)
                pieces = self._cut()
        return self.shelf.trained(self.outputs.columns())

    def _judge_start(self, pieces: Sequence[tuple[slice, Block]]) -> None:
        """Where members were given a start, it is the one to be better than."""
        warm = torch.tensor([member.start is not None for member in self.members], device=self.alive.device)
        if not warm.any():
            return
        losses = self.judge(
            torch.cat([self._losses(piece, block.net) for piece, block in pieces]), self.alive
        )
        self.shelf.update(self.net, losses.masked_fill(~warm[:, None], torch.nan), self.alive, 0)

    def _losses(self, piece: slice, net: StackedMLP) -> Tensor:
        mine = self.alive[piece]
        return losses_of(net, self.data, self.outputs, self.rows[mine], self.truth[mine], self.weight[mine])

    def _leave(self, keep: Tensor) -> None:
        """Go on with the members marked in ``keep`` ``(A,)`` only, moments and all."""
        self.alive, self.noise = self.alive[keep], self.noise[keep]
        self.net, self.first, self.second = (
            part.members(keep) for part in (self.net, self.first, self.second)
        )
        self.start = None if self.start is None else self.start.members(keep)

    def _cut(self) -> list[tuple[slice, Block]]:
        """The members still in training, as blocks."""
        alive = self.alive.tolist()
        found = []
        for piece in blocks(len(alive), self._bytes(), self.data.X.device):
            here = alive[piece]
            members = [self.members[place] for place in here]
            net = self.net.members(piece)
            gradients = net.zeros()
            moments = self.first.members(piece), self.second.members(piece)
            block = Block(
                net,
                StackedAdamW(net, gradients, *moments, members, self.steps),
                gradients,
                Batches([self.sources[place] for place in here], self.shape, self.data.X.device),
                Dropout(members, self.noise[piece], self.shape, self.recipe.width, self.data.X),
                self._slots(here),
                self.outputs,
                self.data,
                None if self.start is None else Pull(net, self.start.members(piece), members),
            )
            found.append((piece, block))
        return found

    def _bytes(self) -> int:
        """What one member meets in a step: weights, gradients, moments; inputs, two hidden layers with
        their masks and slopes."""
        weights = sum(value[0].numel() for value in self.net.tensors().values())
        units = self.shape.batch * (self.data.X.shape[1] + 6 * self.recipe.width)
        return (4 * weights + units) * self.data.X.element_size()

    def _slots(self, places: Sequence[int]) -> Slots:
        chosen = [self.members[place] for place in places]
        factors = [m.loss_weights or (1.0,) * len(m.targets) for m in chosen]
        return Slots(
            self.labels, self.data, [m.targets for m in chosen], torch.tensor(factors).to(self.data.X)
        )


def _padded(rows: Sequence[Tensor], length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row lists of unequal length as ``(M, length)`` with a mask of the real ones."""
    filled = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for place, own in enumerate(rows):
        filled[place, : len(own)] = own
        mask[place, : len(own)] = True
    return filled.to(device), mask.to(device)
