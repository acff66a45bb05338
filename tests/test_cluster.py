"""A Dask cluster on loopback, started as the README says: jobs, deaths, newcomers, and whole studies."""

from __future__ import annotations

import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sharewise as sw
from sharewise.errors import OptionError, SharewiseWarning, WorkerError
from sharewise.studies._execution import InProcess, Pool, make_workers
from worker_jobs import (
    fail,
    in_and_out,
    kill_always,
    kill_beside,
    kill_once,
    nap,
    seconds_left,
    square,
    steps,
    studies_kept,
    touch,
    work_seen,
)

pytest.importorskip("distributed", reason="needs the extra 'dask'")

from distributed import Client

from sharewise.studies import _cluster_link, _cluster_roll, _cluster_worker
from sharewise.studies._cluster import Cluster
from sharewise.studies._cluster_worker import Desk, difference, installed, run_job

HERE = Path(__file__).parent


def _never() -> None:
    return None


def _until(happened: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def _frame(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 3))
    Y = (X[:, :1] + X[:, 1:2]) + rng.normal(size=(rows, 2))
    return pd.DataFrame(np.hstack([X, Y]), columns=["a", "b", "c", "y0", "y1"])


def _problem(rows: int) -> sw.Problem:
    return sw.Problem.from_frame(_frame(rows), targets=["y0", "y1"])


@pytest.fixture(scope="module")
def problem() -> sw.Problem:
    return _problem(48)


# --- without a cluster --------------------------------------------------------------------------------------


def test_deadlines_survive_waiting_and_clocks_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The asker's clock shows 1000 less than the worker's."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    desk = Desk(b"", {})
    now = 1100.5
    desk.arrived(100.0)  # half a second on the way
    assert desk.deadline(100.0, 30.0) == pytest.approx(1130.5)
    assert desk.deadline(100.0, None) is None
    now = 1140.0
    desk.arrived(110.0)  # queued for half a minute: its time is told by the first job's offset
    assert desk.deadline(110.0, 25.0) == pytest.approx(1135.5)
    now = 1150.1
    desk.arrived(150.0)  # faster than all before: a better offset
    assert desk.deadline(150.0, 10.0) == pytest.approx(1160.1)


@pytest.fixture
def desk(problem: sw.Problem, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """What a worker keeps of the study "s", in this process."""
    desk = Desk(pickle.dumps(problem), installed())
    worker = SimpleNamespace(plugins={"s": desk}, address="tcp://10.0.0.1:1")
    monkeypatch.setattr(_cluster_worker, "get_worker", lambda: worker)
    return desk


def test_a_process_with_many_threads_runs_one_job_at_a_time(desk: Desk) -> None:
    steps.clear()
    found: list[Any] = []
    job = pickle.dumps(in_and_out)
    threads = [
        threading.Thread(target=lambda: found.append(run_job("s", job, time.monotonic(), None)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert steps == ["in", "out"] * 4
    assert [outcome.result for outcome in found] == [1] * 4, "one torch thread"


def test_a_job_whose_time_is_over_does_not_begin(desk: Desk) -> None:
    job = pickle.dumps(partial(square, 3))
    now = time.monotonic()
    desk.arrived(now)
    assert not run_job("s", job, now - 20.0, 10.0).begun
    assert run_job("s", job, now - 20.0, 60.0).result[:2] == (9, 48)
    forgotten = run_job("another", job, now, None).error
    assert isinstance(forgotten, WorkerError)


def test_other_versions_are_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert difference("x", installed(), installed()) is None
    ours = {"sharewise": "1.0", "Python": "3.13"}
    told = difference("the worker w", {"sharewise": "1.0", "Python": "3.11"}, ours)
    assert told is not None
    for word in ("the worker w", "Python 3.11", "3.13"):
        assert word in told
    monkeypatch.setattr(sw, "__version__", "9.9")  # of the worker, which joined late
    error = run_job("s", pickle.dumps(partial(square, 3)), time.monotonic(), None).error
    assert isinstance(error, WorkerError)
    assert "sharewise 9.9" in str(error)


@pytest.mark.parametrize(
    "given", ["two", "tcp://", "tcp://host", "http://host:8786", "tcp://a b:1", "host:8786", ""]
)
def test_workers_are_a_number_or_an_address(given: str, problem: sw.Problem) -> None:
    with pytest.raises(OptionError, match=r"workers is .*tcp://.*; got"):
        sw.compare(problem, workers=given, quiet=True)


def test_a_scheduler_that_does_not_answer_is_refused_before_anything_is_written(
    problem: sw.Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cluster_link, "REACH", 0.5)
    with pytest.raises(
        OptionError, match=r"scheduler that answers; tcp://127\.0\.0\.1:9 does not.*dask scheduler"
    ):
        sw.compare(problem, workers="tcp://127.0.0.1:9", out=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
    for path, text in ((tmp_path / "none.json", None), (tmp_path / "odd.json", "[1]")):
        if text is not None:
            path.write_text(text)
        with pytest.raises(OptionError, match="scheduler-file"):
            make_workers(problem, str(path))


def test_without_dask_one_sentence_names_the_extra(
    problem: sw.Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sharewise.studies._cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"pip install 'sharewise\[dask\]'"):
        make_workers(problem, "tcp://127.0.0.1:8786")


# --- with one -----------------------------------------------------------------------------------------------


class Loopback:
    """A scheduler and its workers' hosts, each a process group that can be killed as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self._running: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start(
            "scheduler", "--port", "0", "--scheduler-file", str(self.file), "--idle-timeout", "600"
        )
        _until(self._written)
        self.address = str(json.loads(self.file.read_text())["address"])

    def _written(self) -> bool:
        """The scheduler opens its file first and fills it then: one may look in between."""
        try:
            json.loads(self.file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        return True

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])  # for worker_jobs
        settings = {"PYTHONPATH": path, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
        with (self.folder / f"{len(self._running)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | settings,
            )
        self._running.append(process)
        return process

    def host(self) -> subprocess.Popen[bytes]:
        """One more worker, with the nanny that starts it anew when it dies."""
        place = str(self.folder / f"local{len(self._running)}")
        return self._start("worker", self.address, "--nthreads", "1", "--local-directory", place)

    def asked(self, function: Callable[..., Any]) -> dict[str, Any]:
        """What a function says on each worker."""
        with Client(self.address, set_as_default=False) as client:
            return dict(client.run(function, on_error="ignore"))  # one may be dying

    def workers(self) -> set[str]:
        with Client(self.address, set_as_default=False) as client:
            return set(client.nthreads())

    def wait_for(self, count: int) -> None:
        _until(lambda: len(self.workers()) == count)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in reversed(self._running):
            if process.poll() is None:
                self.kill(process)


@pytest.fixture(scope="module")
def loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    with ExitStack() as stack, _cluster_link.quiet():
        found = Loopback(tmp_path_factory.mktemp("dask"))
        stack.callback(found.close)
        for _ in range(2):
            found.host()
        found.wait_for(2)
        yield found


@pytest.fixture
def cluster(loopback: Loopback, problem: sw.Problem) -> Iterator[Cluster]:
    loopback.wait_for(2)
    found = Cluster(problem, str(loopback.file))
    yield found
    found.close()


slow = pytest.mark.slow


@slow
def test_a_cluster_gives_what_one_process_gives(cluster: Cluster, problem: sw.Problem) -> None:
    jobs = [partial(square, value) for value in range(9)]
    here = {place: result[:2] for place, result in InProcess(problem).map(jobs, _never)}
    there = dict(cluster.map(jobs, _never))
    assert here == {place: result[:2] for place, result in there.items()}
    assert os.getpid() not in {result[2] for result in there.values()}
    assert cluster.count == 2
    assert len(set(dict(cluster.map([partial(nap, 0.2)] * 4, _never)).values())) == 2, "both work"
    with pytest.raises(ValueError, match="own fault"):
        list(cluster.map([fail], _never))
    for told in dict(cluster.map([seconds_left] * 4, lambda: 30.0)).values():
        assert told is not None
        assert 20 < told <= 30
    assert list(cluster.map([seconds_left], lambda: 0.0)) == []


@slow
def test_studies_on_one_scheduler_keep_to_themselves(loopback: Loopback, cluster: Cluster) -> None:
    other = Cluster(_problem(60), loopback.address)
    jobs = [partial(square, value) for value in range(6)]
    ours, theirs = cluster.map(jobs, _never), other.map(jobs, _never)
    for (_, mine), (_, yours) in zip(ours, theirs, strict=True):
        assert (mine[1], yours[1]) == (48, 60)
    assert {len(kept) for kept in loopback.asked(studies_kept).values()} == {2}
    other.close()
    _until(lambda: {len(kept) for kept in loopback.asked(studies_kept).values()} == {1})


@slow
def test_who_stops_asking_leaves_the_cluster_alive_and_idle(cluster: Cluster, tmp_path: Path) -> None:
    jobs = [partial(touch, str(tmp_path / str(place)), 0.3) for place in range(30)]
    asked = cluster.map(jobs, _never)
    next(asked)
    asked.close()  # as Ctrl-C does
    begun = len(list(tmp_path.iterdir()))
    assert dict(cluster.map([partial(square, 3)], _never))[0][0] == 9
    assert len(list(tmp_path.iterdir())) <= begun + 2, "what had not begun never does"


@slow
def test_jobs_that_take_their_worker_down(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: it runs again, and nothing else is lost. Again and again: the study ends with a reason."""
    jobs: list[Any] = [partial(square, value) for value in range(6)]
    jobs.insert(1, partial(kill_once, str(tmp_path / "flag")))
    found = list(cluster.map(jobs, _never))
    assert sorted(place for place, _ in found) == list(range(7)), "each exactly once"
    assert dict(found)[1] == "survived"
    monkeypatch.setattr(_cluster_roll, "TELL", 60.0)  # both workers are away until their nannies start others
    with pytest.raises(WorkerError, match=r"one did 2 times.*memory"):  # the scheduler here allows one
        list(cluster.map([kill_always, partial(square, 1)], _never))


@slow
def test_nobody_there_and_a_scheduler_that_goes(
    problem: sw.Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never for ever, and always with a reason."""
    monkeypatch.setattr(_cluster_roll, "TELL", 0.2)
    monkeypatch.setattr(_cluster_roll, "GIVE_UP", 1.5)
    lonely = Loopback(tmp_path)
    cluster = Cluster(problem, lonely.address)
    try:
        assert cluster.count == 1, "a number to divide by"
        with (
            pytest.warns(SharewiseWarning, match="has no workers; waiting"),
            pytest.raises(WorkerError, match=f"dask worker {lonely.address} .*finished trials are kept"),
        ):
            list(cluster.map([partial(square, 1)], _never))
        with pytest.raises(WorkerError, match="has had none"):  # the budget ended before anybody came
            list(cluster.map([partial(square, 1)], lambda: 0.0))
        monkeypatch.setattr(_cluster_roll, "GIVE_UP", 1e9)
        asked = threading.Timer(1.5, lambda: lonely.kill(lonely.scheduler))
        asked.start()
        with pytest.raises(WorkerError, match=f"{lonely.address} was lost.*finished trials are kept"):
            list(cluster.map([partial(square, 1)], _never))
    finally:
        cluster.close()
        lonely.close()


@slow
def test_a_local_worker_that_dies_leaves_the_others_alone(problem: sw.Problem, tmp_path: Path) -> None:
    pool, file = Pool(problem, 2), tmp_path / "file"
    jobs = [partial(kill_beside, str(file)), partial(touch, str(file), 1.0), partial(square, 3)]
    try:
        assert sorted(place for place, _ in pool.map(jobs, _never)) == [0, 1, 2]
    finally:
        pool.close()
    assert file.read_text() == "begun\n", "once"


# --- studies ------------------------------------------------------------------------------------------------


def _study(problem: sw.Problem, out: Path, workers: int | str) -> Any:
    families, strategies = ["linear"], ["separate", "joint"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sharewise.studies._plan.LADDER", ((0, 5),))  # a plan that no clock changes
        return sw.compare(
            problem,
            budget=None,
            out=out,
            workers=workers,
            families=families,
            strategies=strategies,
            quiet=True,
        )


def _told(out: Path) -> dict[str, Any]:
    """The verdict, without what it cost."""
    verdict = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    rows = [{key: row[key] for key in row if key != "cost"} for row in verdict["strategies"]]
    return {key: verdict[key] for key in ("outcome", "choice", "per_task", "contrast")} | {"rows": rows}


def _trials(out: Path) -> dict[str, tuple[Any, ...]]:
    """The ledger's rows by key, with the seconds of each: one that was run again would differ."""
    db = sqlite3.connect(f"file:{out / 'trials.sqlite'}?mode=ro", uri=True, timeout=30)
    try:
        names = [row[1] for row in db.execute("PRAGMA table_info(trials)")]
        return {row[names.index("key")]: row for row in db.execute("SELECT * FROM trials")}
    finally:
        db.close()


@pytest.fixture(scope="module")
def alone(problem: sw.Problem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study in one process."""
    out = tmp_path_factory.mktemp("alone") / "out"
    _study(problem, out, 1)
    return out


def _interrupt(
    monkeypatch: pytest.MonkeyPatch, workers: type, after: int, happening: Callable[[Any], None]
) -> None:
    """Let something happen to the workers once, when ``after`` trials have come back and others run."""
    real, seen = workers.map, 0

    def map_and_interrupt(self: Any, *arguments: Any) -> Iterator[Any]:
        nonlocal seen
        for found in real(self, *arguments):
            seen += 1
            yield found
            if seen == after:
                happening(self)

    monkeypatch.setattr(workers, "map", map_and_interrupt)


@slow
def test_a_study_outlives_a_worker_and_takes_in_another(
    loopback: Loopback, problem: sw.Problem, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept, third = tmp_path / "out", {}, []
    doomed = loopback.host()
    loopback.wait_for(3)
    before = loopback.workers()

    def kill_one_and_start_another(_: Any) -> None:
        kept.update(_trials(out))
        loopback.kill(doomed)
        loopback.host()
        _until(lambda: loopback.workers() - before)
        third.extend(loopback.workers() - before)
        _until(lambda: loopback.asked(studies_kept).get(third[0]))

    monkeypatch.setattr(_cluster_roll, "LOOK", 0.05)
    _interrupt(monkeypatch, Cluster, 7, kill_one_and_start_another)
    _study(problem, out, loopback.address)
    assert len(kept) >= 6
    final = _trials(out)
    assert {key: final[key] for key in kept} == kept, "a finished trial was lost or run again"
    assert set(final) == set(_trials(alone))
    assert _told(out) == _told(alone)
    assert loopback.asked(work_seen)[third[0]] > 0, "the newcomer worked"


@slow
def test_a_study_outlives_a_local_worker(
    problem: sw.Problem, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept = tmp_path / "out", {}

    def kill_one(pool: Any) -> None:
        kept.update(_trials(out))
        os.kill(next(iter(pool._seats[0]._processes)), signal.SIGKILL)

    _interrupt(monkeypatch, Pool, 7, kill_one)
    _study(problem, out, 2)
    assert len(kept) >= 6
    final = _trials(out)
    assert {key: final[key] for key in kept} == kept, "a finished trial was lost or run again"
    assert set(final) == set(_trials(alone))
    assert _told(out) == _told(alone)
