"""The readers of every family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sharewise.families._base import Configuration
from sharewise.families._reader import Reader
from sharewise.problems import Problem


@dataclass(frozen=True)
class Readers:
    """Those of one family."""

    every: tuple[Reader, ...]

    def asked(self, problem: Problem) -> tuple[Reader, ...]:
        """Who reads a problem's rows; nobody where an encoder of the user's own does."""
        if problem.encoder is not None:
            return ()
        return tuple(reader for reader in self.every if reader.reads(problem.table))

    def own(self, problem: Problem, takes_encoders: bool) -> bool:
        """Whether the family's own learners for tables compete."""
        if problem.encoder is not None:
            return takes_encoders
        plain = not problem.table.reads_tensors and not problem.table.of_kind("sentence")
        return plain and all(reader.beside for reader in self.asked(problem))

    def of(self, configuration: Configuration) -> Reader | None:
        """Whose learner a configuration names; None for the family's own."""
        return next((reader for reader in self.every if configuration.learner in reader.learners), None)


@cache
def readers_of(family: str) -> Readers:
    """Of a family, by its name."""
    from sharewise.families import (  # which are families' own, and import their parts
        pictures,
        sentences,
        texts,
    )

    packages = (sentences.READERS, pictures.READERS, texts.READERS)
    found = tuple(reader for own in packages for reader in own.get(family, ()))
    names = [name for reader in found for name in reader.learners]
    assert len(names) == len(set(names)), "a configuration's learner names its reader"
    return Readers(found)
