"""``sharewise serve``: a saved model over HTTP."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError, StorageError

_LIMITS = ("rows", "body", "seconds")
_TAKEN_ALONG = ("sklearn", "pandas")
_PARTS = ("fastapi", "starlette", "pydantic", "uvicorn", "h11")


def add(commands: Any) -> None:
    """The subcommand's flags."""
    serve = commands.add_parser(
        "serve",
        help="answer over HTTP for a study's model, with a page for people",
        description="POST /predict, POST /adapt, /tasks, /model, /health, /metrics, /openapi.json, and a page at /. "
        "A token is read from --token-file or from SHAREWISE_TOKEN.",
    )
    serve.add_argument("model", metavar="DIR", help="a study's folder, or its model folder")
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="default: this machine only")
    serve.add_argument("--port", type=int, default=8000, metavar="8000", help="0 takes a free one")
    serve.add_argument(
        "--token-file", metavar="FILE", help="a file whose text requests must bear (Authorization: Bearer …)"
    )
    serve.add_argument("--rows", type=int, metavar="10000", help="rows of a request at most")
    serve.add_argument("--body", type=int, metavar="8000000", help="bytes of a request at most")
    serve.add_argument("--seconds", type=float, metavar="30", help="for an answer at most")


def serve(given: argparse.Namespace) -> None:
    """Answer until stopped."""
    gc.disable()  # a tenth of the start: libraries and models make millions of objects, and none is garbage
    try:
        from sharewise.serving.http import Limits, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PARTS:
            raise
        raise OptionError(
            f"serving needs the extra 'serve' ({error.name} is missing). pip install 'sharewise[serve]'."
        ) from error
    _import_boosters(Path(given.model))
    told = {name: getattr(given, name) for name in _LIMITS if getattr(given, name) is not None}
    serve(given.model, given.host, given.port, token=_token(given.token_file), limits=Limits(**told))


def _import_boosters(folder: Path) -> None:
    """LightGBM, where the model holds its texts, without the libraries that it would take along.

    Predicting needs none of them, and they take longer to import than all the rest. This process does nothing but serve;
    what it imports of them later it imports whole.
    """
    held = [name for name in _TAKEN_ALONG if name in sys.modules]
    if held or not any((place / "texts").is_dir() for place in (folder, folder / "model")):
        return
    sys.modules.update(dict.fromkeys(_TAKEN_ALONG))  # type: ignore[arg-type]
    try:
        with suppress(ImportError):  # which loading the model tells of
            import lightgbm  # noqa: F401
    finally:
        for name in _TAKEN_ALONG:
            del sys.modules[name]


def _token(file: str | None) -> str | None:
    """From the file, or from the environment; never from the command line, which every user of a machine can read."""
    if file is None:
        return os.environ.get("SHAREWISE_TOKEN") or None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise StorageError(
            f"--token-file names a file with the token; '{file}' cannot be read ({reason})."
        ) from error
