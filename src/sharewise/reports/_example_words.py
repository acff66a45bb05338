"""A sentence with its tags: spans as highlighted runs of words, other tags under each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.reports._example_marks import COLOURS


@dataclass(frozen=True)
class Piece:
    """Words that stand together.

    Attributes:
        label: What is said of them; empty for nothing.
        colour: Its number, 1 to `COLOURS`, 0 for none.
        wrong: What the truth says instead, or None where it says the same (or nothing is known).
    """

    words: str
    label: str
    colour: int
    wrong: str | None


@dataclass(frozen=True)
class Line:
    """One task's tags of a sentence on one side; no pieces where nothing is said."""

    title: str
    pieces: tuple[Piece, ...]


def lines_of(
    title: str, words: Sequence[str], tags: Sequence[str], truth: Sequence[str], spans: bool
) -> Line:
    """The line of a side; what differs from the truth is marked."""
    if len(tags) != len(words):
        return Line(title, ())
    truth = truth if len(truth) == len(words) else tags
    if spans:
        return Line(title, _spans(words, tags, truth))
    pieces = tuple(
        Piece(word, tag, _colour(tag), true if true != tag else None)
        for word, tag, true in zip(words, tags, truth, strict=True)
    )
    return Line(title, pieces)


def _spans(words: Sequence[str], tags: Sequence[str], truth: Sequence[str]) -> tuple[Piece, ...]:
    """Runs of ``B-X I-X …`` and of ``O``; a run counts as wrong where any of its words' tags differ."""
    pieces: list[Piece] = []
    start = 0
    for place in range(1, len(words) + 1):
        if place < len(words) and _goes_on(tags[place - 1], tags[place], truth[place - 1 : place + 1]):
            continue
        own, true = tags[start:place], truth[start:place]
        label = "" if own[0] == "O" else own[0][2:] or own[0]
        differs = list(own) != list(true)
        told = ", ".join(dict.fromkeys(tag for tag in true)) if differs else None
        pieces.append(Piece(" ".join(words[start:place]), label, _colour(label) if label else 0, told))
        start = place
    return tuple(pieces)


def _goes_on(before: str, tag: str, truth: Sequence[str]) -> bool:
    """Whether a word belongs to the run before it."""
    if before == "O":
        return tag == "O" and (truth[0] == "O") == (truth[1] == "O")
    return tag.startswith("I-") and tag[2:] == before[2:]


def _colour(label: str) -> int:
    """The same for equal labels in every process."""
    return sum(map(ord, label)) % COLOURS + 1
