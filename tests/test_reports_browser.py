"""The report in a real browser: it fits a phone, runs nothing, loads nothing, is read in the dark and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from browser_pipe import BROWSER, PALE, Tab
from sharewise.reports import write
from test_reports_data import (
    NINETEEN,
    TWELVE,
    empty_verdict,
    hostile_insight,
    hostile_names,
    make_insight,
    make_ledger,
    make_verdict,
)

LONG = [f"pupils of school {i}, last year" for i in range(60)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs the chromium browser, which is not installed"),
]


OVER = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth"
PLOTS = "[...document.querySelectorAll('svg.plot')].filter((one) => getComputedStyle(one).display !== 'none').length"


def verdict_of(kind: str) -> dict[str, Any]:
    match kind:
        case "two":
            return make_verdict(["lang", "arith"], TWELVE)
        case "hostile":
            pairs = [("z" * 300, "y" * 300), *NINETEEN]
            return make_verdict(hostile_names(120), pairs) | hostile_insight()
        case "learnt":
            return make_verdict(LONG[:9], TWELVE) | make_insight(LONG[:9])
        case "crowd":
            return make_verdict(LONG, TWELVE) | make_insight(LONG, left=60)
    return empty_verdict()


def written(folder: Path, kind: str) -> str:
    """The address of a verdict's report."""
    write(folder / "report.html", verdict_of(kind), make_ledger(50, TWELVE))
    return (folder / "report.html").as_uri()


def opened(page: Tab, address: str) -> None:
    """The report with all its details open."""
    page.open(address, "true")
    page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


@pytest.mark.parametrize(
    ("kind", "plots"), [("two", 5), ("hostile", 22), ("empty", 0), ("learnt", 18), ("crowd", 25)]
)
def test_it_fits_its_width_and_loads_nothing(browser: Tab, tmp_path: Path, kind: str, plots: int) -> None:
    address = written(tmp_path, kind)
    for width in (320, 375, 1100):
        browser.look(width, "light")
        opened(browser, address)
        assert browser.run(OVER) <= 0, width
        assert browser.run(PLOTS) == plots, width
        assert browser.asked == [address]
        assert browser.said == []
    assert (
        browser.run(
            "document.images.length + document.scripts.length + document.querySelectorAll('iframe').length"
        )
        == 0
    )
    if kind == "hostile":
        assert browser.run("document.body.innerText.includes('<img src=x onerror=alert(1)>')")


@pytest.mark.parametrize("kind", ["two", "learnt"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_read_in_the_light_and_in_the_dark(
    browser: Tab, tmp_path: Path, kind: str, scheme: str
) -> None:
    browser.look(800, scheme)
    opened(browser, written(tmp_path, kind))
    assert browser.run(PALE) == []
    browser.run(
        "document.querySelector('h1, h2').style.color = getComputedStyle(document.body).backgroundColor"
    )
    assert [ratio for ratio, _ in browser.run(PALE)] == [1]  # what cannot be read is found
    ground = browser.run("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
    assert (int(ground) < 60) == (scheme == "dark")


def test_all_of_it_is_reached_by_keyboard(browser: Tab, tmp_path: Path) -> None:
    browser.look(800, "light")
    opened(browser, written(tmp_path, "learnt"))
    reached = "[...document.querySelectorAll('summary, [tabindex], a[href], button')].filter((e) => e.checkVisibility())"
    browser.run(f"window.left = new Set({reached}); document.activeElement.blur()")
    assert browser.run("left.size") > 5
    for _ in range(browser.run("left.size") + 5):
        browser.press("Tab")
        assert browser.run(
            "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        browser.run("left.delete(document.activeElement)")
    assert browser.run("[...left].map((e) => e.outerHTML.slice(0, 80))") == []
    browser.run("document.querySelector('summary').focus()")
    browser.press("Enter", "\r")
    assert browser.run("document.querySelector('details').open") is False
