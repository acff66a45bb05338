"""Verification: are two examples of the same identity? Scored on pairs of embeddings of identities unseen in training.

Symbols: `N` examples, `D` numbers of an embedding, `P` pairs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]


class Pairs(NamedTuple):
    """Pairs of examples.

    Attributes:
        similarity: (P,) greater is more alike.
        same: (P,) whether both are of one identity.
    """

    similarity: Array
    same: NDArray[np.bool_]


class Rates(NamedTuple):
    """Operating points from strict to lenient; the first accepts nothing.

    Attributes:
        false_accept: (n,) share of pairs of two identities that are accepted, rising.
        true_accept: (n,) share of pairs of one identity that are accepted, rising.
    """

    false_accept: Array
    true_accept: Array


@final
@dataclass(frozen=True)
class Verification:
    """Same or not, from how alike two embeddings are. All scores are over pairs, at every threshold.

    Attributes:
        false_accept: The rate at which the true accept rate is read: 0.01 lets one stranger in a hundred pass.
    """

    name: ClassVar[str] = "verification"
    metrics: ClassVar[tuple[str, ...]] = ("roc_auc", "tar_at_far", "equal_error_rate")
    false_accept: float = 0.01

    def __post_init__(self) -> None:
        if not 0 < self.false_accept < 1:
            raise OptionError(
                f"A false accept rate lies between 0 and 1; got {self.false_accept}. Pass 0.01 for 1%."
            )

    def scores(self, embeddings: Array, identities: Any) -> dict[str, float]:
        """Of all pairs among examples (N, D) with identities (N,).

        Raises:
            DataError: There are no pairs of one identity, or none of two; or numbers are missing.
        """
        return self.of_pairs(all_pairs(embeddings, identities))

    def of_pairs(self, pairs: Pairs) -> dict[str, float]:
        """Of these pairs."""
        rates = rates_of(pairs)
        return {
            "roc_auc": area(rates),
            "tar_at_far": true_accept_at(rates, self.false_accept),
            "equal_error_rate": equal_error_rate(rates),
        }

    def interval(
        self,
        embeddings: Array,
        identities: Any,
        *,
        metric: str = "roc_auc",
        level: float = 0.95,
        draws: int = 200,
        seed: int = 0,
    ) -> tuple[float, float]:
        """Of one metric, as `intervals`.

        Raises:
            OptionError: The metric is unknown.
        """
        if metric not in self.metrics:
            raise OptionError(
                f"A verification is scored by one of {', '.join(self.metrics)}; got '{metric}'."
            )
        return self.intervals(embeddings, identities, level=level, draws=draws, seed=seed)[metric]

    def intervals(
        self,
        embeddings: Array,
        identities: Any,
        *,
        level: float = 0.95,
        draws: int = 200,
        seed: int = 0,
    ) -> dict[str, tuple[float, float]]:
        """A percentile bootstrap interval over identities of every metric, since an identity's pairs stand and fall
        together.

        An identity that is drawn twice is not paired with its own copy. Equal seeds draw the same identities, whatever
        the embeddings.
        """
        found = all_pairs(embeddings, identities)
        people, codes = np.unique(np.asarray(identities), return_inverse=True)
        first, second = (codes[side] for side in np.triu_indices(len(codes), 1))
        rng = np.random.default_rng(seed)
        values: dict[str, list[float]] = {metric: [] for metric in self.metrics}
        for _ in range(draws):
            times = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
            weight = np.where(first == second, times[first], times[first] * times[second])
            if weight[found.same].sum() and weight[~found.same].sum():
                repeated = Pairs(np.repeat(found.similarity, weight), np.repeat(found.same, weight))
                for metric, value in self.of_pairs(repeated).items():
                    values[metric].append(value)
        ends = {
            metric: np.quantile(each, [(1 - level) / 2, (1 + level) / 2]) for metric, each in values.items()
        }
        return {metric: (float(low), float(high)) for metric, (low, high) in ends.items()}

    def told(self, embeddings: Array, identities: Any) -> str:
        """Scores with 95% intervals in a line."""
        scores, ends = self.scores(embeddings, identities), self.intervals(embeddings, identities)
        names = {"roc_auc": "ROC-AUC", "tar_at_far": f"TAR at FAR {self.false_accept:.3g}"}
        return ", ".join(
            f"{name} {scores[metric]:.3f} ({ends[metric][0]:.3f} to {ends[metric][1]:.3f})"
            for metric, name in names.items()
        )

    @staticmethod
    def check_unseen(training: Iterable[Any], test: Iterable[Any]) -> None:
        """As the function of that name."""
        check_unseen(training, test)


def all_pairs(embeddings: Array, identities: Any) -> Pairs:
    """Every pair of two examples once, by the cosine of their embeddings (N, D).

    Raises:
        DataError: Embeddings are no finite numbers, or not one an identity.
    """
    embeddings, identities = np.asarray(embeddings, dtype=np.float64), np.asarray(identities)
    if embeddings.ndim != 2 or identities.shape != embeddings.shape[:1]:
        raise DataError(
            f"embeddings are (N, D) with N identities; got {embeddings.shape} and {identities.shape}. Pair them."
        )
    if not np.isfinite(embeddings).all():
        row = int(np.argmin(np.isfinite(embeddings).all(1)))
        raise DataError(f"an embedding holds finite numbers; row {row} does not. Leave the example out.")
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(length, 1e-12)
    rows, columns = np.triu_indices(len(unit), 1)
    return Pairs((unit @ unit.T)[rows, columns], identities[rows] == identities[columns])


def check_unseen(training: Iterable[Any], test: Iterable[Any]) -> None:
    """Raises where an identity stands on both sides: recognising whom one has learnt is another, easier task.

    Raises:
        DataError: It names one.
    """
    both = sorted({str(who) for who in training} & {str(who) for who in test})
    if both:
        raise DataError(
            f"verification is scored on identities unseen in training; '{both[0]}' is on both sides"
            f"{f' (and {len(both) - 1} more)' if len(both) > 1 else ''}. Split by identity."
        )


def rates_of(pairs: Pairs) -> Rates:
    """One operating point a distinct similarity, so that equal similarities are accepted together.

    Raises:
        DataError: One sort of pairs is missing.
    """
    same = np.asarray(pairs.same, dtype=bool)
    alike, strangers = int(same.sum()), int((~same).sum())
    if not alike or not strangers:
        raise DataError(
            f"a verification has pairs of one identity and of two; got {alike} and {strangers}. Add examples."
        )
    order = np.argsort(-pairs.similarity, kind="stable")
    last = np.append(np.diff(pairs.similarity[order]) != 0, True)
    accepted = np.cumsum(same[order])[last]
    let_in = np.cumsum(~same[order])[last]
    return Rates(np.append(0.0, let_in / strangers), np.append(0.0, accepted / alike))


def area(rates: Rates) -> float:
    """Under the ROC curve, by trapezoids: the chance that a pair of one identity is more alike than one of two."""
    return float(np.trapezoid(rates.true_accept, rates.false_accept))


def true_accept_at(rates: Rates, false_accept: float) -> float:
    """The best true accept rate of a threshold that lets in no more strangers than `false_accept`."""
    return float(rates.true_accept[rates.false_accept <= false_accept].max())


def equal_error_rate(rates: Rates) -> float:
    """Where as many strangers are accepted as friends refused, on straight lines between operating points."""
    gap = rates.false_accept - (1 - rates.true_accept)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(
        rates.false_accept[after - 1] + share * (rates.false_accept[after] - rates.false_accept[after - 1])
    )
