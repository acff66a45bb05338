"""Files of models for other runtimes: whose model may become one, and how it is written."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sharewise.errors import OptionError, StorageError

if TYPE_CHECKING:
    from sharewise.serving._deployed import DeployedModel


def refuse_tasks(model: DeployedModel, what: str) -> None:
    """Refuse models that serve tasks which no graph knows.

    Args:
        what: The sort of file, as a sentence names it.

    Raises:
        OptionError: It is one of a pool of classes, or was adapted to further tasks.
    """
    if model.model is None:
        raise OptionError(
            f"{what} serves the tasks that a model was fitted for; that of a pool of classes has none before it "
            "is adapted. Use model.save and sw.load."
        )
    if model.adapted:
        raise OptionError(
            f"{what} serves the study's own tasks; '{next(iter(model.adapted))}' was adapted to later. "
            "Export a model that is loaded anew, or forget the task first."
        )


def write_whole(path: Path, content: bytes, what: str) -> None:
    """A file, whole or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    fresh = path.with_name(f".{path.name[-100:]}.{uuid4().hex[:12]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(content)
        os.replace(fresh, path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StorageError(
            f"{what} is written to {path}, which failed ({error.strerror or error}); choose another place."
        ) from error
