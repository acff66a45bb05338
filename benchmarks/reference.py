"""A long run of scikit-learn pipelines: does sharing pay on these tables? No sharewise in here.

Run (from the repository root; the same call resumes, finished runs are read from ``--out``)::

    OMP_NUM_THREADS=1 python benchmarks/reference.py --tables slump,edm,jura --repeats 5 --folds 5 \\
        --out reference.jsonl
    OMP_NUM_THREADS=1 python benchmarks/reference.py --tables school:per_school=15 --out reference.jsonl
    python benchmarks/reference.py --tables slump --out reference.jsonl --show     # only what is there

Repeated K-fold. In each training part an inner 3-fold validation chooses

* *separate*: for each target the best of ridge, LightGBM and extra-trees of its own (a long table: the best
  of the three for all tasks, as a dozen rows a task cannot choose);
* *shared*: the best whole model of multi-output extra-trees, chains over ridge, extra-trees and LightGBM,
  multi-task elastic net and reduced-rank ridge (long: pooled ridge, with one-hot tasks, with shrunken
  offsets, and one LightGBM with the task as a category).

Every family of *separate* is in *shared* too, lest the gain be one of family. Still, separate may take
another family for each target and one whole model may not: *routed* therefore takes for each target its
prediction by the shared model that inner validation found best for that target.

Printed for each table, once for shared and once for routed: mean gain over separate in RMSE, its corrected
interval, aRRMSE of both, and what that implies.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import lightgbm
import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray

import peers
import scores
import tables

Array = NDArray[np.float64]

INNER_FOLDS: Final = 3
WIDE_SEPARATE: Final = (
    "ridge_per_target",
    "lightgbm_early_stopping",
    "extra_trees_per_target",
    "extra_trees_per_target_leaf5",
    "mlp_per_target",
)
WIDE_SHARED: Final = (
    "chain_ridge",
    "chain_lightgbm",
    "chain_extra_trees",
    "multitask_elastic_net",
    "reduced_rank_ridge",
    "extra_trees_multi",
    "extra_trees_multi_leaf5",
    "mlp_multi",
)
LONG_SEPARATE: Final = ("ridge_per_task", "lightgbm_per_task", "extra_trees_per_task")
LONG_SHARED: Final = ("ridge_pooled", "ridge_pooled_one_hot", "ridge_pooled_offsets", "lightgbm_pooled")


@dataclass(frozen=True)
class Run:
    """One outer fold: RMSE ``(T,)`` of each target (long: task) of all sides and of the training mean.

    Attributes:
        table: As given on the command line, with its options.
        protocol: What must agree for two runs to stand in one mean.
        chosen_separate: Names, one a target (long: one for all); so ``chosen_routed``.
        chosen_shared: One name.
        seconds: Of separate, and of shared and routed together; inner validation included.
    """

    table: str
    protocol: str
    repeat: int
    fold: int
    separate: list[float]
    shared: list[float]
    routed: list[float]
    floor: list[float]
    chosen_separate: list[str]
    chosen_shared: list[str]
    chosen_routed: list[str]
    seconds: list[float]

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.table, self.protocol, self.repeat, self.fold


# --- choosing and fitting -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Some rows of a table, with what scoring them needs."""

    loaded: tables.Loaded
    names: pd.Index | None

    @classmethod
    def of(cls, loaded: tables.Loaded) -> _Part:
        names = None if loaded.task is None else pd.Index(pd.unique(loaded.frame[loaded.task]))
        return cls(loaded, names)

    def take(self, rows: tables.Rows) -> _Part:
        return _Part(tables.Loaded(self.loaded.frame.iloc[rows], self.loaded.kwargs), self.names)

    def errors(self, prediction: Array) -> Array:
        """RMSE of each target, long: of each task."""
        labels = self.loaded.labels
        if self.names is None:
            return scores.rmse(labels, prediction)
        place = self.names.get_indexer(pd.Index(self.loaded.frame[self.loaded.task]))
        return scores.rmse_by_task(labels[:, 0], prediction[:, 0], place, len(self.names))

    def floor(self, test: _Part) -> Array:
        """Errors of the training mean: of the target, long: of each task's own rows."""
        labels, n_test = self.loaded.labels, len(test.loaded.frame)
        if self.names is None:
            means: Array = np.asarray(np.nanmean(labels, axis=0), np.float64)
            return test.errors(np.tile(means, (n_test, 1)))
        task = self.loaded.task
        by_task = pd.Series(labels[:, 0]).groupby(self.loaded.frame[task].to_numpy()).mean()
        guess = by_task.reindex(test.loaded.frame[task].to_numpy()).fillna(float(labels.mean()))
        return test.errors(np.asarray(guess, np.float64)[:, None])


def candidates(loaded: tables.Loaded) -> tuple[dict[str, peers.Peer], dict[str, peers.Peer]]:
    """Those of the separate side and those of the shared side.

    Raises:
        ValueError: For a classification table, which this reference does not score.
    """
    if loaded.is_classification:
        raise ValueError("the reference scores regression tables only.")
    if loaded.task is not None:
        known = peers.long_regression(loaded.task)
        return {n: known[n] for n in LONG_SEPARATE}, {n: known[n] for n in LONG_SHARED}
    known = peers.regression() | peers.more_regression()
    return {n: known[n] for n in WIDE_SEPARATE}, {n: known[n] for n in WIDE_SHARED}


def inner_errors(pool: Mapping[str, peers.Peer], train: _Part, seed: int) -> Array:
    """Mean RMSE of each candidate by inner validation on the training rows, ``(len(pool), T)``."""
    total: list[list[Array]] = [[] for _ in pool]
    for fit, check in tables.folds(train.loaded, INNER_FOLDS, seed):
        inner, held = train.take(fit), train.take(check)
        for errors, peer in zip(total, pool.values(), strict=True):
            errors.append(held.errors(_predict(peer, inner, held, seed)))
    return np.array([_mean_known(np.array(errors)) for errors in total])


def _mean_known(errors: Array) -> Array:
    """Mean over runs; NaN for a task that no run scored."""
    known = ~np.isnan(errors)
    total = np.where(known, errors, 0.0).sum(axis=0)
    empty = np.full(errors.shape[1], np.nan)
    return np.asarray(np.divide(total, known.sum(axis=0), out=empty, where=known.any(axis=0)), np.float64)


def _predict(peer: peers.Peer, train: _Part, test: _Part, seed: int) -> Array:
    return peer.fit_predict(train.loaded.features, train.loaded.labels, test.loaded.features, seed)


@dataclass(frozen=True)
class _Answer:
    """Predictions ``(n, T)`` and the names of what made them."""

    prediction: Array
    chosen: list[str]


def choose_whole(errors: Array) -> int:
    """Place of the candidate with the least RMSE, each task over the candidates' mean, averaged."""
    scale = errors.mean(axis=0)
    usable = np.isfinite(scale) & (scale > 0)
    return int((errors[:, usable] / scale[usable]).mean(axis=1).argmin())


def whole(pool: Mapping[str, peers.Peer], errors: Array, train: _Part, test: _Part, seed: int) -> _Answer:
    """One candidate for everything."""
    name = list(pool)[choose_whole(errors)]
    return _Answer(_predict(pool[name], train, test, seed), [name])


def by_target(
    pool: Mapping[str, peers.Peer], errors: Array, train: _Part, test: _Part, seed: int, alone: bool
) -> _Answer:
    """Each target by the candidate that was best for it; a long table by one for all.

    Args:
        alone: The candidates fit each target by itself, so that the others need not be fitted.
    """
    if train.names is not None:
        return whole(pool, errors, train, test, seed)
    names, best = list(pool), errors.argmin(axis=0)
    prediction = np.empty((len(test.loaded.frame), len(best)))
    features, labels = train.loaded.features, train.loaded.labels
    for place in np.unique(best):
        mine, peer = best == place, pool[names[place]]
        if alone:
            prediction[:, mine] = peer.fit_predict(features, labels[:, mine], test.loaded.features, seed)
        else:
            prediction[:, mine] = _predict(peer, train, test, seed)[:, mine]
    return _Answer(prediction, [names[place] for place in best])


# --- runs ---------------------------------------------------------------------------------------------


def parse_table(text: str) -> tuple[str, dict[str, Any]]:
    """``school:per_school=15:seed=1`` to a name and options; whole numbers become ``int``."""
    name, *pairs = text.split(":")
    options: dict[str, Any] = {}
    for pair in pairs:
        key, value = pair.split("=", 1)
        options[key] = int(value) if value.lstrip("-").isdigit() else value
    return name, options


def protocol(n_folds: int) -> str:
    """What decides a run's numbers besides table, repeat and fold."""
    versions = f"scikit-learn {sklearn.__version__}, lightgbm {lightgbm.__version__}"
    return f"2: {n_folds} folds, inner {INNER_FOLDS}, {versions}"


def one_run(text: str, loaded: tables.Loaded, n_folds: int, repeat: int, fold: int) -> Run:
    """Both sides on one outer fold."""
    rows, rows_new = tables.folds(loaded, n_folds, seed=repeat)[fold]
    part = _Part.of(loaded)
    train, test = part.take(rows), part.take(rows_new)
    pool_separate, pool_shared = candidates(loaded)
    seed = 1000 * repeat + fold
    start = time.perf_counter()
    errors = inner_errors(pool_separate, train, seed)
    apart = by_target(pool_separate, errors, train, test, seed, alone=True)
    middle = time.perf_counter()
    errors = inner_errors(pool_shared, train, seed)
    together = whole(pool_shared, errors, train, test, seed)
    routed = by_target(pool_shared, errors, train, test, seed, alone=False)
    end = time.perf_counter()
    return Run(
        table=text,
        protocol=protocol(n_folds),
        repeat=repeat,
        fold=fold,
        separate=test.errors(apart.prediction).tolist(),
        shared=test.errors(together.prediction).tolist(),
        routed=test.errors(routed.prediction).tolist(),
        floor=train.floor(test).tolist(),
        chosen_separate=apart.chosen,
        chosen_shared=together.chosen,
        chosen_routed=routed.chosen,
        seconds=[round(middle - start, 2), round(end - middle, 2)],
    )


def read_runs(path: Path, of_protocol: str) -> list[Run]:
    """The runs of one protocol in the file; a last line cut off by a kill does not count.

    Raises:
        ValueError: When another line than the last is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_text().split("\n")
    runs = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(f"{path}, line {number}: not JSON. Remove that line.") from error
            continue
        if record["protocol"] == of_protocol:
            runs.append(Run(**record))
    return runs


def append_run(path: Path, run: Run) -> None:
    """One line more, on disk before this returns; a cut-off last line is first removed."""
    line = (json.dumps(asdict(run)) + "\n").encode()
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


# --- the answer ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """What the runs of a table say of one side, ``shared`` or ``routed``."""

    table: str
    side: str
    n_runs: int
    n_targets: int
    gain: float
    low: float
    high: float
    implied: scores.Implied
    arrmse_separate: float
    arrmse_side: float
    seconds: float
    chosen_separate: str
    chosen_side: str

    def __str__(self) -> str:
        return (
            f"{self.table:22} {self.side:6} {self.n_runs:4} {self.n_targets:4}  {self.gain:+7.2%} "
            f"[{self.low:+7.2%}, {self.high:+7.2%}]  {self.implied:10}  {self.arrmse_separate:.4f} "
            f"{self.arrmse_side:.4f} {self.seconds:7.0f} s  {self.chosen_separate} / {self.chosen_side}"
        )


HEADER: Final = (
    f"{'table':22} {'side':6} {'runs':>4} {'T':>4}  {'gain':>7} {'[95% interval]':20}  {'implies':10}  "
    f"{'aRRMSE':6} {'side':6} {'time':>9}  most chosen: separate / side"
)


def find(runs: list[Run], n_folds: int, side: Literal["shared", "routed"]) -> Finding:
    """The mean over runs, its interval, and what it implies."""
    apart = np.array([run.separate for run in runs], np.float64)
    together = np.array([getattr(run, side) for run in runs], np.float64)
    floor = np.array([run.floor for run in runs], np.float64)
    gain, low, high = scores.corrected_interval(scores.gains(apart, together), 1 / n_folds)
    return Finding(
        table=runs[0].table,
        side=side,
        n_runs=len(runs),
        n_targets=apart.shape[1],
        gain=gain,
        low=low,
        high=high,
        implied=scores.implied(low, high),
        arrmse_separate=scores.relative(apart, floor),
        arrmse_side=scores.relative(together, floor),
        seconds=float(sum(sum(run.seconds) for run in runs)),
        chosen_separate=_most([name for run in runs for name in run.chosen_separate]),
        chosen_side=_most([name for run in runs for name in getattr(run, f"chosen_{side}")]),
    )


def _most(names: list[str]) -> str:
    name, count = Counter(names).most_common(1)[0]
    return f"{name} {count / len(names):.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", default="slump,edm,enb,jura,sf1,school:per_school=15")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("reference.jsonl"), help="JSON lines, appended to")
    parser.add_argument("--show", action="store_true", help="fit nothing, print what --out holds")
    arguments = parser.parse_args()
    done = {run.key: run for run in read_runs(arguments.out, protocol(arguments.folds))}
    print(HEADER, flush=True)
    for text in arguments.tables.split(","):
        name, options = parse_table(text)
        loaded = tables.load(name, **options)
        mine: list[Run] = []
        for repeat in range(arguments.repeats):
            for fold in range(arguments.folds):
                run = done.get((text, protocol(arguments.folds), repeat, fold))
                if run is None and not arguments.show:
                    run = one_run(text, loaded, arguments.folds, repeat, fold)
                    append_run(arguments.out, run)
                if run is not None:
                    mine.append(run)
        if not mine:
            print(f"{text:22} no runs yet", flush=True)
            continue
        print(find(mine, arguments.folds, "shared"), flush=True)
        if loaded.task is None:
            print(find(mine, arguments.folds, "routed"), flush=True)


if __name__ == "__main__":
    main()
