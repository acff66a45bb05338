"""A column of texts as strings that can be tokenised, or a sentence that says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sharewise.errors import DataError

CHARACTERS_A_TOKEN = 64
"""Of a text that is to become ``L`` tokens, at most 64 ``L`` characters are looked at: memory stays bounded."""
REPLACED = "\ufffd"


def check_texts(texts: object) -> list[str]:
    """The column as a list; a gap (None, NaN, pandas' NA) is an empty text.

    Raises:
        DataError: It is no column, or a cell is no text, or was decoded in the wrong encoding.
    """
    one = getattr(texts, "ndim", 1) == 1  # a table of one column would give its column's name
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable) or not one:
        raise DataError(
            f"texts come as a column, one string a row; got {_shown(texts)}. Put it in a list, as in ['…']."
        )
    return [_text(cell, row) for row, cell in enumerate(texts)]


def clean_texts(texts: Iterable[object], most: int) -> list[str]:
    """The column of a table that is fitted or served already, so that nothing is refused any more: a gap is an empty
    text, a letter that some reader could not decode is `REPLACED`.

    Args:
        most: Characters of a text that are kept.
    """
    found = []
    for cell in texts:
        text = cell[:most] if isinstance(cell, str) else ""
        if not text.isascii():
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        found.append(text)
    return found


def _text(cell: Any, row: int) -> str:
    if isinstance(cell, str):
        if not cell.isascii():
            _refuse_undecoded(cell, row)
        return str(cell)
    if cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ == "NAType":
        return ""
    way = "Decode the bytes first, as in .decode('utf-8')" if isinstance(cell, bytes) else "Convert it to str"
    raise DataError(f"a text is a string or missing; row {row} holds {_shown(cell)}. {way}.")


def _refuse_undecoded(text: str, row: int) -> None:
    """Lone surrogates are bytes that some reader could not decode and passed through."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"a text must be whole Unicode; row {row} holds {text[error.start]!r} at character {error.start}, left by "
            "reading bytes in the wrong encoding. Read the file again with the encoding it was written in."
        ) from None


def reading_notes(texts: list[str]) -> tuple[str, ...]:
    """What a reader of the column should know: letters that were lost before the text came here."""
    count = sum(REPLACED in text for text in texts)
    if not count:
        return ()
    return (
        f"{count} of {len(texts)} texts hold the replacement character U+FFFD: the file was likely read in the wrong "
        "encoding.",
    )


def cut_notes(cut: int, total: int, length: int) -> tuple[str, ...]:
    """A note on texts that were too long, if any."""
    if not cut:
        return ()
    which = "1 text is" if cut == 1 else f"{cut} of {total} texts are"
    return (
        f"{which} longer than {length} tokens; what follows those is not read. Raise length= to read more.",
    )


def _shown(value: object) -> str:
    kind = type(value).__name__
    text = " ".join(repr(value).split())
    return f"{kind} {text}" if len(text) <= 40 else f"{kind} {text[:37]}…"
