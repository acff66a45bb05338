"""Small stored models of every sort, each with rows to predict, for tests of damaged and forged folders."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import onnx_models as cases
from sharewise.families import Run
from sharewise.problems import Problem
from sharewise.serving import DeployedModel, _folder
from sharewise.strategies import BlendModel
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES, TaskSample, serve_known

SORTS = ("linear", "boosted", "forest", "network", "blend", "text", "long", "adapted")


def store(folder: Path) -> None:
    """Save a model of each sort under ``folder``, and rows that it predicts beside it as CSV."""
    frame, worded = cases.table(), cases.table(text=True)
    wide, text, long = cases.problem(frame), cases.problem(worded), cases.problem(frame, long=True)
    linear = cases.fitted(wide, "separate", "linear", "ridge")
    boosted = cases.fitted(wide, "separate", "trees", "boosting")
    network = cases.fitted(wide, "joint", "network", "mlp")
    blend = BlendModel((linear, boosted, network), np.full((4, 1, 3), 1 / 3))
    made: dict[str, DeployedModel] = {
        "linear": cases.deployed(wide, linear),
        "boosted": cases.deployed(wide, boosted),
        "forest": cases.deployed(wide, cases.fitted(wide, "joint", "trees", "extra-trees")),
        "network": cases.deployed(wide, network),
        "blend": cases.deployed(wide, blend),
        "text": cases.deployed(text, cases.fitted(text, "joint", "trees", "boosting")),
        "long": cases.deployed(long, cases.fitted(long, "joint", "trees", "boosting")),
    }
    numbers = frame[["size", "count", "colour", "school", "near"]].dropna(subset="near")
    _adapted(numbers).save(folder / "adapted")
    for sort, model in made.items():
        model.save(folder / sort)
        rows = worded if sort == "text" else frame
        (rows if sort == "long" else rows.drop(columns="school")).head(12).to_csv(
            folder / f"{sort}.csv", index=False
        )
    numbers.head(12).assign(school="s9").to_csv(folder / "adapted.csv", index=False)


def _adapted(frame: pd.DataFrame) -> Any:
    problem = Problem.from_frame(frame, targets="near", task="school")
    (target,) = problem.targets
    assert problem.level is not None
    sample = TaskSample(
        problem.table,
        problem.labels[:, 0],
        problem.level,
        target.kind,
        target.metric,
        problem.level < 2,
        (1, 5),
    )
    strategy = NEW_TASK_STRATEGIES["meta-learned"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapter = strategy.fit(
            sample, "linear", strategy.configurations(sample, "linear", effort=0)[0], Run(0), seconds=0.2
        )
    ladders = (((1, adapter),),)
    model = DeployedModel.of(problem, serve_known(problem, ladders), {}, ladders)
    return model.adapt(frame.head(6).assign(school="s9"), task="s9")


def reseal(folder: Path, change: Callable[[dict[str, Any]], object] = lambda document: None) -> None:
    """Change ``model.json`` and make all checksums right again, as a forger would."""
    document = json.loads((folder / "model.json").read_text())
    del document["sha256"]
    for entry in document["files"]:
        data = (folder / entry["path"]).read_bytes()
        entry.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    change(document)
    (folder / "model.json").write_bytes(_folder._seal(document))
