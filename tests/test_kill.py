"""``kill -9`` at any moment costs the trials under way and nothing else."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]

PROGRAM = """
import sys
from sharewise.studies import _plan
_plan.LADDER = ((1, 4),)  # a plan that no clock changes
from sharewise.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 4))
    truth = X @ rng.normal(size=(4, 3))
    Y = truth + rng.normal(size=truth.shape)
    path = tmp_path_factory.mktemp("data") / "table.csv"
    header = "a,b,c,d,y0,y1,y2"
    np.savetxt(path, np.hstack([X, Y]), delimiter=",", header=header, comments="", fmt="%.6f")
    return path


def _start(table: Path, out: Path) -> subprocess.Popen[bytes]:
    """The command line in a session of its own, so that its workers can be told from others."""
    arguments = [
        "compare", str(table), "--targets", "y0,y1,y2", "--families", "linear", "--budget", "300s",
        "--workers", "2", "--out", str(out), "--quiet",
    ]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _finish(table: Path, out: Path) -> dict[str, Any]:
    assert _start(table, out).wait(timeout=180) == 0
    found: dict[str, Any] = json.loads((out / "verdict.json").read_text(encoding="utf-8"))
    return found


def _trials(out: Path) -> dict[str, tuple[Any, ...]]:
    """Rows by key, the ledger's own seconds among them: a trial run twice would differ."""
    path = out / "trials.sqlite"
    if not path.exists():
        return {}
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'trials'").fetchone():
            return {}
        names = [row[1] for row in db.execute("PRAGMA table_info(trials)")]
        key = names.index("key")
        return {
            row[key]: row for row in db.execute("SELECT rowid, * FROM trials").fetchall() for row in [row[1:]]
        }
    except sqlite3.OperationalError:  # being written right now
        return {}
    finally:
        db.close()


def _session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                state, _, _, session = (place / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == leader and state != "Z":
                found.append(int(place.name))
    return found


def _until(happened: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def told(verdict: dict[str, Any]) -> dict[str, Any]:
    rows = [{key: row[key] for key in row if key != "cost"} for row in verdict["strategies"]]
    return {key: verdict[key] for key in ("outcome", "choice", "sentence", "per_task", "contrast")} | {
        "rows": rows
    }


def test_killed_at_any_moment_it_ends_with_the_same_verdict(table: Path, tmp_path: Path) -> None:
    whole = _finish(table, tmp_path / "whole")
    total = len(_trials(tmp_path / "whole"))
    assert total > 20
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    out = tmp_path / "killed"
    kept: dict[str, tuple[Any, ...]] = {}
    for attempt, whole_group in enumerate((True, False)):
        process = _start(table, out)
        goal = len(kept) + rng.randrange(1, total // 3)
        assert _until(lambda: len(_trials(out)) >= goal or process.poll() is not None, 120)  # noqa: B023
        assert process.poll() is None, f"it ended before it could be killed (seed {seed}, attempt {attempt})"
        time.sleep(rng.random() * 0.05)
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait(timeout=10)
        assert _until(lambda: not _session(process.pid), 15), "workers end with their parent"  # noqa: B023
        now = _trials(out)
        assert {key: now[key] for key in kept} == kept, f"finished trials changed (seed {seed})"
        kept = now
    resumed = _finish(table, out)
    final = _trials(out)
    assert {key: final[key] for key in kept} == kept, f"a finished trial was run again (seed {seed})"
    assert set(final) == set(_trials(tmp_path / "whole"))
    assert told(resumed) == told(whole), f"another verdict (seed {seed})"
