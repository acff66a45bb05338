"""A user's rows in, a user's columns out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError, SharewiseWarning
from sharewise.problems import Schema, Sentences, Table, Target
from sharewise.problems._hub_dataset import is_hub_dataset
from sharewise.tasks import Array, Classification, Kind, said


def read_rows(
    schema: Schema, frame: object, *, with_levels: bool = True, depth: int = 4
) -> tuple[Table, NDArray[np.intp] | None]:
    """Features, and each row's place in the schema's levels or None, warning of what is odd about them.

    Args:
        schema: How to read.
        frame: What to read.
        with_levels: Whether the task column is read.
        depth: Of the call that a warning points at.

    Raises:
        DataError: Feature columns are missing, a row's task is unknown, or inputs are of another shape or type.
    """
    table, level, notes = schema.read(frame, with_levels=with_levels)
    for note in (*notes, *_unseen(schema, table)):
        warnings.warn(note, SharewiseWarning, stacklevel=depth)
    return table, level


def _unseen(schema: Schema, table: Table) -> list[str]:
    notes = []
    for column in table.of_kind("category"):
        known = schema.seen(column.name)
        if known is None:
            continue
        new = sorted({str(cell) for cell in column.values if cell is not None} - known)
        if new:
            shown = ", ".join(f"'{cell}'" for cell in new[:3]) + (" and more" if len(new) > 3 else "")
            notes.append(
                f"column '{column.name}' holds values never seen in training ({shown}); they count as unknown."
            )
    return notes


def predictions(targets: Sequence[Target], values: Sequence[Array]) -> dict[str, NDArray[Any]]:
    """A column a target, as users write its values; None or NaN where a row's prediction is not known."""
    return {target.name: _decoded(target.kind, found) for target, found in zip(targets, values, strict=True)}


def _decoded(kind: Kind, values: Array) -> NDArray[Any]:
    known = said(values).all(axis=1)
    if not (kind.ragged or isinstance(kind, Classification)) or known.all():
        return kind.decode(values)
    found = np.full(len(values), None, dtype=object)
    found[known] = kind.decode(values[known])
    return found


def check_classes(targets: Sequence[Target]) -> None:
    """Refuse to give probabilities where there are none.

    Raises:
        OptionError: No target is a class.
    """
    if not any(isinstance(target.kind, Classification) for target in targets):
        raise OptionError("predict_proba needs a classification target; all are numbers. Use predict.")


def probabilities(targets: Sequence[Target], values: Sequence[Array]) -> dict[str, NDArray[Any]]:
    """A column ``target=class`` a class of each target that has some.

    Raises:
        OptionError: Two columns would have the same name.
    """
    columns: dict[str, NDArray[Any]] = {}
    for target, found in zip(targets, values, strict=True):
        if isinstance(target.kind, Classification):
            for place, label in enumerate(target.kind.classes):
                name = f"{target.name}={label}"
                if name in columns:
                    raise OptionError(
                        f"columns of probabilities must have different names; two are '{name}'. "
                        "Use predict, or rename the target or its class and compare again."
                    )
                columns[name] = found[:, place]
    return columns


def framed(columns: Mapping[str, NDArray[Any]], like: object, schema: Schema) -> Any:
    """Columns as a frame of the kind of ``like``, with its index where it has one; pandas for arrays and datasets."""
    plain = isinstance(like, np.ndarray | Mapping | Sequence | Sentences) or is_hub_dataset(like)
    if schema.shape is not None or plain:
        import pandas

        return pandas.DataFrame(dict(columns))
    lists = {name: values.tolist() if values.dtype == object else values for name, values in columns.items()}
    if nw.dependencies.is_pandas_dataframe(like):
        import pandas

        return pandas.DataFrame(lists, index=like.index)
    frame = nw.from_native(cast("Any", like), eager_only=True)
    backend = nw.get_native_namespace(frame)
    made = nw.from_dict(lists, backend=backend).to_native()
    index = getattr(like, "index", None)
    if index is not None and hasattr(made, "set_axis"):
        made = made.set_axis(index, axis=0)
    return made
