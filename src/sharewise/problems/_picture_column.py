"""The column of a table that names pictures: found, read, and what stands beside it told.

Symbols: ``N`` rows of the table, ``n`` of the problem.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._build_pictures import read_all, resized
from sharewise.problems._cells import as_words
from sharewise.problems._frame import Frame
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._schema import Schema
from sharewise.problems._table import Column
from sharewise.problems.pictures import SUFFIXES, Pictures, decoding_for, form_of, read_column
from sharewise.problems.pictures._sources import Source


@dataclass(frozen=True)
class PictureColumn:
    """A feature whose cells name pictures.

    Attributes:
        name: Of the column.
        paths: ``(N,)`` files or what they would hold, None for gaps.
        beside: Features that are not read, since it is.
        size, channels: As asked for.
    """

    name: str
    paths: tuple[Source, ...]
    beside: tuple[str, ...]
    size: object = None
    channels: object = None

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """``(N,)`` rows without a picture."""
        return np.array([path is None for path in self.paths], dtype=bool)

    def read(self, rows: NDArray[np.intp], notes: list[str]) -> Pictures:
        """The pictures ``(n,)`` of some rows.

        Raises:
            DataError: One cannot be read; the message names it.
        """
        sources = [self.paths[row] for row in rows]
        found = read_all(sources, decoding_for(sources, size=self.size, channels=self.channels, dense=False))
        named = any(isinstance(source, Path) for source in sources)
        notes.append(f"Column '{self.name}' is read as {'names of pictures' if named else 'pictures'}.")
        if self.beside:
            notes.append(
                f"{counted(len(self.beside), 'column')} beside the pictures not read in this version: {listed(self.beside)}."
            )
        if self.size is None:
            notes += resized(found)
        return found

    def column(self, pictures: Pictures) -> Column:
        """What networks read."""
        return Column(self.name, "tensor", pictures.pixels)

    def entered(self, schema: Schema, pictures: Pictures) -> Schema:
        """A schema that reads other pictures as these were."""
        return replace(
            schema, shape=pictures.decoding.shape, dtype="uint8", pictures=form_of(pictures.decoding)
        )


def picture_column(
    frame: Frame,
    features: Sequence[str],
    notes: list[str],
    *,
    asked: object = None,
    size: object = None,
    channels: object = None,
    root: str | Path = ".",
) -> PictureColumn | None:
    """The column asked for, or the one feature whose cells all end as picture files do and of which a file is there (or
    which is the only feature).

    Args:
        features: Columns that may be it.
        asked: Its name, or None.
        root: Where relative paths begin.

    Raises:
        OptionError: The one asked for is no feature, or a size is asked for where there are no pictures.
        DataError: There are several, or a cell of the one asked for is no path.
    """
    if asked is not None:
        name = str(asked)
        if name not in features:
            raise OptionError(
                f"pictures names a feature; '{name}' is none.{nearest(name, features)} The features are {listed(features, 8)}."
            )
        return _opened(frame, name, features, size, channels, root)
    named = [name for name in features if _names_pictures(frame, name)]
    there = [name for name in features if frame.holds_pictures(name)]
    there += [name for name in named if _any_there(frame, name, root)]
    if not there and len(features) == 1:
        there = named  # there is nothing else to learn from: reading tells which file is not there
    if len(there) > 1:
        raise DataError(
            f"a problem reads one column of pictures; {listed(there)} name some. Say which with pictures= or --pictures."
        )
    if there:
        return _opened(frame, there[0], features, size, channels, root)
    if size is not None or channels is not None:
        raise OptionError("a size and channels are for pictures; no column names any. Leave them out.")
    notes += [
        f"Column '{name}' holds names of pictures, and no such file is below '{root}': read as words; "
        "pictures= or --pictures asks for the files."
        for name in named
    ]
    return None


def _opened(
    frame: Frame, name: str, features: Sequence[str], size: object, channels: object, root: str | Path
) -> PictureColumn:
    cells = frame.objects(name) if frame.holds_pictures(name) else as_words(frame.cells(name)).tolist()
    paths = read_column(cells, root)
    if all(path is None for path in paths):
        raise DataError(f"a column of pictures names files; '{name}' is empty. Name another column.")
    return PictureColumn(name, paths, tuple(other for other in features if other != name), size, channels)


def _names_pictures(frame: Frame, name: str) -> bool:
    if frame.holds_pictures(name):
        return False
    cells = frame.cells(name)
    if cells.form != "word" or cells.mixed:
        return False
    words = [word.strip() for word in cells.values.tolist() if word is not None]
    return bool(words) and all(Path(word).suffix.lower() in SUFFIXES for word in words)


def _any_there(frame: Frame, name: str, root: str | Path) -> bool:
    for path in read_column(frame.cells(name).values.tolist(), root):
        try:
            if isinstance(path, Path) and path.is_file():
                return True
        except OSError:  # a name too long, a folder that may not be entered
            continue
    return False


def rooted(frame: object, schema: Schema, root: str | Path) -> object:
    """A pandas table whose relative paths of pictures begin at a folder; any other table, or model, as it is."""
    name = schema.features[0] if schema.pictures is not None else None
    columns = getattr(frame, "columns", ())
    if name is None or not hasattr(frame, "assign") or name not in columns:
        return frame
    paths = read_column(frame[name].tolist(), Path(root).absolute())  # type: ignore[index]
    found: object = frame.assign(**{name: [None if path is None else str(path) for path in paths]})
    return found
