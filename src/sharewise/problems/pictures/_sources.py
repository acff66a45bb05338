"""Where pictures come from: a column of paths, a folder, or arrays.

Symbols: `N` pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
)
"""What a folder is searched for; a column may name any file."""


@final
@dataclass(frozen=True)
class Encoded:
    """A picture file's bytes, where it stands in no file.

    Attributes:
        data: As a file would hold them.
        name: What messages call it.
    """

    data: bytes = field(repr=False)
    name: str

    def __str__(self) -> str:
        return self.name


Source: TypeAlias = "Path | Encoded | None"
"""Where one picture is; None for a gap."""


@final
@dataclass(frozen=True)
class Folder:
    """Pictures of a folder, in order of their names.

    Attributes:
        files: N paths.
        classes: Names of the sub-folders, sorted; empty for a flat folder.
        labels: (N,) place of each picture's class in `classes`; None for a flat folder.
    """

    files: tuple[Path, ...]
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None


def read_folder(folder: str | Path) -> Folder:
    """A folder of pictures, or of sub-folders with one class each.

    Hidden files and those of other kinds are passed over; a picture is known by the end of its name here.

    Raises:
        DataError: There is no such folder, it holds no pictures, it mixes both layouts, or a class is empty.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root}: pictures are read from a folder; there is none here. Correct the path.")
    inner = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    flat = _pictures(root.iterdir())
    if flat and inner:
        raise DataError(
            f"{root}: a folder holds pictures or one sub-folder a class; this one holds both ({flat[0].name} beside "
            f"{inner[0].name}/). Move one of them."
        )
    if not inner:
        if not flat:
            raise DataError(
                f"{root}: a folder of pictures holds files such as .jpg or .png; this one has none. Correct the path."
            )
        return Folder(flat, (), None)
    groups = [_pictures(path.rglob("*")) for path in inner]
    for path, group in zip(inner, groups, strict=True):
        if not group:
            raise DataError(
                f"{path}: a class has pictures; this one has none. Add some or remove the folder."
            )
    labels = np.repeat(np.arange(len(inner)), [len(group) for group in groups]).astype(np.int64)
    return Folder(
        tuple(file for group in groups for file in group), tuple(path.name for path in inner), labels
    )


def read_column(values: Iterable[Any], root: str | Path = ".") -> tuple[Source, ...]:
    """A column of paths, those that are relative below `root`, or of encoded pictures; None for a gap (None, NaN or an
    empty string).

    Raises:
        DataError: A value is no path, with its row (counted from 0).
    """
    base = Path(root)
    found: list[Source] = []
    for row, value in enumerate(values):
        if isinstance(value, Encoded):
            found.append(value)
        elif (
            value is None
            or (not isinstance(value, str | Path) and _is_gap(value))
            or str(value).strip() == ""
        ):
            found.append(None)
        elif isinstance(value, str | Path):
            found.append(base / value)
        else:
            raise DataError(
                f"row {row}: a column of pictures holds paths; got {value!r} ({type(value).__name__}). Correct the column."
            )
    return tuple(found)


def read_arrays(values: Sequence[Any] | NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Arrays (h, w) or (h, w, channels) each, or one array of all of them.

    Raises:
        DataError: One array has fewer than three axes, so that it holds no pictures.
    """
    if isinstance(values, np.ndarray) and values.dtype != object and values.ndim < 3:
        raise DataError(
            f"an array of pictures has the axes (picture, height, width) or one more for channels; got shape "
            f"{values.shape}. Add the first axis."
        )
    return tuple(np.asarray(value) for value in values)


def is_array(value: object) -> bool:
    """Whether a value is a picture's numbers: an array, nested lists, or what quacks like a tensor."""
    return isinstance(value, np.ndarray | list) or (hasattr(value, "numpy") and hasattr(value, "detach"))


def _pictures(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(
        sorted(
            path
            for path in paths
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    )


def _is_gap(value: Any) -> bool:
    """NaN, NaT and pandas.NA are not equal to themselves, or refuse to say."""
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"
