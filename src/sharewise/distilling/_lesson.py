"""What a student learns from: labels, and what a larger model says of the same rows and of others.

Symbols: ``n`` rows, ``Q`` questions, ``D`` targets, ``W`` columns of a target's prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sharewise.distilling._questions import Answered, beside
from sharewise.families import Predictions, Sample
from sharewise.problems import Target
from sharewise.tasks import Array, Classification


@dataclass(frozen=True)
class Way:
    """How a student is taught.

    Attributes:
        words: What it learns from.
        share: Weight of the label beside the teacher's answer where a row has both; at 1 no answer is heard, of gaps
            neither.
        asks: Whether it also learns answers to made-up rows.
    """

    words: str
    share: float
    asks: bool = False

    @property
    def hears(self) -> bool:
        """Whether the teacher is heard at all."""
        return self.share < 1 or self.asks


WAYS = (
    Way("labels alone", 1.0),
    Way("labels and the winner's answers", 0.5),
    Way("labels and the winner's answers, made-up rows included", 0.5, asks=True),
)
"""Tried with every student, the first being what teaching is compared with. Where labels are noisy an answer is better than
a label; where they are exact it adds the teacher's errors, and only made-up rows tell what labels do not."""


@dataclass(frozen=True)
class Lesson:
    """Rows and what to say of each.

    Attributes:
        sample: The rows, with inner folds.
        aims: For each target ``(n, W)``: a number, or the probability of every class; NaN where nothing is known.
    """

    sample: Sample
    aims: tuple[Array, ...]

    @classmethod
    def of(cls, sample: Sample, told: Predictions, way: Way, asked: Answered | None = None) -> Lesson:
        """Labels and a teacher's answers, mixed.

        For the squared error and for the log loss, learning from the mixture ``share·label + (1 - share)·answer`` is
        learning from both with these weights (Hinton, Vinyals & Dean 2015, section 2, at temperature 1), up to a
        constant. Answers must be of models that did not see the row's label: a teacher's answer for a row that it
        learnt from repeats the label and teaches nothing. Where a label is missing, the answer stands alone, as in
        Buciluă, Caruana & Niculescu-Mizil (2006), whose students learn from rows that nobody labelled.

        Args:
            told: For each target ``(n, W)``, NaN where the teacher is silent.
            asked: Made-up rows with its answers, for ways that ask.
        """
        aims = []
        for place, hard in enumerate(as_answers(sample.labels, sample.targets)):
            soft = told[place] if way.hears else np.full_like(hard, np.nan)
            both = way.share * hard + (1 - way.share) * soft
            aims.append(np.where(np.isnan(soft), hard, np.where(np.isnan(hard), soft, both)))
        if asked is None or not way.asks:
            return cls(sample, tuple(aims))
        whole = tuple(np.vstack(pair) for pair in zip(aims, asked.answers, strict=True))
        return cls(beside(sample, asked), whole)


def as_answers(labels: Array, targets: Sequence[Target]) -> list[Array]:
    """Labels ``(n, D)`` as predictions that are sure of them: for each target ``(n, W)``, NaN where there is none."""
    found: list[Array] = []
    for place, target in enumerate(targets):
        y = labels[:, place]
        hard = y[:, None].copy()
        if isinstance(target.kind, Classification):
            hard = (y[:, None] == np.arange(target.kind.width)).astype(np.float64)
            hard[np.isnan(y)] = np.nan
        found.append(hard)
    return found
