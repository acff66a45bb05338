"""The command line: thin. Exit codes: 0 done, 2 bad input, 130 stopped by the user (resumable), 1 our fault."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Sequence

from sharewise.cli._parser import build_parser, parse
from sharewise.errors import SharewiseError, SharewiseWarning

__all__ = ["build_parser", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``sharewise`` and return its exit code."""
    _speak_any_name()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SharewiseWarning)
        warnings.showwarning = _warn
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    started = time.monotonic()  # budgets count from here, loading the libraries included
    try:
        from sharewise.cli._commands import run

        given = parse(arguments)
        given.started = started
        run(given)
        sys.stdout.flush()
    except SharewiseError as error:
        return _say(str(error), 2)
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return _say("stopped; finished trials are kept, the same command goes on from there.", 130)
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        _drop_output()
        place = "" if error.filename is None else f" on '{error.filename}'"
        return _say(
            f"files must be readable and writable where you name them; the system answered "
            f"'{error.strerror or error}'{place}. Mend that and run the same command: finished trials are kept.",
            2,
        )
    except MemoryError:
        return _say(
            "the data and its models must fit into memory; it ran out. Leave columns out with --drop, "
            "lower --workers, or run the same command on a larger machine: finished trials are kept.",
            2,
        )
    except Exception as error:
        if os.environ.get("SHAREWISE_TRACEBACK"):
            raise
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return _say(
            f"this is our fault, not yours ({told}). Finished trials are kept. "
            "Set SHAREWISE_TRACEBACK=1 to see where, and tell us.",
            1,
        )
    return 0


def _say(text: str, code: int) -> int:
    """One line on standard error, whatever line ends a name in it holds."""
    sys.stderr.write(f"sharewise: {_one_line(text)}\n")
    return code


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"sharewise: warning: {_one_line(str(message))}\n")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _speak_any_name() -> None:
    """Names that the terminal's encoding lacks are shown escaped, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """What standard output still holds cannot be written: forget it, or Python complains at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return  # no real file behind it: nothing to forget
