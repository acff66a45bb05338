"""Model cards: what the study said, gaps and limits, and names that may be anything shown as text."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

import sharewise as sw
from served_models import wide
from sharewise.problems import Problem
from sharewise.serving import DeployedModel, study_card
from sharewise.serving._card import gaps
from sharewise.serving._card_text import card_text
from sharewise.serving._card_words import shown, size, with_interval
from sharewise.strategies._constant import ConstantModel

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](http://evil.example)",
    "a | b\n| --- | --- |\n# head",
    "`code` **bold** _it_ ~~no~~ ![x](y) &lt; &#60;script>",
    "www.evil.example me@evil.example http://evil.example",
    "\u202egnp.exe\x00\x1b[31m \\",
]


class Tags(HTMLParser):
    """What a page shows: tags, and the text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.inside = tag == "td"
        if self.inside:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def page(text: str) -> Tags:
    return Tags(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))


def hostile_problem() -> Problem:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 6)), columns=HOSTILE)
    frame.iloc[:10, 0] = np.nan
    frame.iloc[:20, 5] = np.nan
    return Problem.from_frame(frame, targets=HOSTILE[3:])


def details(problem: Problem) -> dict[str, Any]:
    """What a study puts on record, as far as a card takes it along."""
    entry = {
        "labels": 20, "kind": "regression", "metric": "rmse", "decision": "separate", "delta": -0.2,
        "interval": [-0.3, -0.1], "choice": {"strategy": "separate", "family": "linear"},
        "scores": {"constant": 1.0, "separate": 0.5, "shared": 0.6},
        "served": {"score": 0.5, "removed": 0.5, "interval": [0.4, 0.6]},
    }  # fmt: skip
    entries = {task.name: copy.deepcopy(entry) for task in problem.tasks}
    entries[HOSTILE[4]]["served"]["interval"] = [-0.1, 0.6]
    return {
        "outcome": "separate",
        "sentence": f"Separate: sharing harms '{HOSTILE[0]}'.",
        "choice": {"describe": "a model of its own for each task", "members": ["separate/linear/ridge"]},
        "because": [f"Task '{name}' is a name." for name in HOSTILE],
        "contrast": None,
        "would_change": [],
        "per_task": entries,
        "protocol": {"question": "known", "split": "random", "seed": 0},
        "profile": {**sw.problems.profile(problem).as_dict()},
        "limits": None,
        "warnings": [HOSTILE[1]],
        "versions": {"sharewise": "0"},
    }


def test_hostile_names_are_text() -> None:
    problem = hostile_problem()
    card = study_card(problem, details(problem))
    text = card_text(card, problem.schema, problem.targets)
    assert text.isprintable() or set(text) - set(filter(str.isprintable, text)) == {"\n"}
    found = page(text)
    assert found.tags <= {
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "strong",
        "em",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    for name in HOSTILE:
        plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
        assert plain in found.cells, name


def test_a_card_tells_scores_gaps_and_what_it_is_not_for() -> None:
    problem = hostile_problem()
    card = study_card(problem, details(problem))
    assert card["data"]["gaps"] == {HOSTILE[0]: 0.25, HOSTILE[5]: 0.5}
    assert card["data"]["rows"] == 40
    assert "correlation" not in card["data"]
    assert card["tasks"][HOSTILE[3]]["served"]["removed"] == 0.5
    text = card_text(card, problem.schema, problem.targets)
    rows = [line for line in text.splitlines() if line.startswith("| ") and "rmse" in line]
    assert len(rows) == 3
    for row in rows:
        assert "| 0.5 | 1 | 50.0% (" in row
        assert row.endswith("| -20.0% (-30.0% to -10.0%) |")
    (weak,) = [line for line in text.splitlines() if "constant:" in line and line.startswith("- Not")]
    assert shown(HOSTILE[4]) in weak
    assert shown(HOSTILE[3]) not in weak
    assert "Fewer than 30 labels" in text
    assert "Sharing harms; " in text
    assert "drawn at random" in text


def test_no_cell_of_the_data_is_in_it() -> None:
    frame = pd.DataFrame(
        {"x": np.arange(50) + 0.123, "secret": ["alpha-7", "beta-9"] * 25, "y": np.arange(50) * 0.77}
    )
    frame["z"] = frame["y"] + 0.031
    problem = Problem.from_frame(frame, targets=["y", "z"])
    text = card_text(
        study_card(problem, {**details(hostile_problem()), "per_task": {}}), problem.schema, problem.targets
    )
    assert "secret" in text
    for cell in ("alpha-7", "beta-9", "10.123", "11.55"):
        assert cell not in text


def test_every_saved_model_has_one_and_the_same_model_the_same(tmp_path: Path) -> None:
    wide().save(tmp_path / "a")
    again = sw.load(tmp_path / "a")
    again.save(tmp_path / "b")
    text = (tmp_path / "a" / "card.md").read_text()
    assert "Share: one model for all" in text
    assert (tmp_path / "b" / "card.md").read_text() == text
    assert (tmp_path / "b" / "model.json").read_bytes() == (tmp_path / "a" / "model.json").read_bytes()
    (tmp_path / "a" / "card.md").write_text(text.replace("Share", "Spare"))
    with pytest.raises(sw.SharewiseError, match=r"card\.md"):
        sw.load(tmp_path / "a")


def test_a_model_without_a_study_says_so(tmp_path: Path) -> None:
    problem = hostile_problem()
    model = DeployedModel.of(problem, ConstantModel(tuple(np.zeros((1, 1)) for _ in range(3))), {})
    model.save(tmp_path / "m")
    text = (tmp_path / "m" / "card.md").read_text()
    assert "without a study" in text
    assert "## Limits" in text
    assert "## Verdict" not in text


def test_odd_cards_are_shown_as_far_as_they_go() -> None:
    problem = hostile_problem()
    odd: Any = {
        "verdict": 3,
        "tasks": {"a": 1, "b": {"scores": None}},
        "shots": [1],
        "data": {"rows": "x"},
        "serving": [],
    }
    for key in odd:
        assert "## Limits" in card_text({key: odd[key]}, problem.schema, problem.targets)


def test_numbers_in_words() -> None:
    assert with_interval(0.123, [0.1, None]) == "12.3%"
    assert with_interval(None, None) == "–"
    assert (size(12_345_678), size(999), size(None)) == ("12.3 MB", "999 bytes", "–")
    assert len(shown("x" * 999)) == 200
    column = sw.problems.Column("w", "category", np.array([None, "a"], dtype=object))
    assert column.values[0] is None
    assert gaps(hostile_problem())[HOSTILE[0]] == 0.25
