"""Verdicts on real tables whose answer is known. Slow, and fitted to two cores."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io

import sharewise as sw

pytestmark = pytest.mark.slow


def schools(folder: Path, *, per_school: int) -> pd.DataFrame:
    """The 139 schools as a long table, with so many random pupils of each."""
    cells = scipy.io.loadmat(folder / "school.mat")
    parts = []
    for number, (X, y) in enumerate(zip(cells["X"].ravel(), cells["Y"].ravel(), strict=True)):
        rows = np.random.default_rng(number).permutation(len(X))[:per_school]
        part = pd.DataFrame(X[rows, :-1], columns=[f"f{place}" for place in range(X.shape[1] - 1)])
        parts.append(part.assign(school=f"s{number}", score=y.ravel()[rows]))
    return pd.concat(parts, ignore_index=True)


def plan(monkeypatch: pytest.MonkeyPatch, effort: int, rounds: int) -> None:
    """Rounds that are enough here, and that no clock changes; effort 0 is scouting's."""
    monkeypatch.setattr("sharewise.studies._plan.LADDER", ((effort, rounds),))
    monkeypatch.setattr("sharewise.studies._conduct.rounds_at_most", lambda *_: rounds)


def test_many_small_schools_share(dataset: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    plan(monkeypatch, 0, 4)
    frame = schools(dataset("school_ilea"), per_school=15)
    assert frame["school"].nunique() == 139
    problem = sw.Problem.from_frame(frame, targets=["score"], task="school")
    study = sw.compare(problem, budget=120, families=["linear"], workers=2, quiet=True)
    contrast = study.verdict.details["contrast"]
    assert study.verdict.outcome == "share"
    assert contrast["interval"][0] > 0.03  # published and measured gains lie at 4% and above
    table = study.table().query("task == '(all)'").set_index(["strategy", "family"])
    assert table.loc[("joint", "linear"), "score"] > table.loc[("separate", "linear"), "score"] + 0.05
    found = study.model.predict(frame.head(20))
    assert np.isfinite(found["score"]).all()


def test_noise_beside_a_real_target_is_not_credited() -> None:
    """Two of the twenty seeds of benchmarks/noise.py, on the two quicker families."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True).frame
    outcomes: Counter[str] = Counter()
    for seed in range(2):
        shuffled = np.random.default_rng(seed).permutation(frame["target"])
        problem = sw.Problem.from_frame(frame.assign(noise=shuffled), targets=["target", "noise"])
        study = sw.compare(problem, budget=30, families=["linear", "trees"], seed=seed, workers=1, quiet=True)
        outcomes[study.verdict.outcome] += 1
        assert study.verdict.details["contrast"]["rounds"] >= 2
    assert outcomes["share"] + outcomes["route"] == 0, outcomes


def test_two_loads_of_one_building_do_not_need_each_other(
    dataset: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the energy table boosted trees a target are nearly exact: no verdict to share one model in their place,
    though an ensemble may take shared ones in."""
    plan(monkeypatch, 1, 2)
    frame = pd.read_csv(dataset("energy_efficiency") / "ENB2012.csv")
    problem = sw.Problem.from_frame(frame, targets=["Y1", "Y2"])
    study = sw.compare(problem, budget=60, families=["linear", "trees"], workers=2, quiet=True)
    table = study.table().query("task == '(all)'").set_index(["strategy", "family"])
    assert table.loc[("separate", "trees"), "score"] > 0.9
    assert abs(table.loc[("joint", "trees"), "score"] - table.loc[("separate", "trees"), "score"]) < 0.05
    assert study.verdict.outcome != "share" or study.verdict.choice["strategy"] != "joint"
    assert study.verdict.details["contrast"]["rounds"] >= 2
