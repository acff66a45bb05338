"""A study in TensorBoard: its HParams page has a row a trial."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

SETTINGS = ("strategy", "family", "configuration", "round", "effort", "status")
COSTS = ("seconds", "fits", "steps", "peak_memory_bytes", "size_bytes", "predict_ms_one_row")


@final
class TensorBoardStudy:
    """Event files under a folder (the extra ``tensorboard``), a run a trial and one for the verdict.

    Args:
        folder: Of all studies; each gets a folder of its own in it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        from sharewise.training._loggers import fetch  # its room imports torch

        self._writer: Any = fetch("torch.utils.tensorboard", "tensorboard", "tensorboard").SummaryWriter
        self._folder, self._runs = Path(folder), 0
        self._open: Any = None

    def begin(self, study: Mapping[str, Any]) -> None:
        place = self._folder / str(study["name"])
        while place.exists():  # an earlier call on the same folder, which this one repeats in full
            self._runs += 1
            place = self._folder / f"{study['name']} {self._runs + 1}"
        self._folder, self._runs = place, 0
        self._open = self._writer(log_dir=os.fspath(place))
        self._open.add_text("study", "\n\n".join(f"**{key}**: {value}" for key, value in study.items()))

    def trial(self, line: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        self._runs += 1
        settings = {name: line[name] for name in SETTINGS}
        costs = {f"cost/{name}": float(line[name]) for name in COSTS if line[name] is not None}
        self._open.add_hparams(settings, {**scores, **costs}, run_name=f"trial {self._runs:04d}")

    def verdict(self, details: Mapping[str, Any], files: Sequence[Path]) -> None:
        self._open.add_text("verdict", "\n\n".join([details["sentence"], *details["because"]]))
        self._open.flush()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
