"""A request that is not served: a status and one sentence."""

from __future__ import annotations

from collections.abc import Mapping

from sharewise.errors import DataError, OptionError, SharewiseError

_LONGEST = 800
"""Characters of a sentence: what a client sent is told back in part only, however much it was."""


def brief(sentence: str) -> str:
    """The sentence in one line, cut where what it quotes is long."""
    line = " ".join(sentence[: 2 * _LONGEST].split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


class Refusal(Exception):
    """What a client is told in place of an answer.

    Attributes:
        status: Of the response.
        sentence: Its ``error``.
        headers: Further ones.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(brief(sentence))
        self.status = status
        self.sentence = brief(sentence)
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, error: SharewiseError) -> Refusal:
        """The library's own sentence: 422 for rows that break a rule, 409 for what this model does not do."""
        if isinstance(error, DataError):
            return cls(422, str(error))
        return cls(409 if isinstance(error, OptionError) else 500, str(error))
