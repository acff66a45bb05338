"""CMU's 624 photographs of faces as tensors, and their splits by photograph and by person.

Nothing to run; `faces.py` uses it. Needs Pillow.

Symbols: ``N`` photographs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from sklearn.model_selection import GroupKFold, GroupShuffleSplit, StratifiedKFold, StratifiedShuffleSplit
from torch import Tensor

from tables_base import Rows, data_folder

CLASSES: Final = {"identity": 20, "pose": 4, "expression": 4, "eyes": 2}
"""The tasks, as they stand in a file's name, and their numbers of classes."""
FOLDS: Final = 5
HELD_OUT: Final = 0.2
"""Share of the training rows (or people) that settings and epochs are chosen on."""


@dataclass(frozen=True)
class Faces:
    """Photographs ``(N, 1, 30, 32)`` with grey values in 0 to 1, and a class code ``(N,)`` for each task."""

    x: Tensor
    y: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Split:
    """Places of the rows to train on, to choose on, and to measure on."""

    train: Rows
    valid: Rows
    test: Rows


def load() -> Faces:
    """All photographs at 32 by 30 pixels.

    Raises:
        FileNotFoundError: They are not in the data folder.
        ImportError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "photographs are read with Pillow, which is not installed: pip install pillow"
        ) from error
    files = sorted((data_folder() / "cmu_faces").glob("*/*_4.pgm"))
    if not files:
        raise FileNotFoundError(
            f"no photographs under {data_folder() / 'cmu_faces'}; SHAREWISE_DATA names another folder"
        )
    pixels = []
    for file in files:
        with Image.open(file) as picture:
            pixels.append(np.asarray(picture.convert("L"), np.float32) / 255)
    names = np.array([file.stem.split("_")[: len(CLASSES)] for file in files])
    codes = [np.unique(column, return_inverse=True)[1] for column in names.T]
    y = {task: torch.from_numpy(code).long() for task, code in zip(CLASSES, codes, strict=True)}
    return Faces(torch.from_numpy(np.stack(pixels)[:, None]), y)


def tasks_by(by: str) -> dict[str, int]:
    """The tasks and their classes; who an unseen person is cannot be asked."""
    return {task: n for task, n in CLASSES.items() if by == "photograph" or task != "identity"}


def splits(faces: Faces, by: str, seed: int = 0) -> list[Split]:
    """Five folds that test every photograph once, and rows held out of each fold's training rows.

    Args:
        by: ``photograph``, with everybody on all sides in proportion, or ``person``, with nobody on two.
    """
    who = faces.y["identity"].numpy()
    # Splitters by group read the people as groups, those in proportion as classes.
    if by == "person":
        outer = GroupKFold(FOLDS, shuffle=True, random_state=seed).split(who, groups=who)
        inner = GroupShuffleSplit(1, test_size=HELD_OUT, random_state=seed)
    else:
        outer = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(who, who)
        inner = StratifiedShuffleSplit(1, test_size=HELD_OUT, random_state=seed)
    found = []
    for rest, test in outer:
        train, valid = next(inner.split(rest, who[rest], **({"groups": who[rest]} if by == "person" else {})))
        found.append(Split(rest[train], rest[valid], test))
    return found
