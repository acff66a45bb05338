"""``sharewise distil``: a small student in place of a study's winner."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    distil = commands.add_parser(
        "distil",
        help="the smallest model that keeps up with a study's winner, taught by it, and what that loses",
        description="For a winner that is an ensemble, or too slow or large for where it is to run. Reads the study's table "
        "again; no trial is run again.",
    )
    distil.add_argument("study", metavar="DIR", help="a study's folder")
    distil.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help="folder of the student; 'predict', 'serve' and 'export' take it",
    )
    distil.add_argument(
        "--max-latency", metavar="5ms", help="the student predicts one row, all tasks, in at most so long"
    )
    distil.add_argument("--max-size", metavar="1MB", help="the student has at most so many bytes")
    distil.add_argument("--quiet", action="store_true", help="no progress")


def distil(given: argparse.Namespace) -> None:
    """Make the student, and say what was lost."""
    from sharewise.cli._source import finished_study
    from sharewise.studies import Limits

    limits = Limits.read(given.max_latency, given.max_size, False)
    out = Path(given.out)
    if out.is_file():
        raise OptionError(f"a student is kept in a folder; {out} is a file. Name another --out.")
    found = finished_study(Path(given.study)).distil(limits, out, quiet=given.quiet)
    places = (("model", "model"), ("record", "distilled.json"))
    lines = [str(found), *(f"  - {line}" for line in found.because), ""]
    lines += [f"{name:<8} {out / file}" for name, file in places]
    sys.stdout.write("\n".join(lines) + "\n")
