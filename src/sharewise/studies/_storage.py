"""Finished trials on disk: a SQLite file, a row a trial, committed as each one ends.

Every row carries a checksum of its values: SQLite notices a damaged page, not a changed number in it.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sharewise.errors import StorageError
from sharewise.families import Configuration
from sharewise.studies._packing import packed, unpacked
from sharewise.studies._protocol import EFFORTS
from sharewise.studies._trial import Result, Spec

_META = ("key", "value", "checksum")
_TRIALS = (
    "key", "round", "effort", "cap", "strategy", "family", "configuration", "status", "seconds", "fits",
    "steps", "peak_memory_bytes", "size_bytes", "predict_ms_per_1000_rows", "predict_ms_one_row", "message",
    "held_out", "test", "checksum",
)  # fmt: skip
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta ({_META[0]} PRIMARY KEY, {", ".join(_META[1:])}) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trials ({_TRIALS[0]} PRIMARY KEY, {", ".join(_TRIALS[1:])});
"""
"""Columns without a type: SQLite gives back what it was given."""

_NO_ROOM = 1 << 16
"""Free bytes below which a refusal to write means a full disk."""


class TrialStore:
    """The ledger of a study, in a file or (``path`` None) in memory.

    Raises:
        StorageError: The file is damaged, cannot be written, or the disk is full. What it already
            holds is never touched by a failure.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None and path.exists() and not path.is_file():
            raise StorageError(
                f"trials are kept in a file; {path} is none. Move it away, or choose another --out."
            )
        try:
            self._db = sqlite3.connect(":memory:" if path is None else path, timeout=30.0)
        except sqlite3.Error as error:
            raise self._refused(error) from error
        try:
            self._refuse_foreign()
            self._db.executescript(_SCHEMA)
            self._refuse_damaged()
        except sqlite3.Error as error:
            self._db.close()
            raise self._refused(error) from error
        except StorageError:
            self._db.close()
            raise

    def _refuse_foreign(self) -> None:
        """A file of other tables is left as it is."""
        tables = [name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = tuple(row[1] for row in self._db.execute(f'PRAGMA table_info("{table}")'))
            if columns != {"meta": _META, "trials": _TRIALS}.get(table):
                raise StorageError(
                    f"trials are kept in {self.path}, which holds tables of another program or version "
                    f"('{table}'): move it away to start anew, or choose another --out."
                )

    def _refuse_damaged(self) -> None:
        (found,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(str(found).split()))
        for table in ("meta", "trials"):
            for *values, checksum in self._db.execute(f"SELECT * FROM {table}"):
                if _checksum(values) != checksum:
                    raise sqlite3.DatabaseError(f"a row of its table '{table}' does not match its checksum")

    def _refused(self, error: sqlite3.Error) -> StorageError:
        reason = str(error)
        if "locked" in reason:
            hint = "another sharewise is writing there; wait for it or choose another --out"
        elif "full" in reason or self._has_no_room():
            hint = "the disk is full; free some space and run the same command, finished trials are kept"
        elif any(word in reason for word in ("readonly", "unable to open", "disk I/O")):
            hint = "the folder cannot be written; choose another --out"
        else:
            hint = "the file is damaged; move it away to start anew, or choose another --out"
        return StorageError(f"trials are kept in {self.path}, which SQLite refuses ({reason}): {hint}.")

    def _has_no_room(self) -> bool:
        try:
            return self.path is not None and shutil.disk_usage(self.path.parent).free < _NO_ROOM
        except OSError:
            return False

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._db:
                return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def _write(self, table: str, values: tuple[Any, ...]) -> None:
        places = ",".join("?" * (len(values) + 1))
        self._execute(f"INSERT OR REPLACE INTO {table} VALUES ({places})", (*values, _checksum(values)))

    def start_anew(self) -> None:
        """Forget what study this is, if no trial is kept: a first attempt that failed binds nobody."""
        if not self.statuses():
            self._execute("DELETE FROM meta")

    def get(self, key: str) -> Any:
        """A JSON value of the study, or None."""
        rows = self._execute("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value of the study."""
        self._write("meta", (key, json.dumps(value)))

    def add(self, result: Result) -> None:
        """Keep a finished trial."""
        spec = result.spec
        configuration = json.dumps([spec.configuration.learner, spec.configuration.options])
        latencies = result.predict_ms_per_1000_rows, result.predict_ms_one_row
        self._write(
            "trials",
            (
                spec.key, spec.index, spec.effort, spec.cap, spec.strategy, spec.family, configuration,
                result.status, float(result.seconds), int(result.fits), int(result.steps),
                int(result.peak_memory_bytes), int(result.size_bytes),
                *(None if math.isnan(latency) else float(latency) for latency in latencies), result.message,
                packed(result.held_out), packed(result.test),
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
            f"peak_memory_bytes, size_bytes, predict_ms_per_1000_rows, predict_ms_one_row, message, {columns} "
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
            seconds, fits, steps, peak, size, *latencies = numbers
            latency, single = (float("nan") if one is None else float(one) for one in latencies)
            return Result(
                spec, status, seconds, fits, steps, peak, size, latency, message,
                unpacked(held_out), unpacked(test), single,
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
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
        **{
            name: None if math.isnan(value) else value
            for name, value in (
                ("predict_ms_per_1000_rows", result.predict_ms_per_1000_rows),
                ("predict_ms_one_row", result.predict_ms_one_row),
            )
        },
        "message": result.message,
    }


def _checksum(values: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for value in values:
        held = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        digest.update(f"{type(value).__name__} {len(held)} ".encode() + held)
    return digest.hexdigest()
