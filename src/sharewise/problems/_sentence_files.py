"""Files of sentences on the command line: which column is meant by which name, and several files of the same sentences."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from sharewise.errors import DataError, OptionError
from sharewise.problems._build_sentences import build
from sharewise.problems._conll_columns import columns_in, read_conll, read_iob2
from sharewise.problems._conllu import TAGS, read_conllu
from sharewise.problems._names import as_names, listed, nearest
from sharewise.problems._problem import Problem
from sharewise.problems._sentences import Sentences

SENTENCE_ENDINGS = (".conllu", ".conll", ".iob2", ".iob", ".bio")
ALIASES = {"pos": "upos", "features": "feats", "relation": "deprel"}
"""Other names of CoNLL-U's columns."""
COLUMN_NAMES = {2: ("tags",), 3: ("pos", "chunk"), 4: ("pos", "chunk", "entities")}
"""Names of the columns after the words, by how many columns there are: CoNLL-2000's and CoNLL-2003's."""
SPANS = "entities"
"""The one column of an IOB2 file."""


def holds_sentences(path: str | PathLike[str]) -> bool:
    """Whether a file's name says that it holds sentences (also packed: ``.conllu.gz``)."""
    return _ending(Path(path)) in SENTENCE_ENDINGS


def files_in(text: str) -> list[str]:
    """Files named with commas between them, as on the command line; a file that has that whole name is one.

    >>> files_in("dev.conllu,dev.iob2")
    ['dev.conllu', 'dev.iob2']
    """
    whole = os.path.exists(text) or not all(holds_sentences(part.strip()) for part in text.split(","))
    return [text] if whole else [part.strip() for part in text.split(",")]


def open_sentences(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]], names: Sequence[str] = ()
) -> Sentences:
    """The sentences of one file, or of several that hold the same sentences with other tags.

    Columns are named ``upos`` (or ``pos``), ``xpos``, ``feats``, ``deprel`` in ``.conllu``; ``entities`` in ``.iob2``,
    ``.iob`` and ``.bio``; in ``.conll`` by how many there are, as in CoNLL-2003 (``pos``, ``chunk``, ``entities``), or by
    place counted from 1 (``column 5``).

    Args:
        paths: Sentences are matched by id, else by order. A sentence that was cut into other words in a further file
            has none of its tags.
        names: Columns to read; empty for the words alone, so that a file without tags is read too.

    Raises:
        DataError: A file cannot be read; the message names its line.
        OptionError: No file has a column of that name, or two have it.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, (str, PathLike)) else paths)]
    if not files:
        raise OptionError("sentences are read from one or more files; got none. Name one.")
    sources = [_source(file) for file in files]
    known = list(dict.fromkeys(column for source in sources for column in source.names))
    for name in names:
        owners = [source.file for source in sources if name in source.names]
        if len(owners) != 1:
            found = f"{' and '.join(owners)} have it" if owners else "there is none"
            raise OptionError(
                f"a target is a column of tags of one file, such as {listed(known, 10)}; got '{name}' ({found})."
                f"{nearest(name, known)} Name another with --targets."
            )
    parts = [source.read([name for name in names if name in source.names]) for source in sources]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.with_tags(part, unlike="leave")
    return whole


def problem_of_sentences(
    paths: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    targets: str | Sequence[str],
    group: str | None = "document",
    kinds: Mapping[str, str] | None = None,
    metric: Mapping[str, str] | str | None = None,
    **unfit: object,
) -> Problem:
    """What ``sharewise compare`` reads from files of sentences.

    Args:
        unfit: Further words of the command line, which mean nothing of sentences.

    Raises:
        DataError: The sentences break a rule.
        OptionError: An argument does not fit.
    """
    if unfit:
        raise OptionError(
            f"a file of sentences has words and tags and no other columns; --{next(iter(unfit))} cannot be given."
        )
    names = as_names(targets)
    unknown = [name for name in kinds or () if name not in names]
    if unknown:
        raise OptionError(f"kinds must name targets; '{unknown[0]}' is none.{nearest(unknown[0], names)}")
    asked: dict[str, str | None] = {name: (kinds or {}).get(name) for name in names}
    return build(open_sentences(paths, names), kinds=asked, group=group, metric=metric)


class _Source(NamedTuple):
    """A file, the columns of tags that it may give, and how some of them are read."""

    file: str
    names: tuple[str, ...]
    read: Callable[[list[str]], Sentences]


def _source(path: Path) -> _Source:
    ending = _ending(path)
    if ending == ".conllu":

        def read(names: list[str]) -> Sentences:
            return read_conllu(path, {name: ALIASES.get(name, name) for name in names})

        return _Source(path.name, (*ALIASES, *TAGS), read)
    if ending == ".conll":
        place_of = _conll_names(columns_in(path))
        return _Source(
            path.name,
            tuple(place_of),
            lambda names: read_conll(path, {name: place_of[name] for name in names}),
        )
    if ending in SENTENCE_ENDINGS:
        return _Source(path.name, (SPANS,), lambda names: read_iob2(path, SPANS) if names else _words(path))
    raise DataError(
        f"a file of sentences ends in {', '.join(SENTENCE_ENDINGS)} (or .gz after it); got '{path.name}'. Rename it."
    )


def _words(path: Path) -> Sentences:
    """The words alone, also of a file whose first column numbers them."""
    found = read_conll(path, {})
    numbered = columns_in(path) > 1 and all(row[0] == "1" for row in found.words)
    return read_conll(path, {}, words=1) if numbered else found


def _conll_names(width: int) -> dict[str, int]:
    """Places of a file's columns after the words, by name."""
    named = COLUMN_NAMES.get(width, ())
    places = {f"column {place + 1}": place for place in range(1, width)}
    return {name: place for place, name in enumerate(named, start=1)} | places


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix
