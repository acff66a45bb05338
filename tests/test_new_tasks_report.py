"""The page of a verdict on new tasks: complete, escaped, small, and legible at any width."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_pipe import BROWSER, Tab
from sharewise.cli._show import told
from sharewise.problems import Problem
from sharewise.reports import write
from sharewise.reports.new_tasks import render_new
from sharewise.reports.new_tasks._axis import NARROW, WIDE, labels_axis, worth_drawing
from sharewise.reports.new_tasks._gainplot import gain_plot
from sharewise.reports.new_tasks._read import read_crossings, read_lines, read_quality, read_shots
from sharewise.reports.new_tasks._scoreplot import score_plot, spread
from test_new_tasks_verdict import SHOTS, Curves, conclude, crossing_curves, make_findings
from test_reports_browser import OVER, PLOTS, opened
from test_reports_data import hostile_names, make_ledger

FACTS = {
    "question": "new", "seed": 3, "outer_folds": 5, "rounds": 5, "rounds_planned": 10, "rows": 15362, "features": 6,
    "tasks": 139, "rope": 0.01, "confidence": 0.95, "trials": 70, "draws": 3, "seconds": 250.0, "workers": 2,
}  # fmt: skip
MANY = {
    ("constant", "none", "constant"): [14.8, 12.6, 11.4, 11.0, 10.8, 10.7],
    ("neighbours", "none", "neighbours"): [14.8, 12.9, 11.6, 11.1, 10.6, 10.2],
    ("separate", "linear", "ridge"): [14.8, 13.5, 12.1, 10.9, 9.9, 9.2],
    ("separate", "trees", "forest"): [14.8, 13.0, 11.9, 11.0, 10.1, 9.3],
    ("joint", "trees", "boosting"): [9.45] * 6,
    ("meta-learned", "linear", "mixed"): [9.55, 9.45, 9.3, 9.2, 9.05, 8.95],
    ("meta-learned", "network", "process"): [9.8, 9.6, 9.4, 9.3, 9.2, 9.2],
    ("transfer", "network", "head"): [10.4, 10.0, 9.6, 9.35, 9.15, 9.0],
    ("pretrained", "network", "scarf"): [14.0, 12.9, 11.4, 10.4, 9.7, 9.3],
}


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    frame = {"school": np.repeat(np.arange(8), 10), "x": rng.normal(size=80), "score": rng.normal(size=80)}
    return Problem.from_frame(frame, targets="score", task="school")


def verdict_of(problem: Problem, curves: Curves, **options: Any) -> dict[str, Any]:
    details = conclude(problem, make_findings(curves, **options)).verdict.as_dict()
    return {**details, "protocol": FACTS, "warnings": ["Few tasks."], "versions": {"sharewise": "0"}}


def hostile_verdict(problem: Problem) -> dict[str, Any]:
    """Every name and sentence as nobody wishes it."""
    names = hostile_names(14)
    curves = {(name, names[place - 1], name): [1.0 + 0.1 * place] * 6 for place, name in enumerate(names)}
    curves[("separate", names[0], names[1])] = [2.0] * 6
    details = verdict_of(problem, curves)
    return {**details, "warnings": names, "sentence": names[0], "profile": dict.fromkeys(names, names[1])}


class Tags(HTMLParser):
    """Elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(name for name, _ in attrs)


def read_page(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    return found


# --- the page ------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_verdict_says(problem: Problem) -> None:
    details = verdict_of(problem, crossing_curves())
    page = render_new(details, make_ledger(40, [("separate", "linear")]))
    assert "Route by number of labels" in page
    assert "even near" in page
    assert "139 tasks" in page
    assert "Whole tasks, not rows" in page
    best = [one["score"] for line in details["strategies"] for one in line["by_shots"] if one["best"]]
    bold = re.findall(r'<td class="best"[^>]*>([\d.]+)<', page)
    assert sorted(map(float, bold)) == pytest.approx(sorted(best), abs=6e-4)
    assert page.count('<svg class="plot') == 4  # two figures, for wide and for narrow screens
    assert "nan" not in re.sub(r"[a-z]{4,}", "", page.lower())


@pytest.mark.parametrize("rounds", [1, 5])
def test_nothing_runs_and_nothing_is_loaded(problem: Problem, rounds: int) -> None:
    page = render_new(verdict_of(problem, MANY, rounds=rounds), make_ledger(3000, [("separate", "linear")]))
    found = read_page(page)
    assert "script" not in found.tags
    assert not {"src", "onload", "onerror", "onclick"} & set(found.attributes)
    assert "http" not in re.sub(r"http-equiv", "", page)
    assert len(page.encode()) < 1_000_000


def test_hostile_names_are_text(problem: Problem) -> None:
    page = render_new(hostile_verdict(problem), make_ledger(20, [("<b>x", "y")]))
    found = read_page(page)
    assert {"script", "img", "b"}.isdisjoint(found.tags)
    assert "onerror" not in found.attributes
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "49" not in re.findall(r"<bdi>(\d+)</bdi>", page)
    assert len(page.encode("utf-8")) < 1_000_000


@pytest.mark.parametrize(
    "verdict",
    [
        {},
        {"shots": None, "strategies": "no", "curve": [1], "crossings": [{"labels": -1}]},
        {"shots": [{"k": 5}], "strategies": [{"name": "a", "by_shots": [{"k": float("nan")}, {"k": 5, "score": 1}]}]},
        {"shots": [{"k": 5, "gain": 0.0}], "curve": [{"strategy": "a", "family": "b", "leads": True}],
         "strategies": [{"name": "a", "family": "b", "by_shots": [{"k": 5, "score": 0.0}]}]},
    ],
)  # fmt: skip
def test_broken_verdicts_still_print(verdict: dict[str, Any]) -> None:
    assert render_new(verdict, []).startswith("<!doctype html>")


def test_write_picks_the_page_by_the_question(problem: Problem, tmp_path: Path) -> None:
    details = verdict_of(problem, crossing_curves())
    new = write(tmp_path / "new.html", details, []).read_text(encoding="utf-8")
    known = write(tmp_path / "known.html", details | {"protocol": {"question": "known"}}, []).read_text(
        encoding="utf-8"
    )
    assert "report on new tasks" in new
    assert "report on new tasks" not in known
    from_file = json.loads(json.dumps(details))
    assert render_new(from_file, []) == new


# --- figures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_a_line_a_strategy_by_its_best_family(problem: Problem, layout: Any) -> None:
    details = verdict_of(problem, MANY, noise=0.001)
    plot = score_plot(read_lines(details), read_quality(details), layout)
    assert plot is not None
    names = [curve.title for curve in plot.curves]
    assert len(names) == len({key[0] for key in MANY})
    assert "meta-learned, linear" in names
    assert "meta-learned, network" not in names
    assert [
        curve.css for curve in plot.curves if curve.title == "constant, none" or curve.css == "floor"
    ] == ["floor"]
    heights = sorted(curve.name_y for curve in plot.curves)
    assert min(np.diff(heights)) >= layout.font
    assert len({curve.css for curve in plot.curves}) == len(names)


def test_more_labels_stand_further_right_and_lower_errors_lower(problem: Problem) -> None:
    details = verdict_of(problem, crossing_curves(), noise=0.001)
    plot = score_plot(read_lines(details), read_quality(details), WIDE)
    assert plot is not None
    own = next(curve for curve in plot.curves if curve.title.startswith("separate"))
    assert [mark.x for mark in own.marks] == sorted(mark.x for mark in own.marks)
    assert [mark.y for mark in own.marks] == sorted(mark.y for mark in own.marks)  # pixels grow downwards


def test_one_exploding_strategy_does_not_flatten_the_others() -> None:
    low, high = worth_drawing([1.0, 1.1, 1.2, 1.3, 1.2, 1.1, 90.0], [])
    assert (low < 1.0, 1.3 < high < 3) == (True, True)


def test_spread_keeps_order_and_distance() -> None:
    assert spread([10, 11, 50], 15, 0, 100) == [10, 25, 50]
    assert spread([98, 99, 100], 15, 0, 100) == [70, 85, 100]
    assert spread([5, 5, 5, 5], 60, 0, 90) == [0, 30, 60, 90]  # no more room than that


def test_the_gain_figure_by_hand(problem: Problem) -> None:
    """Half of the region of equivalence lies on either side of zero; filled dots are claims."""
    details = verdict_of(problem, crossing_curves())
    shots = read_shots(details)
    crossing = next(one for one in read_crossings(details) if one.of == "sharing" and one.level == 0)
    plot = gain_plot(shots, crossing, 0.01, read_quality(details), WIDE)
    assert plot is not None
    assert plot.band is not None
    assert plot.zero == pytest.approx(sum(plot.band) / 2)
    assert plot.gains[0].tone == "better"
    assert plot.gains[-1].tone == "worse"
    x, _ = labels_axis(SHOTS, WIDE, 14.0)
    assert plot.crossing == pytest.approx(x(crossing.labels))
    above = [gain.y < plot.zero for gain in plot.gains]
    assert above == [shot.gain > 0 for shot in shots if shot.gain is not None]


def test_ticks_do_not_touch() -> None:
    _, ticks = labels_axis([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1000], NARROW, 10)
    assert min(np.diff([tick.at for tick in ticks])) > 10
    _, alone = labels_axis([5], NARROW, 10)
    assert [tick.label for tick in alone] == ["5"]


# --- the terminal --------------------------------------------------------------------------------------------


def test_the_terminal_shows_both_tables(problem: Problem, tmp_path: Path) -> None:
    details = verdict_of(problem, crossing_curves() | {("[red]x", "[/]", "c"): [2.0] * 6})
    shown = told(details, tmp_path)
    assert "rmse by labels of a new task" in shown
    assert "[red]x" in shown
    assert details["sentence"] in shown
    assert re.search(r"│ +1 │ share +│ \+\d\d\.\d% │", shown)
    assert re.search(r"│ +50 │ separate +│ +-\d+\.\d% │", shown)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs the chromium browser, which is not installed")
@pytest.mark.parametrize("kind", ["many", "hostile", "single"])
def test_fits_its_width_and_loads_nothing(browser: Tab, problem: Problem, tmp_path: Path, kind: str) -> None:
    verdict = {
        "many": lambda: verdict_of(problem, MANY),
        "hostile": lambda: hostile_verdict(problem),
        "single": lambda: verdict_of(problem, {k: [0.05 * v[0]] for k, v in MANY.items()}, shots=[5], metric="accuracy", ways=5),
    }[kind]()  # fmt: skip
    write(tmp_path / "report.html", verdict, make_ledger(50, [("separate", "linear")]))
    address = (tmp_path / "report.html").as_uri()
    for width in (320, 375, 1000):
        browser.look(width, "light")
        opened(browser, address)
        assert browser.run(OVER) <= 0, width
        assert browser.run(PLOTS) == 2, width
        assert browser.asked == [address]
        assert browser.said == []
