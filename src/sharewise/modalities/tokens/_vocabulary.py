"""A list of known entries (words, letters), fitted on training sentences, with a code for all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

PADDING = 0
"""The code where nothing stands."""
UNKNOWN = 1
"""The code of whatever is not on the list."""


@dataclass(frozen=True)
class Vocabulary:
    """Codes from 2 on for known entries, in order of frequency.

    >>> known = Vocabulary.fit("a b a c a b".split(), at_least=2)
    >>> known.entries, known.code("b"), known.code("c"), len(known)
    (('a', 'b'), 3, 1, 4)
    """

    entries: tuple[str, ...]

    @classmethod
    def fit(cls, entries: Iterable[str], *, at_least: int = 1, at_most: int = 50_000) -> Vocabulary:
        """The entries that come ``at_least`` times, the ``at_most`` most frequent of them; ties in sorted order."""
        counts = Counter(entries)
        kept = sorted((entry for entry in counts if counts[entry] >= at_least), key=lambda e: (-counts[e], e))
        return cls(tuple(kept[:at_most]))

    def __len__(self) -> int:
        return len(self.entries) + 2

    def code(self, entry: str) -> int:
        """Its code, or `UNKNOWN`."""
        return self._codes.get(entry, UNKNOWN)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {entry: code for code, entry in enumerate(self.entries, start=2)}
