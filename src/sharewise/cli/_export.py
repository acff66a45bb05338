"""``sharewise export``: a study's model as one ONNX file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sharewise.errors import OptionError


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    export = commands.add_parser(
        "export", help="write a table model as one ONNX file: raw rows in, predictions out"
    )
    export.add_argument("model", metavar="DIR", help="a study's folder, or its model folder")
    export.add_argument("out", metavar="FILE", help="a .onnx file")
    export.add_argument(
        "--check", metavar="TABLE", help="held-out rows that the file is checked on, besides drawn ones"
    )


def export(given: argparse.Namespace) -> None:
    """Write the file, and say how close it is to the model."""
    import sharewise as sw
    from sharewise.problems import read_table
    from sharewise.serving import AdaptedModel
    from sharewise.serving.onnx import export_onnx

    out = _place(given.out)
    model = sw.load(given.model)
    if isinstance(model, AdaptedModel):
        raise OptionError(
            f"an ONNX file is made of a study's model; {given.model} holds that of the new task '{model.task}' alone. "
            "Name the study's folder."
        )
    report = export_onnx(model, out, None if given.check is None else read_table(given.check))
    sys.stdout.write("\n".join((str(report), *report.notes)) + "\n")


def _place(out: str) -> Path:
    """Refuse a name that is no ONNX file's before anything is computed."""
    place = Path(out)
    if place.suffix.lower() != ".onnx":
        raise OptionError(f"an ONNX file's name ends in .onnx; got '{out}'. Name one, as in model.onnx.")
    if place.is_dir():
        raise OptionError(f"an ONNX file is a file; {out} is a folder. Name a file in it.")
    return place
