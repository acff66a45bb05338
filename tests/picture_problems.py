"""Small pictures of squares whose class, mask and box are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Sample
from sharewise.problems import Column, Problem, Table, Target, Task
from sharewise.tasks import BoxRows, Detection, Kind, MaskRows, Multiclass, Regression, Segmentation, cells

SIDE = 32
KINDS: dict[str, Kind] = {
    "colour": Multiclass(("red", "green", "blue")),
    "left": Regression(),
    "mask": MaskRows(Segmentation(("ground", "square"))),
    "box": BoxRows(Detection(("square",)), (SIDE, SIDE)),
}


def squares(
    count: int = 48, tasks: tuple[str, ...] = tuple(KINDS), gaps: float = 0.0, seed: int = 0
) -> Problem:
    """Each picture has one square of 12 to 17 pixels in one of three colours on a noisy ground; ``left`` is where it
    begins. A share ``gaps`` of the answers is missing, task by task."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (count, 3, SIDE, SIDE), np.uint8)
    colour = np.arange(count) % 3
    side = rng.integers(12, 18, count)
    corner = rng.integers(0, SIDE - side[:, None], (count, 2))
    masks, boxes = [], []
    for row, ((x, y), width) in enumerate(zip(corner, side, strict=True)):
        inside = np.s_[y : y + width, x : x + width]
        pixels[row, colour[row]][inside] = 230
        masks.append(np.zeros((SIDE, SIDE), np.uint8))
        masks[-1][inside] = 1
        boxes.append(np.array([[x, y, x + width, y + width, 0]], np.float32))
    truths: dict[str, NDArray[np.object_] | None] = {
        "colour": None, "left": None, "mask": cells(masks), "box": cells(boxes),
    }  # fmt: skip
    numbers = {"colour": colour.astype(float), "left": corner[:, 0].astype(float)}
    labels = np.stack([numbers.get(task, np.zeros(count)) for task in tasks], axis=1)
    labels[rng.random(labels.shape) < gaps] = np.nan
    answers = []
    for place, task in enumerate(tasks):
        own = truths[task]
        if own is not None:
            own = own.copy()
            own[np.isnan(labels[:, place])] = None
        answers.append(own)
    return Problem(
        Table((Column("picture", "tensor", pixels),), count),
        tuple(Target(task, KINDS[task], KINDS[task].metric()) for task in tasks),
        labels,
        tuple(Task(task, place, None) for place, task in enumerate(tasks)),
        answers=tuple(answers),
    )


def sample_of(problem: Problem, train: int, folds: int = 2) -> Sample:
    """The first ``train`` rows, every ``folds``-th of them held out in turn."""
    rows = np.arange(train)
    return Sample.of(
        problem, rows, tuple((rows[rows % folds != k], rows[rows % folds == k]) for k in range(folds))
    )
