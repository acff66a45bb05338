"""A run on disk: tensors and JSON in safetensors files; loading executes nothing.

``state.safetensors`` holds all but the weights of past best epochs, its JSON in the file's own header, so that
one rename makes a checkpoint complete; ``best-7.safetensors`` holds the weights of epoch 7. A process that is
killed at any moment leaves the last complete checkpoint.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sharewise.errors import StorageError
from sharewise.training._keeper import Weights
from sharewise.training._tree import flatten, unflatten

VERSION = 1
STATE = "state.safetensors"
BEST = re.compile(r"best-(\d+)\.safetensors")


class Checkpoint:
    """A folder for one run.

    Raises:
        StorageError: The folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"a checkpoint is a folder; '{folder}' cannot be made: {error}.") from error

    def write(self, state: Mapping[str, Any], best: Mapping[int, Weights]) -> None:
        """Replaces the checkpoint by this one.

        Raises:
            StorageError: The state holds what cannot be stored, or the disk refuses.
        """
        tensors: dict[str, Tensor] = {}
        form = json.dumps({"version": VERSION, "state": flatten(state, tensors), "best": sorted(best)})
        try:
            for epoch, weights in best.items():
                path = self.folder / f"best-{epoch}.safetensors"
                if not path.exists():
                    own: dict[str, Tensor] = {}
                    named = json.dumps(flatten(weights, own))
                    _put(path, own, named)
            _put(self.folder / STATE, tensors, form)
            for path in self.folder.iterdir():
                found = BEST.fullmatch(path.name)
                if (found and int(found[1]) not in best) or path.suffix == ".part":
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"a checkpoint could not be written to '{self.folder}': {error}.") from error

    def read(self) -> tuple[dict[str, Any], dict[int, Weights]] | None:
        """The state and the weights of best epochs, or None where there is no checkpoint yet.

        Raises:
            StorageError: It is damaged, or of another version.
        """
        path = self.folder / STATE
        if not path.exists():
            # Best weights without a state are left from before it was first written: another run's, maybe.
            for stray in self.folder.glob("best-*.safetensors"):
                stray.unlink(missing_ok=True)
            return None
        try:
            form, tensors = _get(path)
            if form["version"] != VERSION:
                raise StorageError(
                    f"checkpoints are of version {VERSION}; '{path}' is of {form['version']}. Use another folder."
                )
            best = {}
            for epoch in form["best"]:
                names, own = _get(self.folder / f"best-{epoch}.safetensors")
                best[int(epoch)] = unflatten(names, own)
            return unflatten(form["state"], tensors), best
        except StorageError:
            raise
        except Exception as error:
            raise StorageError(
                f"a checkpoint must be complete; '{self.folder}' cannot be read: {error}. Use another folder."
            ) from error


def _put(path: Path, tensors: dict[str, Tensor], form: str) -> None:
    from safetensors.torch import save

    room = path.with_name(f"{path.name}.{os.getpid()}.part")
    with room.open("wb") as file:
        file.write(save(tensors, metadata={"sharewise": form}))
        file.flush()
        os.fsync(file.fileno())
    room.replace(path)


def _get(path: Path) -> tuple[Any, dict[str, Tensor]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        form = json.loads(file.metadata()["sharewise"])
        return form, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
