"""Which kind of feature a column is, decided once on the rows of a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._cells import Cells, as_words
from sharewise.problems._names import counted, listed
from sharewise.problems._table import Column, ColumnKind
from sharewise.problems._words import HUGE, dates_in, is_marked_number, number_in, numbers_in

ENOUGH_SPELLED = 0.95
"""Share of a column's words that must spell numbers (or dates) to make it one of numbers."""

MIXED = 0.2
"""Share of a column's words that spell numbers from which it is called mixed."""

NEARLY_DISTINCT = 0.9
TEXT_WORDS = 2.5
"""Mean words a distinct string from which many distinct strings are text."""

TEXT_DISTINCT = 20
TEXT_SHARE = 0.1


@dataclass(frozen=True)
class Feature:
    """A column that stays: its values, and whether they came as True and False."""

    column: Column
    is_bool: bool = False


@dataclass
class Findings:
    """What was noticed while typing, told in one sentence for all columns alike."""

    constant: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    infinite: list[tuple[str, int]] = field(default_factory=list)
    stray: list[tuple[str, str]] = field(default_factory=list)
    marked: list[tuple[str, str]] = field(default_factory=list)

    def notes(self) -> list[str]:
        """The sentences, none where nothing was noticed."""
        notes = []
        if self.constant:
            notes.append(
                f"{counted(len(self.constant), 'column')} left out because "
                f"{_they(self.constant)} constant or empty: {listed(self.constant)}."
            )
        if self.identifiers:
            notes.append(
                f"{counted(len(self.identifiers), 'column')} left out because nearly every cell differs, "
                f"as in an identifier: {listed(self.identifiers)}."
            )
        if self.mixed:
            notes.append(
                f"{counted(len(self.mixed), 'column')} of mixed types read as words: {listed(self.mixed)}."
            )
        if self.counters:
            notes.append(
                f"{listed(self.counters)} only counts the rows; name it under drop= or --drop "
                "unless the order of rows means something."
            )
        if self.infinite:
            told = [f"{name} ({count})" for name, count in self.infinite]
            notes.append(f"Infinite cells (or beyond {HUGE:g}) read as missing, by column: {listed(told)}.")
        if self.marked:
            name, example = self.marked[0]
            names = [name for name, _ in self.marked]
            notes.append(
                f"Numbers with marks (such as '{example}' in '{name}') are not read as numbers, in "
                f"{listed(names)}; write them plainly (1234.5)."
            )
        if self.stray:
            name, example = self.stray[0]
            names = [name for name, _ in self.stray]
            notes.append(
                f"Words among numbers or dates read as missing in {listed(names)} "
                f"(such as '{example}' in '{name}')."
            )
        return notes


def _they(names: list[str]) -> str:
    return "it is" if len(names) == 1 else "they are"


def type_features(columns: Iterable[Cells]) -> tuple[list[Feature], list[str]]:
    """The features among ``columns``, in their order, and notes on what was left out or changed."""
    findings = Findings()
    features = []
    for cells in columns:
        feature = _typed(cells, findings)
        if feature is not None:
            features.append(feature)
    return features, findings.notes()


def _typed(cells: Cells, findings: Findings) -> Feature | None:
    if cells.form == "word":
        return _typed_words(cells, findings)
    values = cells.values
    if cells.form == "number":
        values, infinite = without_infinite(values)
        if infinite:
            findings.infinite.append((cells.name, infinite))
    if _is_constant(values):
        findings.constant.append(cells.name)
        return None
    if cells.form == "number" and _counts_rows(values):
        findings.counters.append(cells.name)
    kind: ColumnKind = "date" if cells.form == "date" else "number"
    return Feature(Column(cells.name, kind, values), is_bool=cells.form == "bool")


def _typed_words(cells: Cells, findings: Findings) -> Feature | None:
    words = as_words(cells)
    distinct = set(words.tolist()) - {None}
    if len(distinct) < 2:
        findings.constant.append(cells.name)
        return None
    if cells.category:
        return Feature(Column(cells.name, "category", words))
    present = cells.present()
    for kind, read in (("number", numbers_in), ("date", dates_in)):
        values = read(words)
        spelled = ~np.isnan(values)
        if spelled.sum() < ENOUGH_SPELLED * present.sum():
            continue
        if spelled.sum() < present.sum():
            findings.stray.append((cells.name, str(words[present & ~spelled][0])))
        plain = Cells(cells.name, "number" if kind == "number" else "date", values)
        return _typed(plain, findings)
    marked = next((text for text in words[present] if is_marked_number(text)), None)
    if marked is not None and _share(words, present, lambda text: is_marked_number(text) or _is_number(text)):
        findings.marked.append((cells.name, marked))
    elif cells.mixed or _share(words, present, _is_number, at_least=MIXED):
        findings.mixed.append(cells.name)
    filled = int(present.sum())
    mean_words = sum(len(text.split()) for text in distinct) / len(distinct)
    if mean_words >= TEXT_WORDS and len(distinct) > max(TEXT_DISTINCT, TEXT_SHARE * filled):
        return Feature(Column(cells.name, "text", words))
    if len(distinct) > NEARLY_DISTINCT * filled:
        findings.identifiers.append(cells.name)
        return None
    return Feature(Column(cells.name, "category", words))


def _is_number(text: str) -> bool:
    return not np.isnan(number_in(text))


def _share(
    words: NDArray[np.object_],
    present: NDArray[np.bool_],
    has: Callable[[str], bool],
    at_least: float = ENOUGH_SPELLED,
) -> bool:
    """Whether so large a share of the cells that hold something ``has`` it."""
    return sum(map(has, words[present])) >= at_least * int(present.sum())


def without_infinite(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """``values`` ``(N,)`` with infinite and huge ones as NaN, and how many there were."""
    infinite = np.abs(values) > HUGE
    count = int(infinite.sum())
    return (np.where(infinite, np.nan, values), count) if count else (values, 0)


def _is_constant(values: NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return len(known) == 0 or bool((known == known[0]).all())


def _counts_rows(values: NDArray[np.float64]) -> bool:
    return len(values) > 2 and bool(np.all(np.diff(values) == 1.0))
