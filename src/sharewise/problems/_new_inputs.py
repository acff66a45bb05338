"""Tensors to predict, read as those of the problem were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._items import array_of, is_tensor, item_of


def read_inputs(given: object, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """``(N, *shape)`` in ``dtype`` from an array or tensor of that shape, or from a dataset of ``x`` or ``(x, y)``.

    Raises:
        DataError: It is neither, empty, or of another shape or type.
    """
    if is_tensor(given):
        inputs = array_of(given, "what is given")
        if inputs.shape == shape:
            raise DataError(
                f"inputs to predict have an axis of rows before their shape {shape}; got one input alone. "
                "Give x[None]."
            )
        if inputs.shape[1:] != shape or inputs.ndim == 0:
            raise DataError(
                f"inputs to predict have the shape (N, {', '.join(map(str, shape))}); got {inputs.shape}. "
                "Bring inputs like those of the problem's datasets."
            )
    else:
        inputs = _of_dataset(given, shape)
    if len(inputs) == 0:
        raise DataError("there must be inputs to predict; got none. Check how they were read or filtered.")
    _refuse_type(inputs, dtype)
    return inputs


def _of_dataset(dataset: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    if (
        isinstance(dataset, Mapping | str)
        or hasattr(dataset, "columns")
        or not hasattr(dataset, "__getitem__")
    ):
        _refuse_form(dataset)
    try:
        size = len(dataset)
    except (TypeError, NotImplementedError):
        _refuse_form(dataset)
    inputs: NDArray[Any] = np.empty((0, *shape))
    for place in range(size):
        where = f"item {place}"
        item = item_of(dataset, place, where)
        x = array_of(item[0] if isinstance(item, tuple | list) and item else item, where)
        if x.shape != shape:
            raise DataError(
                f"inputs to predict have the shape {shape} of the problem's; {where} has {x.shape}. "
                "Resize, crop or pad in the dataset."
            )
        if place == 0:
            inputs = np.empty((size, *shape), dtype=x.dtype)
        _refuse_type(x, inputs.dtype.name)
        inputs[place] = x
    return inputs


def _refuse_form(given: object) -> NoReturn:
    raise DataError(
        "this model predicts from an array or tensor of inputs, or from a map-style dataset of x or (x, y); "
        f"got a {type(given).__name__}."
    )


def _refuse_type(inputs: NDArray[Any], dtype: str) -> None:
    if inputs.dtype.name != dtype:
        raise DataError(
            f"inputs to predict are of the problem's type, {dtype}; got {inputs.dtype.name}. Convert them."
        )
