"""What a table of the benchmarks is: a frame, the arguments of ``Problem.from_frame``, folds, the data's place.

Nothing to run; `tables.load` gives tables by name.

Symbols: ``N`` rows, ``T`` targets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

Rows = NDArray[np.intp]
Array = NDArray[np.float64]


class Loaded(NamedTuple):
    """A table and how to read it; unpacks to ``frame, kwargs``.

    Attributes:
        frame: ``N`` rows, features and targets together.
        kwargs: ``targets``, and where they apply ``kinds``, ``task``, ``group`` and ``drop``.
    """

    frame: pd.DataFrame
    kwargs: dict[str, Any]

    @property
    def targets(self) -> list[str]:
        return list(self.kwargs["targets"])

    @property
    def task(self) -> str | None:
        """The task column of a long table, None for a wide one."""
        return self.kwargs.get("task")

    @property
    def group(self) -> str | None:
        return self.kwargs.get("group")

    @property
    def is_classification(self) -> bool:
        """Whether every target is stated to be binary."""
        kinds = self.kwargs.get("kinds", {})
        return all(kinds.get(target) == "binary" for target in self.targets)

    @property
    def features(self) -> pd.DataFrame:
        """What a peer may see: the columns less targets, group and dropped ones; the task column stays."""
        out = {*self.targets, *self.kwargs.get("drop", ()), self.group}
        return self.frame[[column for column in self.frame if column not in out]]

    @property
    def labels(self) -> Array:
        """``(N, T)``, NaN where a label is missing; for tables whose targets are numbers."""
        return self.frame[self.targets].to_numpy(dtype=np.float64)


def folds(loaded: Loaded, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Places of training and test rows: groups kept whole, else tasks in proportion, else at random."""
    n = len(loaded.frame)
    places = np.arange(n)
    if loaded.group is not None:
        groups = loaded.frame[loaded.group].to_numpy()
        split = GroupKFold(n_folds, shuffle=True, random_state=seed).split(places, groups=groups)
    elif loaded.task is not None:
        level = loaded.frame[loaded.task].to_numpy()
        split = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(places, level)
    else:
        split = KFold(n_folds, shuffle=True, random_state=seed).split(places)
    return [(np.asarray(train, np.intp), np.asarray(test, np.intp)) for train, test in split]


def data_folder() -> Path:
    """``$SHAREWISE_DATA``, else ``shared/data`` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("SHAREWISE_DATA", default))


def make(
    frame: pd.DataFrame, targets: list[str], kind: str | dict[str, str] = "regression", **kwargs: Any
) -> Loaded:
    """A table with its rows numbered anew.

    Args:
        kind: Of all targets, or of each by name.

    Raises:
        ValueError: When a target is no column, or names are not unique.
    """
    frame = frame.reset_index(drop=True)
    missing = [name for name in targets if name not in frame]
    if missing or not frame.columns.is_unique:
        raise ValueError(f"targets must be columns and names unique; missing {missing}.")
    kinds = dict.fromkeys(targets, kind) if isinstance(kind, str) else kind
    return Loaded(frame, {"targets": targets, "kinds": kinds, **kwargs})
