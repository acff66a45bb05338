"""Who helps and who harms whom: what leaving one task out of the joint model does to the others.

Symbols: ``T`` tasks, ``J`` rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.tasks import Array
from sharewise.verdicts._phrases import NAMED, listed, percent, plural, spanned
from sharewise.verdicts._statistics import Difference, difference, holm

MOST_RECORDED = 50
"""With more tasks the matrix, of which most was not measured, stays out of the record."""


@dataclass(frozen=True)
class Claim:
    """The effect of having one task in the joint model on another, or on all others.

    Attributes:
        giver: Place of the task that was left out.
        receiver: Place of the task that was measured; None for the mean over the others.
        found: Its relative effect; positive where the giver helps.
        p_adjusted: After Holm's correction over all claims.
        clear: Whether the corrected claim holds and the effect is beyond the ROPE.
    """

    giver: int
    receiver: int | None
    found: Difference
    p_adjusted: float
    clear: bool


@dataclass(frozen=True)
class Harm:
    """Effects of tasks on each other.

    Attributes:
        tasks: ``T`` names.
        matrix: ``(T, T)`` mean effect of the row's task on the column's, NaN where none was measured.
        claims: All pairs with an interval, the largest effect first.
        givers: The effect of each task on the mean of the others, the largest first.
    """

    tasks: tuple[str, ...]
    matrix: Array
    claims: tuple[Claim, ...]
    givers: tuple[Claim, ...]

    @property
    def text(self) -> str:
        """The clear effects in words; without any, that there are none."""
        if not self.claims:
            return "No effect of one task on another could be measured in two rounds or more."
        clear = [claim for claim in self.claims if claim.clear]
        overall = [self._in_words(claim) for claim in self.givers if claim.clear]
        pairs, looked = plural(len(self.claims), "pair"), "after correcting for looking at all of them"
        if not clear:
            found = f"Of {pairs} of tasks none shows a clear effect, {looked}"
        else:
            many = "is 1 clear effect" if len(clear) == 1 else f"are {len(clear):,} clear effects"
            found = f"Among {pairs} of tasks there {many}, {looked}: {self._listed(clear)}"
        also = f". Taken together, {listed(overall)}" if overall else ""
        return f"{found}{also}."

    def as_dict(self) -> dict[str, Any]:
        """The record of ``verdict.json``, key ``harm``; ``claims`` and ``givers`` hold the clear ones."""
        return {
            "tasks": list(self.tasks),
            "matrix": self._recorded() if len(self.tasks) <= MOST_RECORDED else None,
            "claims": [self._record(claim) for claim in self.claims if claim.clear],
            "givers": [self._record(claim) for claim in self.givers if claim.clear],
            "looked_at": len(self.claims),
            "text": self.text,
        }

    def _recorded(self) -> list[list[float | None]]:
        return [[None if np.isnan(each) else float(each) for each in row] for row in self.matrix]

    def _listed(self, claims: Sequence[Claim]) -> str:
        return listed([self._in_words(claim) for claim in claims], NAMED)

    def _in_words(self, claim: Claim) -> str:
        """``'a' harms 'b' by 5.3% (2.0% to 8.6%)``."""
        found, verb = claim.found, "helps" if claim.found.mean > 0 else "harms"
        whom = "the others" if claim.receiver is None else f"'{self.tasks[claim.receiver]}'"
        measured = ""
        if found.interval is not None:
            low, high = found.interval if found.mean > 0 else (-found.interval[1], -found.interval[0])
            measured = f" ({spanned((low, high))})"
        return f"'{self.tasks[claim.giver]}' {verb} {whom} by {percent(abs(found.mean))}{measured}"

    def _record(self, claim: Claim) -> dict[str, Any]:
        to = {} if claim.receiver is None else {"to": self.tasks[claim.receiver]}
        interval = None if claim.found.interval is None else list(claim.found.interval)
        return {
            "from": self.tasks[claim.giver],
            **to,
            "effect": claim.found.mean,
            "interval": interval,
            "p_adjusted": claim.p_adjusted,
        }


def harm(gains: Array, tasks: Sequence[str], *, rope: float, confidence: float, overlap: float) -> Harm:
    """Average over rounds, and correct for looking at all pairs and at every task's effect on the rest.

    Args:
        gains: ``(T, T, J)``: in row ``j`` and column ``i`` the relative gain of task ``i`` from having task
            ``j`` in the joint model (its error without ``j`` against with it). NaN where it was not
            measured: the diagonal, and whatever no training left out.
        rope: Relative difference too small to matter; smaller effects are no claims.
        overlap: Test rows per training row.

    Raises:
        DataError: The array does not fit the tasks.
    """
    count = len(tasks)
    if gains.ndim != 3 or gains.shape[:2] != (count, count):
        raise DataError(
            f"effects need one row and one column a task ({count}) and then rounds; got shape {gains.shape}. "
            "Pass an array of shape (T, T, J)."
        )
    known = ~np.isnan(gains)
    known[np.arange(count), np.arange(count)] = False
    values = np.where(known, gains, np.nan)
    looked: list[tuple[int, int | None, Difference]] = []
    for giver in range(count):
        places: list[int | None] = [i for i in range(count) if known[giver, i].any()]
        for receiver in [*places, None] if len(places) > 1 else places:
            one = _others(values[giver]) if receiver is None else values[giver, receiver]
            found = difference(one, overlap=overlap, rope=rope, confidence=confidence)
            if found.p_value is not None:
                looked.append((giver, receiver, found))
    adjusted = holm([found.p_value or 0.0 for _, _, found in looked])
    claims = [
        Claim(giver, receiver, found, p, p < 1 - confidence and abs(found.mean) > rope)
        for (giver, receiver, found), p in zip(looked, adjusted, strict=True)
    ]
    claims.sort(key=lambda claim: -abs(claim.found.mean))
    return Harm(
        tuple(tasks),
        _means(values),
        tuple(claim for claim in claims if claim.receiver is not None),
        tuple(claim for claim in claims if claim.receiver is None),
    )


def _others(values: Array) -> Array:
    """``(T, J) -> (J,)``: mean over the tasks measured in *every* round, lest tasks come and go with rounds."""
    always = ~np.isnan(values).any(axis=1)
    if not always.any():
        return np.full(values.shape[1], np.nan)
    mean: Array = values[always].mean(axis=0)
    return mean


def _means(values: Array) -> Array:
    """``(T, T, J) -> (T, T)`` over known rounds."""
    known = ~np.isnan(values)
    total: Array = np.where(known, values, 0.0).sum(axis=2)
    return np.where(known.any(axis=2), total / np.maximum(known.sum(axis=2), 1), np.nan)
