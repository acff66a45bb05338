"""The notebooks of the manual: plain files, and every cell runs in order without an error or a warning."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import ROOT

FOLDER = ROOT / "docs" / "journeys"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SPEED = 4.0


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def code(book: dict[str, Any]) -> list[str]:
    """The code cells in order."""
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def shown(value: object) -> None:
    """What a notebook does with a cell's last value: all forms that it would draw are made."""
    for form in ("_repr_html_", "_repr_svg_", "__repr__"):
        draw = getattr(value, form, None)
        if value is not None and draw is not None:
            draw()


def run(path: Path, module: ModuleType) -> None:
    """Executes the cells in one namespace, as a kernel does."""
    space = vars(module)
    space["display"] = shown
    for number, source in enumerate(code(json.loads(path.read_text(encoding="utf-8"))), start=1):
        cell = f"{path.name}, code cell {number}"
        tree = ast.parse(source, cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell, "exec"), space)
        if isinstance(last, ast.Expr):
            shown(eval(compile(ast.Expression(last.value), cell, "eval"), space))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A fresh main module in an empty folder. What cells define is pickled as a notebook's is, by value.

    Budgets count this process's own seconds, not the wall's, so that a busy machine gets as far as an idle one; and they
    count them `SPEED` times, so that minutes of lessons are tested in one.
    """
    module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("time.monotonic", lambda: SPEED * time.process_time())
    yield module
    for value in vars(module).values():  # a server that a cell started before another one failed
        if isinstance(value, subprocess.Popen) and value.poll() is None:
            value.kill()
            value.wait()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_every_cell_runs(path: Path, kernel: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    run(path, kernel)
    assert capsys.readouterr().out.strip(), "a journey prints what it finds"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=names(NOTEBOOKS))
def test_is_a_tidy_notebook(path: Path) -> None:
    """As nbformat 4.5 wants it, without outputs, so that a change shows what changed."""
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    idents = [cell["id"] for cell in book["cells"]]
    assert len(set(idents)) == len(idents)
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    assert book["cells"][0]["source"][0].startswith("# "), "a page begins with its title"


def test_all_journeys_are_in_the_manual() -> None:
    listed = (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
    assert len(NOTEBOOKS) == 5
    assert set(names(NOTEBOOKS)) <= set(listed)
