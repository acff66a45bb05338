"""Tables from files: CSV of any separator, compressed or not, and Parquet.

pandas reads the cells; what it would pass over in silence (doubled names, ragged lines, bytes that
are no text) is refused here first, with the line it stands on.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from sharewise.errors import DataError, SharewiseWarning
from sharewise.problems._names import listed
from sharewise.problems._text_file import PACKED_ENDINGS, first_line, read_text

if TYPE_CHECKING:
    import pandas as pd

TEXT_ENDINGS = (".csv", ".tsv", ".txt")
PARQUET_ENDINGS = (".parquet", ".pq")
SEPARATORS = (",", ";", "\t", "|")
SNIFFED_LINES = 50
BLANKS = frozenset(("None", "NA", "N/A", "n/a", "NULL", "null"))
"""Words that pandas reads as missing and that somebody may have meant."""

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_DECIMAL_POINT = re.compile(r"[+-]?\d+\.\d+")


def read_table(path: str | PathLike[str]) -> pd.DataFrame:
    """The table in a ``.csv``, ``.tsv``, ``.txt`` (also ``.gz`` or ``.zip``) or ``.parquet`` file.

    Raises:
        DataError: The file is missing, empty, no text, ragged, or of another type.
    """
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise DataError(f"a table must be a file; '{path}' does not exist. Check the path.") from error
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be entered, a zero byte
        raise DataError(
            f"a table must be a file; '{_short(path)}' cannot be opened ({getattr(error, 'strerror', error)}). Check the path."
        ) from error
    if stat.S_ISDIR(found.st_mode):
        raise DataError(f"a table must be a file; '{path}' is a folder. Name a file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"a table must be a plain file; '{path}' is a pipe or a device. Save it first.")
    endings = [ending.lower() for ending in path.suffixes]
    last = endings[-1] if endings else ""
    if last in PARQUET_ENDINGS:
        return _read_parquet(path)
    if last not in TEXT_ENDINGS + PACKED_ENDINGS:
        raise DataError(
            f"a table's file ends in {', '.join(TEXT_ENDINGS + PARQUET_ENDINGS)} "
            f"(or {' or '.join(PACKED_ENDINGS)} after it); got '{path.name}'. Save it as CSV or Parquet."
        )
    return _read_text(path, read_text(path, last))


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]} … {text[-80:]}"


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        import pyarrow
    except ImportError as error:
        raise DataError(
            f"Parquet files need pyarrow, to read '{path.name}'. Install it: pip install sharewise[parquet]"
        ) from error
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"'{path.name}' is no readable Parquet file: {first_line(error)}") from error
    if len(frame) == 0:
        raise DataError(f"a table must hold rows; '{path.name}' has none.")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame


def _read_text(path: Path, text: str) -> pd.DataFrame:
    import pandas as pd

    separator = _sniffed(text, prefers_tab=".tsv" in path.name.lower())
    width, decimal, blanks = _checked(path, text, separator)
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=separator, index_col=False, low_memory=False, decimal=decimal
        )
    except (ValueError, OverflowError) as error:  # ParserError is a ValueError
        if "EOF inside string" in str(error):
            raise DataError(
                f"every quote must be closed; '{path.name}' ends inside one. Close it."
            ) from error
        raise DataError(f"'{path.name}' is no readable table: {first_line(error)}") from error
    if frame.shape[1] != width:
        raise DataError(f"'{path.name}' has {width} names and {frame.shape[1]} columns. Mend its first line.")
    frame.columns = [str(name).strip() for name in frame.columns]
    _tell_blanks(path, frame, blanks)
    return frame


def _tell_blanks(path: Path, frame: pd.DataFrame, blanks: Mapping[int, Counter[str]]) -> None:
    """Warn of words that may be classes ('None', 'NA') and are read as missing."""
    import pandas as pd

    told = [
        f"'{frame.columns[place]}' ({count} of '{word}')"
        for place, words in sorted(blanks.items())
        if not pd.api.types.is_numeric_dtype(frame.dtypes.iloc[place])
        for word, count in words.most_common(1)
    ]
    if told:
        more = f" and {len(told) - 5} more" if len(told) > 5 else ""
        warnings.warn(
            f"cells that say there is nothing are read as missing in '{path.name}': {', '.join(told[:5])}{more}; "
            "if such a word is a class of its own, write another.",
            SharewiseWarning,
            stacklevel=4,
        )


def _lines(text: str, separator: str) -> Iterator[tuple[int, int, list[str]]]:
    """First line, last line, and cells of each row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    first = 1
    for cells in reader:
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield first, reader.line_num, cells
        first = reader.line_num + 1


def _sniffed(text: str, *, prefers_tab: bool) -> str:
    """The separator that cuts the first lines most evenly into most cells; a comma if none does."""
    head = text[: 1 << 20]

    def merit(separator: str) -> tuple[float, int]:
        try:
            widths = [len(cells) for *_, cells in itertools.islice(_lines(head, separator), SNIFFED_LINES)]
        except csv.Error:
            return (0.0, 0)
        if not widths or widths[0] < 2:
            return (0.0, 0)
        return (sum(width == widths[0] for width in widths) / len(widths), widths[0])

    candidates = ("\t", *(s for s in SEPARATORS if s != "\t")) if prefers_tab else SEPARATORS
    return max(candidates, key=merit)


def _checked(path: Path, text: str, separator: str) -> tuple[int, str, dict[int, Counter[str]]]:
    """The number of columns, the decimal mark, and the words of `BLANKS` by column, once every line has
    the header's cells."""
    points = commas = 0
    blanks: dict[int, Counter[str]] = {}
    names: list[str] = []
    rows = 0
    line = 0
    try:
        for first, line, cells in _lines(text, separator):
            if not names:
                names = [name.strip() for name in cells]
                _check_header(path, names)
                continue
            rows += 1
            if len(cells) != len(names):
                where = f"line {line}" if first == line else f"the row on lines {first} to {line}"
                raise DataError(
                    f"every line must have as many cells as the first; {where} of '{path.name}' has "
                    f"{len(cells)}, the first {len(names)}. Quote cells that hold the separator "
                    f"({_spelled(separator)}), close every quote, or mend the line."
                )
            if not BLANKS.isdisjoint(cells):
                for place, cell in enumerate(cells):
                    if cell in BLANKS:
                        blanks.setdefault(place, Counter())[cell] += 1
            if separator != "," and rows <= SNIFFED_LINES:
                commas += sum(_DECIMAL_COMMA.fullmatch(cell.strip()) is not None for cell in cells)
                points += sum(_DECIMAL_POINT.fullmatch(cell.strip()) is not None for cell in cells)
    except csv.Error as error:
        what = first_line(error)
        if "field limit" in what:
            what = f"a cell must hold at most {csv.field_size_limit():,} characters."
        raise DataError(
            f"'{path.name}' is no readable table near line {line + 1}: {what} "
            "Look for a quote that is never closed."
        ) from error
    if not rows:
        raise DataError(f"a table must hold rows; '{path.name}' holds one line, its header.")
    return len(names), "," if commas and not points else ".", blanks


def _spelled(separator: str) -> str:
    return "tab" if separator == "\t" else separator


def _check_header(path: Path, names: list[str]) -> None:
    doubles = [name for name, count in Counter(names).items() if count > 1 and name]
    if doubles:
        raise DataError(
            f"column names must be unique; {listed(doubles)} came twice or more in line 1 of '{path.name}'. "
            "Rename them."
        )
    if all(_DECIMAL_POINT.fullmatch(name) for name in names):
        raise DataError(
            f"the first line must name the columns; in '{path.name}' it holds numbers. Add a line of names."
        )
