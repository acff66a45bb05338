"""What kind of thing is predicted of every word of a sentence.

A token task's target is ragged: a tag a word, sentences of any length, None for a sentence that the task says nothing
of. So its kinds have an interface of their own beside `Kind`.

Symbols: ``L`` words of a sentence, ``K`` labels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.tasks._metric import Array
from sharewise.tasks._token_metric import TOKEN_METRICS, Tags, TokenMetric

Codes = NDArray[np.int64]
Where = Callable[[int, int], str]
"""``(sentence, word)`` to where it stands, for messages."""


class Transitions(NamedTuple):
    """Which labels may stand where.

    Attributes:
        first: ``(K,)``, whether a sentence may begin with the label.
        next: ``(K, K)``, whether label ``j`` may follow label ``i``, at ``[i, j]``.
    """

    first: NDArray[np.bool_]
    next: NDArray[np.bool_]


@dataclass(frozen=True)
class TokenKind(ABC):
    """Abstract: a kind of target with one tag a word.

    Attributes:
        labels: The tags that a head scores, in the order of its outputs; a tag's code is its place here.
    """

    labels: tuple[str, ...]
    name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    """Names in `TOKEN_METRICS` that fit this kind; the first is the default."""

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise DataError(
                f"a {self.name} task has two or more tags, each once; got {', '.join(self.labels) or 'none'}. "
                "Give sentences that show more, or name the tags."
            )

    @property
    def outputs(self) -> int:
        """``K``, the numbers that a network's head gives for a word."""
        return len(self.labels)

    @cached_property
    def _code(self) -> dict[str, int]:
        return {label: code for code, label in enumerate(self.labels)}

    def check(self, tags: Sequence[Tags | None], where: Where | None = None) -> None:
        """Raises where a tag is unknown, or stands where it may not.

        Args:
            where: Says where a word stands; otherwise its sentence and word are counted from 0.

        Raises:
            DataError: In one sentence.
        """
        for sentence, row in enumerate(tags):
            if row is None:
                continue
            fault = self._fault(row) or self._unknown(row)
            if fault is not None:
                place, reason = fault
                at = where(sentence, place) if where else f"sentence {sentence}, word {place}"
                raise DataError(f"{self._rule}; {reason} ({at}). Mend the tag.")

    def encode(self, tags: Sequence[Tags | None], where: Where | None = None) -> list[Codes | None]:
        """Codes ``(L,)`` of every sentence, None where there is no label.

        Raises:
            DataError: As `check` does.
        """
        self.check(tags, where)
        code = self._code
        return [None if row is None else np.array([code[tag] for tag in row], dtype=np.int64) for row in tags]

    def decode(self, scores: Array) -> tuple[str, ...]:
        """The tags of one sentence from scores ``(L, K)``: the highest at each word, then mended."""
        return self.tags_of(np.asarray(scores).argmax(axis=-1))

    def tags_of(self, codes: Sequence[int] | NDArray[np.integer]) -> tuple[str, ...]:
        """The tags of codes ``(L,)``, mended where they break the kind's rule."""
        return self._mended(tuple(self.labels[int(code)] for code in codes))

    def metric(self, name: str | None = None) -> TokenMetric:
        """The metric of that name, or the default.

        Raises:
            OptionError: The metric does not exist or does not fit this kind.
        """
        chosen = name or self.metrics[0]
        if chosen not in self.metrics:
            raise OptionError(
                f"a {self.name} task is scored by one of {', '.join(self.metrics)}; got '{chosen}'. Take one of them."
            )
        return TOKEN_METRICS[chosen]

    def transitions(self) -> Transitions:
        """Which labels may stand first and after one another: what `_fault` finds nothing wrong with."""
        first = np.array([self._fault((label,)) is None for label in self.labels])
        follows = [
            # What mending makes of a label alone is in order, and may stand before the label.
            [self._fault((*self._mended((before,)), before, label)) is None for label in self.labels]
            for before in self.labels
        ]
        return Transitions(first, np.array(follows))

    def _unknown(self, tags: Tags) -> tuple[int, str] | None:
        for place, tag in enumerate(tags):
            if tag not in self._code:
                return place, f"'{tag}' is none of {', '.join(self.labels)}"
        return None

    @property
    @abstractmethod
    def _rule(self) -> str:
        """What a message says of the tags, as the beginning of a sentence."""

    @abstractmethod
    def _fault(self, tags: Tags) -> tuple[int, str] | None:
        """Place and reason of the first tag that may not stand where it does, whatever the labels."""

    @abstractmethod
    def _mended(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        """The tags with what breaks the rule replaced."""
