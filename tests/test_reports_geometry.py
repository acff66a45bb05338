"""What the plots decide, on hand-written inputs."""

from __future__ import annotations

import itertools

import pytest

from sharewise.reports._curvepanels import Measured, Projected
from sharewise.reports._curveplot import NARROW as NARROW_CURVE
from sharewise.reports._curveplot import WIDE as WIDE_CURVE
from sharewise.reports._curveplot import Crossover, curve_plot
from sharewise.reports._format import decimal, percent, probability, seconds, short_percent, size, span
from sharewise.reports._groups import read_groups
from sharewise.reports._headline import probability_bar
from sharewise.reports._helps import read_harm
from sharewise.reports._histogram import bin_width, histogram, summary
from sharewise.reports._intervals import NARROW, WIDE, Effect, interval_plot, tone
from sharewise.reports._labels import Box, place, text_width
from sharewise.reports._learning import read_curve
from sharewise.reports._ledger import ledger_table, totals
from sharewise.reports._limits import Limits
from sharewise.reports._race import read_race
from sharewise.reports._scales import Scale, gain_domain, linear_ticks, log_domain, log_ticks
from sharewise.reports._scatter import Candidate, pareto, scatter_plot, shapes, staircase
from sharewise.reports._taskmap import Contender, extremes, legend, step, task_map
from sharewise.reports._tuning import tuning_table, tuning_words
from sharewise.reports._values import number, pair, shorten, text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.034, "+3.4%"),
        (-0.034, "−3.4%"),
        (0.0, "0.0%"),
        (-0.0001, "0.0%"),
        (12.5, "+1,250%"),
        (-1e9, "−1.0e+11%"),
        (None, "–"),
    ],
)
def test_percent(value: float | None, words: str) -> None:
    assert percent(value) == words


def test_other_numbers_in_words() -> None:
    assert short_percent(0.025) == "2.5%"
    assert span((-0.01, 0.02)) == "−1.0% to +2.0%"
    assert [probability(value) for value in (0.999, 0.5, 0.001, None)] == [">99%", "50%", "<1%", "–"]
    assert [decimal(value) for value in (0.4123, -12.0, 123.44, 12345.6, 1e-9)] == [
        "0.412",
        "−12.000",
        "123.4",
        "12,346",
        "1.00e-09",
    ]
    assert [seconds(value) for value in (0.0, 0.004, 0.42, 12.3, 125.0, 60.0, 4800.0, None)] == [
        "0 s",
        "4 ms",
        "0.42 s",
        "12 s",
        "2 min 5 s",
        "1 min",
        "1 h 20 min",
        "–",
    ]
    assert [size(value) for value in (12, 1200, 123_000, 1.2e6, 5e15)] == [
        "12 B",
        "1.2 kB",
        "123 kB",
        "1.2 MB",
        "5e+03 TB",
    ]


def test_values_that_are_not_numbers_are_unknown() -> None:
    assert [number(value) for value in (1, 0.5, True, "3", None, float("nan"), float("inf"), [1])] == [
        1.0,
        0.5,
        None,
        None,
        None,
        None,
        None,
        None,
    ]
    assert pair([2, 1]) == (1.0, 2.0)
    assert pair([1, None]) is None
    assert pair("ab") is None


def test_text_holds_nothing_that_breaks_a_page() -> None:
    assert text("a\x00b\ud800c\u202ed\n e") == "a\ufffdb\ufffdcd e"
    text("\ud800").encode("utf-8")
    assert shorten("pupils of school 1024", 11) == "pupil… 1024"
    assert len(shorten("x" * 500, 40)) == 40


def test_scale_maps_and_clamps() -> None:
    scale = Scale(-1.0, 1.0, 100.0, 300.0)
    assert [scale(value) for value in (-1, 0, 1, 9)] == [100, 200, 300, 300]
    log = Scale(1.0, 100.0, 0.0, 200.0, log=True)
    assert [round(log(value)) for value in (0.0, 1, 10, 100)] == [0, 0, 100, 200]
    assert scale.holds(1.0)
    assert not scale.holds(1.1)


def test_linear_ticks_are_round_and_few() -> None:
    assert linear_ticks(-0.1, 0.1, 5) == pytest.approx([-0.1, -0.05, 0, 0.05, 0.1])
    assert linear_ticks(0.31, 0.47, 6) == pytest.approx([0.35, 0.4, 0.45])
    assert linear_ticks(2.0, 2.0) == [2.0]


@pytest.mark.parametrize("low", [1e-6, 0.3, 7.0])
@pytest.mark.parametrize("factor", [3.0, 30.0, 1e9])
def test_log_ticks_are_inside_and_few(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor, 5)
    assert 1 <= len(ticks) <= 5
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in ticks)


def test_domains() -> None:
    low, high = log_domain([0.0, 10.0])
    assert low < 10 < high
    assert log_domain([]) == pytest.approx((10**-0.25, 10**0.25))
    low, high = gain_domain([0.03, 0.05, -0.02, -4.0], 0.01)
    assert -0.1 < low < -0.02
    assert 0.05 < high < 0.1
    low, high = gain_domain([], 0.01)
    assert low < -0.01 < 0.01 < high
    low, high = gain_domain([0.0], 0.0)
    assert low < 0 < high


def test_interval_rows() -> None:
    effects = [
        Effect("joint, trees", "joint", 0.05, (0.03, 0.07), chosen=True),
        Effect("joint, linear", "joint", 0.0, (-0.02, 0.02)),
        Effect("chained, trees", "chained", -4.0, (-6.0, -2.0)),
        Effect("transfer", "transfer", None, None, note="failed"),
    ]
    for layout in (WIDE, NARROW):
        plot = interval_plot(effects, 0.01, layout)
        joint, even, outlier, failed = plot.rows
        assert joint.low is not None
        assert joint.high is not None
        assert joint.dot is not None
        assert plot.zero < joint.low < joint.dot < joint.high < layout.width
        assert joint.tone == "better"
        assert even.tone == "even"
        assert outlier.tone == "worse"
        assert outlier.dot is None
        assert outlier.below
        assert not outlier.above
        assert failed.numbers == "failed"
        assert failed.dot is None
        assert plot.band is not None
        assert plot.band[0] < plot.zero < plot.band[1]
        assert [row.rule is not None for row in plot.rows] == [False, False, True, True]
        assert all(plot.top < row.y < plot.bottom for row in plot.rows)
    assert tone(0.1, None) == "even"
    assert interval_plot(effects, 0.0, WIDE).band is None


def test_narrow_labels_leave_room_for_the_numbers() -> None:
    plot = interval_plot([Effect("x" * 90, "x", -4.2, (-6.0, -2.4))], 0.01, NARROW)
    used = text_width(plot.rows[0].label, 12) + text_width(plot.rows[0].numbers, 12)
    assert used < NARROW.width - NARROW.left - NARROW.right


def test_pareto_front() -> None:
    assert pareto([1, 2, 3, 2], [0.1, 0.3, 0.2, 0.3]) == [True, True, False, True]
    assert pareto([], []) == []
    assert staircase([(0, 9), (5, 4)]) == "M0.0 9.0H5.0V4.0"
    assert staircase([(0, 9)]) == ""
    assert list(shapes(["a", "b", "a", "c", "d", "e", "f"]).values()) == [
        "circle",
        "square",
        "triangle",
        "diamond",
        "cross",
        "cross",
    ]


def test_labels_never_lie_on_anything() -> None:
    points = [(50.0 + 4 * i, 100.0 + 3 * (i % 5), 5.0) for i in range(25)]
    area, blocked = Box(0, 0, 300, 260), Box(0, 99, 300, 101)
    labels = place(points, [(f"strategy {i}", str(i)) for i in range(25)], area, blocked=[blocked])
    boxes = []
    for label in labels:
        if label is None:
            continue
        width = text_width(label.text, 10.5)
        left = label.x - {"start": 0, "middle": width / 2, "end": width}[label.anchor]
        boxes.append(Box(left, label.y - 8.4, left + width, label.y + 2.1))
    assert len(boxes) >= 5
    assert not any(one.meets(other) for one, other in itertools.combinations(boxes, 2))
    assert all(box.inside(area) and not box.meets(blocked) for box in boxes)


def test_scatter_handles_zero_cost_and_far_harm() -> None:
    candidates = [
        Candidate(1, "none", "none", 0.0, 0.0),
        Candidate(2, "joint", "trees", 10.0, 0.05, chosen=True),
        Candidate(3, "bad", "network", 100.0, -9.0),
    ]
    plot = scatter_plot("Training", candidates, {"none": "circle"}, seconds, "{:g} s".format, 0.01)
    free, joint, bad = plot.points
    assert free.x == plot.area.left
    assert bad.below
    assert bad.y == plot.area.bottom
    assert [free.best, joint.best, bad.best] == [True, True, False]
    assert plot.optimal == ("none, none", "joint, trees")
    assert plot.front.startswith("M")
    assert joint.label is not None
    scores = scatter_plot("Training", candidates[:2], {}, seconds, "{:g} s".format, None)
    assert scores.zero is None
    assert scores.band is None


def test_histogram_keeps_zero_at_an_edge_and_counts_all() -> None:
    gains = [-5.0, -0.03, -0.001, 0.0, 0.02, 0.021, 0.06]
    plot = histogram(gains, 0.01, name="wide", width=880, bins=30)
    assert sum(bar.amount for bar in plot.bars) == len(gains)
    assert sum(bar.amount for bar in plot.bars if bar.gain) == 4
    assert any(bar.x == pytest.approx(plot.zero) for bar in plot.bars)
    assert len(plot.bars) <= 32
    assert bin_width(-0.1, 0.1, 10) == pytest.approx(0.02)
    assert "Of 7 tasks, 3 gain more than 1%, 2 stay within 1% either way, and 2 lose more." in summary(
        gains, 0.01
    )
    assert summary([], 0.01).startswith("No task")


def test_colour_steps_grow_with_the_gain() -> None:
    gains = (None, 0.0, 0.01, 0.011, 0.05, 0.2, 0.5, -0.02, -2.0)
    assert [step(gain, 0.01) for gain in gains] == ["n", "z", "z", "g1", "g2", "g3", "g4", "h1", "h4"]
    assert step(0.02, 0.0) == "g1"
    assert [cell.step for cell in legend(0.01)] == ["h4", "h3", "h2", "h1", "z", "g1", "g2", "g3", "g4"]


def test_task_map_turns_for_few_tasks() -> None:
    contenders = [Contender(name, "trees", {"a": 0.1, "b": None}) for name in ("joint", "grouped", "chained")]
    few = task_map("caption", ["a", "b"], contenders, 0.01)
    assert few.corner == "Strategy"
    assert [cell.text for cell in few.rows[0][1]] == ["+10.0%", "–"]
    many = task_map("caption", ["a", "b"], contenders[:1], 0.01)
    assert many.corner == "Task"
    assert [head.text for head, _ in many.rows] == ["a", "b"]


def test_extremes_are_ordered_and_signed() -> None:
    up, down = extremes({"a": 0.1, "b": -0.2, "c": None, "d": 0.3, "e": -0.5, "f": 0.0}, 2)
    assert up == ["d", "a"]
    assert down == ["e", "b"]


def test_probability_bar_fills_its_width() -> None:
    parts = probability_bar(
        {"probability_better": 0.9, "probability_equivalent": 0.06, "probability_worse": 0.04}
    )
    assert [part.name for part in parts] == ["worse", "equivalent", "better"]
    assert sum(part.width for part in parts) == pytest.approx(100)
    assert probability_bar({"probability_better": None}) == ()


def test_ledger_lines_then_sums() -> None:
    def trials(configurations: int) -> list[dict[str, object]]:
        return [
            {
                "strategy": "joint",
                "family": "trees",
                "configuration": f"depth={i % configurations}",
                "status": "failed" if i == 3 else "done",
                "seconds": 1.0,
                "fits": 2,
                "peak_memory_bytes": i,
                "message": "ran out" if i == 3 else None,
            }
            for i in range(20)
        ]

    assert len(ledger_table(trials(20), most=20).rows) == 20
    summed = ledger_table(trials(4), most=10)
    assert len(summed.rows) == 4
    assert summed.rows[3].cells == (
        ("joint", "trees", "depth=3", "5", "4", "0", "1", "5 s", "10", "–", "19 B", "–", "ran out")
    )
    coarse = ledger_table(trials(20), most=10)
    assert [row.cells[:3] for row in coarse.rows] == [("joint", "trees", "20")]
    assert all(len(row.cells) == len(coarse.columns) for row in coarse.rows)
    assert totals(trials(4)) == "20 trials, 1 failed, 40 models fitted, 20 s of training"


MEASURED = [
    Measured(5, 0.9, 0.8, 0.02, 0.12, (0.1, 0.14)),
    Measured(10, 0.8, 0.75, 0.02, 0.06, (0.05, 0.07)),
    Measured(40, 0.6, 0.59, 0.02, 0.02, (-0.01, 0.05)),
]
FIT = [Projected(n, 0.3 / n, (0.2 / n, 0.4 / n)) for n in (5.0, 10.0, 40.0, 100.0)]


@pytest.mark.parametrize("layout", [WIDE_CURVE, NARROW_CURVE])
def test_curve_plot_places_both_panels_on_one_axis(layout: object) -> None:
    assert layout in (WIDE_CURVE, NARROW_CURVE)
    size = WIDE_CURVE if layout is WIDE_CURVE else NARROW_CURVE
    plot = curve_plot(MEASURED, FIT, Crossover(80, 50, None), 0.01, size)
    errors, gains = plot.panels
    assert [line.css for line in errors.lines] == ["side-separate", "side-shared"]
    assert errors.bottom < gains.top
    for above, below in zip(errors.lines[0].dots, gains.lines[0].dots, strict=True):
        assert above.x == below.x
    separate, shared = errors.lines
    assert all(a.y < b.y for a, b in zip(separate.dots, shared.dots, strict=True)), "less error lies lower"
    assert plot.crossing is not None
    assert plot.doubt is not None
    assert plot.doubt[0] < plot.crossing < plot.doubt[1]
    assert plot.doubt[1] == pytest.approx(size.width - size.right), "an open end reaches the edge"
    assert plot.measured < plot.crossing
    assert gains.zero is not None
    assert gains.rope is not None
    assert gains.rope[0] < gains.zero < gains.rope[1]
    for panel in plot.panels:
        for line in panel.lines:
            for pair_ in f"{line.path} {line.band}".split():
                x, y = (float(part) for part in pair_.split(","))
                assert size.left - 0.1 <= x <= size.width - size.right + 0.1
                assert panel.top - 0.1 <= y <= panel.bottom + 0.1
    assert plot.note is not None
    assert plot.note.text == "near 80 labels"


def test_curve_plot_without_errors_or_gains() -> None:
    bare = [Measured(n, None, None, None, 0.1, None) for n in (5, 10)]
    plot = curve_plot(bare, [], Crossover(None, None, None), 0.01, WIDE_CURVE)
    assert [panel.heading for panel in plot.panels] == ["Gain of sharing"]
    assert (plot.crossing, plot.doubt, plot.note) == (None, None, None)
    silent = [Measured(n, 0.9, 0.9, None, None, None) for n in (5, 10)]
    plot = curve_plot(silent, [], Crossover(None, None, None), 0.01, WIDE_CURVE)
    assert [panel.heading for panel in plot.panels] == ["Error, as a share of the constant's"]
    assert plot.panels[0].lines[0].band == ""


def test_one_point_has_a_table_and_no_plot() -> None:
    found = read_curve({"learning_curve": {"points": [{"labels": 5, "delta": 0.1}]}}, 0.01)
    assert found is not None
    assert found.plots == ()
    assert len(found.table.rows) == 1


def _left(amount: int) -> dict[str, object]:
    entries = [
        {"strategy": "joint", "family": "trees", "configuration": f"forest(depth={i})", "after_round": 1 + i % 2,
         "behind": 0.01 * i, "interval": [0.005 * i, 0.02 * i], "why": "behind"}
        for i in range(amount)
    ]  # fmt: skip
    return {"race": {"rule": "the rule.", "error_rate": 0.05, "left": entries}}


def test_few_leavers_are_drawn_and_many_summed() -> None:
    few = read_race(_left(5), Limits())
    assert few is not None
    assert few.summary.startswith("5 contenders left early: 3 after round 1, 2 after round 2.")
    assert few.rule == "Rule: the rule. Error rate: 5%."
    assert few.sums is None
    labels = [row.label for row in few.plots[0].rows]
    assert labels == ["joint, trees, forest"] * 5, "settings stand in the table"
    assert [row.numbers.split()[0] for row in few.plots[0].rows] == [
        "−4.0%",
        "−2.0%",
        "0.0%",
        "−3.0%",
        "−1.0%",
    ]
    many = read_race(_left(30), Limits(lines=10))
    assert many is not None
    assert many.plots == ()
    assert many.sums is not None
    assert [row.cells for row in many.sums.rows] == [("joint", "trees", "15", "15")]
    assert (len(many.whole.rows), many.left_out) == (10, 20)
    nobody = read_race(_left(0), Limits())
    assert nobody is not None
    assert nobody.summary.startswith("Nobody left early")


def test_groups_are_ordered_by_size_and_name_whom_they_serve() -> None:
    groups = [
        {"tasks": ["a"], "serves": ["a"]},
        {"tasks": ["b", "c"], "serves": ["c", "b"]},
        {"tasks": [f"t{i}" for i in range(20)], "serves": ["t0"]},
    ]
    record = {"family": "trees", "trained": 40, "groups": groups, "gain_picked": 0.05, "gain_shrunk": 0.03}
    found = read_groups({"groups": record}, Limits())
    assert found is not None
    assert [row.cells[1] for row in found.table.rows] == ["20", "2"]
    assert found.table.rows[0].cells[2].endswith("t11 and 8 more")
    assert [row.cells[3] for row in found.table.rows] == ["t0", "all of them"]
    assert found.alone == "a"
    assert found.summary == (
        "2 groups of tasks learn together (family: trees), and 1 task is served by a model of its own; "
        "40 groups were trained to find out."
    )
    assert found.promise.startswith(
        "Expected gain, shrunk for having picked the best: +3.0% (inner folds show +5.0%"
    )


def test_a_matrix_with_missing_rows_is_read() -> None:
    record = {
        "tasks": ["a", "b"],
        "matrix": [[None, 0.5]],
        "claims": [{"from": "a", "to": "b", "effect": 0.5}],
    }
    found = read_harm({"harm": record}, 0.01)
    assert found is not None
    assert found.map is not None
    cells = [[(cell.text, cell.step) for cell in row] for _, row in found.map.rows]
    assert cells == [[("–", "n"), ("+50.0%", "g4 clear")], [("–", "n"), ("–", "n")]]


def test_tuning_in_words_and_numbers() -> None:
    verdict = {"tuning": {"proposals": 12, "trials": {"joint": 36}, "seconds": {"joint": 2.5, "separate": 3}}}
    assert tuning_words(verdict) == "12 proposals of settings for every strategy in every family."
    found = tuning_table(verdict)
    assert found is not None
    assert [row.cells for row in found.rows] == [("joint", "36", "2.5 s"), ("separate", "–", "3 s")]
    assert tuning_words({}) == ""
    assert tuning_table({}) is None
