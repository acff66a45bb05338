"""The learning curve: crossovers worked by hand, and no claim beyond what the rounds know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sharewise.errors import DataError
from sharewise.verdicts import difference
from sharewise.verdicts._crossover import EXPONENTS, REACH, GainFit
from sharewise.verdicts._curve import Curve, CurvePoint, learning_curve

ROPE, CONFIDENCE, OVERLAP = 0.01, 0.95, 0.25
LABELS = (5.0, 10.0, 20.0, 40.0)
WIGGLE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def _points(
    gain: Callable[[float], float],
    *,
    labels: Sequence[float] = LABELS,
    noise: float = 0.0005,
    wiggle: np.ndarray = WIGGLE,
) -> list[CurvePoint]:
    """Rounds whose gains differ by a fixed pattern around ``gain(labels)``, turned about from point to point."""
    found = []
    for place, count in enumerate(labels):
        values = gain(count) + noise * np.roll(wiggle, place)
        separate = 0.5 + count**-0.5 + 0.01 * wiggle
        found.append(CurvePoint(count / max(labels), count, separate, separate * (1 - values), values))
    return found


def _curve(points: Sequence[CurvePoint]) -> Curve:
    return learning_curve(points, rope=ROPE, confidence=CONFIDENCE, overlap=OVERLAP)


def _crossover(curve: Curve) -> tuple[float | None, float | None, float | None]:
    assert curve.meeting is not None
    return curve.meeting.labels, curve.meeting.low, curve.meeting.high


# --- where the crossing lies --------------------------------------------------------------------------------


def test_a_crossing_inside_the_measured_range() -> None:
    # 0.21 - 0.0667 ln n = 0.01 at n = e^3
    curve = _curve(_points(lambda n: 0.21 - 0.2 / 3 * np.log(n)))
    labels, low, high = _crossover(curve)
    assert labels is not None
    assert low is not None
    assert high is not None
    assert labels == pytest.approx(np.exp(3), rel=0.02)
    assert low < np.exp(3) < high
    assert "stops paying (falls below 1.0%) near 20" in curve.text
    assert "extrapolated" not in curve.text


def test_an_extrapolated_crossing_says_so() -> None:
    # -0.03 + 0.4 / sqrt(n) = 0.01 at n = 100
    curve = _curve(_points(lambda n: -0.03 + 0.4 * n**-0.5))
    labels, low, high = _crossover(curve)
    assert labels is not None
    assert labels == pytest.approx(100, rel=0.05)
    assert low is not None
    assert low < 100
    assert high is None or high > 100
    assert "extrapolated, it stops paying" in curve.text


def test_beyond_the_reach_nothing_is_placed() -> None:
    # 0.05 / sqrt(n) falls to 0.01 at n = 25, 0.3 / sqrt(n) only at 900: beyond 8 times 40
    curve = _curve(_points(lambda n: 0.3 * n**-0.5))
    assert curve.meeting is not None
    assert curve.meeting.status == "never"
    assert _crossover(curve) == (None, None, None)
    assert "keeps paying" in curve.text
    assert "5 to 320 labels" in curve.text
    assert curve.fit is not None
    assert curve.fit.reach == (5.0, 40 * REACH)


def test_sharing_that_never_pays() -> None:
    curve = _curve(_points(lambda n: -0.05))
    assert curve.meeting is not None
    assert curve.meeting.status == "never"
    assert "it does not pay" in curve.text


def test_a_rising_gain_starts_paying() -> None:
    curve = _curve(_points(lambda n: -0.10 + 0.04 * np.log(n)))  # 0.01 at e^2.75
    labels, _, _ = _crossover(curve)
    assert labels == pytest.approx(np.exp(2.75), rel=0.05)
    assert "starts paying (rises above 1.0%) near 16" in curve.text


def test_noise_that_hides_the_crossing_is_admitted() -> None:
    curve = _curve(_points(lambda n: 0.0, noise=0.05))
    assert curve.meeting is not None
    assert curve.meeting.status == "open"
    record = curve.as_dict()["crossover"]
    assert record["labels"] is None
    assert record["interval"] is None
    assert "5 rounds cannot tell" in curve.text


def test_more_noise_widens_and_never_narrows() -> None:
    widths = []
    for noise in (0.0005, 0.01, 0.03):
        _, low, high = _crossover(_curve(_points(lambda n: 0.21 - 0.2 / 3 * np.log(n), noise=noise)))
        assert low is not None
        widths.append(np.log((np.inf if high is None else high) / low))
    assert widths[0] < widths[1] <= widths[2]


def test_an_open_end_is_not_closed() -> None:
    curve = _curve(_points(lambda n: 0.1 - 0.02 * np.log(n), noise=0.008))
    labels, low, high = _crossover(curve)
    assert low is not None
    assert high is None
    assert curve.as_dict()["crossover"]["interval"] == [round(low), None]
    assert f"{low:,.0f} or more" in curve.text
    assert labels is None or labels > low


def test_the_best_guess_lies_in_its_interval() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        slope, noise = rng.uniform(0.02, 0.1), rng.uniform(0.001, 0.02)
        start = rng.uniform(0.05, 0.3)
        points = _points(lambda n: start - slope * np.log(n), noise=noise, wiggle=rng.normal(size=5))  # noqa: B023
        labels, low, high = _crossover(_curve(points))
        if labels is not None:
            assert (low or 0.0) <= labels <= (high or np.inf)


# --- what is promised ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.35, 0.5, 0.65, 1.3])
def test_intervals_of_the_fit_keep_their_promise(rate: float) -> None:
    """Rounds of one repeat: at a crossing two and a half times beyond the measured labels, the true gain lies
    in the 95% interval in nearly so many studies, also where the truth has none of the fitted shapes."""
    rng = np.random.default_rng(1)
    labels, crossing = np.array(LABELS), 100.0
    steep = 0.11 / (5**-rate - crossing**-rate)
    truth = ROPE + steep * (labels**-rate - crossing**-rate)
    inside, studies = 0, 150
    for _ in range(studies):
        gains = truth[:, None] + rng.normal(0, 0.005, (4, 5)) + rng.normal(0, 0.005, 5)
        found = GainFit(labels, gains, OVERLAP, CONFIDENCE).at(crossing)
        assert found is not None
        assert found.interval is not None
        inside += found.interval[0] <= ROPE <= found.interval[1]
    assert inside / studies >= 0.88


def test_shapes_that_do_not_fit_are_given_up() -> None:
    labels = np.array(LABELS)
    for exponent in EXPONENTS:
        gain = 0.1 * (1 - np.log(labels)) if exponent == 0 else labels**-exponent
        sharp = GainFit(labels, gain[:, None] + 1e-4 * np.vstack([WIGGLE] * 4), OVERLAP, CONFIDENCE)
        assert sharp.exponents == [exponent]
    vague = GainFit(labels, labels[:, None] ** -0.5 + 0.5 * np.vstack([WIGGLE] * 4), OVERLAP, CONFIDENCE)
    assert set(vague.exponents) == set(EXPONENTS)


def test_two_points_tell_no_shape_from_another() -> None:
    fit = GainFit(np.array([10.0, 40.0]), np.array([[0.10, 0.12], [0.04, 0.05]]), OVERLAP, CONFIDENCE)
    assert set(fit.exponents) == set(EXPONENTS)
    assert fit.exponents[0] == EXPONENTS[0] == 0.5
    found = fit.at(10.0)
    assert found is not None
    assert found.mean == pytest.approx(0.11)
    assert fit.at(321.0) is None
    assert fit.at(9.0) is None


# --- gaps ---------------------------------------------------------------------------------------------------


def test_rounds_may_lack_points() -> None:
    points = _points(lambda n: 0.21 - 0.2 / 3 * np.log(n))
    for place in (0, 1):
        points[place].gain[place] = np.nan
    labels, _, _ = _crossover(_curve(points))
    assert labels == pytest.approx(np.exp(3), rel=0.05)


def test_one_round_places_nothing() -> None:
    curve = _curve(_points(lambda n: 0.2 - 0.06 * np.log(n), wiggle=np.zeros(1)))
    record = curve.as_dict()
    assert record["crossover"]["labels"] is None
    assert all(point["interval"] is None and point["band"] is None for point in record["points"])
    assert "1 round cannot tell" in curve.text


def test_one_point_is_a_gain_without_a_curve() -> None:
    curve = _curve(_points(lambda n: 0.1, labels=[40.0]))
    assert curve.fit is None
    assert curve.gain_at(2.0) is None
    assert "one point cannot say" in curve.text
    assert curve.as_dict()["fit"] == []


def test_points_without_gains_are_left_out_and_order_does_not_matter() -> None:
    points = _points(lambda n: 0.21 - 0.2 / 3 * np.log(n))
    empty = CurvePoint(1.0, 80.0, np.full(5, np.nan), np.full(5, np.nan), np.full(5, np.nan))
    shuffled = _curve([points[2], empty, points[0], points[3], points[1]])
    assert shuffled.as_dict() == _curve(points).as_dict()


@pytest.mark.parametrize("labels", [[5.0, 5.0], [0.0, 5.0]])
def test_numbers_of_labels_must_differ_and_be_positive(labels: list[float]) -> None:
    points = [CurvePoint(1.0, count, np.ones(2), np.ones(2), np.zeros(2)) for count in labels]
    with pytest.raises(DataError, match="different, positive numbers of labels"):
        _curve(points)
    with pytest.raises(DataError):
        _curve([])


# --- the record ---------------------------------------------------------------------------------------------


def test_the_record_is_plain_and_true_to_the_points() -> None:
    points = _points(lambda n: -0.03 + 0.4 * n**-0.5)
    record = _curve(points).as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [point["labels"] for point in record["points"]] == list(LABELS)
    first = record["points"][0]
    assert first["separate"] == pytest.approx(points[0].separate.mean())
    assert first["shared"] == pytest.approx(points[0].shared.mean())
    assert first["delta"] == pytest.approx(-0.03 + 0.4 * 5**-0.5)
    low, high = first["interval"]
    assert low < first["delta"] < high
    drawn = [each["labels"] for each in record["fit"]]
    assert drawn == sorted(drawn)
    assert drawn[0] == 5.0
    assert drawn[-1] >= 80.0


def test_bands_overlap_exactly_where_the_difference_is_not_clear() -> None:
    for gap, clear in ((0.05, True), (0.002, False)):
        separate = 0.6 + 0.05 * WIGGLE  # rounds differ much, both sides alike
        shared = separate - gap - 0.002 * WIGGLE[::-1]
        point = CurvePoint(1.0, 40.0, separate, shared, (separate - shared) / separate)
        (band,) = _curve([point]).bands
        assert band is not None
        found = difference(separate - shared, overlap=OVERLAP, rope=ROPE, confidence=CONFIDENCE)
        assert found.interval is not None
        assert found.mean - 2 * band == pytest.approx(found.interval[0]), (
            "where the bands meet, zero is the end"
        )
        assert (found.mean > 2 * band) is clear


def test_what_the_text_says_stands_in_the_record() -> None:
    curve = _curve(_points(lambda n: -0.03 + 0.4 * n**-0.5))
    record = curve.as_dict()
    found = re.search(r"near ([\d,]+) \(95% interval ([\d,]+) (?:to ([\d,]+)|or more)\)", curve.text)
    assert found
    low, high = record["crossover"]["interval"]
    assert int(found[1]) == record["crossover"]["labels"]
    assert int(found[2]) == low
    assert (None if found[3] is None else int(found[3])) == high
    assert record["crossover"]["text"] == curve.text


def test_only_rounds_that_every_share_has_are_compared() -> None:
    from sharewise.problems import Problem
    from sharewise.studies import Candidate, CurveRound, CurveRounds, Protocol
    from sharewise.verdicts._insight_of import curve_of

    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=40) for name in "xyz"}
    problem = Problem.from_frame(columns, targets=["y", "z"])

    def candidate(name: str, error: float) -> Candidate:
        strategy, family = name.split("/")
        return Candidate(
            strategy, family, strategy == "joint", (), np.zeros((2, 0)), error, np.full(2, error), 1.0, 1, 1, 1, 1.0, 1
        )  # fmt: skip

    def drawn(share: float, index: int) -> CurveRound:
        rows = (("constant/none", 1.0), ("separate/linear", 0.8 - 0.1 * share), ("joint/linear", 0.7))
        return CurveRound(share, int(32 * share), 32 * share, index, tuple(candidate(*row) for row in rows))

    rounds = [drawn(share, index) for share in (0.25, 0.5, 1.0) for index in range(3)]
    curve = curve_of(
        problem,
        Protocol("known", 0, ("separate", "joint"), ("linear",)),
        CurveRounds("separate/linear", "joint/linear", tuple(rounds[1:])),  # the first was cut
        0.25,
    )
    assert curve is not None
    assert [len(point.gain) for point in curve.points] == [2, 2, 2]
    np.testing.assert_allclose(curve.points[0].gain, (0.775 - 0.7) / 0.775)
