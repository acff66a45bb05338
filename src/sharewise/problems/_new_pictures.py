"""Pictures to predict, read as those of the problem were.

Symbols: ``N`` pictures, ``C`` channels, ``H`` × ``W`` pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._cells import as_words
from sharewise.problems._frame import open_frame
from sharewise.problems._names import listed, nearest
from sharewise.problems.pictures import Folder, Form, Pictures, decode, decoding_of, read_folder
from sharewise.problems.pictures._sources import is_array


def read_pictures(given: object, column: str, form: Form, *, root: str | Path = ".") -> NDArray[np.uint8]:
    """Bytes ``(N, C, H, W)`` of a folder, paths, arrays, a table with the column of paths, `Pictures`, or of bytes that
    are decoded already.

    Args:
        column: Its name, in a table.
        form: As `form_of` gave it.
        root: Where relative paths begin.

    Raises:
        DataError: There are none, or one cannot be read; the message names it.
    """
    decoding = decoding_of(form)
    if isinstance(given, Pictures):
        if given.broken:
            raise DataError(next(iter(given.broken.values())))
        if given.decoding.shape == decoding.shape:
            return given.pixels
        raise DataError(
            f"pictures to predict are decoded to {decoding.width} × {decoding.height} pixels in "
            f"{decoding.channels} channels, as the problem's; got {given.decoding.width} × {given.decoding.height} in "
            f"{given.decoding.channels}. Pass their paths."
        )
    if isinstance(given, np.ndarray) and given.dtype == np.uint8 and given.shape[1:] == decoding.shape:
        return given
    return decode(sources_of(given, column), decoding, root=root).pixels


def sources_of(given: Any, column: str) -> list[Any]:
    """Paths or arrays, a row each.

    Raises:
        DataError: They are given in none of the forms of `read_pictures`.
    """
    if isinstance(given, Folder):
        return [file.absolute() for file in given.files]
    if isinstance(given, str | Path):
        path = Path(given)
        return [path.absolute()] if path.is_file() else [file.absolute() for file in read_folder(path).files]
    if isinstance(given, Mapping) or (hasattr(given, "columns") or hasattr(given, "column_names")):
        return _cells(given, column)
    if is_array(given) and not isinstance(given, list):
        array = np.asarray(given)
        if array.ndim < 3 and array.dtype.kind not in "OUT":
            raise DataError(
                "pictures as an array have the axes (picture, height, width) or one more for channels; got shape "
                f"{array.shape}. Add the first axis."
            )
        return list(array)
    if isinstance(given, Iterable):
        return list(given)
    raise DataError(
        f"pictures are a folder, paths, arrays, or a table with a column of paths; got a {type(given).__name__}."
    )


def _cells(table: Any, column: str) -> list[Any]:
    frame = open_frame(table)
    if column not in frame:
        raise DataError(
            f"a table of pictures holds their column '{column}'; it holds {listed(frame.names)}."
            f"{nearest(column, frame.names)} Rename it, or pass the paths by themselves."
        )
    if frame.holds_pictures(column):
        return frame.objects(column)
    paths: list[Any] = as_words(frame.cells(column)).tolist()
    return paths
