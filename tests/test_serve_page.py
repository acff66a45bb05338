"""The page in a real browser: form, CSV, a new task, keyboard only, dark, 375 pixels; hostile names stay text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from browser_pipe import BROWSER, PALE, Tab
from served_models import SCORES, SENTENCE, card, files, flowers, long, seen_by_brightness, wide
from sharewise.families import Run, Sample
from sharewise.problems import Problem
from sharewise.serving import DeployedModel
from sharewise.serving.http import Limits, create_app
from sharewise.strategies import fit_constant_model
from stub_adapters import schools
from test_serve_live import listening

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs the chromium browser, which is not installed"),
]

EVIL = "<img src=x onerror=document.title='hacked'>"
READY = "document.getElementById('state').textContent === 'ready'"
RESULT = "document.getElementById('{}').innerText"


def clean(page: Tab, port: int) -> None:
    """Nothing went wrong, and nobody else was asked."""
    assert page.said == []
    assert page.asked
    own = (f"http://127.0.0.1:{port}/", "data:", f"blob:http://127.0.0.1:{port}/")
    assert [address for address in page.asked if not address.startswith(own)] == []
    page.asked.clear()


def tab_to(page: Tab, wanted: str) -> None:
    """By the Tab key alone."""
    for _ in range(40):
        if page.focus() == wanted:
            return
        page.press("Tab")
    raise AssertionError(f"{wanted} is not reached by Tab")


def test_the_form_by_keyboard_alone_and_a_table(browser: Tab, tmp_path: Path) -> None:
    model, table = wide(), flowers(30, seed=4)
    table.assign(note='a "quoted", note').to_csv(tmp_path / "new.csv", index=False)
    with listening(create_app(model), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        assert browser.run(RESULT.format("sentence")) == SENTENCE
        assert browser.run(
            "[...document.querySelectorAll('input, select, textarea')].every((e) => e.labels.length)"
        )
        for name, text in (("field-0", "0.75"), ("field-1", "-1.5")):
            tab_to(browser, name)
            browser.type(text)
        browser.press("Enter", "\r")
        text = browser.wait(RESULT.format("row-result"))
        row = pd.DataFrame([{"length": 0.75, "width": -1.5, "wild": None, "colour": None, "picked": None}])
        found = model.predict(row)
        assert f"{found['size'][0]:.6g}" in text
        assert found["species"][0] in text

        browser.choose("#csv", tmp_path / "new.csv")
        browser.wait("document.getElementById('csv-status').innerText.startsWith('30 rows predicted')")
        cells = browser.run(
            "[...document.querySelectorAll('#csv-result tbody tr')].map((r) => [...r.children].map((c) => c.textContent))"
        )
        expected = model.predict(table)
        assert [row[2] for row in cells] == expected["species"].tolist()
        assert [float(row[1]) for row in cells] == pytest.approx(expected["size"].tolist(), rel=1e-4)
        assert cells[0][-1] == 'a "quoted", note'
        (tmp_path / "bad.csv").write_text("length,width,wild,colour,picked\n1,long,true,red,2026-03-01\n")
        browser.choose("#csv", tmp_path / "bad.csv")
        browser.wait("document.getElementById('csv-status').innerText.includes(\"row 1 has 'long'\")")
        browser.run(
            "globalThis.held = new DataTransfer();"
            "held.items.add(new File(['length,width,wild,colour,picked\\n1,2,true,red,2026-03-01\\n'], 'dropped.csv'));"
            "document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: held, cancelable: true }))"
        )
        browser.wait("document.getElementById('csv-status').innerText.startsWith('1 rows predicted')")
        clean(browser, port)


LINES = 'width;length;colour;picked;wild;note\r\n0.5;1;grün;2026-03-01;true;"a;\nb"\r\n;;"grün";;;=1+1\r\n'
ENCODED = {
    "UTF-8": LINES.encode(),
    "UTF-8 with a mark": LINES.encode("utf-8-sig"),
    "Windows": LINES.encode("cp1252"),
    "UTF-16": LINES.encode("utf-16"),
    "tabs": LINES.replace("a;", "a,").replace(";", "\t").encode(),
}


@pytest.mark.filterwarnings("ignore:column 'colour' holds values never seen")
def test_tables_as_spreadsheets_write_them(browser: Tab, tmp_path: Path) -> None:
    with listening(create_app(wide()), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        for name, data in ENCODED.items():
            (tmp_path / f"{name}.csv").write_bytes(data)
            browser.run("document.getElementById('csv-status').textContent = ''")
            browser.choose("#csv", tmp_path / f"{name}.csv")
            browser.wait("document.getElementById('csv-status').innerText.startsWith('2 rows predicted')")
            cells = browser.run(
                "[...document.querySelectorAll('#csv-result td')].map((one) => one.textContent)"
            )
            assert cells.count("grün") == 2, name
            assert cells[-1] == "=1+1"
        for place, text in enumerate(("a,b\n1\n", 'a,b\n"1,2\n', "a,a\n1,2\n", "a,b\n", "")):
            (tmp_path / f"{place}.csv").write_text(text)
            browser.run("document.getElementById('csv-status').textContent = ''")
            browser.choose("#csv", tmp_path / f"{place}.csv")
            browser.wait("document.querySelector('#csv-status .bad') !== null")
        held = browser.run("['=1+1', '+cmd|x', '@a', '-', '+', -1.5, 'a \"b\"', null].map(quote)")
        assert held == ["'=1+1", "'+cmd|x", "'@a", "-", "+", "-1.5", '"a ""b"""', ""]
        clean(browser, port)


def test_pictures_are_chosen_and_dropped(browser: Tab, tmp_path: Path) -> None:
    model, paths = seen_by_brightness(), files(tmp_path)
    expected = model.predict(paths)["bright"]
    (tmp_path / "none.png").write_bytes(b"none")
    with listening(create_app(model), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        browser.choose("#field-0", paths[0])
        tab_to(browser, "field-0")
        browser.press("Tab")
        browser.press("Enter", "\r")
        assert f"{expected[0]:.6g}" in browser.wait(RESULT.format("row-result"))
        assert browser.run("document.querySelector('#row-result img').naturalWidth") == 40
        browser.choose("#csv", *paths, tmp_path / "none.png")
        browser.wait(
            f"document.getElementById('csv-status').innerText === '{len(paths)} of {len(paths) + 1} pictures predicted.'"
        )
        cells = browser.run(
            "[...document.querySelectorAll('#csv-result tbody tr')].map((r) => r.children[1].textContent)"
        )
        assert [float(cell) for cell in cells[:-1]] == pytest.approx(expected.tolist(), rel=1e-5)
        assert "no whole PNG or JPEG" in cells[-1]
        # The browser itself reports the one that was refused, and nothing else.
        assert all("422" in line for line in browser.said)
        browser.said.clear()
        clean(browser, port)


def test_a_new_task_is_adapted_to_and_then_in_the_form(browser: Tab) -> None:
    model = long()
    new = schools(9, seed=5).query("school == 9").drop(columns=["passed", "school"]).head(8)
    with listening(create_app(model), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        tab_to(browser, "adapt-task")
        browser.type("9")
        tab_to(browser, "adapt-rows")
        browser.type(new.to_csv(index=False))
        browser.press("Tab", times=2)
        assert browser.focus() == "BUTTON"
        browser.press("Enter", "\r")
        browser.wait("document.getElementById('adapt-result').innerText.startsWith('school 9 is served now')")
        assert "school 9" in model.adapted
        assert browser.run("[...document.querySelectorAll('#inputs option')].some((o) => o.value === '9')")
        browser.run(f"document.getElementById('adapt-task').value = {json.dumps(EVIL)}")
        browser.press("Enter", "\r")
        browser.wait("document.getElementById('adapt-result').innerText.startsWith('school <img src=x')")
        browser.run("document.getElementById('adapt-rows').value = 'x0,<b>score\\n1,<b>'")
        browser.press("Enter", "\r")
        browser.wait("document.querySelector('#adapt-result .bad') !== null")
        assert browser.run("document.images.length") == 0
        assert all("422" in line for line in browser.said)
        browser.said.clear()
        clean(browser, port)


@pytest.mark.parametrize("width", [320, 375, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_width_and_follows_the_scheme(
    browser: Tab, tmp_path: Path, width: int, scheme: str
) -> None:
    flowers(5, seed=4).to_csv(tmp_path / "new.csv", index=False)
    browser.look(width, scheme)
    with listening(create_app(replace(wide(), card={**card(), "tasks": SCORES})), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        browser.choose("#csv", tmp_path / "new.csv")
        browser.wait("document.querySelectorAll('#csv-result tbody tr').length === 5")
        assert browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        assert browser.run("document.querySelectorAll('#scores tbody tr').length") == 2
        for text in ("+87.5% (+80.0% to +95.0%)", "+10.0% (+2.0% to +18.0%)"):
            assert text in browser.run(RESULT.format("scores"))
        assert browser.run(PALE) == []
        dark = browser.run("getComputedStyle(document.body).backgroundColor")
        assert dark == {"light": "rgb(250, 250, 248)", "dark": "rgb(20, 23, 26)"}[scheme]
        clean(browser, port)
    browser.send("Emulation.clearDeviceMetricsOverride")


def test_hostile_names_stay_text(browser: Tab, tmp_path: Path) -> None:
    frame = pd.DataFrame({EVIL: [f"{EVIL}{i % 3}" for i in range(60)], "x": range(60)})
    frame = frame.assign(
        **{
            f"y{EVIL}": np.random.default_rng(0).random(60),
            f"z{EVIL}": np.random.default_rng(1).choice(["<b>", "<i>"], 60),
        }
    )
    problem = Problem.from_frame(frame, targets=[f"y{EVIL}", f"z{EVIL}"])
    sample = Sample.of(problem, np.arange(60), ())
    verdict: dict[str, Any] = {"verdict": {"sentence": f"Share {EVIL}</script>", "outcome": "share"}}
    model = DeployedModel.of(problem, fit_constant_model(sample, Run(0)).model, {**card(), **verdict})
    frame.head(3).to_csv(tmp_path / "evil.csv", index=False)
    told = {"metric": EVIL, "choice": {"strategy": EVIL, "family": "</script>"}, "delta": 0.1}
    model = replace(model, card={**model.card, "tasks": {f"y{EVIL}": told}})
    with listening(create_app(model), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", READY)
        assert browser.run(RESULT.format("scores")).count(EVIL) == 3
        assert EVIL in browser.run(RESULT.format("sentence"))
        browser.run("document.querySelector('#row-form button').click()")
        assert EVIL in browser.wait(RESULT.format("row-result"))
        browser.choose("#csv", tmp_path / "evil.csv")
        browser.wait("document.querySelectorAll('#csv-result tbody tr').length === 3")
        assert EVIL in browser.run(RESULT.format("csv-result"))
        assert browser.run("document.images.length") == 0
        assert browser.run("document.title") == "sharewise"
        clean(browser, port)


def test_the_token_is_asked_for_on_the_page(browser: Tab) -> None:
    with listening(create_app(wide(), token="a-long-token"), Limits()) as port:
        browser.open(f"http://127.0.0.1:{port}/", "!document.getElementById('token-form').hidden")
        assert browser.run("document.getElementById('one').hidden")
        tab_to(browser, "token")
        browser.type("a-long-token")
        browser.press("Enter", "\r")
        browser.wait(f"{READY} && document.getElementById('token-form').hidden")
        assert browser.run(RESULT.format("sentence")) == SENTENCE
        # The browser itself reports the first answer, 401, and nothing else.
        assert all("401" in line for line in browser.said)
        browser.said.clear()
        clean(browser, port)
