"""Families compared where nothing shares: the cheap one serves where it keeps up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.cli import main
from sharewise.errors import DataError
from sharewise.families import Configuration
from sharewise.problems import Problem
from sharewise.studies import CONSTANT, Candidate, Protocol, Recipe
from sharewise.verdicts import Conclusion, conclude

FLOOR = Recipe(CONSTANT, "none", Configuration("mean"))
CHEAP = Recipe("separate", "linear", Configuration("ridge"))
DEAR = Recipe("separate", "network", Configuration("mlp"))
RECIPES = (FLOOR, CHEAP, DEAR)


def _frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    return pd.DataFrame(x, columns=["a", "b"]).assign(spam=x[:, 0] + rng.normal(size=80) > 0)


def _decided(loss: float, noise: float, latency: float = 1.0) -> Conclusion:
    """The dear model errs by 1, the cheap one by ``1 + loss``, more or less by round."""
    rounds = []
    for index in range(5):
        wiggle = noise * (index - 2) / 2
        rows = []
        for recipe, error, speed in (
            (FLOOR, 2.0, 0.01),
            (CHEAP, 1 + loss + wiggle, latency),
            (DEAR, 1.0, 10.0),
        ):
            weights = np.array([[float(other == recipe) for other in RECIPES]])
            inner = {FLOOR: 1.0, CHEAP: 0.7, DEAR: 0.6}[recipe]
            rows.append(
                Candidate(
                    recipe.strategy,
                    recipe.family,
                    False,
                    RECIPES,
                    weights,
                    inner,
                    np.array([error]),
                    1.0,
                    3,
                    10,
                    100,
                    2.0,
                    1000,
                    speed,
                )
            )
        rounds.append(rows)
    problem = Problem.from_frame(_frame().assign(spam=_frame()["a"] * 2 + 1), targets=["spam"])
    protocol = Protocol("known", 0, ("separate",), ("linear", "network"))
    return conclude(problem, protocol, rounds, overlap=0.25, unfinished={}, context={})


@pytest.mark.parametrize(
    ("loss", "noise", "outcome", "serves"),
    [
        (0.0, 0.002, "equivalent", CHEAP),
        (-0.1, 0.002, "equivalent", CHEAP),
        (0.1, 0.002, "separate", DEAR),
        (0.01, 0.2, "undecided", DEAR),
    ],
)
def test_the_cheap_family_serves_where_it_keeps_up(loss, noise, outcome, serves) -> None:
    found = _decided(loss, noise)
    assert (found.verdict.outcome, found.recipes) == (outcome, (serves,))
    assert "1 ms a row" in found.verdict.sentence
    assert "10 ms a row" in found.verdict.sentence


def test_the_best_that_is_also_the_fastest_has_no_rival() -> None:
    found = _decided(0.1, 0.002, latency=20.0)
    assert (found.verdict.outcome, found.recipes) == ("separate", (DEAR,))
    assert "also the cheapest" in found.verdict.sentence


def test_a_single_task_is_compared_when_asked_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "spam.csv"
    _frame().to_csv(table, index=False)
    out = tmp_path / "run"
    common = [
        "compare",
        str(table),
        "--targets",
        "spam",
        "--families",
        "linear",
        "--budget",
        "60s",
        "--quiet",
    ]
    common += ["--workers", "1", "--out", str(out)]
    assert main([*common, "--strategies", "separate"]) == 0
    assert sw.load(out).predict(_frame().head(3)).shape == (3, 1)
    capsys.readouterr()
    assert main([*common[:-1], str(tmp_path / "other")]) == 2
    told = capsys.readouterr().err
    assert "at least two tasks; got 1 ('spam')" in told
    assert "--strategies separate" in told
    with pytest.raises(DataError, match="at least two tasks"):
        sw.compare(Problem.from_frame(_frame(), targets=["spam"]), budget="60s", quiet=True)
