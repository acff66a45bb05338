"""IOB2: tags that mark spans of words. ``B-X`` begins a span of type ``X``, ``I-X`` continues it, ``O`` is outside.

Ratnaparkhi's scheme as Tjong Kim Sang and Veenstra name it (*Representing Text Chunks*, EACL 1999,
https://aclanthology.org/E99-1023). A sequence is broken where an ``I-X`` continues no span of type ``X``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OUTSIDE = "O"


class Span(NamedTuple):
    """Words ``start`` to ``end - 1`` of a sentence, counted from 0, and the type of what they name."""

    start: int
    end: int
    type: str


def fault_in(tags: Sequence[str]) -> tuple[int, str] | None:
    """Place and reason of the first tag that breaks IOB2, or None.

    >>> fault_in(["O", "I-PER"])
    (1, "'I-PER' continues no PER: 'O' stands before it")
    """
    before = OUTSIDE
    for place, tag in enumerate(tags):
        if tag != OUTSIDE:
            if tag[:2] not in ("B-", "I-") or len(tag) < 3:
                return place, f"'{tag}' is no O, B-type or I-type"
            if tag[0] == "I" and (before == OUTSIDE or before[2:] != tag[2:]):
                found = f"'{before}' stands before it" if place else "it is the sentence's first tag"
                return place, f"'{tag}' continues no {tag[2:]}: {found}"
        before = tag
    return None


def repaired(tags: Sequence[str]) -> tuple[str, ...]:
    """The same tags, of which every ``I-X`` that continues no span of type ``X`` has become ``B-X``.

    So no tagged word is lost, and `spans_lenient` reads the same spans before and after.

    >>> repaired(["I-PER", "I-PER", "I-LOC", "O"])
    ('B-PER', 'I-PER', 'B-LOC', 'O')
    """
    found: list[str] = []
    before = OUTSIDE
    for tag in tags:
        if tag[:2] == "I-" and (before == OUTSIDE or before[2:] != tag[2:]):
            tag = f"B-{tag[2:]}"
        found.append(tag)
        before = tag
    return tuple(found)


def spans_strict(tags: Sequence[str]) -> list[Span]:
    """Spans that begin with ``B-X`` and go on with ``I-X``; an ``I-X`` that continues nothing names nothing.

    What seqeval reads with ``mode="strict", scheme=IOB2``.
    """
    found: list[Span] = []
    start: int | None = None
    for place, tag in enumerate((*tags, OUTSIDE)):
        if start is not None and tag != f"I-{tags[start][2:]}":
            found.append(Span(start, place, tags[start][2:]))
            start = None
        if tag[:2] == "B-":
            start = place
    return found


def spans_lenient(tags: Sequence[str]) -> list[Span]:
    """Spans after `repaired`: an ``I-X`` that continues nothing begins one.

    What seqeval reads by default, as conlleval did.
    """
    return spans_strict(repaired(tags))
