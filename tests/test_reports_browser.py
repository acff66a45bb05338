"""The page in a real browser: no sideways scrolling on a phone, nothing run, nothing loaded."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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

BROWSER = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
    "--virtual-time-budget=4000",
]
FRAME = """<!doctype html><title>waiting</title>
<iframe id="f" src="report.html" style="border:0;width:{width}px;height:900px"></iframe>
<script>
document.getElementById("f").onload = (event) => {{
  const page = event.target.contentDocument, root = page.documentElement;
  page.querySelectorAll("details").forEach((each) => each.open = true);
  const seen = (each) => getComputedStyle(each).display !== "none";
  document.title = JSON.stringify({{
    over: Math.max(root.scrollWidth, page.body.scrollWidth) - root.clientWidth,
    plots: [...page.querySelectorAll("svg.plot")].filter(seen).length,
    loaded: event.target.contentWindow.performance.getEntriesByType("resource").length,
  }});
}};
</script>"""

LONG = [f"pupils of school {i}, last year" for i in range(60)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs the chromium browser, which is not installed"),
]


@pytest.mark.parametrize("width", [320, 375, 1100])
@pytest.mark.parametrize("kind", ["two", "hostile", "empty", "learnt", "crowd"])
def test_fits_its_width_and_loads_nothing(tmp_path: Path, kind: str, width: int) -> None:
    verdict = {
        "two": lambda: make_verdict(["lang", "arith"], TWELVE),
        "hostile": lambda: (
            make_verdict(hostile_names(120), [("z" * 300, "y" * 300), *NINETEEN]) | hostile_insight()
        ),
        "empty": empty_verdict,
        "learnt": lambda: make_verdict(LONG[:9], TWELVE) | make_insight(LONG[:9]),
        "crowd": lambda: make_verdict(LONG, TWELVE) | make_insight(LONG, left=60),
    }[kind]()
    write(tmp_path / "report.html", verdict, make_ledger(50, TWELVE))
    (tmp_path / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.search(r"<title>\{(.*?)\}</title>", done.stdout)
    assert found, done.stderr[-2000:]
    facts = {key: int(value) for key, value in re.findall(r'"(\w+)":(-?\d+)', found[1])}
    assert facts["over"] <= 0
    assert facts["loaded"] == 0
    assert facts["plots"] == {"two": 5, "hostile": 22, "empty": 0, "learnt": 18, "crowd": 25}[kind]
