"""Tags of whole sentences as a study's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks._metric import PROBABILITY_FLOOR, Array, Metric
from sharewise.tasks._ragged import Cells, RaggedKind, averaged, cells
from sharewise.tasks._token_kind import TokenKind
from sharewise.tasks._token_metric import TokenMetric


@final
@dataclass(frozen=True)
class TagRows(RaggedKind):
    """A sentence a row. Symbols: ``L`` words, ``K`` labels.

    A truth is codes ``(L,)``, a prediction probabilities ``(L, K)``.

    Attributes:
        of: What is said of every word.
    """

    of: TokenKind

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.of.name

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.of.metrics

    @property
    def outputs(self) -> int:
        return self.of.outputs

    @property
    def averages(self) -> bool:
        return True

    def metric(self, name: str | None = None) -> Metric:
        chosen = self.of.metric(name)
        score = partial(self._score, chosen)
        return Metric(chosen.name, chosen.greater_is_better, chosen.perfect, chosen.relative_to, score)

    def _score(self, metric: TokenMetric, truths: Any, found: Any) -> float:
        true = [tuple(self.of.labels[int(code)] for code in codes) for codes in truths]
        return metric(true, [self.of.decode(cell) for cell in found[:, 0]])

    def losses(self, truths: Cells, found: Cells) -> Array:
        """Mean log loss over a sentence's words."""
        return np.array([_log_loss(codes, cell) for codes, cell in zip(truths, found, strict=True)])

    def template(self, truths: Cells) -> NDArray[Any]:
        """Shares of the labels ``(K,)``; one pseudo-label spread over all keeps the unseen possible."""
        counts = np.full(self.outputs, 1.0 / self.outputs)
        for codes in truths:
            counts += np.bincount(codes, minlength=self.outputs)
        return np.asarray(counts / counts.sum(), dtype=np.float32)

    def spread(self, template: NDArray[Any], lengths: Sequence[int]) -> Cells:
        return cells([np.tile(template, (length, 1)) for length in lengths])[:, None]

    def mixed(self, weights: Array, found: Cells) -> Cells:
        return averaged(weights, found)

    def decode(self, prediction: NDArray[Any]) -> NDArray[np.generic]:
        """Tuples of tags."""
        return cells([self.of.decode(cell) for cell in prediction[:, 0]])


def _log_loss(codes: NDArray[Any], probabilities: NDArray[Any]) -> float:
    picked = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.clip(picked, PROBABILITY_FLOOR, 1.0)).mean())
