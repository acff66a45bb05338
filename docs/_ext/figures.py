"""The manual's figures: small studies of real data, drawn by the library's own plots whenever the pages are built.

    python docs/_ext/figures.py FOLDER     # writes them there, some twenty seconds on one core

``{plot} NAME`` puts one on a page, in the form for a wide screen or a narrow one, with the library's own sentence
under it. Nothing is kept that was not just computed: a figure is made again when the library is newer than it.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from sphinx.application import Sphinx

WIDE, NARROW = "wide", "narrow"


@contextmanager
def _bounded() -> Iterator[None]:
    """Five rounds of default settings: the same work, and the same figure, on a fast machine and on a busy one."""
    with patch("sharewise.studies._plan.LADDER", ((0, 5),)):
        yield


def _schools(count: int) -> Any:
    """The pupils of the largest schools; a school is a task."""
    import sharewise as sw

    frame, told = sw.datasets.frame("bdf")
    largest = frame["schoolNR"].value_counts().index[:count]
    rows = frame[frame["schoolNR"].isin(largest)]
    return sw.Problem.from_frame(
        rows, targets=["langPOST"], task="schoolNR", drop=["aritPOST", *told["drop"]]
    )


def schools() -> dict[str, str]:
    """One model a school, or one for all? The plot of all strategies and its verdict."""
    import sharewise as sw

    asked = {"families": ["linear"], "strategies": ["separate", "joint"]}
    with _bounded():
        study = sw.compare(_schools(16), budget="10min", workers=1, quiet=True, **asked)
    return _report(study, "every strategy")


def labels() -> dict[str, str]:
    """A school that joins: the error against its number of labels."""
    import sharewise as sw

    asked = {"question": "new", "shots": [1, 2, 5, 10], "families": ["linear"]}
    with _bounded():
        study = sw.compare(_schools(70), budget="10min", workers=1, quiet=True, **asked)
    return _report(study, "tasks to come")


def stream() -> dict[str, str]:
    """A world that changes: who recovers, and how fast."""
    import numpy as np
    import pandas as pd

    import sharewise as sw

    rng = np.random.default_rng(0)
    day = np.arange(400)
    signal = rng.normal(size=400)
    flip = np.where(day < 280, 1.0, -1.0)
    noise = 0.2 * rng.normal(size=(2, 400))
    table = {
        "signal": signal,
        "day": day,
        "up": flip * signal + noise[0],
        "half": 0.5 * flip * signal + noise[1],
    }
    problem = sw.Problem.from_frame(pd.DataFrame(table), targets=["up", "half"], time="day")
    found = sw.replay(problem, ["frozen", "window"], window=40, refit_every=10, changes=[280])
    return {WIDE: _framed(sw.reports.stream_plot(found)), "sentence": found.sentence}


def front() -> dict[str, str]:
    """Two tasks that pull one small network in different directions."""
    import torch

    from sharewise import networks, reports, training
    from sharewise.tasks import Regression

    torch.manual_seed(0)
    x = torch.rand(256, 1) * 2 - 1
    y = {"up": x[:, 0], "down": 1 - x[:, 0]}
    rows = [(x[i], {task: values[i] for task, values in y.items()}) for i in range(len(x))]
    loader = torch.utils.data.DataLoader(rows, batch_size=64)

    def network() -> Any:
        shared = torch.nn.Sequential(torch.nn.Linear(1, 1))
        return networks.HardSharing(shared, {"up": torch.nn.Identity(), "down": torch.nn.Identity()})

    kinds = {task: Regression() for task in y}
    found = training.fit_front(network, loader, kinds, validation=loader, parts=6, epochs=12, progress=False)
    kept = int(found.points.on_front.sum())
    told = f"{kept} of {len(found.points.losses)} networks, each trained for another preference, are beaten by no other."
    return {WIDE: reports.front_plot(found.points), "sentence": told}


FIGURES: dict[str, Callable[[], dict[str, str]]] = {
    "schools": schools,
    "labels": labels,
    "stream": stream,
    "front": front,
}


def _report(study: Any, which: str) -> dict[str, str]:
    """The first plot of a study's own page, by its form, and the verdict's sentence."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        page = study.report(Path(folder) / "page.html").read_text(encoding="utf-8")
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    found = {"sentence": str(study.verdict), "page": page}
    for form in (WIDE, NARROW):
        drawn = re.search(rf'<svg class="plot {form}".*?</svg>', page, re.DOTALL)
        assert drawn is not None, f"the page of {which} has no {form} plot"
        found[form] = _framed(drawn[0], style)
    return found


def _framed(svg: str, style: str = "") -> str:
    """A plot as a file of its own, on a ground of its own, in the reader's light or dark."""
    rules = (
        f"{style}\nsvg.plot.wide, svg.plot.narrow {{ display: block; margin: 0; background: var(--panel); "
        "font-family: system-ui, sans-serif; }"
    )
    if style:
        svg = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        return svg.replace(">", f"><style>{rules}</style>", 1)
    ground = (
        "svg { background: #ffffff; } @media (prefers-color-scheme: dark) { svg { background: #1b1f24; } }"
    )
    return svg.replace("<style>", f"<style>{ground}", 1)


def write(folder: Path) -> None:
    """Every figure that is missing or older than the library."""
    import sharewise

    source = Path(sharewise.__file__).parent
    newest = max(
        path.stat().st_mtime for path in [*source.rglob("*.py"), *source.rglob("*.j2"), Path(__file__)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in FIGURES.items():
        told = folder / f"{name}.json"
        if told.exists() and told.stat().st_mtime > newest:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = make()
        for form in (WIDE, NARROW):
            if form in found:
                (folder / f"{name}-{form}.svg").write_text(found.pop(form), encoding="utf-8")
        if "page" in found:
            (folder / f"{name}.html").write_text(found.pop("page"), encoding="utf-8")
        told.write_text(json.dumps(found), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    folder = Path(app.srcdir) / "_static" / "figures"

    class Plot(SphinxDirective):
        """One figure, its sentence, and a way to the whole page of its study."""

        required_arguments = 1
        has_content = True

        def run(self) -> list[nodes.Node]:
            name = self.arguments[0]
            if name not in FIGURES:
                raise self.error(f"there is no figure '{name}'; there are {', '.join(FIGURES)}")
            up = "../" * self.env.docname.count("/") + "_static/figures"
            sentence = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["sentence"]
            said = f"<p>The library's own sentence: “{escape(sentence)}”</p>"
            narrow = (folder / f"{name}-narrow.svg").exists()
            source = f'<source media="(max-width: 640px)" srcset="{up}/{name}-narrow.svg">' if narrow else ""
            whole = (folder / f"{name}.html").exists()
            more = f'<p><a href="{up}/{name}.html">The whole page of this study</a></p>' if whole else ""
            caption = escape(" ".join(self.content))
            picture = f'<picture>{source}<img src="{up}/{name}-wide.svg" alt="{escape(sentence)}"></picture>'
            figure = f'<figure class="plot">{picture}<figcaption><p>{caption}</p>{said}{more}</figcaption></figure>'
            return [nodes.raw("", figure, format="html")]

    app.connect("builder-inited", lambda app: write(folder))
    app.add_directive("plot", Plot)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
