"""A small mixed table, and models of it by every family and strategy, for the ONNX tests."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

import sharewise as sw
from sharewise.families import FAMILIES, Model, Run, Sample, configuration
from sharewise.serving import DeployedModel
from sharewise.strategies import STRATEGIES
from sharewise.strategies._grouped import of_group

ROWS = 160
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "Straße",
    "naïve",
    "Été",
    "a",
    "I",
    "42",
]


def table(*, text: bool = False) -> pd.DataFrame:
    """Numbers, True and False, dates, words of few and many values, gaps everywhere; numbers and classes to predict."""
    rng = np.random.default_rng(0)
    day = pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D")
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=ROWS),
            "count": rng.integers(0, 9, ROWS).astype(float),
            "colour": rng.choice(["red", "green", "bleu é"], ROWS),
            "flag": rng.random(ROWS) < 0.4,
            "when": pd.Timestamp("2020-01-01") + day,
            "town": rng.choice([f"town {place}" for place in range(80)], ROWS),
            "school": rng.choice(["s1", "s2", "s 3"], ROWS),
        }
    )
    signal = frame["size"] + 2 * (frame["colour"] == "red") + 0.2 * frame["count"]
    noise = rng.normal(size=(4, ROWS))
    frame["near"] = signal + 0.3 * noise[0]
    frame["far"] = 1e4 - 50 * signal + noise[1]
    frame["high"] = np.where(signal + 0.5 * noise[2] > 1.5, "yes", "no")
    frame["grade"] = np.digitize(signal + 0.4 * noise[3], [0.5, 2.0])
    for name in ("size", "colour", "near", "far", "high", "grade"):
        frame[name] = frame[name].mask(rng.random(ROWS) < 0.12)
    if text:
        notes = [" ".join(rng.choice(WORDS, rng.integers(3, 20))) + f" no {row}" for row in range(ROWS)]
        frame["note"] = pd.Series(notes).mask(rng.random(ROWS) < 0.1)
    return frame


def problem(frame: pd.DataFrame, *, long: bool = False, grade: str = "multiclass") -> sw.Problem:
    """Four targets, wide; or each of them for three schools."""
    return sw.Problem.from_frame(
        frame if long else frame.drop(columns="school"),
        targets=["near", "far", "high", "grade"],
        kinds={"high": "binary", "grade": grade},
        task="school" if long else None,
    )


def sample(of: sw.Problem) -> Sample:
    """All rows in three inner folds."""
    parts = np.array_split(np.random.default_rng(1).permutation(len(of)), 3)
    folds = tuple((np.setdiff1d(np.arange(len(of)), part), np.sort(part)) for part in parts)
    return Sample.of(of, np.arange(len(of)), folds)


def fitted(of: sw.Problem, strategy: str, family: str, learner: str) -> Model:
    """A model by a strategy in a family, at the least effort."""
    options = {"trees": {"boosting": {"leaves": 6}}}.get(family, {}).get(learner, {})
    wanted = configuration(learner, **options)
    if strategy == "grouped":
        levels = 1 if of.levels is None else len(of.levels)
        wanted = of_group(wanted, [0, levels, 2 * levels, 3 * levels])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return STRATEGIES[strategy].fit(sample(of), FAMILIES[family], wanted, Run(0, effort=0)).model


def deployed(of: sw.Problem, model: Model) -> DeployedModel:
    """The model with its schema and targets."""
    return DeployedModel.of(of, model, {})
