"""The linear models that a practitioner would ship for text: sparse grams and a penalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from sharewise.families._base import Configuration, Space, configuration
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families.texts._apart import fit_apart
from sharewise.families.texts._copies import fit_copies
from sharewise.families.texts._stacked import fit_stacked
from sharewise.problems import Problem, Table

ALONE, STACKED, COPIES, POOLED = "grams", "stacked grams", "grams with copies", "pooled grams"


@final
class TextLinear(Reader):
    """Final. Logistic regression and ridge over TF-IDF grams, alone or sharing.

    Together the tasks of a wide table read what all tasks' own models say (`fit_stacked`); the tasks of a task
    column pool their rows, with or without a copy of the grams for each task (`fit_copies`).
    """

    learners: ClassVar[tuple[str, ...]] = (ALONE, STACKED, COPIES, POOLED)
    beside: ClassVar[bool] = True

    def reads(self, table: Table) -> bool:
        plain = not table.reads_tensors and not table.of_kind("sentence")
        return plain and bool(table.of_kind("text"))

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        if not together:
            return (configuration(ALONE),)
        if problem.is_wide:
            return (configuration(STACKED),)
        return tuple(configuration(name) for name in ((COPIES, POOLED) if effort >= 1 else (COPIES,)))

    def space(self, problem: Problem, *, together: bool) -> Space:
        return {}  # penalties are chosen inside every fit

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        if configuration.learner == ALONE:
            return fit_apart(sample, run)
        if configuration.learner == STACKED:
            return fit_stacked(sample, run)
        return fit_copies(sample, run, copies=configuration.learner == COPIES)
