"""The small tagger that a practitioner would ship: a logistic regression on features of a word and its neighbours.

Symbols: ``n`` sentences, ``N`` their words, ``A`` features that training sentences have, ``K`` labels.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration, Space, configuration
from sharewise.families._cross_fit import choose
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Model, Predictions, Run, Sample
from sharewise.families.sentences._cells import (
    Words,
    constants_of,
    enough,
    kinds_of,
    reads_sentences,
    sentences_of,
)
from sharewise.families.sentences._features import features_of
from sharewise.problems import Problem, Table
from sharewise.tasks import TagRows, cells

if TYPE_CHECKING:
    from scipy import sparse

STRENGTHS = ((1.0,), (0.3, 3.0), (0.1, 1.0, 10.0), (0.1, 0.5, 2.0, 10.0))
"""Inverse penalties that a fit chooses among on the inner folds, by effort; weakest fit first."""
MOST_STEPS = 40
"""Of the optimiser; few words move afterwards."""
MANY_WORDS = 2000
"""From so many training words on, a feature that one word alone has gets no weight."""


@dataclass(frozen=True)
class WordWeights:
    """A logistic regression over hashed features.

    Attributes:
        features: ``(A,)`` hashes, rising.
        weights: ``(A, K)`` float32; of a label that training words do not have, zero.
        intercept: ``(K,)``; -inf for such a label.
    """

    features: NDArray[np.int64]
    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]

    def shares(self, X: sparse.csr_array[Any]) -> NDArray[np.float32]:
        """Probabilities ``(N, K)`` of words as `design` gives them."""
        scores = np.asarray(X @ self.weights) + self.intercept
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: NDArray[np.float32] = scores / scores.sum(axis=1, keepdims=True)
        return found


@dataclass(frozen=True)
class LinearTags(Model):
    """A `WordWeights` a target; the constant ``(K,)`` where there is none."""

    kinds: tuple[TagRows, ...]
    parts: tuple[WordWeights | None, ...]
    constants: tuple[NDArray[Any], ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        hashed = features_of(sentences_of(table))
        return [
            kind.spread(constant, table.lengths)
            if part is None
            else _by_sentence(part.shares(design(hashed, part.features)), table.lengths)
            for kind, part, constant in zip(self.kinds, self.parts, self.constants, strict=True)
        ]


class LinearWords(Reader):
    """Every word by itself, each task alone.

    Sharing has no meaning of its own here: with the same features for all tasks, weights of different tags have nothing
    in common but their number, so for tasks fitted together nothing is offered.
    """

    learners: ClassVar[tuple[str, ...]] = ("word features",)

    def reads(self, table: Table) -> bool:
        return reads_sentences(table)

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        return () if together else (configuration("word features"),)

    def space(self, problem: Problem, *, together: bool) -> Space:
        return {}  # the penalty is chosen inside every fit

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        kinds = kinds_of(sample)
        constants, held_out = constants_of(sample)
        hashed = _Hashed.of(sentences_of(sample.table))
        parts: list[WordWeights | None] = [None] * len(kinds)
        for target in (target for group in groups for target in group):
            parts[target] = _fit_one(sample, hashed, target, kinds[target], held_out, run)
        return Fit(LinearTags(kinds, tuple(parts), constants), held_out)


@dataclass(frozen=True)
class _Hashed:
    """Features of all words of a sample, with the place of each sentence's first."""

    features: NDArray[np.int64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, sentences: Sequence[Words]) -> _Hashed:
        return cls(features_of(sentences), np.cumsum([0, *map(len, sentences)]))

    def of_rows(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        places = [np.arange(*self.start[row : row + 2]) for row in rows]
        found: NDArray[np.int64] = self.features[np.concatenate(places)]
        return found

    def lengths(self, rows: NDArray[np.intp]) -> list[int]:
        return np.diff(self.start)[rows].tolist()  # type: ignore[no-any-return]


def _fit_one(
    sample: Sample, hashed: _Hashed, target: int, kind: TagRows, held_out: Predictions, run: Run
) -> WordWeights | None:
    """One target's weights, at the strength that the inner folds prefer; fills in what it says of their rows."""
    strengths = STRENGTHS[run.effort]
    losses: list[list[float]] = []
    said: list[tuple[NDArray[np.intp], list[NDArray[np.object_]]]] = []
    for train, valid in sample.folds:
        rows = enough(sample, target, train)
        if not len(rows) or not len(valid):
            continue
        path = _path(sample, hashed, target, rows, strengths, kind.outputs, run)
        words, lengths = hashed.of_rows(valid), hashed.lengths(valid)
        X = design(words, path[0].features)
        found = [_by_sentence(part.shares(X), lengths)[:, 0] for part in path]
        known = sample.known(target)[valid]
        truths = sample.truths(target, valid[known])
        losses.append([float(kind.losses(truths, one[known]).sum()) if len(truths) else 0.0 for one in found])
        said.append((valid, found))
    everyone = enough(sample, target, np.arange(len(sample)))
    if not len(everyone):
        return None
    own, overall = choose(np.array(losses)) if losses else (np.zeros(0, dtype=np.intp), 0)
    for (valid, found), place in zip(said, own, strict=True):
        held_out[target][valid, 0] = found[place]
    return _path(sample, hashed, target, everyone, strengths[: overall + 1], kind.outputs, run)[-1]


def _path(
    sample: Sample,
    hashed: _Hashed,
    target: int,
    rows: NDArray[np.intp],
    strengths: Sequence[float],
    labels: int,
    run: Run,
) -> list[WordWeights]:
    """Weights learnt from these sentences, at each strength, each started from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    words = hashed.of_rows(rows)
    codes = np.concatenate(list(sample.truths(target, rows)))
    seen = np.unique(codes)
    features, counts = np.unique(words, return_counts=True)
    if len(words) >= MANY_WORDS:
        features = features[counts > 1]
    if len(seen) == 1:
        return [_spread(features, np.zeros((len(features), 1)), np.zeros(1), seen, labels)] * len(strengths)
    X = design(words, features)
    model = LogisticRegression(max_iter=MOST_STEPS, tol=1e-3, warm_start=True)
    found = []
    for strength in strengths:
        run.tick()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the steps are bounded on purpose
            model.set_params(C=strength).fit(X, codes)
        run.tick(fits=1, steps=int(np.max(model.n_iter_)))
        weights, intercept = model.coef_.T, model.intercept_
        if len(seen) == 2:  # one column tells the second from the first
            weights, intercept = np.hstack([0 * weights, weights]), np.append(0.0, intercept)
        found.append(_spread(features, weights, intercept, seen, labels))
    return found


def _spread(
    features: NDArray[np.int64], weights: Any, intercept: Any, seen: NDArray[np.int64], labels: int
) -> WordWeights:
    """Weights of the labels seen, put among all labels."""
    every = np.zeros((len(features), labels), dtype=np.float32)
    every[:, seen] = weights
    offset = np.full(labels, -np.inf, dtype=np.float32)
    offset[seen] = intercept
    return WordWeights(features, every, offset)


def design(words: NDArray[np.int64], features: NDArray[np.int64]) -> sparse.csr_array[Any]:
    """Which of the features ``(A,)`` each word has: ``(N, A)``, from hashes ``(N, …)``."""
    from scipy import sparse

    place = np.searchsorted(features, words)
    there = place < len(features)
    there[there] = features[place[there]] == words[there]
    bounds = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    values = np.ones(int(bounds[-1]), dtype=np.float32)
    return sparse.csr_array((values, place[there], bounds), shape=(len(words), len(features)))


def _by_sentence(shares: NDArray[np.float32], lengths: Sequence[int]) -> NDArray[np.object_]:
    """Probabilities of all words as cells ``(n, 1)``."""
    parts = np.split(shares, np.cumsum(lengths)[:-1]) if len(lengths) else []
    return cells([part.astype(np.float32) for part in parts])[:, None]
