"""The command line in tests: small tables, quick studies, and what a run said."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

QUICK = (
    "--workers", "1", "--budget", "10s", "--families", "linear", "--strategies", "separate,joint", "--quiet",
)  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def sentences(self) -> list[str]:
        """What was said on standard error beside warnings."""
        return [line for line in self.err.splitlines() if not line.startswith("sharewise: warning: ")]

    @property
    def warnings(self) -> list[str]:
        """Warnings on standard error, and those the verdict lists."""
        return [line for line in (*self.err.splitlines(), *self.out.splitlines()) if "warning: " in line[:20]]


def run(*arguments: object) -> Ran:
    """``sharewise …`` in this process."""
    from sharewise.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def columns(rows: int = 60, seed: int = 0) -> dict[str, Any]:
    """A sound wide table: features ``x0``, ``x1``, ``colour``; targets ``a``, ``b``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2)).round(3)
    colour = rng.choice(["red", "green", "blue"], rows)
    a = (x[:, 0] + 0.3 * rng.normal(size=rows)).round(3)
    b = (x[:, 1] + 0.3 * rng.normal(size=rows)).round(3)
    return {"x0": x[:, 0], "x1": x[:, 1], "colour": colour, "a": a, "b": b}


def table(path: Path, changed: Mapping[str, Any] | None = None, rows: int = 60, **how: Any) -> Path:
    """A sound table with some columns changed, added or (None) left out, as CSV."""
    held = {**columns(rows), **(changed or {})}
    frame = pd.DataFrame({name: values for name, values in held.items() if values is not None})
    frame.to_csv(path, index=False, **how)
    return path
