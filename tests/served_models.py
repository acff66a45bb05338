"""Small fitted models to serve, and a server of them in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sharewise.families import FAMILIES, Model, Predictions, Run, Sample
from sharewise.problems import Problem, Table, split
from sharewise.serving import DeployedModel
from sharewise.strategies.new_tasks._served import serve_known
from stub_adapters import ladder, letters, schools

SENTENCE = "Share: one model for all, by a test of the page."

SCORES: dict[str, Any] = {
    "size": {
        "labels": 90,
        "metric": "rmse",
        "decision": "gains",
        "choice": {"strategy": "joint", "family": "linear"},
        "delta": 0.1,
        "interval": [0.02, 0.18],
        "scores": {"constant": 2.0, "separate": 0.3, "shared": 0.25},
        "served": {"score": 0.25, "removed": 0.875, "interval": [0.8, 0.95]},
    },
    "species": {"metric": "log_loss", "choice": {"strategy": "separate", "family": "linear"}, "delta": None},
}
"""Of two tasks, as a card has them."""


def flowers(rows: int = 90, seed: int = 0) -> pd.DataFrame:
    """A table with every kind of field: numbers, true or false, words, dates, text; targets ``size`` and ``species``."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2)).round(3)
    frame = pd.DataFrame({"length": x[:, 0], "width": x[:, 1]})
    frame["wild"] = rng.random(rows) < 0.5
    frame["colour"] = rng.choice(["red", "green", "blue"], rows)
    frame["picked"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(rng.integers(0, 60, rows), unit="D")
    frame["size"] = (2 * x[:, 0] + 0.2 * rng.normal(size=rows)).round(3)
    return frame.assign(
        species=np.where(x[:, 1] > 0.5, "setosa", np.where(x[:, 1] < -0.5, "iris", "virginica"))
    )


@cache
def wide(family: str = "linear") -> DeployedModel:
    """All tasks together, in one family's first configuration."""
    problem = Problem.from_frame(flowers(), targets=["size", "species"])
    return fitted(problem, family)


def long() -> DeployedModel:
    """Schools' scores, for schools to come too: fresh, since adapting changes it."""
    problem = Problem.from_frame(schools().drop(columns="passed"), targets="score", task="school")
    ladders = (ladder(problem),)
    return DeployedModel.of(problem, serve_known(problem, ladders), card(), ladders)


def pool() -> DeployedModel:
    """A pool of letters, whose tasks are all yet to come."""
    problem = Problem.from_frame(letters(), targets="letter")
    return DeployedModel.of(problem, None, card(), (ladder(problem, 3),))


def card() -> dict[str, Any]:
    return {"verdict": {"sentence": SENTENCE, "outcome": "share"}, "warnings": []}


@dataclass(frozen=True)
class Brightness(Model):
    """Each picture's mean and deviation, which tell pictures apart."""

    def predict(self, table: Table, level: Any) -> Predictions:
        (column,) = table.columns
        flat = column.values.reshape(len(table), -1)
        return [flat.mean(axis=1, keepdims=True), flat.std(axis=1, keepdims=True)]


def seen_by_brightness() -> DeployedModel:
    """A model of colour pictures of 6 × 8 pixels."""
    pictures = list(np.random.default_rng(0).integers(0, 255, (20, 6, 8, 3)).astype(np.uint8))
    labels = {name: (list(range(20)), "regression") for name in ("bright", "contrast")}
    problem = Problem.from_pictures(pictures, labels, size=(6, 8))
    return DeployedModel.of(problem, Brightness(), card())


def files(folder: Path) -> list[Path]:
    """Pictures of several forms: colour, grey, a palette with a clear colour, 16 bits, a turned JPEG."""
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    pixels = np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    colour, turned = Image.fromarray(pixels), Image.Exif()
    turned[0x0112] = 6
    made: dict[str, tuple[Any, dict[str, Any]]] = {
        "colour.png": (colour, {}),
        "grey.jpg": (colour.convert("L"), {"quality": 80}),
        "palette.png": (colour.convert("P"), {"transparency": 3}),
        "deep.png": (Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 200), {}),
        "turned.jpg": (Image.fromarray(pixels.repeat(8, axis=0)), {"exif": turned, "progressive": True}),
    }
    for name, (picture, options) in made.items():
        picture.save(folder / name, **options)
    return [folder / name for name in made]


def fitted(problem: Problem, family: str) -> DeployedModel:
    """All tasks of a problem together, by one family's first configuration."""
    rows = np.arange(len(problem))
    sample = Sample.of(problem, rows, split(problem, rows, folds=2, seed=0))
    chosen = FAMILIES[family]
    (configuration, *_) = chosen.configurations(problem, effort=0, together=True)
    return DeployedModel.of(problem, chosen.together(sample, configuration, Run(0, effort=0)).model, card())


def records(frame: pd.DataFrame, *, drop: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """A frame's rows as JSON has them: dates in ISO, gaps as None."""
    plain = frame.drop(columns=list(drop)).copy()
    for name in plain.select_dtypes("datetime").columns:
        plain[name] = plain[name].dt.strftime("%Y-%m-%d")
    rows: list[dict[str, Any]] = plain.astype(object).where(plain.notna(), None).to_dict("records")
    return rows


@contextmanager
def running(folder: Path, *flags: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``sharewise serve`` in a process of its own on a free port: the process and its address."""
    command = [sys.executable, "-m", "sharewise", "serve", str(folder), "--port", "0", *map(str, flags)]
    import os

    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    try:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if " serves http://" in line:
                yield process, line.split(" serves ")[1].split()[0]
                break
        else:
            raise AssertionError("".join(said))
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
