"""Seconds to load a model of twenty tasks in a fresh process, beside joblib's load of scikit-learn's own.

    python benchmarks/load.py              # about two minutes
    python benchmarks/load.py --repeats 9

Both sides start a Python that has imported nothing but what was compiled before, as an installation has it. sharewise
reads, checks and builds a model folder; joblib unpickles one scikit-learn pipeline of the same twenty tasks, and executes
what the pickle says. A ratio is joblib's time over sharewise's, of the call with all that it imports; the columns after it
are the same with a first prediction, for which sharewise imports what loading left out. CPU seconds, the median of repeats
taken in turns.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sharewise as sw
from lightgbm import LGBMRegressor
from rich.console import Console
from rich.table import Table as Shown
from sharewise.families import FAMILIES, Configuration, Run, Sample
from sharewise.problems import split
from sharewise.serving import DeployedModel
from sharewise.strategies import STRATEGIES
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TASKS, ROWS, FEATURES = 20, 600, 10
PEERS = {
    ("linear", "ridge"): Ridge(),
    ("trees", "boosting"): LGBMRegressor(n_estimators=100, num_leaves=15, verbose=-1, n_jobs=1),
    ("trees", "extra-trees"): ExtraTreesRegressor(100, min_samples_leaf=4, max_features=0.5),
    ("network", "mlp"): MLPRegressor(hidden_layer_sizes=(64,), max_iter=200),
}
"""By family and learner scikit-learn's nearest, fitted a task each."""
OURS = "import sharewise as sw; {clock}; m = sw.load({path!r})"
THEIRS = "import joblib; {clock}; m = joblib.load({path!r})"
PREDICT = "; import pandas; m.predict(pandas.read_csv({rows!r}))"


def table() -> tuple[pd.DataFrame, list[str], list[str]]:
    """Rows, names of features, names of targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, FEATURES))
    Y = X @ rng.normal(size=(FEATURES, TASKS)) + rng.normal(size=(ROWS, TASKS))
    features, targets = [f"x{i}" for i in range(FEATURES)], [f"y{i}" for i in range(TASKS)]
    return pd.DataFrame(np.hstack([X, Y]), columns=features + targets), features, targets


def stored(folder: Path, family: str, learner: str) -> tuple[Path, Path]:
    """Where sharewise's model and scikit-learn's are."""
    frame, features, targets = table()
    problem = sw.Problem.from_frame(frame, targets=targets)
    rows = np.arange(len(frame))
    sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
    offered = FAMILIES[family].configurations(problem, effort=0, together=False)
    chosen = next((one for one in offered if one.learner == learner), Configuration(learner))
    fit = STRATEGIES["separate"].fit(sample, FAMILIES[family], chosen, Run(0, effort=0))
    ours, theirs = folder / f"{family}-{learner}", folder / f"{family}-{learner}.joblib"
    DeployedModel.of(problem, fit.model, {}).save(ours)
    peer = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), MultiOutputRegressor(PEERS[family, learner])
    )
    joblib.dump(peer.fit(frame[features], frame[targets]), theirs)
    return ours, theirs


def seconds(code: str, compiled: Path) -> float:
    """CPU seconds from the clock's start to the end of the code, in a fresh process."""
    told = (
        f"{code.format(clock='import time; begun = time.process_time()')}; print(time.process_time() - begun)"
    )
    settings = {"PYTHONPYCACHEPREFIX": str(compiled), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", told], capture_output=True, text=True, check=True, env=os.environ | settings
    )  # fmt: skip
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    shown = Shown("model", "ours: load s", "joblib s", "ratio", "with a prediction s", "joblib s", "ratio")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frame, features, _ = table()
        frame[features].head(3).to_csv(folder / "rows.csv", index=False)
        for family, learner in PEERS:
            ours, theirs = stored(folder, family, learner)
            codes = []
            for more in ("", PREDICT.replace("{rows!r}", repr(str(folder / "rows.csv")))):
                for start, path in ((OURS, ours), (THEIRS, theirs)):
                    codes.append(start.replace("{path!r}", repr(str(path))) + more)
            turns = [[seconds(code, folder / "compiled") for code in codes] for _ in range(repeats + 1)]
            load, peer_load, whole, peer_whole = np.median(turns[1:], axis=0)  # the first turn compiles
            shown.add_row(
                f"{family}, {learner}", f"{load:.2f}", f"{peer_load:.2f}", f"{peer_load / load:.1f}",
                f"{whole:.2f}", f"{peer_whole:.2f}", f"{peer_whole / whole:.1f}",
            )  # fmt: skip
    Console(width=110).print(shown)


if __name__ == "__main__":
    main()
