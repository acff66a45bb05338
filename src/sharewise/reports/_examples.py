"""Test rows with their truths and predictions, drawn from the record that `examples_of` wrote.

The record comes from a file: what is absent or of another form is left out, and nothing of it is markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._example_marks import Drawn, colour, draw
from sharewise.reports._example_words import Line, lines_of
from sharewise.reports._format import plural
from sharewise.reports._values import items, number, rows, table, text

MOST_CHARACTERS = 240_000
"""Of all pictures' data together."""
MOST_ROWS = 8
_DATA = re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}")
_SIDES = {"truth": "Truth", "shared": "Shared", "separate": "Separate"}


@dataclass(frozen=True)
class Panel:
    """One side of a row: a picture with what is on it, and lines of text."""

    title: str
    drawn: Drawn | None
    facts: tuple[tuple[str, str, bool], ...]
    alt: str


@dataclass(frozen=True)
class Example:
    """One row: the panels of a picture, or the lines of a sentence."""

    title: str
    picture: str
    width: int
    height: int
    panels: tuple[Panel, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Examples:
    """The section."""

    sentence: str
    key: tuple[tuple[str, int], ...]
    rows: tuple[Example, ...]


def read_examples(verdict: Mapping[str, Any]) -> Examples | None:
    """None where nothing was put on record."""
    record = table(verdict.get("examples"))
    tasks = [(text(one.get("name"), 80), one) for one in rows(record.get("tasks"))]
    sides = {text(one.get("side"), 20): text(one.get("name"), 120) for one in rows(record.get("sides"))}
    sides = {side: name for side, name in sides.items() if side in _SIDES and side != "truth"}
    if not tasks or not sides:
        return None
    found: list[Example] = []
    spent = 0
    for row in rows(record.get("rows"))[:MOST_ROWS]:
        picture = row.get("picture")
        picture = picture if isinstance(picture, str) and _DATA.fullmatch(picture) else ""
        spent += len(picture)
        if spent > MOST_CHARACTERS:
            break
        one = (
            _sentence(row, tasks, sides) if items(row.get("words")) else _picture(row, picture, tasks, sides)
        )
        if one is not None:
            found.append(one)
    if not found:
        return None
    return Examples(_told(record, sides, len(found)), _key(tasks), tuple(found))


def _told(record: Mapping[str, Any], sides: Mapping[str, str], count: int) -> str:
    total = number(record.get("test_rows"))
    whole = f" of {plural(int(total), 'test row')}" if total is not None else ""
    names = " and ".join(f"{_SIDES[side].lower()} is {name}" for side, name in sides.items())
    sure = number(record.get("sure"))
    boxes = (
        f" Predicted boxes are shown from a score of {sure:g}."
        if sure is not None and any(text(one.get("kind")) == "detection" for one in rows(record.get("tasks")))
        else ""
    )
    return (
        f"{count}{whole} of the first round, drawn at random among those with most labels, not by how well they are "
        f"predicted; the models have not seen them. Here {names}.{boxes}"
    )


def _key(tasks: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[tuple[str, int], ...]:
    """Names of the classes of masks, with their colours' numbers."""
    found: list[tuple[str, int]] = []
    for place, (name, task) in enumerate(tasks):
        if text(task.get("kind")) == "segmentation":
            classes = [text(one, 40) for one in items(task.get("classes"))]
            first = _before(tasks, place)
            found += [(f"{name}: {one}", colour(first, code)) for code, one in enumerate(classes) if code]
    return tuple(found[:12])


def _before(tasks: Sequence[tuple[str, Mapping[str, Any]]], place: int) -> int:
    """Colours that the masks of earlier tasks have."""
    return sum(
        max(len(items(task.get("classes"))) - 1, 0)
        for _, task in tasks[:place]
        if text(task.get("kind")) == "segmentation"
    )


def _picture(
    row: Mapping[str, Any],
    picture: str,
    tasks: Sequence[tuple[str, Mapping[str, Any]]],
    sides: Mapping[str, str],
) -> Example | None:
    width, height = number(row.get("width")), number(row.get("height"))
    if not picture or width is None or height is None or not (1 <= width <= 4096 and 1 <= height <= 4096):
        return None
    place = number(row.get("row"))
    title = f"Row {int(place)}" if place is not None else "A row"
    panels = []
    for side in ("truth", *sides):
        facts: list[tuple[str, str, bool]] = []
        drawn = Drawn((), ())
        for entry in rows(row.get("answers")):
            at = number(entry.get("task"))
            if at is None or not 0 <= at < len(tasks):
                continue
            name, task = tasks[int(at)]
            answer = entry.get(side)
            if answer is None:
                facts.append((name, "no label" if side == "truth" else "not served", False))
            elif text(task.get("kind")) in ("segmentation", "detection"):
                drawn = drawn + draw(answer, task, (width, height), _before(tasks, int(at)))
            else:
                told = text(table(answer).get("text"), 60)
                share = number(table(answer).get("share"))
                wrong = _differs(told, entry.get("truth"), side)
                facts.append((name, told if share is None else f"{told} ({100 * share:.0f}%)", wrong))
        alt = f"{title}, {_SIDES[side].lower()}: {drawn.words() or 'nothing drawn'}"
        panels.append(Panel(_SIDES[side], drawn, tuple(facts), alt))
    return Example(title, picture, int(width), int(height), tuple(panels), ())


def _differs(told: str, truth: object, side: str) -> bool:
    """Whether a class is not the true one; numbers always differ and are not marked."""
    true = text(table(truth).get("text"), 60)
    if side == "truth" or not true:
        return False
    try:
        float(told), float(true)
    except ValueError:
        return told != true
    return False


def _sentence(
    row: Mapping[str, Any], tasks: Sequence[tuple[str, Mapping[str, Any]]], sides: Mapping[str, str]
) -> Example | None:
    words = [text(word, 60) for word in items(row.get("words"))][:60]
    place = number(row.get("row"))
    lines: list[Line] = []
    for entry in rows(row.get("answers")):
        at = number(entry.get("task"))
        if at is None or not 0 <= at < len(tasks):
            continue
        name, task = tasks[int(at)]
        truth = [text(tag, 40) for tag in items(entry.get("truth"))]
        for side in ("truth", *sides):
            tags = [text(tag, 40) for tag in items(entry.get(side))]
            lines.append(
                lines_of(
                    f"{name}, {_SIDES[side].lower()}", words, tags, truth, text(task.get("kind")) == "spans"
                )
            )
    title = f"Row {int(place)}" if place is not None else "A row"
    return Example(title, "", 0, 0, (), tuple(lines)) if lines else None
