"""The text in a file: unpacked, decoded, or refused with the place of the first bad byte."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from sharewise.errors import DataError

PACKED_ENDINGS = (".gz", ".zip")
_WIDE_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def first_line(error: Exception) -> str:
    """The first line of an error's message, as a sentence."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".") + "."


def _unpacked(path: Path, ending: str) -> bytes:
    try:
        if ending == ".gz":
            with gzip.open(path) as packed:
                return packed.read()
        if ending == ".zip":
            return _only_member(path)
        return path.read_bytes()
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError) as error:
        raise DataError(
            f"'{path.name}' is damaged or not compressed as its name says: {first_line(error)}"
        ) from error
    except (OSError, RuntimeError) as error:
        raise DataError(f"'{path.name}' cannot be read: {first_line(error)}") from error


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as packed:
        members = [
            name for name in packed.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(members) != 1:
            raise DataError(
                f"a zip file must hold one table; '{path.name}' holds {len(members)} files. Unpack it first."
            )
        return packed.read(members[0])


def read_text(path: Path, ending: str) -> str:
    """The text of a file that ends in ``ending``.

    Raises:
        DataError: It is empty, damaged, or not UTF-8 text.
    """
    raw = _unpacked(path, ending)
    if not raw.strip():
        raise DataError(f"a table must hold rows; '{path.name}' is empty.")
    wide = _WIDE_MARKS.get(raw[:2])
    if wide:
        raise DataError(f"text must be UTF-8; '{path.name}' is {wide}. Save it again as UTF-8.")
    place = raw.find(b"\0")
    if place >= 0:
        raise DataError(f"'{path.name}' is no text table: byte {place} is zero. Save it as CSV or Parquet.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"text must be UTF-8; '{path.name}' holds 0x{raw[error.start]:02x} at byte {error.start} "
            f"(line {line}). Save it again as UTF-8."
        ) from error
