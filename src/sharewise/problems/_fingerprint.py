"""One short text that stands for a problem's data."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._encoder import encoder_digest
from sharewise.problems._problem import Problem
from sharewise.problems._table import Table
from sharewise.tasks import Classification


def fingerprint(problem: Problem) -> str:
    """SHA-256 of features, labels, tasks, levels, groups and times, of rows without a label, and of the encoder.

    Equal data give equal text, in any process; a changed cell gives another, as does an encoder of other
    structure or weights. Metrics and notes do not count: they say how the data are judged, not what they are.
    """
    digest = hashlib.sha256()
    _add_plain(digest, ["sharewise problem", 1, len(problem)])
    _add_table(digest, problem.table)
    for target in problem.targets:
        classes = target.kind.classes if isinstance(target.kind, Classification) else ()
        _add_plain(digest, [target.name, target.kind.name, [[type(c).__name__, c] for c in classes]])
        if target.kind.ragged:
            _add_plain(digest, repr(target.kind))
    _add_array(digest, problem.labels)
    _add_plain(digest, [[task.name, task.target, task.level] for task in problem.tasks])
    _add_plain(digest, [problem.level_name, problem.levels])
    for held in (problem.level, problem.group, problem.time):
        _add_plain(digest, held is not None)
        if held is not None:
            _add_array(digest, held.astype(np.float64))
    for cells in problem.answers:
        _add_plain(digest, cells is not None)
        for cell in () if cells is None else cells:
            _add_plain(digest, None if cell is None else [cell.dtype.str, cell.shape])
            digest.update(b"" if cell is None else np.ascontiguousarray(cell).data)
    if problem.unlabelled is not None:
        _add_table(digest, problem.unlabelled)
    if problem.encoder is not None:
        _add_plain(digest, encoder_digest(problem.encoder))
    return digest.hexdigest()


def _add_table(digest: Any, table: Table) -> None:
    for column in table:
        _add_plain(digest, [column.name, column.kind])
        if column.kind in ("number", "date"):
            _add_array(digest, column.values.astype(np.float64))
        elif column.kind == "tensor":
            _add_plain(digest, [column.values.dtype.str, column.values.shape])
            digest.update(np.ascontiguousarray(column.values).data)
        else:
            _add_plain(digest, column.values.tolist())


def _add_plain(digest: Any, value: object) -> None:
    text = json.dumps(value, ensure_ascii=True).encode()
    digest.update(len(text).to_bytes(8, "little") + text)


def _add_array(digest: Any, values: NDArray[np.float64]) -> None:
    plain = np.where(np.isnan(values), np.nan, values) + 0.0  # one NaN, one zero
    digest.update(np.ascontiguousarray(plain, dtype="<f8").tobytes())
