"""The command line in tests: small tables, quick studies, and what a run said."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROWS = 60
SMALL = (
    "--workers",
    "1",
    "--budget",
    "60s",
    "--families",
    "linear",
    "--strategies",
    "separate,joint",
    "--quiet",
)
"""Flags of a study of three trials a round."""

_QUICKEN = """
import sys
import sharewise.studies._conduct as conduct
import sharewise.studies._plan as plan
plan.LADDER = ((0, 2),)
conduct.rounds_at_most = lambda *_: 2
from sharewise.cli import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def said(self) -> list[str]:
        """Lines on standard error beside warnings."""
        return [line for line in self.err.splitlines() if not line.startswith("sharewise: warning: ")]


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies of two scouting rounds, whatever the budget would buy."""
    monkeypatch.setattr("sharewise.studies._plan.LADDER", ((0, 2),))
    monkeypatch.setattr("sharewise.studies._conduct.rounds_at_most", lambda *_: 2)


def run(*arguments: object) -> Ran:
    """``sharewise …`` in this process."""
    from sharewise.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stopped:  # --help, --version
            code = int(stopped.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def launch(*arguments: object, quick: bool = False, **environment: str) -> Ran:
    """``python -m sharewise …``; ``quick`` as `quicken` does."""
    door = ["-c", _QUICKEN] if quick else ["-m", "sharewise"]
    ended = subprocess.run(
        [sys.executable, *door, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def compare(data: object, *flags: object, targets: str = "a,b", out: object = "out") -> Ran:
    """A small study of a table; later ``flags`` win over the usual ones."""
    return run("compare", data, "--targets", targets, *SMALL, "--out", out, *flags)


def refused(ran: Ran, *words: str) -> None:
    """One clear sentence that holds the words, exit code 2, nothing else."""
    assert ran.code == 2, ran.err
    assert ran.out == ""
    (sentence,) = ran.said()
    assert sentence.startswith("sharewise: ")
    assert "our fault" not in sentence
    assert "Traceback" not in ran.err
    for word in words:
        assert word in sentence


def verdict(out: object = "out") -> dict[str, Any]:
    """``verdict.json``, read as strictly as JSON can be."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    found: dict[str, Any] = json.loads(
        (Path(str(out)) / "verdict.json").read_text("utf-8"), parse_constant=refuse
    )
    return found


def done(ran: Ran, *warned: str, out: object = "out") -> dict[str, Any]:
    """A right run; each of ``warned`` stands in a warning of the run or of its verdict."""
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    found = verdict(out)
    warnings = [*ran.err.splitlines(), *found["warnings"]]
    for word in warned:
        assert any(word in line for line in warnings), (word, warnings)
    return found


def scores(found: Mapping[str, Any]) -> list[tuple[str, str, Any, Any]]:
    """What must not depend on how a table was written: a row a strategy."""
    return [(row["name"], row["family"], row["score"], row["interval"]) for row in found["strategies"]]


def columns(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """A sound wide table: features ``x0``, ``x1``, ``colour``; targets ``a``, ``b``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2)).round(3)
    colour = rng.choice(["red", "green", "blue"], rows)
    a = (x[:, 0] + 0.3 * rng.normal(size=rows)).round(3)
    b = (x[:, 1] + 0.3 * rng.normal(size=rows)).round(3)
    return {"x0": x[:, 0], "x1": x[:, 1], "colour": colour, "a": a, "b": b}


def frame(changed: Mapping[str, Any] | None = None, rows: int = ROWS) -> pd.DataFrame:
    """A sound table with some columns changed, added or (None) left out."""
    held = {**columns(rows), **(changed or {})}
    return pd.DataFrame({name: values for name, values in held.items() if values is not None})


def table(path: object, changed: Mapping[str, Any] | None = None, rows: int = ROWS, **how: Any) -> Path:
    """`frame` as a CSV file."""
    frame(changed, rows).to_csv(str(path), index=False, **how)
    return Path(str(path))
