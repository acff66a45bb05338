"""Finished trials on disk: a SQLite file, a row a trial, committed as each one ends."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from sharewise.errors import StorageError
from sharewise.families import Configuration, Predictions
from sharewise.studies._protocol import EFFORTS
from sharewise.studies._trial import Result, Spec

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    key TEXT PRIMARY KEY, round INTEGER, effort INTEGER, cap INTEGER, strategy TEXT, family TEXT,
    configuration TEXT, status TEXT, seconds REAL, fits INTEGER, steps INTEGER,
    peak_memory_bytes INTEGER, size_bytes INTEGER, predict_ms_per_1000_rows REAL, message TEXT,
    held_out BLOB, test BLOB, finished TEXT DEFAULT CURRENT_TIMESTAMP
);
"""


class TrialStore:
    """The ledger of a study, in a file or (``path`` None) in memory.

    Raises:
        StorageError: The file is damaged, cannot be written, or the disk is full. What it already
            holds is never touched by a failure.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(":memory:" if path is None else path, timeout=30.0)
            self._db.executescript(_SCHEMA)
            if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("quick_check failed")
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def _refused(self, error: sqlite3.Error) -> StorageError:
        reason = str(error)
        if "locked" in reason:
            hint = "another sharewise is writing there; wait for it or choose another --out"
        elif "full" in reason:
            hint = "the disk is full; free some space and run the same command, finished trials are kept"
        elif any(word in reason for word in ("readonly", "unable to open", "disk I/O")):
            hint = "the folder cannot be written; choose another --out"
        else:
            hint = "the file is damaged; move it away to start anew, or choose another --out"
        return StorageError(f"trials are kept in {self.path}, which SQLite refuses ({reason}): {hint}.")

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._db:
                return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def get(self, key: str) -> Any:
        """A JSON value of the study, or None."""
        rows = self._execute("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value of the study."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def add(self, result: Result) -> None:
        """Keep a finished trial."""
        spec = result.spec
        configuration = json.dumps([spec.configuration.learner, spec.configuration.options])
        self._execute(
            "INSERT OR REPLACE INTO trials VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,CURRENT_TIMESTAMP)",
            (
                spec.key, spec.index, spec.effort, spec.cap, spec.strategy, spec.family, configuration,
                result.status, result.seconds, result.fits, result.steps, result.peak_memory_bytes,
                result.size_bytes, result.predict_ms_per_1000_rows, result.message,
                _packed(result.held_out), _packed(result.test),
            ),
        )  # fmt: skip

    def statuses(self) -> dict[str, str]:
        """Every kept trial's key and status."""
        return dict(self._execute("SELECT key, status FROM trials"))

    def results(self, *, index: int | None = None, predictions: bool = True) -> list[Result]:
        """Kept trials in the order they were planned, of one round or all."""
        columns = "held_out, test" if predictions else "NULL, NULL"
        where, values = ("WHERE round = ?", (index,)) if index is not None else ("", ())
        rows = self._execute(
            f"SELECT round, effort, cap, strategy, family, configuration, status, seconds, fits, steps, "
            f"peak_memory_bytes, size_bytes, predict_ms_per_1000_rows, message, {columns} "
            f"FROM trials {where} ORDER BY round, key",
            values,
        )
        return [self._result(row) for row in rows]

    def _result(self, row: tuple[Any, ...]) -> Result:
        index, effort, cap, strategy, family, text, status, *numbers, message, held_out, test = row
        try:
            learner, options = json.loads(text)
            configuration = Configuration(learner, tuple((key, value) for key, value in options))
            spec = Spec(index, effort, cap, strategy, family, configuration)
            seconds, fits, steps, peak, size, latency = numbers
            latency = float("nan") if latency is None else latency
            return Result(
                spec, status, seconds, fits, steps, peak, size, latency, message,
                _unpacked(held_out), _unpacked(test),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, OSError, EOFError) as error:
            raise StorageError(
                f"trials are kept in {self.path}, whose content cannot be read ({error}): the file is "
                "damaged; move it away to start anew, or choose another --out."
            ) from error

    def close(self) -> None:
        self._db.close()


def ledger_line(result: Result) -> dict[str, Any]:
    """A trial as the ledger shows it, JSON-plain."""
    spec = result.spec
    return {
        "round": spec.index + 1,
        "effort": EFFORTS[spec.effort],
        "rows": spec.cap,
        "strategy": spec.strategy,
        "family": spec.family,
        "configuration": str(spec.configuration),
        "status": result.status,
        "seconds": result.seconds,
        "fits": result.fits,
        "steps": result.steps,
        "peak_memory_bytes": result.peak_memory_bytes,
        "size_bytes": result.size_bytes,
        "predict_ms_per_1000_rows": None
        if np.isnan(result.predict_ms_per_1000_rows)
        else result.predict_ms_per_1000_rows,
        "message": result.message,
    }


def _packed(predictions: Predictions) -> bytes:
    target = io.BytesIO()
    np.savez_compressed(target, *[values.astype(np.float32) for values in predictions])
    return target.getvalue()


def _unpacked(blob: bytes | None) -> Predictions:
    if blob is None:
        return []
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        return [archive[f"arr_{place}"].astype(np.float64) for place in range(len(archive.files))]
