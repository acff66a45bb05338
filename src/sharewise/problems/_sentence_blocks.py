"""A file of sentences as blocks of lines, one word a line, a blank line between sentences.

CoNLL-U, CoNLL columns and IOB2 files are all built so; what the columns mean is their readers' business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from sharewise.errors import DataError
from sharewise.problems._text_file import PACKED_ENDINGS, read_text

_SAID = re.compile(r"#\s*(?P<key>[\w.:-]+(?: id)?)\s*=\s*(?P<value>.*)")


@dataclass(frozen=True)
class Block:
    """Lines of one sentence.

    Attributes:
        comments: What lines of the form ``# key = value`` say.
        lines: Number, counted from 1, and text of each line that is no comment.
        document: The text that the sentence stands in (``# newdoc id = …``), or None.
    """

    comments: dict[str, str]
    lines: list[tuple[int, str]]
    document: str | None

    @property
    def id(self) -> str | None:
        """The sentence's name (``# sent_id = …``)."""
        return self.comments.get("sent_id")


def sentence_text(path: str | PathLike[str]) -> tuple[str, str]:
    """The file's name and its text, unpacked.

    Raises:
        DataError: It is missing, a folder, empty, damaged, or not UTF-8.
    """
    source = Path(path)
    try:
        size = source.stat().st_size
    except (OSError, ValueError) as error:
        raise DataError(
            f"sentences are read from a file; '{source}' cannot be opened ({getattr(error, 'strerror', error)}). "
            "Check the path."
        ) from error
    if source.is_dir():
        raise DataError(f"sentences are read from a file; '{source}' is a folder. Name a file in it.")
    if not size:
        raise DataError(f"a file of sentences holds sentences; '{source.name}' is empty. Check the path.")
    ending = source.suffix.lower()
    return source.name, read_text(source, ending if ending in PACKED_ENDINGS else "")


def blocks_of(name: str, text: str, is_comment: Callable[[str], bool]) -> Iterator[Block]:
    """The sentences' blocks; blank lines may be several.

    Args:
        is_comment: Whether a line that stands before a sentence's first word is a comment.

    Raises:
        DataError: Comments are followed by no word, or there is no sentence at all.
    """
    document: str | None = None
    comments: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    opened = 0
    count = 0
    # Not str.splitlines: it also cuts at U+2028 and the like, which stand inside words.
    for number, raw in enumerate([*text.split("\n"), ""], start=1):
        line = raw.removesuffix("\r")
        if line.strip() and not lines and is_comment(line):
            opened = opened or number
            said = _SAID.match(line)
            if said and said["key"] == "newdoc id":
                document = said["value"].strip()
            elif said:
                comments[said["key"]] = said["value"].strip()
        elif line.strip():
            lines.append((number, line))
        elif lines:
            yield Block(comments, lines, document)
            count += 1
            comments, lines, opened = {}, [], 0
        elif opened and "sent_id" in comments:
            raise DataError(
                f"a sentence holds words; '{name}' has comments from line {opened} and no word before line {number}. "
                "Leave the sentence out."
            )
        else:
            opened = 0
    if not count:
        raise DataError(f"a file of sentences holds sentences; '{name}' has none. Check the path.")
