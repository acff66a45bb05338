"""The targets of a program's members as output columns: slope and loss of all slots at once.

A number costs half its squared error, a class its cross-entropy. Either way the slope of the loss by the
scores is prediction less truth (the canonical link), so that a step needs no case for each target.

Symbols: ``M`` members, ``B`` rows a member, ``S`` slots, ``O`` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from sharewise.training._members import Data
from sharewise.training._programs import Signature


@dataclass(frozen=True)
class Band:
    """Neighbouring slots of one kind and width, computed as one."""

    columns: slice
    width: int
    is_class: bool

    def apart(self, values: Tensor) -> Tensor:
        """``(…, slots * width) -> (…, slots, width)``."""
        return values.reshape(*values.shape[:-1], -1, self.width)


class Outputs:
    """Output columns of members of one signature."""

    def __init__(self, slots: Signature) -> None:
        self.bands: list[Band] = []
        start = 0
        for (is_class, width), alike in groupby(slots):
            stop = start + width * len(list(alike))
            self.bands.append(Band(slice(start, stop), width, is_class))
            start = stop
        self.size = start
        self.widths = tuple(width for _, width in slots)

    def columns(self) -> tuple[tuple[int, int], ...]:
        """Each slot's (start, stop)."""
        stops = [sum(self.widths[: place + 1]) for place in range(len(self.widths))]
        return tuple((stop - width, stop) for stop, width in zip(stops, self.widths, strict=True))

    def slope(self, scores: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """Derivative of the weighted loss by the scores, ``(M, B, O)`` all; the scores are used up."""
        for band in self.bands:
            if band.is_class:
                own = band.apart(scores[..., band.columns])
                own.copy_(torch.softmax(own, dim=-1))
        return scores.sub_(truth).mul_(weight)

    def losses(self, scores: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """Weighted losses summed over the rows, ``(M, B, O) -> (M, S)``."""
        found = []
        for band in self.bands:
            s, t, w = (part[..., band.columns] for part in (scores, truth, weight))
            if band.is_class:
                logs = torch.log_softmax(band.apart(s), dim=-1).flatten(-2)
                rows = -(logs * t * w).sum(dim=-2)
                found.append(band.apart(rows).sum(dim=-1))
            else:
                found.append((0.5 * (s - t) ** 2 * w).sum(dim=-2))
        return torch.cat(found, dim=-1)


@dataclass(frozen=True)
class Labels:
    """All targets as output columns.

    Attributes:
        truth: ``(N, O)`` the number, or one at the class and zero at the others; zero where unknown.
        known: ``(N, D)`` one where labelled, else zero.
    """

    truth: Tensor
    known: Tensor

    @classmethod
    def of(cls, data: Data) -> Labels:
        known = ~torch.isnan(data.Y)
        filled = torch.where(known, data.Y, 0.0)
        parts = []
        for target, (start, stop) in enumerate(data.columns):
            own = filled[:, target]
            if data.is_class[target]:
                codes = torch.arange(stop - start, device=own.device, dtype=own.dtype)
                parts.append((own[:, None] == codes) * known[:, target, None].to(own.dtype))
            else:
                parts.append(own[:, None])
        return cls(torch.cat(parts, dim=1), known.to(data.Y.dtype))


class Slots:
    """The slots of some members among all targets.

    Args:
        labels: Of the data.
        data: Whose columns they are.
        targets: For each of ``M`` members its ``S`` targets, all of one signature.
        loss_weights: ``(M, S)``.
    """

    def __init__(
        self, labels: Labels, data: Data, targets: list[tuple[int, ...]], loss_weights: Tensor
    ) -> None:
        device = data.X.device
        self.labels = labels
        self.targets = torch.tensor(targets, device=device)
        columns = [[c for target in own for c in range(*data.columns[target])] for own in targets]
        self.columns = torch.tensor(columns, device=device)
        widths = [data.columns[target][1] - data.columns[target][0] for target in targets[0]]
        self.slot = torch.repeat_interleave(
            torch.arange(len(widths), device=device), torch.tensor(widths, device=device)
        )
        self.loss_weights = loss_weights

    def gather(self, rows: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Truth ``(…, M, B, O)`` and row weights of the same shape that make a sum over ``B`` the mean over
        the labelled rows, and the number of labelled rows ``(…, M, S)``.

        Args:
            rows: ``(…, M, B)``.
            real: ``(…, M, B)`` which of them count, or None for all.
        """
        truth = _pick(self.labels.truth, rows, self.columns)
        known = _pick(self.labels.known, rows, self.targets)
        if real is not None:
            known *= real[..., None]
        count = known.sum(dim=-2)
        weight = known / count.clamp(min=1.0)[..., None, :]
        if weight.shape[-1] != truth.shape[-1]:
            weight = weight[..., self.slot]
        return truth, weight, count

    def weighted(self, weight: Tensor) -> Tensor:
        """Row weights ``(…, M, B, O)`` times the slots' loss weights."""
        return weight * self.loss_weights[:, self.slot][:, None, :]


def _pick(table: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """``table[row, column]`` for rows ``(…, M, B)`` and each member's columns ``(M, C)``:
    ``(…, M, B, C)``."""
    if table.shape[1] == columns.shape[1] == 1:
        return table.view(-1)[rows][..., None]
    return table.view(-1)[(rows * table.shape[1])[..., None] + columns[:, None, :]]
