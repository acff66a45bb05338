"""The scripts under ``examples``: short, documented, and clear about the data they want; what they do is tested elsewhere."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_asks_for_its_data_in_one_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in text
    monkeypatch.delenv("SHAREWISE_DATA", raising=False)
    monkeypatch.setattr("sys.argv", [str(path)])
    with pytest.raises(SystemExit, match="name the folder of"):
        runpy.run_path(str(path), run_name="__main__")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6
