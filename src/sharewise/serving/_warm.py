"""Blank rows through all that adapting runs, so that its first call after loading is as fast as the next ones.

What a first call pays is libraries that are imported when they are needed (the readers of frames, PyTorch where an
adapter is a network) and networks that are built again from their weights.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from sharewise.problems import Column, ColumnKind, Schema, Table, Target
from sharewise.problems._frame import open_frame
from sharewise.strategies.new_tasks._served import Ladder
from sharewise.tasks import Classification

WAYS = 2
"""Classes of the blank task of a pool."""


def warm(schema: Schema, targets: Sequence[Target], ladders: Sequence[Ladder]) -> None:
    """Adapt every adapter to blank rows, and forget what came of it.

    Blank rows may be none that an adapter can serve; whatever it says of them is for real rows to say.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _open_pandas()
        for target, ladder in zip(targets, ladders, strict=True):
            classes = target.kind.width if isinstance(target.kind, Classification) else None
            if classes is not None and schema.level_name is None:
                classes = min(classes, WAYS)
            rows = _blank(schema, max(classes or 0, 2))
            y = np.arange(len(rows), dtype=np.float64)
            for _, adapter in ladder:
                with suppress(Exception):
                    X = adapter.encode(rows)
                    adapter.adapt(X, y, classes).predict(X)


def _open_pandas() -> None:
    """What reading a pandas frame imports, where there can be one."""
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        open_frame(pandas.DataFrame({"x": [0.0]})).cells("x")


def _blank(schema: Schema, rows: int) -> Table:
    columns = zip(schema.features, schema.kinds, strict=True)
    return Table(tuple(_column(schema, name, kind, rows) for name, kind in columns), rows)


def _column(schema: Schema, name: str, kind: ColumnKind, rows: int) -> Column:
    if kind == "tensor":
        return Column(name, kind, np.zeros((rows, *(schema.shape or ())), dtype=schema.dtype))
    if kind in ("category", "text"):
        return Column(name, kind, np.full(rows, None, dtype=object))
    return Column(name, kind, np.zeros(rows))
