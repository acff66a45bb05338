"""What the fits say: scores, paired differences, a verdict a task, size and latency.

Nothing to run; `faces.py` uses it.

Symbols: ``N`` photographs, ``S`` seeds, ``J`` folds, ``T`` tasks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sharewise.networks import HardSharing, MultiTaskNetwork, heads
from sharewise.tasks import METRICS, Array
from sharewise.verdicts import Difference, difference, gains, holm

from faces_data import FOLDS
from faces_fit import WIDTH, make_encoder
from faces_study import Side, Study

CONFIDENCE: Final = 0.95
ROPE: Final = 0.01
"""A relative change of the log loss that does not matter."""
OVERLAP: Final = 1 / (FOLDS - 1)
Score = Literal["log loss", "accuracy"]
Word = Literal["share", "separate", "equivalent", "undecided"]


@dataclass(frozen=True)
class Finding:
    """Joint against single networks on one task.

    Attributes:
        word: By the log loss: a change beyond the ROPE that is clear after Holm's correction over tasks.
        gain: Relative gain of the log loss as verdicts count it, at most 100% either way.
        ratio: The joint network's log loss over the single one's.
        change: What the joint network adds to each score, in its own unit.
    """

    word: Word
    gain: Difference
    ratio: float
    change: dict[Score, Difference]


@dataclass(frozen=True)
class Cost:
    """Of serving all tasks, ``(joint, single networks together)`` each.

    Attributes:
        parameters: Numbers to keep.
        one, many: Median milliseconds for one photograph, and for 64.
    """

    parameters: tuple[int, int]
    one: tuple[float, float]
    many: tuple[float, float]


def values(side: Side, task: str, score: Score) -> Array:
    """``(N,)`` of each photograph, mean over seeds."""
    found: Array = (side.loss if score == "log loss" else side.hit)[task].mean(axis=0)
    return found


def by_fold(found: Array, fold: NDArray[np.intp]) -> Array:
    """``(N,) -> (J,)`` means over each fold's photographs."""
    return np.array([found[fold == place].mean() for place in range(fold.max() + 1)])


def findings(study: Study, side: Side) -> dict[str, Finding]:
    """Paired over photographs, seeds and folds.

    A fold's value is the mean over its photographs of the difference on the same photograph; the interval is
    Student's t over folds, whose test rows do not overlap.
    """
    names, log_loss = list(study.tasks), METRICS["log_loss"]
    losses = [
        np.stack([by_fold(values(one, task, "log loss"), study.fold) for task in names], axis=1)
        for one in (side, study.apart)
    ]
    relative = gains(*losses, [log_loss] * len(names))
    found = [_difference(relative[:, place], rope=ROPE) for place in range(len(names))]
    adjusted = holm([one.p_value if one.p_value is not None else 1.0 for one in found])
    result = {}
    ratios = losses[0].mean(axis=0) / losses[1].mean(axis=0)
    for task, gain, p, ratio in zip(names, found, adjusted, ratios, strict=True):
        scores: tuple[Score, ...] = ("log loss", "accuracy")
        change = {
            score: _difference(
                by_fold(values(side, task, score) - values(study.apart, task, score), study.fold), rope=0.0
            )
            for score in scores
        }
        result[task] = Finding(word_of(gain, p), gain, float(ratio), change)
    return result


def word_of(gain: Difference, p_adjusted: float) -> Word:
    """The verdict on one task, by the rules of `sharewise.verdicts`, where all folds were run."""
    if gain.equivalent is None or gain.rounds < FOLDS:
        return "undecided"
    if p_adjusted < 1 - CONFIDENCE and abs(gain.mean) >= ROPE:
        return "share" if gain.mean > 0 else "separate"
    return "equivalent" if gain.equivalent >= CONFIDENCE else "undecided"


def _difference(found: Array, *, rope: float) -> Difference:
    return difference(found, overlap=OVERLAP, rope=rope, confidence=CONFIDENCE)


def cost(study: Study, x: torch.Tensor, repeats: int = 200) -> Cost:
    """Size and latency with the channels chosen most often, on one thread.

    Single networks answer one after another. Both ways are timed in turn, so that a busy machine hurts
    both alike.
    """

    def network(side: str, outputs: dict[str, int]) -> MultiTaskNetwork:
        channels = study.chosen[side].most_common(1)[0][0].channels
        return HardSharing(make_encoder(channels), heads(outputs, WIDTH)).eval()

    joint = [network("joint", study.tasks)]
    apart = [network(task, {task: n}) for task, n in study.tasks.items()]
    parameters = [sum(p.numel() for net in nets for p in net.parameters()) for nets in (joint, apart)]
    one, many = (_p50(joint, apart, rows, repeats) for rows in (x[:1], x[:64]))
    return Cost((parameters[0], parameters[1]), one, many)


@torch.inference_mode()
def _p50(
    joint: Sequence[MultiTaskNetwork], apart: Sequence[MultiTaskNetwork], x: torch.Tensor, repeats: int
) -> tuple[float, float]:
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for networks, times in zip((joint, apart), taken, strict=True):
            began = time.perf_counter()
            for network in networks:
                network(x)
            times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(taken[0])), float(np.median(taken[1]))
