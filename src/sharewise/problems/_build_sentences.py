"""A problem from sentences: every column of tags is a target, every sentence a row.

Symbols: ``N`` sentences, ``D`` targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._build import one_task
from sharewise.problems._hub_dataset import is_hub_dataset, sentences_of
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._new_sentences import as_column
from sharewise.problems._problem import Problem, Target, Task
from sharewise.problems._pruning import LEAST_IN_TASK, LEAST_ROWS
from sharewise.problems._schema import Schema
from sharewise.problems._sentences import Row, Sentences
from sharewise.problems._table import Table
from sharewise.tasks import Metric, Spans, Tagging, TagRows, TokenKind, cells
from sharewise.tasks._iob2 import OUTSIDE, fault_in

SENTENCE = "sentence"
"""Name of the one feature."""
Asked: TypeAlias = "str | TokenKind | None"
"""A kind as users ask for it; None is a guess."""
TOKEN_KINDS: dict[str, type[Tagging | Spans]] = {"tagging": Tagging, "spans": Spans}


def build(
    sentences: object,
    *,
    kinds: Mapping[str, Any] | None = None,
    group: str | Sequence[Any] | None = "document",
    metric: Mapping[str, str] | str | None = None,
) -> Problem:
    """See `Problem.from_sentences`.

    Args:
        kinds: By column to predict ``tagging`` or ``spans``, or a kind that lists its tags, or None for a guess: tags
            that are all ``O``, ``B-type`` and ``I-type`` are taken for spans. Without it all columns, guessed.
        group: ``document``, a value a sentence, or None.

    Raises:
        DataError: A rule is broken; the message says which, where, and the way out.
        OptionError: A column, kind, metric or group is unknown or does not fit.
    """
    if is_hub_dataset(sentences):
        sentences = sentences_of(sentences, list(kinds) if isinstance(kinds, Mapping) else None)
    if not isinstance(sentences, Sentences):
        raise OptionError(
            f"from_sentences takes sharewise.problems.Sentences; got {type(sentences).__name__}. Read a file with "
            "read_conllu, read_conll or read_iob2, or make some with Sentences.of(words, pos=tags)."
        )
    asked = _asked(sentences, kinds)
    names = tuple(asked)
    notes: list[str] = []
    known = np.array([[tags is not None for tags in sentences.column(name)] for name in names]).T
    rows = np.flatnonzero(known.any(axis=1))
    _refuse_few(names, known, rows)
    if len(rows) < len(sentences):
        notes.append(f"{counted(len(sentences) - len(rows), 'sentence')} without any tag left out.")
    kept = sentences.take(rows)
    found = [_target(kept, name, asked[name]) for name in names]
    return Problem(
        table=Table((as_column(SENTENCE, kept.words),), len(kept)),
        targets=_described(names, [kind for kind, _ in found], metric),
        labels=np.where(known[rows], 0.0, np.nan),
        tasks=tuple(Task(name, d, None) for d, name in enumerate(names)),
        group=_groups(sentences, rows, group, notes),
        notes=tuple(notes),
        schema=Schema(features=(SENTENCE,), kinds=("sentence",), targets=names, values=(None,)),
        rows=rows,
        answers=tuple(codes for _, codes in found),
    )


def _asked(sentences: Sentences, kinds: Mapping[str, Any] | None) -> dict[str, Asked]:
    """The columns to predict, with what was said of their kind."""
    if kinds is not None and not isinstance(kinds, Mapping):
        raise OptionError(f"kinds map columns of tags to kinds, as in {{'pos': 'tagging'}}; got {kinds!r}.")
    asked: dict[str, Asked] = dict(kinds) if kinds else dict.fromkeys(sentences.tags)
    for name in asked:
        if name not in sentences.tags:
            raise OptionError(
                f"a target is a column of tags, one of {listed(list(sentences.tags)) or 'none'}; got '{name}'."
                f"{nearest(str(name), sentences.tags)} Name another."
            )
    if not asked:
        raise DataError(
            "a problem needs columns of tags; the sentences have none. Read them with their tags."
        )
    if len(asked) == 1:
        raise DataError(one_task(next(iter(asked))))
    return asked


def _refuse_few(names: Sequence[str], known: NDArray[np.bool_], rows: NDArray[np.intp]) -> None:
    for name, count in zip(names, known.sum(axis=0).tolist(), strict=True):
        if count < LEAST_IN_TASK:
            raise DataError(
                f"a target needs {LEAST_IN_TASK} tagged sentences or more; '{name}' has {count}. Tag more, or leave it out."
            )
    if len(rows) < LEAST_ROWS:
        raise DataError(f"a study needs {LEAST_ROWS} tagged sentences or more; got {len(rows)}. Bring more.")


def _target(sentences: Sentences, name: str, asked: object) -> tuple[TokenKind, NDArray[np.object_]]:
    """A column's kind, and its codes by sentence ``(N,)``, None at gaps."""
    column = sentences.column(name)
    try:
        kind = _kind(sentences, name, asked)
        codes = kind.encode(column, sentences.where)
    except DataError as error:
        raise DataError(f"target '{name}': {error}") from error
    return kind, cells(codes)


def _kind(sentences: Sentences, name: str, asked: object) -> TokenKind:
    if isinstance(asked, TokenKind):
        return asked
    column = sentences.column(name)
    if asked is None:
        asked = "spans" if _looks_like_spans(column) else "tagging"
    if asked not in TOKEN_KINDS:
        raise OptionError(
            f"the kind of a column of tags is one of {', '.join(TOKEN_KINDS)}; got {asked!r} for '{name}'. Correct it."
        )
    if asked == "spans":
        _check_spans(sentences, column)  # before types are read from tags that have none
    return TOKEN_KINDS[str(asked)].of(column)


def _check_spans(sentences: Sentences, column: Sequence[Row | None]) -> None:
    for place, tags in enumerate(column):
        fault = None if tags is None else fault_in(tags)
        if fault is not None:
            word, reason = fault
            raise DataError(
                f"spans are in IOB2 (B-type begins one, I-type continues it, O is outside); {reason} "
                f"({sentences.where(place, word)}). Mend the tag, or call the column 'tagging'."
            )


def _looks_like_spans(column: Sequence[Row | None]) -> bool:
    """Whether all tags are outside, or a prefix and a type, and some span begins; their order is checked later."""
    tags = {tag for row in column if row is not None for tag in row}
    marked = tags - {OUTSIDE}
    return bool(marked) and all(tag[:2] in ("B-", "I-") and len(tag) > 2 for tag in marked)


def _described(
    names: Sequence[str], kinds: Sequence[TokenKind], metric: Mapping[str, str] | str | None
) -> tuple[Target, ...]:
    asked = dict.fromkeys(names, metric) if isinstance(metric, str) else dict(metric or {})
    for name in asked:
        if name not in names:
            raise OptionError(f"metric names targets; '{name}' is none.{nearest(name, names)} Correct it.")
    rows = [TagRows(kind) for kind in kinds]
    return tuple(
        Target(name, kind, _metric(kind, name, asked.get(name)))
        for name, kind in zip(names, rows, strict=True)
    )


def _metric(kind: TagRows, name: str, asked: str | None) -> Metric:
    try:
        return kind.metric(asked)
    except OptionError as error:
        raise OptionError(f"metric of '{name}': {error}") from error


def _groups(
    sentences: Sentences, rows: NDArray[np.intp], group: str | Sequence[Any] | None, notes: list[str]
) -> NDArray[np.intp] | None:
    """Codes of what is kept together ``(N,)``; None where nothing is."""
    if group is None:
        return None
    if isinstance(group, str) and group != "document":
        raise OptionError(
            f"sentences are kept together by group='document' or a value a sentence; got '{group}'. Correct it."
        )
    values = list(sentences.documents if isinstance(group, str) else group)
    if len(values) != len(sentences):
        raise OptionError(
            f"group has a value a sentence; got {len(values)} for {len(sentences)} sentences. Pair them."
        )
    values = [values[row] for row in rows]
    named = [value for value in values if value is not None]
    if not named:
        return None
    if len(set(named)) == 1 and len(named) == len(values):
        if group != "document":
            raise DataError(
                "groups are kept whole across a split, so there must be two; got 1. Leave group out."
            )
        notes.append("All sentences stand in one document, so splits go through it.")
        return None
    lone = len(values) - len(named)
    if lone:
        notes.append(f"{counted(lone, 'sentence')} of no group, each taken as one of its own.")
    keys = [("group", value) if value is not None else ("row", place) for place, value in enumerate(values)]
    code_of = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    return np.array([code_of[key] for key in keys], dtype=np.intp)
