"""Universal Dependencies' files of sentences (https://universaldependencies.org/format.html)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike

from sharewise.errors import DataError, OptionError
from sharewise.problems._names import listed, nearest
from sharewise.problems._sentence_blocks import Block, blocks_of, sentence_text
from sharewise.problems._sentences import Row, Sentences, shortened

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
TAGS = ("upos", "xpos", "feats", "deprel")
"""Columns with a tag a word."""
UNSAID = "_"

_PLAIN, _RANGE, _EMPTY = (
    re.compile(r"[1-9]\d*"),
    re.compile(r"[1-9]\d*-[1-9]\d*"),
    re.compile(r"\d+\.[1-9]\d*"),
)


def read_conllu(path: str | PathLike[str], tags: Mapping[str, str] | None = None) -> Sentences:
    """The sentences of a CoNLL-U file (also ``.gz``), UTF-8.

    Words are the *syntactic* words, those with a plain number, which carry the tags. Lines of multiword tokens (``1-2
    don't``) repeat words that follow one by one (``do``, ``n't``), and empty nodes (``8.1``) were never written: both
    are passed over.

    Args:
        tags: What to call a column of tags: ``{"pos": "upos"}``. Columns are upos, xpos, feats and deprel; upos
            under its own name if none is given. A sentence whose words all have ``_`` there has no tags (None); in
            feats ``_`` is a value like others.

    Raises:
        DataError: In one sentence, with file and line.
        OptionError: There is no such column.
    """
    chosen = {"upos": "upos"} if tags is None else dict(tags)
    for column in chosen.values():
        if column not in TAGS:
            raise OptionError(
                f"a column of tags is one of {listed(TAGS)}; got '{column}'.{nearest(column, TAGS)} Correct it."
            )
    name, text = sentence_text(path)
    blocks = list(blocks_of(name, text, lambda line: line.startswith("#")))
    rows = [_words_of(name, block) for block in blocks]
    form = COLUMNS.index("form")
    return Sentences(
        tuple(tuple(cells[form] for _, cells in words) for words in rows),
        {
            called: tuple(_column(name, words, COLUMNS.index(column), called) for words in rows)
            for called, column in chosen.items()
        },
        tuple(block.id for block in blocks),
        tuple(block.document for block in blocks),
        (name,) * len(rows),
        tuple(words[0][0] for words in rows),
    )


def _words_of(name: str, block: Block) -> list[tuple[int, list[str]]]:
    """Line and cells of each syntactic word."""
    words: list[tuple[int, list[str]]] = []
    for number, line in block.lines:
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise DataError(
                f"a word of CoNLL-U has {len(COLUMNS)} cells parted by tabs; line {number} of '{name}' has "
                f"{len(cells)} ('{shortened(line)}'). Mend the line, or read the file with read_conll."
            )
        if _RANGE.fullmatch(cells[0]) or _EMPTY.fullmatch(cells[0]):
            continue
        if not _PLAIN.fullmatch(cells[0]) or int(cells[0]) != len(words) + 1:
            raise DataError(
                f"words of a sentence are numbered 1, 2, 3 …; line {number} of '{name}' has '{shortened(cells[0])}' "
                f"where {len(words) + 1} is due. Look for a lost line, or a blank line that is missing."
            )
        if not cells[1].strip():
            raise DataError(f"a word is not empty; line {number} of '{name}' has none. Mend the line.")
        words.append((number, cells))
    if not words:
        raise DataError(
            f"a sentence holds words; that on line {block.lines[0][0]} of '{name}' has none but multiword tokens or "
            "empty nodes. Leave the sentence out."
        )
    return words


def _column(name: str, words: list[tuple[int, list[str]]], place: int, called: str) -> Row | None:
    row = tuple(cells[place] for _, cells in words)
    if COLUMNS[place] == "feats":
        return row
    unsaid = [number for (number, _), tag in zip(words, row, strict=True) if tag in (UNSAID, "")]
    if len(unsaid) == len(row):
        return None
    if unsaid:
        raise DataError(
            f"a sentence is tagged as a whole or not at all; line {unsaid[0]} of '{name}' has no {called}. Tag the word, "
            f"or put {UNSAID} for the whole sentence."
        )
    return row
