"""Metrics of token tasks: sums over sentences of a few counts, and one number from the sums.

Sentences are what one resamples (words of a sentence hang together), so the counts are kept apart by sentence:
a bootstrap adds up other sentences' counts instead of reading the tags again.

Symbols: ``S`` sentences, ``C`` counts of a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sharewise.errors import DataError
from sharewise.tasks._iob2 import Span, spans_lenient, spans_strict
from sharewise.tasks._metric import Array

Tags = Sequence[str]
"""A tag a word."""


@dataclass(frozen=True)
class TokenMetric:
    """A named score of tagged sentences.

    Attributes:
        name: What users write.
        count: ``(true tags, predicted tags)`` of one sentence to its ``C`` counts.
        value: Sums of counts ``(..., C)`` to scores ``(...)``.
        greater_is_better, perfect, relative_to: As in `Metric`.
    """

    name: str
    count: Callable[[Tags, Tags], tuple[int, ...]]
    value: Callable[[Array], Array]
    greater_is_better: bool = True
    perfect: float = 1.0
    relative_to: Literal["error", "score"] = "score"

    def counts(self, truth: Sequence[Tags | None], predicted: Sequence[Tags]) -> Array:
        """``(S, C)``, a row a sentence that has labels; the others (None) are left out.

        Raises:
            DataError: A sentence has another number of predicted tags than of true ones.
        """
        if len(truth) != len(predicted):
            raise DataError(
                f"every sentence needs its prediction; got {len(predicted)} for {len(truth)} sentences. "
                "Predict the same sentences."
            )
        rows: list[tuple[int, ...]] = []
        for place, (true, found) in enumerate(zip(truth, predicted, strict=True)):
            if true is None:
                continue
            if len(true) != len(found):
                raise DataError(
                    f"every word needs one tag; sentence {place} has {len(true)} true and {len(found)} predicted "
                    "tags. Predict a tag for each of its words."
                )
            rows.append(self.count(true, found))
        width = len(self.count((), ()))
        return np.array(rows, dtype=np.float64).reshape(len(rows), width)

    def __call__(self, truth: Sequence[Tags | None], predicted: Sequence[Tags]) -> float:
        """The score over all labelled sentences; NaN without any."""
        counts = self.counts(truth, predicted)
        return float(self.value(counts.sum(axis=0))) if len(counts) else float("nan")

    def interval(
        self, counts: Array, *, level: float = 0.95, draws: int = 1000, seed: int = 0
    ) -> tuple[float, float]:
        """Percentile bootstrap interval of the score over sentences (Efron 1979).

        Args:
            counts: ``(S, C)`` from `counts`.
        """
        random = np.random.default_rng(seed)
        picks = random.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=draws)
        scores = self.value(picks @ counts)
        low, high = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def _right(truth: Tags, predicted: Tags) -> tuple[int, int]:
    return sum(true == found for true, found in zip(truth, predicted, strict=True)), len(truth)


def _matched(read: Callable[[Tags], list[Span]]) -> Callable[[Tags, Tags], tuple[int, int, int]]:
    def count(truth: Tags, predicted: Tags) -> tuple[int, int, int]:
        true, found = set(read(truth)), set(read(predicted))
        return len(true & found), len(found), len(true)

    return count


def _share(sums: Array) -> Array:
    shares: Array = sums[..., 0] / np.maximum(sums[..., 1], 1)
    return shares


def _f1(sums: Array) -> Array:
    """``2 TP / (predicted + true)``, the harmonic mean of precision and recall; 0 where there is no span at all,
    as seqeval has it."""
    scores: Array = 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)
    return scores


TOKEN_METRICS: dict[str, TokenMetric] = {
    metric.name: metric
    for metric in (
        TokenMetric("token_accuracy", _right, _share),
        TokenMetric("entity_f1", _matched(spans_strict), _f1),
        TokenMetric("entity_f1_lenient", _matched(spans_lenient), _f1),
    )
}
