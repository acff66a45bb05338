"""``sharewise adapt``: a new task's small model from a study's and a few labelled rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sharewise.errors import OptionError


def adapt(given: argparse.Namespace) -> None:
    """Write the small model's folder, and say how many labels it has and what serves it."""
    import sharewise as sw
    from sharewise.problems import read_table
    from sharewise.serving import AdaptedModel

    out = _place(given.out, Path(given.model))
    model = sw.load(given.model)
    if isinstance(model, AdaptedModel):
        raise OptionError(
            f"new tasks are adapted from a study's model; {given.model} holds that of '{model.task}' alone. "
            "Name the study's folder."
        )
    found = model.adapt(read_table(given.data), task=given.task)
    found.save(out)
    noun = "label" if found.labels == 1 else "labels"
    by = ", ".join(
        strategy if len(found.strategies) == 1 else f"{target} {strategy}"
        for target, strategy in found.strategies.items()
    )
    sys.stdout.write(f"{found.task}: {found.labels:,} {noun}, served by {by}.\nmodel    {out}\n")


def _place(out: str, model: Path) -> Path:
    """Refuse, before anything is computed, to write over the study's model."""
    if not out.strip():
        raise OptionError(f"the small model is written to a folder; got --out '{out}'. Name one.")
    place = Path(out)
    taken = [path.resolve() for path in (model, model / "model")]
    if place.resolve() in taken:
        raise OptionError(
            f"the small model does not replace the study's; {out} holds that one. Name another folder with --out."
        )
    return place
