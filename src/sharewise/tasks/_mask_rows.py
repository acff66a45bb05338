"""Masks of pictures of one size as a study's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.tasks._metric import PROBABILITY_FLOOR, Array, Metric
from sharewise.tasks._ragged import Cells, RaggedKind, averaged, cells
from sharewise.tasks._segmentation import Segmentation


@final
@dataclass(frozen=True)
class MaskRows(RaggedKind):
    """A mask a row, of one size ``(H, W)`` in all rows. Symbol: ``K`` classes.

    A truth is codes ``(H, W)``, a prediction probabilities ``(K, H, W)``.

    Attributes:
        of: Its classes.
    """

    name: ClassVar[str] = Segmentation.name
    metrics: ClassVar[tuple[str, ...]] = Segmentation.metrics
    of: Segmentation

    @property
    def outputs(self) -> int:
        return len(self.of.classes)

    @property
    def averages(self) -> bool:
        return True

    def metric(self, name: str | None = None) -> Metric:
        chosen = name or self.metrics[0]
        if chosen not in self.metrics:
            raise OptionError(
                f"a {self.name} task is scored by one of {', '.join(self.metrics)}; got '{chosen}'."
            )
        return Metric(chosen, True, 1.0, "score", partial(self._score, chosen))

    def _score(self, metric: str, truths: Any, found: Any) -> float:
        return self.of.scores(list(truths), [_hard(cell) for cell in found[:, 0]])[metric]

    def losses(self, truths: Cells, found: Cells) -> Array:
        """Mean log loss over a mask's labelled pixels; 0 where none is."""
        return np.array([self._loss(truth, cell) for truth, cell in zip(truths, found, strict=True)])

    def _loss(self, truth: NDArray[Any], probabilities: NDArray[Any]) -> float:
        known = truth != self.of.ignore
        if not known.any():
            return 0.0
        picked = np.take_along_axis(probabilities, np.where(known, truth, 0)[None].astype(np.intp), axis=0)[0]
        return float(-np.log(np.clip(picked[known], PROBABILITY_FLOOR, 1.0)).mean())

    def template(self, truths: Cells) -> NDArray[Any]:
        """Each pixel's share of the classes ``(K, H, W)``, one pseudo-label spread over all."""
        counts = np.full((self.outputs, *truths[0].shape), 1.0 / self.outputs)
        for truth in truths:
            counts += truth[None] == np.arange(self.outputs)[:, None, None]
        return np.asarray(counts / counts.sum(axis=0), dtype=np.float32)

    def spread(self, template: NDArray[Any], lengths: Sequence[int]) -> Cells:
        return cells([template] * len(lengths))[:, None]

    def mixed(self, weights: Array, found: Cells) -> Cells:
        return averaged(weights, found)

    def decode(self, prediction: NDArray[Any]) -> NDArray[np.generic]:
        """Codes ``(H, W)`` each."""
        return cells([_hard(cell) for cell in prediction[:, 0]])


def _hard(probabilities: NDArray[Any]) -> NDArray[np.uint8]:
    codes: NDArray[np.uint8] = probabilities.argmax(axis=0).astype(np.uint8)
    return codes
