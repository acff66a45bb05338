"""The manual keeps its word: every Python block runs, every command of every shell block runs or is there."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

from cli_runs import SMALL, quicken, run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    str(path.relative_to(DOCS))
    for path in DOCS.rglob("*.md")
    if path.relative_to(DOCS).parts[0] not in ("_build", "journeys")
)
CODE = re.compile(r"^```(?:python|bash)$", re.MULTILINE)
WITH_CODE = [page for page in PAGES if CODE.search((DOCS / page).read_text(encoding="utf-8"))]
ELSEWHERE = {"demo", "distil"}
"""Commands that take long, or a larger study than pages have, and have tests of their own; here they must parse."""


def tables() -> None:
    """The files that commands name, as small as they may be."""
    rng = np.random.default_rng(0)
    school = np.repeat(np.arange(12), 8)
    age = rng.integers(9, 13, len(school))
    hours = rng.gamma(2.0, 2.0, len(school)).round(1)
    lang = (3 * hours + age + 0.1 * school + rng.normal(size=len(school))).round(1)
    pupils = pd.DataFrame({"school": school, "age": age, "hours": hours, "lang": lang})
    pupils["arith"] = (2 * hours + rng.normal(size=len(school))).round(1)
    pupils["score"] = (lang + rng.normal(size=len(school))).round(1)
    pupils["passed"] = rng.choice(["yes", "no"], len(school))
    pupils.to_csv("pupils.csv", index=False)
    newcomers = pupils.drop(columns="school")
    newcomers.tail(5).to_csv("support.csv", index=False)
    newcomers.drop(columns="score").head(5).to_csv("new.csv", index=False)
    words = [("Ada", "PROPN", "B-PER"), ("met", "VERB", "O"), ("Ben", "PROPN", "B-PER")]
    Path("dev.conllu").write_text(
        "".join(
            "".join(f"{i}\t{word}\t_\t{pos}\t_\t_\t_\t_\t_\t_\n" for i, (word, pos, _) in enumerate(words, 1))
            + "\n"
            for _ in range(20)
        )
    )
    Path("dev.iob2").write_text(
        "".join(
            "".join(f"{i}\t{word}\t{tag}\n" for i, (word, _, tag) in enumerate(words, 1)) + "\n"
            for _ in range(20)
        )
    )


def sharewise(words: list[str], page: dict[str, Any]) -> None:
    """A command of sharewise, in this process and on a small study."""
    from sharewise.cli import build_parser

    told = build_parser().parse_args(words)
    if words[0] in ELSEWHERE:
        return
    if words[0] == "serve":
        from fastapi.testclient import TestClient

        from sharewise import load
        from sharewise.serving.http import create_app

        where = Path(told.model)
        app = create_app(load(where / "model" if (where / "model").is_dir() else where))
        page["client"] = TestClient(app, base_url=f"http://127.0.0.1:{told.port}")
        return
    small = list(SMALL) if words[0] == "compare" else []
    if "new" in words:
        del small[small.index("--strategies") :][:2]
    ran = run(*words, *small)
    assert ran.code == 0, ran.err


def curl(words: list[str], page: dict[str, Any]) -> None:
    """A request, asked of the application that the page has served."""
    address = urlsplit(next(word for word in words if word.startswith("http")))
    data = words[words.index("-d") + 1] if "-d" in words else None
    heads = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    answer = page["client"].request("POST" if data else "GET", address.path, content=data, headers=heads)
    assert answer.status_code == 200, answer.text
    assert json.loads(answer.text)


def pip(words: list[str], page: dict[str, Any]) -> None:
    """What is installed is ours: extras that there are, pins that are there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (asked,) = [word for word in words if word.startswith(".")]
    assert set(asked.removeprefix(".").strip("[]").split(",")) <= set(extras)
    assert (ROOT / words[words.index("-c") + 1]).is_file()


def make(words: list[str], page: dict[str, Any]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert set(words) <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def source(words: list[str], page: dict[str, Any]) -> None:
    assert words == [".venv/bin/activate"]


PROGRAMS = {"sharewise": sharewise, "curl": curl, "pip": pip, "make": make, "source": source}


def shell(example: Example) -> None:
    """Each line of a shell block."""
    for line in str(example.parsed).replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words and words != ["sharewise", "--version"]:
            PROGRAMS[words[0]](words[1:], example.namespace)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE)
def test_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page is one session, in its own folder; its studies are cut short."""
    text = (DOCS / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    tables()
    for name, block in re.findall(r"^```(yaml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        (tmp_path / f"problem.{name}").write_text(block)
    parsers = [PythonCodeBlockParser(), CodeBlockParser(language="bash", evaluator=shell)]
    for example in Sybil(parsers=parsers, path=str(DOCS), pattern="**/*.md").parse(DOCS / page).examples():
        example.evaluate()


def test_scripts_that_are_named_are_there() -> None:
    named = {
        name
        for page in PAGES
        for name in re.findall(r"benchmarks/\w+\.py", (DOCS / page).read_text(encoding="utf-8"))
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_way_of_sharing_is_described() -> None:
    """A strategy, architecture or balancer that joins the library joins the manual."""
    from sharewise.balancing import BALANCERS
    from sharewise.networks import ARCHITECTURES
    from sharewise.strategies import STRATEGIES
    from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES

    text = "".join(
        (DOCS / page).read_text(encoding="utf-8") for page in PAGES if page.startswith("strategies")
    )
    for name in [*STRATEGIES, *NEW_TASK_STRATEGIES]:
        assert re.search(rf"\b{re.escape(name)}\b", text), name
    for name in [*ARCHITECTURES, *BALANCERS]:
        assert f"`{name}`" in text, name
