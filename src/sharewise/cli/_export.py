"""``sharewise export``: a study's model as one ONNX file, or as a PyTorch program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError

ENDINGS = (".onnx", ".pt2")


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    export = commands.add_parser(
        "export",
        help="write a model as one ONNX file (raw rows in, predictions out), or networks as a PyTorch program",
    )
    export.add_argument("model", metavar="DIR", help="a study's folder, or its model folder")
    export.add_argument(
        "out", metavar="FILE", help="a .onnx file; or a .pt2 file, which takes encoded tensors"
    )
    export.add_argument(
        "--check", metavar="TABLE", help="held-out rows that the file is checked on, besides drawn ones"
    )


def export(given: argparse.Namespace) -> None:
    """Write the file, and say how close it is to the model."""
    import sharewise as sw
    from sharewise.problems import read_table
    from sharewise.serving import AdaptedModel

    out = _place(given.out)
    model = sw.load(given.model)
    if isinstance(model, AdaptedModel):
        raise OptionError(
            f"a file is made of a study's model; {given.model} holds that of the new task '{model.task}' alone. "
            "Name the study's folder."
        )
    report = model.export(out, None if given.check is None else read_table(given.check))
    sys.stdout.write("\n".join((str(report), *report.notes)) + "\n")


def _place(out: str) -> Path:
    """Refuse a name that is no such file's before anything is computed."""
    place = Path(out)
    if place.suffix.lower() not in ENDINGS:
        raise OptionError(
            f"the file's name ends in .onnx, or in .pt2 for a PyTorch program; got '{out}'. Name one, as in model.onnx."
        )
    if place.is_dir():
        raise OptionError(f"an export is a file; {out} is a folder. Name a file in it.")
    return place
