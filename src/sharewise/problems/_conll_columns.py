"""Files of sentences with a word and its tags on each line: CoNLL-2000 to 2012, IOB2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

from sharewise.errors import DataError, OptionError
from sharewise.problems._sentence_blocks import Block, blocks_of, sentence_text
from sharewise.problems._sentences import Sentences, shortened
from sharewise.tasks._iob2 import fault_in

MARKER = "-DOCSTART-"
"""A line that begins with it opens another text and is no sentence (CoNLL-2003)."""

_COMMENT = re.compile(r"#\s*(?:newdoc|newpar|[\w.:-]+\s*=)")
_IOB = re.compile(r"O|[BI]-.+")


@dataclass(frozen=True)
class _Word:
    line: int
    cells: Sequence[str]


@dataclass(frozen=True)
class _Columns:
    """A file as it stands: the words of each sentence with all cells."""

    name: str
    blocks: list[Block]
    rows: list[list[_Word]]

    @property
    def width(self) -> int:
        return len(self.rows[0][0].cells)


def read_conll(path: str | PathLike[str], tags: Mapping[str, int], *, words: int = 0) -> Sentences:
    """The sentences of a file in columns (also ``.gz``), UTF-8, parted by tabs or, if it has none, by blanks.

    Before a sentence, lines such as ``# sent_id = …`` are comments. A line of ``-DOCSTART-`` opens another text.

    Args:
        tags: What to call a column, and its place counted from 0 (from the last, -1): ``{"ner": 3}``. Empty for
            words alone.
        words: The words' column.

    Raises:
        DataError: In one sentence, with file and line.
        OptionError: A column is beyond the file's.
    """
    return _sentences(_read(path), words, tags)


def read_iob2(
    path: str | PathLike[str], name: str = "entities", *, words: int | None = None, tags: int | None = None
) -> Sentences:
    """The sentences of a file whose words carry IOB2 tags, as `read_conll`, every tag checked.

    Args:
        name: What to call the column.
        words: The words' column counted from 0; by itself the first, or the second where the first numbers them.
        tags: The tags' column; by itself, of those after the words, the last with the most cells of the form
            ``O``, ``B-type`` or ``I-type``.

    Raises:
        DataError: Also where a tag is broken (an ``I-X`` that continues no ``X``, another prefix).
    """
    found = _read(path)
    if words is None:
        words = 1 if found.width > 2 and all(row[0].cells[0] == "1" for row in found.rows) else 0
    if tags is None:
        tags = _iob_column(found, words)
    sentences = _sentences(found, words, {name: tags})
    for row, marks in zip(found.rows, sentences.tags[name], strict=True):
        fault = fault_in(marks or ())
        if fault is not None:
            place, reason = fault
            raise DataError(
                "spans are in IOB2 (B-type begins one, I-type continues it, O is outside); on line "
                f"{row[place].line} of '{found.name}' {shortened(reason, 120)}. Mend the tag."
            )
    return sentences


def columns_in(path: str | PathLike[str]) -> int:
    """How many columns a file has, words counted.

    Raises:
        DataError: It cannot be read.
    """
    return _read(path).width


def _iob_column(found: _Columns, words: int) -> int:
    shares = {
        column: sum(_IOB.fullmatch(word.cells[column]) is not None for row in found.rows for word in row)
        for column in range(words + 1, found.width)
    }
    best = max(shares, key=lambda column: (shares[column], column), default=0)
    if not shares.get(best):
        raise DataError(
            f"an IOB2 file has a column of O, B-type and I-type; '{found.name}' has none among its "
            f"{found.width} (line {found.rows[0][0].line}). Name it with tags=, or read the file with read_conll."
        )
    return best


def _read(path: str | PathLike[str]) -> _Columns:
    name, text = sentence_text(path)
    tabbed = False

    def is_comment(line: str) -> bool:
        # A word "#" is told from a comment by what follows: no "key =", and in a tabbed file a tab.
        return line.startswith("#") and (bool(_COMMENT.match(line)) or (tabbed and "\t" not in line))

    tabbed = any(
        "\t" in line for line in text.split("\n", 1000)[:1000] if line.strip() and not line.startswith("#")
    )
    separator = "\t" if tabbed else None
    blocks: list[Block] = []
    rows: list[list[_Word]] = []
    document = 0
    for block in blocks_of(name, text, is_comment):
        row = [
            _Word(number, line.rstrip("\r").split(separator))
            for number, line in block.lines
            if not line.startswith(MARKER)
        ]
        document += len(block.lines) - len(row)
        if row:
            text_id = block.document or (f"{name}:{document}" if document else None)
            blocks.append(Block(block.comments, block.lines, text_id))
            rows.append(row)
    if not rows:
        raise DataError(f"a file of sentences holds sentences; '{name}' has none. Check the path.")
    first = rows[0][0]
    for row in rows:
        for word in row:
            if len(word.cells) != len(first.cells):
                raise DataError(
                    f"every word has as many cells as the first; line {word.line} of '{name}' has {len(word.cells)}, "
                    f"line {first.line} {len(first.cells)}. Mend the line."
                )
    return _Columns(name, blocks, rows)


def _sentences(found: _Columns, words: int, tags: Mapping[str, int]) -> Sentences:
    for what, column in {"words": words, **tags}.items():
        if not -found.width <= column < found.width:
            raise OptionError(
                f"columns are counted from 0 to {found.width - 1} in '{found.name}'; got {column} for {what}. Correct it."
            )
    for row in found.rows:
        for word in row:
            for column in (words, *tags.values()):
                if not word.cells[column].strip():
                    raise DataError(
                        f"a word and its tags are not empty; line {word.line} of '{found.name}' has nothing in column "
                        f"{column}. Mend the line."
                    )
    return Sentences(
        tuple(tuple(word.cells[words] for word in row) for row in found.rows),
        {
            called: tuple(tuple(word.cells[column] for word in row) for row in found.rows)
            for called, column in tags.items()
        },
        tuple(block.id for block in found.blocks),
        tuple(block.document for block in found.blocks),
        (found.name,) * len(found.rows),
        tuple(row[0].line for row in found.rows),
    )
