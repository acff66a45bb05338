"""A study in MLflow: a run, and nested in it a run a trial."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

PARAMS = ("strategy", "family", "configuration", "round", "effort", "rows")
COSTS = (
    "seconds",
    "fits",
    "steps",
    "peak_memory_bytes",
    "size_bytes",
    "predict_ms_per_1000_rows",
    "predict_ms_one_row",
)
ENDS = {"done": "FINISHED", "failed": "FAILED", "cut": "KILLED"}
LONGEST = 5_000
"""Characters of a value of a parameter or tag."""
MOST = 1_000
"""Metrics of a run that are sent at once."""


@final
class MLflowStudy:
    """A run of an experiment (the extra ``mlflow``): settings, then trials nested in it, then the verdict with its files.

    Args:
        experiment: Its name; made where there is none.
        uri: Of the tracking server or store, or None for MLflow's own choice (``MLFLOW_TRACKING_URI``).
    """

    def __init__(self, experiment: str = "sharewise", *, uri: str | None = None) -> None:
        from sharewise.training._loggers import fetch, plain_name  # its room imports torch

        self._plain = plain_name
        self._tracking = fetch("mlflow.tracking", "mlflow-skinny", "mlflow")
        self._entities: Any = fetch("mlflow.entities", "mlflow-skinny", "mlflow")
        self._name, self._uri = experiment, uri
        self._client: Any = None
        self._experiment = self.run_id = ""
        self._decided = False

    def begin(self, study: Mapping[str, Any]) -> None:
        self._client = self._tracking.MlflowClient(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(self._name)
        self._experiment = found.experiment_id if found else self._client.create_experiment(self._name)
        self.run_id = self._client.create_run(self._experiment, run_name=str(study["name"])).info.run_id
        self._send(self.run_id, params={key: value for key, value in study.items() if key != "name"})

    def trial(self, line: Mapping[str, Any], scores: Mapping[str, float]) -> None:
        name = f"{line['strategy']} {line['family']}, round {line['round']}"
        tags = {"mlflow.parentRunId": self.run_id}
        run: str = self._client.create_run(self._experiment, run_name=name, tags=tags).info.run_id
        costs = {f"cost/{key}": float(line[key]) for key in COSTS if line[key] is not None}
        kept = {"message": line["message"]} if line["message"] else {}
        self._send(run, params={key: line[key] for key in PARAMS}, metrics={**scores, **costs}, tags=kept)
        self._client.set_terminated(run, status=ENDS.get(line["status"], "FINISHED"))

    def verdict(self, details: Mapping[str, Any], files: Sequence[Path]) -> None:
        metrics: dict[str, float] = {}
        for row in details["strategies"]:
            for key in ("score", "delta", "probability_better"):
                if isinstance(row.get(key), int | float):
                    metrics[f"{key}/{row['name']}/{row['family']}"] = float(row[key])
        told = {key: details[key] for key in ("outcome", "sentence", "choice")}
        self._send(self.run_id, metrics=metrics, tags=told)
        for file in files:
            self._client.log_artifact(self.run_id, str(file))
        if not files:
            self._client.log_dict(self.run_id, json.loads(json.dumps(details)), "verdict.json")
        self._decided = True

    def close(self) -> None:
        if self.run_id:
            self._client.set_terminated(self.run_id, status="FINISHED" if self._decided else "KILLED")

    def _send(
        self, run: str, *, params: Mapping[str, Any] | None = None, metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        now, kinds = int(time.time() * 1000), self._entities
        points = [kinds.Metric(self._plain(key), value, now, 0) for key, value in (metrics or {}).items()]
        self._client.log_batch(
            run,
            metrics=points[:MOST],
            params=[
                kinds.Param(key, _text(value)) for key, value in (params or {}).items() if value is not None
            ],
            tags=[kinds.RunTag(key, _text(value)) for key, value in (tags or {}).items()],
        )
        for start in range(MOST, len(points), MOST):
            self._client.log_batch(run, metrics=points[start : start + MOST])


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:LONGEST]
