"""Truths of one cell as its network learns them, and what the network's outputs say.

Symbols: ``n`` rows of the sample, ``B`` of them in a batch; ``H`` × ``W`` pixels, ``K`` classes, ``P`` places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.families._module_fit import labels_of
from sharewise.families._sample import Sample
from sharewise.families.pictures._build import places_of
from sharewise.families.pictures._change import Change
from sharewise.families.pictures._design import Design
from sharewise.tasks import Array, BoxRows, Classification, Kind, MaskRows, cells
from sharewise.tasks._torch_loss import loss_sum, predict_of
from sharewise.tasks.dense import assign, box_loss, decode, mask_loss, to_size

DICE = 0.5
"""Weight of the Dice loss beside a mask's cross-entropy, which rare classes would be lost in."""
MOST_BOXES = 50
UNLABELLED = 255


class Answers(ABC):
    """Abstract.

    Attributes:
        known: (n,) which rows have an answer.
    """

    known: Tensor

    def loss(self, outputs: Tensor, rows: Tensor, change: Change | None) -> tuple[Tensor, int]:
        """The mean over the labelled ones of ``rows`` (B,), and how many they are; 0 where there is none."""
        own = self.known[rows].nonzero().flatten()
        if not len(own):
            return outputs.sum() * 0.0, 0
        return self._loss(outputs[own], rows, own, change), len(own)

    @abstractmethod
    def _loss(self, outputs: Tensor, rows: Tensor, own: Tensor, change: Change | None) -> Tensor:
        """Outputs of the places ``own`` among ``rows``, which are labelled."""


@final
class Numbers(Answers):
    """Numbers, standardised by the training rows, and classes; a change of the picture leaves them.

    Losses are shares of the best constant's on the training rows, so that tasks of one network weigh alike.
    """

    def __init__(self, kind: Kind, labels: Array, train: NDArray[np.intp]) -> None:
        seen = labels[train][~np.isnan(labels[train])]
        self.kind, self.mean, self.spread, self.floor = kind, 0.0, 1.0, 1.0
        if isinstance(kind, Classification):
            shares = np.bincount(seen.astype(np.intp)) / len(seen)
            self.floor = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()) or 1.0
        else:
            self.mean, self.spread = float(seen.mean()), float(seen.std()) or 1.0
            labels = (labels - self.mean) / self.spread
        self.y = torch.from_numpy(labels.astype(np.float32))
        self.known = ~torch.isnan(self.y)

    def _loss(self, outputs: Tensor, rows: Tensor, own: Tensor, change: Change | None) -> Tensor:
        total, count = loss_sum(self.kind, outputs, self.y[rows[own]])
        return total / count / self.floor


@final
class Masks(Answers):
    """Masks, (n, H, W) bytes."""

    def __init__(self, kind: MaskRows, truths: NDArray[np.object_]) -> None:
        shape = next(cell.shape for cell in truths if cell is not None)
        blank = np.full(shape, UNLABELLED, dtype=np.uint8)
        stacked = np.stack([blank if cell is None else cell for cell in truths]).astype(np.uint8)
        stacked[stacked == kind.of.ignore] = UNLABELLED
        self.masks = torch.from_numpy(stacked)
        self.known = torch.tensor([cell is not None for cell in truths])

    def _loss(self, outputs: Tensor, rows: Tensor, own: Tensor, change: Change | None) -> Tensor:
        masks = self.masks[rows] if change is None else change.masks(self.masks[rows])
        return mask_loss(outputs, masks[own], ignore=UNLABELLED, dice=DICE)


@final
class BoxSets(Answers):
    """Boxes of each row, (n, 5) with the class last."""

    def __init__(self, design: Design, truths: NDArray[np.object_]) -> None:
        blank = np.zeros((0, 5), dtype=np.float32)
        self.boxes = [
            torch.from_numpy(np.asarray(blank if cell is None else cell, dtype=np.float32)) for cell in truths
        ]
        self.known = torch.tensor([cell is not None for cell in truths])
        self.places, self.size = places_of(design), design.shape[1:]

    def _loss(self, outputs: Tensor, rows: Tensor, own: Tensor, change: Change | None) -> Tensor:
        boxes = [self.boxes[row] for row in rows.tolist()]
        if change is not None:
            boxes = change.boxes(boxes, *self.size)
        chosen = [boxes[place] for place in own.tolist()]
        return box_loss(
            outputs, self.places, [assign(self.places, one[:, :4], one[:, 4].long()) for one in chosen]
        )


def answers_of(sample: Sample, design: Design, cell: int, train: NDArray[np.intp]) -> Answers:
    """Of a cell, for a network that learns from the rows ``train``."""
    target, level = divmod(cell, sample.n_levels)
    kind = design.kinds[target]
    if not kind.ragged:
        return Numbers(kind, labels_of(sample, cell), train)
    truths = sample.answers[target]
    assert truths is not None
    if sample.level is not None:
        truths = cells([one if at == level else None for one, at in zip(truths, sample.level, strict=True)])
    return Masks(kind, truths) if isinstance(kind, MaskRows) else BoxSets(design, truths)


def said(kind: Kind, outputs: Tensor, design: Design, mean: float = 0.0, spread: float = 1.0) -> NDArray[Any]:
    """Raw outputs of ``B`` rows as predictions: (B, W), or cells (B, 1) of a ragged kind."""
    if isinstance(kind, MaskRows):
        shares = to_size(outputs, *design.shape[1:]).softmax(1).numpy().astype(np.float32)
        return cells(list(shares))[:, None]
    if isinstance(kind, BoxRows):
        _, height, width = design.shape
        found = decode(outputs, places_of(design), (width, height), most=MOST_BOXES)
        rows = []
        for one in found:
            assert one.scores is not None
            rows.append(np.column_stack([one.corners, one.labels, one.scores]).astype(np.float32))
        return cells(rows)[:, None]
    values = predict_of(kind, outputs)
    return values if isinstance(kind, Classification) else values * spread + mean
