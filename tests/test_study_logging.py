"""A study that is followed: every trial with its scores, then the verdict; and a log that fails harms no study."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from cli_runs import quicken
from sharewise.errors import OptionError, SharewiseWarning
from sharewise.studies import Plan, Protocol, Scores, StudyLog, make_round, run_trial, specs_for

FAST: dict[str, Any] = {
    "strategies": ["separate", "joint"], "families": ["linear"], "budget": "30s", "workers": 1, "quiet": True
}  # fmt: skip


class Recorder:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.study: dict[str, Any] = {}
        self.trials: list[tuple[dict[str, Any], dict[str, float]]] = []
        self.details: dict[str, Any] = {}
        self.files: list[str] = []
        self.closed = 0

    def begin(self, study: Mapping[str, Any]) -> None:
        self.study = json.loads(json.dumps(study))

    def trial(self, line: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        self.trials.append((json.loads(json.dumps(line, allow_nan=False)), dict(scores)))

    def verdict(self, details: Mapping[str, Any], files: Sequence[Path]) -> None:
        self.details, self.files = dict(details), [file.name for file in files if file.is_file()]

    def close(self) -> None:
        self.closed += 1


class Broken(Recorder):
    def trial(self, line: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        if len(self.trials) == 2:
            raise ConnectionError("no answer\nfrom http://10.0.0.1")
        super().trial(line, scores)


def problem() -> sw.Problem:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3))
    frame = pd.DataFrame(x, columns=list("pqr"))
    frame["a"], frame["b"] = x[:, 0] + rng.normal(size=80), x[:, 1] > rng.normal(size=80)
    frame.loc[::5, "a"] = np.nan
    return sw.Problem.from_frame(frame, targets=["a", "b"])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Path, sw.Study]:
    out, recorder = tmp_path_factory.mktemp("runs") / "ab", Recorder()
    patch = pytest.MonkeyPatch()
    quicken(patch)
    with pytest.warns(SharewiseWarning) as warned:
        study = sw.compare(problem(), out=out, log=[Broken(), recorder], **FAST)
    patch.undo()
    (told,) = [str(one.message) for one in warned]
    assert told == (
        "a log must take what it is told; Broken did not (ConnectionError: no answer from http://10.0.0.1). "
        "The study is whole without it."
    )
    return recorder, out, study


def test_every_trial_is_told_with_its_costs(followed: tuple[Recorder, Path, sw.Study]) -> None:
    recorder, _, study = followed
    told = pd.DataFrame([line for line, _ in recorder.trials])
    order = ["effort", "round", "rows", "strategy", "configuration"]
    pd.testing.assert_frame_equal(
        told.sort_values(order, ignore_index=True), study.ledger().sort_values(order, ignore_index=True)
    )
    assert recorder.study["name"] == "ab"
    assert recorder.study["strategies"] == ["separate", "joint"]
    assert recorder.study["metrics"].keys() == {"a", "b"}
    assert recorder.details["sentence"] == study.verdict.sentence
    assert recorder.files == ["verdict.json", "report.html"]
    assert recorder.closed == 1


def test_scores_are_the_metrics_of_held_out_and_of_test_rows(
    followed: tuple[Recorder, Path, sw.Study],
) -> None:
    recorder, _, study = followed
    for line, scores in recorder.trials:
        assert line["status"] == "done"
        assert scores.keys() == {
            f"{side}/{t.metric.name}/{t.name}" for side in ("inner", "test") for t in study.problem.targets
        }
    mine = study.problem
    protocol = Protocol("known", 0, ("separate", "joint"), ("linear",))
    plan = Plan(0, 1)
    spec = specs_for(mine, protocol, plan, 0)[1]
    result = run_trial(mine, protocol, spec, None)
    around = make_round(mine, protocol, plan, 0)
    known = ~np.isnan(mine.labels[around.test, 0])
    by_hand = np.sqrt(np.mean((result.test[0][known, 0] - mine.labels[around.test[known], 0]) ** 2))
    found = Scores(mine, protocol).of(result)
    assert mine.targets[0].metric.name == "rmse"
    assert found["test/rmse/a"] == pytest.approx(by_hand)
    seen = ~np.isnan(mine.labels[around.train, 0])
    inner = np.sqrt(np.mean((result.held_out[0][seen, 0] - mine.labels[around.train[seen], 0]) ** 2))
    assert found["inner/rmse/a"] == pytest.approx(inner)


def test_a_call_that_resumes_tells_all_trials_again(
    followed: tuple[Recorder, Path, sw.Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, out, _ = followed
    quicken(monkeypatch)
    again = Recorder()
    sw.compare(problem(), out=out, log=again, **FAST)

    def keys(recorder: Recorder) -> list[tuple[Any, ...]]:
        kept = [
            (line["round"], line["strategy"], line["configuration"], line["effort"], scores)
            for line, scores in recorder.trials
        ]
        return sorted(kept, key=str)

    assert [key[:4] for key in keys(again)] == [key[:4] for key in keys(first)]
    for (*_, one), (*_, other) in zip(keys(again), keys(first), strict=True):
        assert one == pytest.approx(other, rel=1e-5)  # predictions are kept in single precision


def test_new_tasks_are_scored_by_number_of_labels() -> None:
    from sharewise.families import Configuration
    from sharewise.studies import Result, Spec

    long = sw.Problem.from_frame(
        {"x": np.arange(40.0) % 7, "y": np.arange(40.0) % 5, "t": [f"t{i % 4}" for i in range(40)]}, targets=["y"], task="t"
    )  # fmt: skip
    protocol = Protocol("new", 0, ("separate",), ("linear",), shots=(1, 5))
    spec = Spec(0, 1, None, "separate", "linear", Configuration("ridge"))
    tests = [np.zeros((2, 3)), np.array([[1.0, 3.0, np.nan], [np.nan] * 3]), np.array([0.1, 2.0, 0.3])]
    result = Result(spec, "done", 1.0, 1, 1, 1, 1, 1.0, None, [np.array([4.0, 2.0])], tests)
    assert Scores(long, protocol).of(result) == {
        "inner/error/y/1 labels": 4.0, "inner/error/y/5 labels": 2.0, "test/rmse/y/1 labels": 2.0,
    }  # fmt: skip


def test_a_log_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Recorder):
        def begin(self, study: Mapping[str, Any]) -> None:
            time.sleep(3.0)

    monkeypatch.setattr("sharewise.studies._log.PATIENCE", 0.1)
    log = StudyLog([Slow()])
    began = time.monotonic()
    log.begin({"name": "a"})
    with pytest.warns(SharewiseWarning, match=r"did not take everything within 0\.1 s"):
        log.close()
    assert time.monotonic() - began < 2.0


def test_a_log_is_named_or_given(tmp_path: Path) -> None:
    for log, words in {
        "mlflw": "a log is one of mlflow, tensorboard, or a logger; got 'mlflw'. Did you mean 'mlflow'?",
        "tensorboard": "is written beside a study's results",
        3: "has begin, trial, verdict and close",
        Recorder: "has begin, trial, verdict and close",
    }.items():
        with pytest.raises(OptionError) as caught:
            sw.compare(problem(), log=log, **FAST)
        assert words in str(caught.value)
    with pytest.raises(OptionError, match="a log is one of"):
        sw.compare(problem(), log=["mlflow", "x"], out=tmp_path / "none", **FAST)
    assert not (tmp_path / "none").exists()


def _told(tmp_path: Path, logger: Any) -> None:
    """A study's worth of calls: two trials, one of them failed, and the verdict."""
    line = {
        "round": 1, "effort": "quick", "rows": None, "strategy": "joint", "family": "linear", "configuration": "ridge",
        "status": "done", "seconds": 0.5, "fits": 3, "steps": 0, "peak_memory_bytes": 1000, "size_bytes": 10,
        "predict_ms_per_1000_rows": 0.1, "predict_ms_one_row": None, "message": None,
    }  # fmt: skip
    details = {
        "outcome": "share", "sentence": "Share.", "choice": {"strategy": "joint"}, "because": ["It is better."],
        "strategies": [{"name": "joint", "family": "linear", "score": 0.5, "delta": 0.1, "probability_better": None}],
    }  # fmt: skip
    (tmp_path / "verdict.json").write_text(json.dumps(details))
    logger.begin({"name": "a study", "seed": 0, "families": ["linear"]})
    logger.trial(line, {"test/rmse/price (€)": 2.5})
    logger.trial({**line, "status": "failed", "message": "ValueError: no"}, {})
    logger.verdict(details, [tmp_path / "verdict.json"])
    logger.close()


@pytest.mark.slow
def test_tensorboard_has_a_row_a_trial(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name in ("a study", "a study 2"):  # the second call does not write among the first's files
        _told(tmp_path, sw.studies.TensorBoardStudy(tmp_path / "tb"))
        assert {p.name for p in (tmp_path / "tb" / name).iterdir() if p.is_dir()} == {
            "trial 0001",
            "trial 0002",
        }
    events = EventAccumulator(str(tmp_path / "tb" / "a study" / "trial 0001")).Reload()
    assert events.Scalars("test/rmse/price (€)")[0].value == 2.5
    assert events.Scalars("cost/seconds")[0].value == 0.5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own database
def test_mlflow_nests_trials_in_the_study(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("sharing", artifact_location=(tmp_path / "artifacts").as_uri())
    logger = sw.studies.MLflowStudy("sharing", uri=uri)
    _told(tmp_path, logger)
    runs = {run.info.run_id: run for run in client.search_runs([experiment])}
    parent = runs.pop(logger.run_id)
    assert parent.data.params == {"seed": "0", "families": '["linear"]'}
    assert parent.data.tags["outcome"] == "share"
    assert parent.data.metrics["delta/joint/linear"] == 0.1
    assert parent.info.status == "FINISHED"
    assert [file.path for file in client.list_artifacts(logger.run_id)] == ["verdict.json"]
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {logger.run_id}
    by_status = {run.info.status: run.data for run in runs.values()}
    assert by_status["FINISHED"].metrics["cost/seconds"] == 0.5
    assert by_status["FINISHED"].metrics["test/rmse/price ___"] == 2.5
    assert by_status["FINISHED"].params["strategy"] == "joint"
    assert by_status["FAILED"].tags["message"] == "ValueError: no"


def test_an_extra_that_is_missing_is_said_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(OptionError, match=r"pip install 'sharewise\[mlflow\]'"):
        sw.compare(problem(), log="mlflow", out=tmp_path / "out", **FAST)
    assert not (tmp_path / "out").exists()
