"""How well a learner does on tasks that it has not seen: mean over episodes, with an interval, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from sharewise.errors import DataError
from sharewise.meta._base import MetaLearner
from sharewise.meta._episodes import Episodes


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of a learner on episodes.

    Attributes:
        metric: Share of query rows that are right, or mean squared error of an episode.
        per_episode: One score an episode, in the order drawn: pair these to compare learners.
        transductive: Whether a prediction could read the other query rows.
        seconds: CPU seconds of adapting and predicting, all episodes together.
    """

    metric: Literal["accuracy", "mse"]
    per_episode: NDArray[np.float64]
    transductive: bool
    seconds: float

    @property
    def mean(self) -> float:
        """Mean over episodes."""
        return float(self.per_episode.mean())

    @property
    def half_width(self) -> float:
        """Of the 95% interval of the mean over episodes, by Student's t; NaN for one episode."""
        count = len(self.per_episode)
        if count < 2:
            return float("nan")
        return float(stats.t.ppf(0.975, count - 1) * self.per_episode.std(ddof=1) / np.sqrt(count))

    def __str__(self) -> str:
        label = "transductive" if self.transductive else "inductive"
        return f"{self.metric} {self.mean:.4f} ± {self.half_width:.4f} ({label}, {len(self.per_episode)} episodes)"


def evaluate(learner: MetaLearner, batches: Iterable[Episodes]) -> Evaluation:
    """Adapts to each episode's support and scores its query rows.

    Raises:
        DataError: There are no episodes, or one that cannot be adapted on or judged.
    """
    scores: list[NDArray[np.float64]] = []
    seconds, kinds = 0.0, set()
    for episodes in batches:
        kinds.add(episodes.ways is None)
        before = time.process_time()
        outputs = learner.predict(episodes)
        seconds += time.process_time() - before
        scores.append(episode_scores(outputs, episodes).double().cpu().numpy())
    if len(kinds) != 1:
        raise DataError(
            f"An evaluation is over episodes of one kind; got {len(kinds)} kinds. Pass episodes of classes or of numbers."
        )
    return Evaluation(
        "mse" if kinds.pop() else "accuracy", np.concatenate(scores), learner.transductive, seconds
    )


def episode_scores(outputs: Tensor, episodes: Episodes) -> Tensor:
    """(E,) share of query rows that are right, or mean squared error."""
    there = episodes.query_mask
    if episodes.ways is None:
        rows = (outputs - episodes.query_y).square()
    else:
        rows = (outputs.argmax(-1) == episodes.query_y).to(outputs.dtype)
    return rows.masked_fill(~there, 0).sum(1) / there.sum(1)
