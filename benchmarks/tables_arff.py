"""Reading ARFF files, the form of Mulan's tables. Nothing to run."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

_ATTRIBUTE = re.compile(r"""@attribute\s+("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+)\s+(.+)""", re.IGNORECASE)
_INSANE = re.compile(r"""[\s"'\[\]{},:\\]""")


def read_arff(path: Path) -> pd.DataFrame:
    """An ARFF file, plain or gzipped, dense or sparse: numeric columns as float64, nominal ones as str.

    scipy's reader keeps quotes in names and refuses sparse rows, hence this one.

    Raises:
        ValueError: On a row of the wrong length, a value that a column does not allow, or names that
            are not unique after cleaning.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        lines = [line.strip() for line in file]
    names: list[str] = []
    nominal: list[tuple[str, ...] | None] = []
    head = next(i for i, line in enumerate(lines) if line.lower().startswith("@data"))
    for line in lines[:head]:
        if match := _ATTRIBUTE.match(line):
            names.append(clean_name(match[1]))
            nominal.append(_nominal_values(match[2]))
    if len(set(names)) != len(names):
        raise ValueError(f"column names must be unique; {path.name} repeats some of {sorted(names)}.")
    body = [line for line in lines[head + 1 :] if line and not line.startswith("%")]
    cells = [_cells(line, nominal) for line in body]
    for number, row in enumerate(cells):
        if len(row) != len(names):
            raise ValueError(f"{path.name}, data row {number}: {len(row)} values for {len(names)} columns.")
    columns: dict[str, Any] = {}
    for j, (name, allowed) in enumerate(zip(names, nominal, strict=True)):
        values = [row[j] for row in cells]
        if allowed is None:
            columns[name] = np.array([np.nan if v == "?" else float(v) for v in values])
            continue
        if strange := set(values) - {*allowed, "?"}:
            raise ValueError(f"{path.name}, column {name}: {sorted(strange)} not in {allowed}.")
        columns[name] = pd.Series([None if v == "?" else v for v in values], dtype="str")
    return pd.DataFrame(columns)


def clean_name(raw: str) -> str:
    """``"'avgp4'l2"`` becomes ``avgp4_l2``: outer quotes off, inner ones an underscore."""
    quoted = len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'"
    name = (raw[1:-1] if quoted else raw).strip().strip("'")
    return _INSANE.sub("_", name)


def _nominal_values(kind: str) -> tuple[str, ...] | None:
    """The allowed values of ``{a, 'b c'}``, None for a number.

    Raises:
        ValueError: For dates, strings and relations, which no table here has.
    """
    kind = kind.strip()
    if kind.startswith("{"):
        return tuple(_split(kind.strip("{}")))
    if kind.lower() in {"numeric", "real", "integer"}:
        return None
    raise ValueError(f"attributes must be numeric or nominal; got {kind!r}.")


def _cells(line: str, nominal: list[tuple[str, ...] | None]) -> list[str]:
    """One data row; in a sparse row what is not named is 0, or a nominal column's first value."""
    if not line.startswith("{"):
        return _split(line)
    row = ["0" if allowed is None else allowed[0] for allowed in nominal]
    for pair in _split(line.strip("{}")):
        place, value = pair.split(maxsplit=1)
        row[int(place)] = value.strip("'\"")
    return row


def _split(line: str) -> list[str]:
    quote = "'" if "'" in line else '"'
    (row,) = csv.reader([line], quotechar=quote, skipinitialspace=True)
    return [cell.strip() for cell in row]
