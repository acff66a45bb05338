"""The command line: thin. Exit codes: 0 done, 2 bad input, 130 stopped by the user (resumable), 1 our fault."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence

from sharewise.cli._parser import build_parser, parse
from sharewise.errors import SharewiseError, SharewiseWarning

__all__ = ["build_parser", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sharewise`` and return its exit code."""
    from sharewise.cli._commands import run

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", SharewiseWarning)
    warnings.showwarning = _warn
    try:
        run(parse(arguments))
    except SharewiseError as error:
        sys.stderr.write(f"sharewise: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nsharewise: stopped; finished trials are kept, the same command goes on from there.\n"
        )
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SHAREWISE_TRACEBACK"):
            raise
        sys.stderr.write(
            f"sharewise: this is our fault, not yours ({type(error).__name__}: {error}). Finished trials are kept. "
            "Set SHAREWISE_TRACEBACK=1 to see where, and tell us.\n"
        )
        return 1
    return 0


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"sharewise: warning: {message}\n")
