"""Tagging: one tag of a fixed list for every word (parts of speech)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from sharewise.tasks._token_kind import TokenKind
from sharewise.tasks._token_metric import Tags


@dataclass(frozen=True)
class Tagging(TokenKind):
    """Final. A tag a word, fitted with the log loss, scored by accuracy over words.

    >>> kind = Tagging.of([("DET", "NOUN"), None, ("VERB",)])
    >>> kind.labels
    ('DET', 'NOUN', 'VERB')
    >>> kind.metric()([("DET", "NOUN")], [("DET", "VERB")])
    0.5
    """

    name: ClassVar[str] = "tagging"
    metrics: ClassVar[tuple[str, ...]] = ("token_accuracy",)

    @classmethod
    def of(cls, tags: Iterable[Tags | None]) -> Tagging:
        """The kind of these sentences' tags, in sorted order.

        Raises:
            DataError: There are fewer than two.
        """
        return cls(tuple(sorted({tag for row in tags if row is not None for tag in row})))

    @property
    def _rule(self) -> str:
        return "a tag is one of the task's list"

    def _fault(self, tags: Tags) -> tuple[int, str] | None:
        return None

    def _mended(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tags
