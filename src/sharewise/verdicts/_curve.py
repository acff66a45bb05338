"""What growing shares of the training rows say: does sharing still pay with more labels, or with fewer?

Symbols: ``J`` rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.tasks import Array
from sharewise.verdicts._crossover import GainFit, Meeting, Projection
from sharewise.verdicts._phrases import percent, plural, spanned, sure
from sharewise.verdicts._statistics import Difference, difference

DRAWN = 25
"""Points of the fitted gain on record, for a picture."""


@dataclass(frozen=True)
class CurvePoint:
    """The two sides' representatives, refitted on a share of the training rows.

    Attributes:
        share: Of the training rows.
        labels: Training labels a task, the median over tasks.
        separate, shared: ``(J,)`` errors as shares of the constant's; NaN where a round has none.
        gain: ``(J,)`` relative gain of the shared side, mean over tasks.
    """

    share: float
    labels: float
    separate: Array
    shared: Array
    gain: Array


@dataclass(frozen=True)
class Curve:
    """A learning curve of the gain of sharing.

    Attributes:
        points: Fewest labels first.
        gains: What each point says of the gain.
        bands: Half-widths for the two lines of errors that overlap exactly where the interval of
            their difference holds zero (Baguley 2012); None without an interval.
        rope, confidence: As in the protocol.
        fit: Shapes fitted to the gains; None with fewer than two points.
        meeting: Where the fitted gain meets the ROPE; None without a fit.
    """

    points: tuple[CurvePoint, ...]
    gains: tuple[Difference, ...]
    bands: tuple[float | None, ...]
    rope: float
    confidence: float
    fit: GainFit | None
    meeting: Meeting | None

    @property
    def present(self) -> float:
        """Training labels a task with all training rows."""
        return self.points[-1].labels

    def gain_at(self, factor: float) -> Projection | None:
        """The gain with ``factor`` times the present labels; None where the curve cannot say."""
        return None if self.fit is None else self.fit.at(self.present * factor)

    @property
    def text(self) -> str:
        """What the curve says, no more than its intervals allow."""
        return f"{_ends(self)}{_crossing(self)}."

    def as_dict(self) -> dict[str, Any]:
        """The record of ``verdict.json``, key ``learning_curve``."""
        meeting = self.meeting
        known = meeting is not None and meeting.status == "found"
        interval = [_whole(meeting.low), _whole(meeting.high)] if known and meeting is not None else None
        return {
            "points": [self._point(place) for place in range(len(self.points))],
            "fit": [_projected(each) for each in self._drawn()],
            "crossover": {
                "labels": _whole(meeting.labels) if known and meeting is not None else None,
                "interval": interval,
                "text": self.text,
            },
            "rope": self.rope,
            "confidence": self.confidence,
        }

    def _point(self, place: int) -> dict[str, Any]:
        point, found = self.points[place], self.gains[place]
        return {
            "share": point.share,
            "labels": point.labels,
            "separate": _mean(point.separate),
            "shared": _mean(point.shared),
            "band": self.bands[place],
            "delta": found.mean,
            "interval": None if found.interval is None else list(found.interval),
            "rounds": found.rounds,
        }

    def _drawn(self) -> list[Projection]:
        """The fitted gain from the fewest labels to beyond the crossover, at least to twice the most."""
        if self.fit is None or self.meeting is None:
            return []
        marks = [each for each in (self.meeting.labels, self.meeting.high) if each is not None]
        least, farthest = self.fit.reach
        most = min(max([2 * self.present, *(1.1 * mark for mark in marks)]), farthest)
        grid = np.geomspace(least, most, DRAWN)
        return [found for labels in grid if (found := self.fit.at(float(labels))) is not None]


def learning_curve(points: Sequence[CurvePoint], *, rope: float, confidence: float, overlap: float) -> Curve:
    """Summarise the points and look for the labels at which the gain of sharing meets the ROPE.

    Args:
        points: In any order; those without a gain in any round are left out.
        rope: Relative difference too small to matter: a smaller gain does not pay.
        overlap: Test rows per training row. Smaller shares of the rows overlap less between rounds; the
            overlap of all rows is used for them too, which errs on the wide side.

    Raises:
        DataError: No point has a gain, two have the same number of labels, or one has none.
    """
    kept = sorted((p for p in points if not np.isnan(p.gain).all()), key=lambda point: point.labels)
    labels = [point.labels for point in kept]
    if not kept or len(set(labels)) < len(labels) or labels[0] <= 0:
        raise DataError(
            "a learning curve needs points with measured gains and different, positive numbers of labels; got "
            f"labels {labels}. Refit on other shares of the training rows."
        )

    def summed(values: Array) -> Difference:
        return difference(values, overlap=overlap, rope=rope, confidence=confidence)

    fit = None
    if len(kept) > 1:
        fit = GainFit(np.array(labels), np.array([p.gain for p in kept]), overlap, confidence)
    return Curve(
        tuple(kept),
        tuple(summed(point.gain) for point in kept),
        tuple(_band(summed(point.separate - point.shared)) for point in kept),
        rope,
        confidence,
        fit,
        None if fit is None else fit.meets(rope),
    )


def _band(found: Difference) -> float | None:
    """Each line takes half of the difference's half-width."""
    return None if found.interval is None else (found.interval[1] - found.interval[0]) / 4


def _ends(curve: Curve) -> str:
    """``Sharing gains 12.0% (8.0% to 16.0%) at 5 training labels a task and 3.0% (…) at 40``."""

    def one(place: int) -> str:
        found, labels = curve.gains[place], f"{curve.points[place].labels:,.0f}"
        measured = "" if found.interval is None else f" ({spanned(found.interval)})"
        noun = " training labels a task" if place == 0 else ""
        return f"{percent(found.mean)}{measured} at {labels}{noun}"

    if len(curve.points) == 1:
        return f"The gain of sharing is {one(0)}"
    return f"The gain of sharing is {one(0)} and {one(len(curve.points) - 1)}"


def _crossing(curve: Curve) -> str:
    """The second half of the sentence: where sharing stops or starts to pay."""
    meeting, fit = curve.meeting, curve.fit
    if meeting is None or fit is None:
        return "; one point cannot say where it stops paying"
    least, most = (f"{end:,.0f}" for end in fit.reach)
    if meeting.status == "open":
        rounds = max(found.rounds for found in curve.gains)
        return f"; {plural(rounds, 'round')} cannot tell at how many labels it stops or starts paying"
    if meeting.status == "never":
        does = "keeps paying" if meeting.above else "does not pay"
        return f"; as far as the curve may be extrapolated ({least} to {most} labels) it {does}"
    bounds = f"{sure(curve.confidence)} interval {_bounds(meeting)}"
    if meeting.labels is None:
        does = "pays" if meeting.above else "does not pay"
        turn = "stops" if meeting.above == (meeting.low is not None) else "starts"
        return f"; the best guess is that it {does} from {least} to {most} labels, but where it {turn} paying is open ({bounds})"
    turn, crosses = ("stops", "falls below") if meeting.falling else ("starts", "rises above")
    how = "" if meeting.labels <= curve.present else "extrapolated, "
    return f"; {how}it {turn} paying ({crosses} {percent(curve.rope)}) near {meeting.labels:,.0f} ({bounds})"


def _bounds(meeting: Meeting) -> str:
    if meeting.high is None:
        return f"{meeting.low:,.0f} or more"
    if meeting.low is None:
        return f"{meeting.high:,.0f} or fewer"
    return f"{meeting.low:,.0f} to {meeting.high:,.0f}"


def _projected(found: Projection) -> dict[str, Any]:
    interval = None if found.interval is None else list(found.interval)
    return {"labels": found.labels, "delta": found.mean, "interval": interval}


def _mean(values: Array) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def _whole(value: float | None) -> int | None:
    return None if value is None else max(1, round(value))
