"""Question 'new' from a table to an adapted model: long tables, pools of classes, resumed studies, the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import TensorDataset

import sharewise as sw
from cli_runs import quicken, run
from sharewise.errors import DataError, StorageError
from sharewise.problems import Problem
from sharewise.studies import TrialStore
from sharewise.tasks import Multiclass

FAST: dict[str, Any] = {
    "question": "new",
    "families": ["linear"],
    "budget": "40s",
    "workers": 1,
    "quiet": True,
}


def shops(count: int = 30, rows: int = 24, seed: int = 0) -> pd.DataFrame:
    """Shops whose weights scatter around common ones: one label says next to nothing without the other shops."""
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(count), rows)
    x = rng.normal(size=(len(shop), 4))
    weights = rng.normal([2.0, -1.0, 0.5, 1.0], 0.4, size=(count, 4))[shop]
    sold = 5 + (x * weights).sum(axis=1) + rng.normal(scale=0.5, size=len(shop))
    frame = pd.DataFrame(x, columns=list("abcd"))
    returned = np.where(sold + rng.normal(size=len(sold)) > 5, "yes", "no")
    return frame.assign(shop=[f"shop{code}" for code in shop], sold=sold, returned=returned)


def intents(classes: int = 30, rows: int = 12, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(classes), rows)
    signal = rng.normal(size=(classes, 5))[code] + 0.4 * rng.normal(size=(len(code), 5))
    noise = 3 * rng.normal(size=(len(code), 5))  # what training classes teach to ignore
    names = [*(f"s{place}" for place in range(5)), *(f"n{place}" for place in range(5))]
    return pd.DataFrame(np.hstack([signal, noise]), columns=names).assign(intent=[f"i{c}" for c in code])


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[sw.Study, Path]:
    out = tmp_path_factory.mktemp("new") / "shops"
    problem = Problem.from_frame(shops().drop(columns="returned"), targets=["sold"], task="shop")
    return sw.compare(problem, out=out, shots=[1, 3, 8], **FAST), out


@pytest.mark.slow
def test_sharing_wins_where_a_label_says_little_by_itself(studied: tuple[sw.Study, Path]) -> None:
    study, out = studied
    verdict = study.verdict
    assert verdict.outcome == "share"
    assert verdict.choice.strategy == "meta-learned"
    details = json.loads((out / "verdict.json").read_text())
    assert [shot["k"] for shot in details["shots"]] == [1, 3, 8]
    assert all(shot["outcome"] == "share" for shot in details["shots"])
    by_name = {(line["name"], line["family"]): line for line in details["strategies"]}
    meta, floor = by_name["meta-learned", "linear"]["by_shots"], by_name["constant", "none"]["by_shots"]
    assert [line["score"] for line in meta] == sorted((line["score"] for line in meta), reverse=True)
    assert all(one["score"] < other["score"] for one, other in zip(meta, floor, strict=True))
    assert len({line["cost"]["train_seconds"] is None for line in details["strategies"]}) == 1
    assert {"constant", "neighbours", "separate", "joint", "meta-learned"} <= set(study.table()["strategy"])
    assert (out / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_its_model_adapts_and_leaves_the_others_alone(studied: tuple[sw.Study, Path], tmp_path: Path) -> None:
    study, out = studied
    fresh = shops(count=31, seed=5)
    fresh = fresh[fresh["shop"] == "shop30"].drop(columns=["shop", "returned"])
    model = sw.load(out)
    known = shops().head(100).drop(columns="returned")
    before = model.predict(known)
    adapted = model.adapt(fresh.head(8), task="new shop")
    rest = fresh.iloc[8:]
    error = float(np.sqrt(((adapted.predict(rest)["sold"] - rest["sold"]) ** 2).mean()))
    assert error < 0.6 * float(rest["sold"].std())
    assert model.predict(known).equals(before)
    adapted.save(tmp_path / "small")
    assert sw.load(tmp_path / "small").predict(rest).equals(adapted.predict(rest))
    # The study's own model, never saved, adapts to the same numbers.
    again = study.model.adapt(fresh.head(8), task="new shop")
    assert again.predict(rest)["sold"].to_numpy() == pytest.approx(adapted.predict(rest)["sold"].to_numpy())
    with pytest.raises(DataError, match="Did you mean"):
        model.predict(known.assign(shop="shop3x"))


@pytest.mark.slow
def test_an_interrupted_study_goes_on_and_no_finished_trial_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = Problem.from_frame(shops(12).drop(columns="returned"), targets=["sold"], task="shop")
    given = {**FAST, "shots": [1, 4], "out": tmp_path / "out"}
    add, calls = TrialStore.add, [0]

    def stopping(self: TrialStore, result: Any) -> None:
        add(self, result)
        calls[0] += 1
        if calls[0] == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrialStore, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        sw.compare(problem, **given)
    monkeypatch.undo()
    store = TrialStore(tmp_path / "out" / "trials.sqlite")
    kept = {result.spec.key: result.seconds for result in store.results(predictions=False)}
    store.close()
    assert len(kept) == 9
    first = sw.compare(problem, **given)
    store = TrialStore(tmp_path / "out" / "trials.sqlite")
    after = {result.spec.key: result.seconds for result in store.results(predictions=False)}
    store.close()
    assert all(after[key] == seconds for key, seconds in kept.items())
    second = sw.compare(problem, **given)
    assert second.verdict.outcome == first.verdict.outcome
    assert second.verdict.details["shots"] == first.verdict.details["shots"]
    with pytest.raises(StorageError, match="other shots"):
        sw.compare(problem, **{**given, "shots": [1, 2]})


@pytest.mark.slow
def test_a_pool_of_classes(tmp_path: Path) -> None:
    frame = intents()
    problem = Problem.from_frame(frame, targets=["intent"])
    study = sw.compare(problem, out=tmp_path / "out", shots=[1, 4], ways=3, **FAST)
    assert study.verdict.details["ways"] == 3
    assert study.verdict.outcome in ("share", "route")  # training classes tell signal from noise
    model = sw.load(tmp_path / "out")
    with pytest.raises(sw.SharewiseError, match="adapt"):
        model.predict(frame.head(3))
    fresh = intents(seed=9)
    fresh = fresh[fresh["intent"].isin(["i0", "i1", "i2", "i3"])]
    taught = fresh.groupby("intent").head(4)
    adapted = model.adapt(taught, task="four new ones")
    rest = fresh.drop(taught.index)
    right = (adapted.predict(rest)["intent"].to_numpy() == rest["intent"].to_numpy()).mean()
    assert right > 0.6
    assert adapted.predict_proba(rest).sum(axis=1).to_numpy() == pytest.approx(1.0)
    with pytest.raises(DataError, match="two classes"):
        model.adapt(taught[taught["intent"] == "i0"], task="one class")


@pytest.mark.slow
def test_classes_and_several_targets_over_a_long_table() -> None:
    problem = Problem.from_frame(shops(16), targets=["sold", "returned"], task="shop")
    study = sw.compare(problem, shots=[2, 6], **FAST)
    assert study.verdict.details["metric"]["name"] == "share of the constant's error"
    fresh = shops(count=17, seed=3)
    fresh = fresh[fresh["shop"] == "shop16"]
    model = study.model
    adapted = model.adapt(fresh.head(6), task="shop16")
    assert list(adapted.predict(fresh).columns) == ["sold", "returned"]
    assert set(adapted.predict(fresh)["returned"]) <= {"yes", "no"}
    unseen = fresh.head(6).drop(columns="shop").assign(returned=["yes", "no", "maybe", "yes", "no", "no"])
    with pytest.raises(DataError, match="maybe"):
        model.adapt(unseen, task="another")


@pytest.mark.slow
def test_pictures_through_an_encoder_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    code = np.repeat(np.arange(20), 8)
    shapes = rng.normal(size=(20, 1, 6, 6))
    x = torch.tensor(shapes[code] + 0.5 * rng.normal(size=(160, 1, 6, 6)), dtype=torch.float32)

    def encoder() -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 16))

    classes = Multiclass(tuple(f"c{place}" for place in range(20)))
    problem = Problem.from_datasets({"shape": (TensorDataset(x, torch.tensor(code)), classes)}, encoder())
    given = {**FAST, "families": None, "budget": "15s"}
    sw.compare(problem, out=tmp_path / "out", shots=[1, 3], ways=2, **given)
    model = sw.load(tmp_path / "out", encoder=encoder())
    # New classes come with labels of their own, as a dataset of (x, y).
    some = [place for place in range(160) if code[place] < 3 and place % 8 < 3]
    adapted = model.adapt(TensorDataset(x[some], torch.tensor(code[some])), task="three")
    right = (adapted.predict(x[:24])["shape"].to_numpy() == code[:24]).mean()
    assert right > 0.6


@pytest.mark.slow
def test_models_of_known_tasks_adapt_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    problem = Problem.from_frame(shops(10).drop(columns="returned"), targets=["sold"], task="shop")
    study = sw.compare(
        problem, budget="30s", families=["linear"], workers=1, quiet=True, out=tmp_path / "known"
    )
    fresh = shops(count=11, seed=7)
    fresh = fresh[fresh["shop"] == "shop10"].drop(columns="returned")
    adapted = sw.load(tmp_path / "known").adapt(fresh.head(6), task="shop10")
    rest = fresh.iloc[6:]
    error = float(np.sqrt(((adapted.predict(rest)["sold"] - rest["sold"]) ** 2).mean()))
    assert error < 0.7 * float(rest["sold"].std())
    assert study.verdict.details["protocol"]["question"] == "known"


@pytest.mark.slow
def test_the_command_line_from_csv_to_an_adapted_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shops(14).drop(columns="returned").to_csv("shops.csv", index=False)
    fresh = shops(count=15, seed=2)
    fresh = fresh[fresh["shop"] == "shop14"].drop(columns="returned")
    fresh.head(5).to_csv("support.csv", index=False)
    fresh.iloc[5:].drop(columns="sold").to_csv("new.csv", index=False)
    ran = run(
        "compare", "shops.csv", "--targets", "sold", "--task", "shop", "--question", "new", "--shots", "1,5",
        "--families", "linear", "--budget", "40s", "--workers", "1", "--out", "out", "--quiet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "labels" in ran.out
    assert run("report", "out").code == 0
    ran = run("adapt", "out", "support.csv", "--task", "shop14", "--out", "small")
    assert ran.code == 0, ran.err
    assert run("predict", "small", "new.csv", "--out", "predictions.csv").code == 0
    assert len(pd.read_csv("predictions.csv")) == len(fresh) - 5
