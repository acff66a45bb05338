"""Spans: stretches of words that name something of a type (entities), as IOB2 tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from sharewise.errors import DataError
from sharewise.tasks._iob2 import OUTSIDE, fault_in, repaired
from sharewise.tasks._token_kind import TokenKind
from sharewise.tasks._token_metric import Tags


@dataclass(frozen=True)
class Spans(TokenKind):
    """Final. Spans of words in IOB2, fitted with the log loss of the tags, scored by the F1 of whole spans.

    Predicted tags are repaired: an ``I-X`` that continues no span of type ``X`` becomes ``B-X``. A target is not:
    a broken one is refused. After the repair ``entity_f1`` (strict IOB2) and ``entity_f1_lenient`` (seqeval's
    default) agree; they differ on tags that come from elsewhere.

    >>> kind = Spans.of([("O", "B-PER", "I-PER"), None, ("B-LOC",)])
    >>> kind.labels
    ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')
    >>> kind.tags_of([2, 2, 3])
    ('B-LOC', 'I-LOC', 'B-PER')
    """

    name: ClassVar[str] = "spans"
    metrics: ClassVar[tuple[str, ...]] = ("entity_f1", "entity_f1_lenient", "token_accuracy")

    def __post_init__(self) -> None:
        super().__post_init__()
        for label in self.labels:
            # Alone, an I-tag continues nothing; as B-tag it must be in order, and must be there to repair with.
            begin = f"B-{label[2:]}" if label[:2] == "I-" else label
            if fault_in((begin,)) is not None or begin not in self.labels:
                raise DataError(
                    f"labels of spans are O, B-type and I-type, with a B for every I; got {', '.join(self.labels)}. "
                    "Correct them."
                )

    @classmethod
    def of(cls, tags: Iterable[Tags | None]) -> Spans:
        """The kind of these sentences' tags: outside, then begin and inside of every type in sorted order.

        Raises:
            DataError: There is no span.
        """
        types = sorted({tag[2:] for row in tags if row is not None for tag in row if tag != OUTSIDE})
        return cls((OUTSIDE, *(f"{prefix}-{name}" for name in types for prefix in "BI")))

    @property
    def types(self) -> tuple[str, ...]:
        """What spans can name."""
        return tuple(label[2:] for label in self.labels if label[:2] == "B-")

    @property
    def _rule(self) -> str:
        return "spans are in IOB2 (B-type begins one, I-type continues it, O is outside)"

    def _fault(self, tags: Tags) -> tuple[int, str] | None:
        return fault_in(tags)

    def _mended(self, tags: tuple[str, ...]) -> tuple[str, ...]:
        return repaired(tags)
