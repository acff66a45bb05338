"""Sentences of words, and what is said of each word: plain records that readers fill and token tasks read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sharewise.errors import DataError
from sharewise.problems._names import listed, nearest

Row = tuple[str, ...]
"""A word, or a tag, at every place of a sentence."""


@dataclass(frozen=True)
class Sentences:
    """``S`` sentences. All attributes have an entry a sentence.

    Attributes:
        words: The words.
        tags: By column name the tags, one a word; None for a sentence that the column says nothing of.
        ids: What the source calls the sentence, or None.
        documents: What the source calls the text that the sentence stands in, or None: sentences of one text belong
            on one side of a split.
        files: The source's name, empty where there is none.
        lines: The line there of the first word, 0 where there is none.

    Raises:
        DataError: A sentence is empty, holds an empty word, or has another number of tags than of words.
    """

    words: tuple[Row, ...]
    tags: Mapping[str, tuple[Row | None, ...]] = field(default_factory=dict)
    ids: tuple[str | None, ...] = ()
    documents: tuple[str | None, ...] = ()
    files: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.words)
        for name, blank in (("ids", None), ("documents", None), ("files", ""), ("lines", 0)):
            if not getattr(self, name):
                object.__setattr__(self, name, (blank,) * count)  # frozen for everybody else
            elif len(getattr(self, name)) != count:
                raise DataError(
                    f"{name} need one entry a sentence; got {len(getattr(self, name))} for {count}."
                )
        for place, words in enumerate(self.words):
            if not words or not all(words):
                what = "an empty word" if words else "none"
                raise DataError(
                    f"a sentence holds words; got {what} in {self.where(place)}. Leave the sentence out."
                )
        for name, column in self.tags.items():
            self._check_column(name, column)

    @classmethod
    def of(cls, words: Iterable[Iterable[str]], **tags: Iterable[Iterable[str] | None]) -> Sentences:
        """From lists: ``Sentences.of([["He", "ran"]], pos=[["PRON", "VERB"]])``."""
        return cls(
            tuple(tuple(row) for row in words),
            {
                name: tuple(None if row is None else tuple(row) for row in column)
                for name, column in tags.items()
            },
        )

    def __len__(self) -> int:
        return len(self.words)

    @property
    def tokens(self) -> int:
        """How many words there are."""
        return sum(len(row) for row in self.words)

    def column(self, name: str) -> tuple[Row | None, ...]:
        """The tags of that name.

        Raises:
            DataError: There is no such column.
        """
        if name not in self.tags:
            raise DataError(
                f"a column of tags must be one of {listed(list(self.tags)) or 'none'}; got '{name}'."
                f"{nearest(name, self.tags)} Read it from the file."
            )
        return self.tags[name]

    def where(self, sentence: int, word: int | None = None) -> str:
        """Where a sentence, or its word counted from 0, stands, for messages."""
        source = f"'{self.files[sentence]}', " if self.files[sentence] else ""
        spot = f"the sentence from line {self.lines[sentence]}" if source else f"sentence {sentence}"
        if word is None:
            return f"{source}{spot}"
        return f"{source}{spot}, word {word + 1}: '{shortened(self.words[sentence][word])}'"

    def take(self, rows: Iterable[int]) -> Sentences:
        """These sentences, in this order."""
        chosen = [int(row) for row in rows]
        return Sentences(
            tuple(self.words[row] for row in chosen),
            {name: tuple(column[row] for row in chosen) for name, column in self.tags.items()},
            tuple(self.ids[row] for row in chosen),
            tuple(self.documents[row] for row in chosen),
            tuple(self.files[row] for row in chosen),
            tuple(self.lines[row] for row in chosen),
        )

    def __add__(self, other: Sentences) -> Sentences:
        """The sentences of both; what a column does not say of the other's sentences is None."""
        names = [*self.tags, *(name for name in other.tags if name not in self.tags)]
        return Sentences(
            self.words + other.words,
            {name: _column_of(self, name) + _column_of(other, name) for name in names},
            self.ids + other.ids,
            self.documents + other.documents,
            self.files + other.files,
            self.lines + other.lines,
        )

    def with_tags(self, other: Sentences, *, unlike: Literal["refuse", "leave"] = "refuse") -> Sentences:
        """The same sentences with the columns of another source besides, matched by id, else by order.

        By id where both sources name all their sentences, each once. A sentence that the other does not have gets
        None.

        Args:
            unlike: What becomes of a sentence whose words differ between the sources: ``refuse`` raises,
                ``leave`` gives it None.

        Raises:
            DataError: A column stands in both, words differ, or sources without ids differ in length.
        """
        twice = [name for name in other.tags if name in self.tags]
        if twice:
            raise DataError(f"a column of tags comes from one source; got '{twice[0]}' twice. Rename one.")
        match = self._match(other)
        for place, found in enumerate(match):
            if found is None or self.words[place] == other.words[found]:
                continue
            if unlike == "refuse":
                raise DataError(
                    f"the two sources must hold the same words; {self.where(place)} and {other.where(found)} differ "
                    f"({_difference(self.words[place], other.words[found])}). Mend one, or pass unlike='leave'."
                )
            match[place] = None
        added = {
            name: tuple(None if found is None else column[found] for found in match)
            for name, column in other.tags.items()
        }
        return Sentences(self.words, {**self.tags, **added}, self.ids, self.documents, self.files, self.lines)

    def _match(self, other: Sentences) -> list[int | None]:
        """The place in the other of each sentence, or None."""
        if _named(self.ids) and _named(other.ids):
            place_of = {name: place for place, name in enumerate(other.ids)}
            return [place_of.get(name) for name in self.ids]
        if len(self) != len(other):
            raise DataError(
                f"sources without an id for every sentence are matched by order and need as many sentences; got "
                f"{len(self)} and {len(other)}. Give them ids ('# sent_id = …'), or drop what is too many."
            )
        return list(range(len(self)))

    def _check_column(self, name: str, column: Sequence[Row | None]) -> None:
        if len(column) != len(self):
            raise DataError(
                f"column '{name}' needs one entry a sentence; got {len(column)} for {len(self)}. Put None for gaps."
            )
        for place, row in enumerate(column):
            if row is not None and len(row) != len(self.words[place]):
                raise DataError(
                    f"every word needs one tag; {self.where(place)} has {len(self.words[place])} words and {len(row)} "
                    f"tags in column '{name}'. Mend the sentence."
                )


def shortened(text: str, most: int = 40) -> str:
    """A cell for a message."""
    return text if len(text) <= most else f"{text[:most]}…"


def _column_of(sentences: Sentences, name: str) -> tuple[Row | None, ...]:
    return sentences.tags.get(name, (None,) * len(sentences))


def _named(ids: Sequence[str | None]) -> bool:
    return None not in ids and len(set(ids)) == len(ids)


def _difference(first: Row, second: Row) -> str:
    if len(first) != len(second):
        return f"{len(first)} and {len(second)} words"
    one, two = next((a, b) for a, b in zip(first, second, strict=True) if a != b)
    return f"'{shortened(one)}' and '{shortened(two)}'"
