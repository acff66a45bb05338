"""The page on disk, whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sharewise.errors import StorageError
from sharewise.reports._render import render
from sharewise.reports._values import table
from sharewise.reports.new_tasks import render_new


def write(
    path: str | os.PathLike[str], verdict: Mapping[str, Any], ledger: Sequence[Mapping[str, Any]]
) -> Path:
    """Render the page to ``path`` through a temporary file beside it, and return the path.

    Raises:
        StorageError: The folder does not exist or cannot be written.
    """
    target = Path(path)
    new = table(verdict.get("protocol")).get("question") == "new"
    page = (render_new if new else render)(verdict, ledger).encode("utf-8")
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise StorageError(
            f"a report needs a file name in a folder that can be written; got '{target}' ({error.strerror}). "
            "Name another file."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return target
