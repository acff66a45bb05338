"""The conformance suite over every family, and frozen values of its parts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from conformance import (
    CASES,
    NOISE,
    Way,
    case,
    check_independent,
    check_lone_row,
    check_no_leak,
    check_repeats,
    check_shapes,
    check_space,
    check_stops,
    check_stored,
    fitted,
    noise_problem,
    sample_of,
    ways,
)
from sharewise.families import FAMILIES, Family

REFITTED = ("wide_mixed", "long_uneven", "mixed_columns")
"""Cases for the checks that fit anew."""


def _ways(cases: Iterable[str] = CASES, *, side: str | None = None) -> list[object]:
    """One test a family, configuration, side and case; `FAMILIES` is where a new family joins."""
    return [
        pytest.param(way, name, id=f"{name}-{way}")
        for name in cases
        for family in FAMILIES.values()
        for way in ways(family, case(name), side=side)
    ]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
@pytest.mark.parametrize("name", CASES)
def test_search_space_grows_with_effort(family: Family, name: str) -> None:
    check_space(family, case(name))


@pytest.mark.parametrize(("way", "name"), _ways())
def test_predictions_are_finite_and_probabilities_sum_to_one(way: Way, name: str) -> None:
    check_shapes(way, name)


@pytest.mark.parametrize(("way", "name"), _ways(REFITTED))
def test_same_seed_gives_the_same_bits(way: Way, name: str) -> None:
    check_repeats(way, name)


@pytest.mark.parametrize(("way", "name"), _ways())
def test_a_passed_deadline_ends_a_fit_at_once(way: Way, name: str) -> None:
    check_stops(way.fit, sample_of(name))


@pytest.mark.parametrize(("way", "name"), _ways())
def test_a_stored_model_predicts_the_same_bits(way: Way, name: str, tmp_path: Path) -> None:
    check_stored(fitted(way, name), case(name), tmp_path / "model")


@pytest.mark.parametrize(("way", "name"), _ways((*REFITTED, "both_at_once"), side="alone"))
def test_alone_never_uses_other_tasks_labels(way: Way, name: str) -> None:
    check_independent(way.fit, sample_of(name))


@pytest.mark.parametrize(
    ("way", "table"),
    [
        pytest.param(way, table, id=f"{table}-{way}")
        for table in NOISE
        for family in FAMILIES.values()
        for way in ways(family, noise_problem(table, 0))
    ],
)
def test_held_out_predictions_know_nothing_of_noise(way: Way, table: str) -> None:
    check_no_leak(way.fit, table)


@pytest.mark.parametrize(
    "way", [way for family in FAMILIES.values() for way in ways(family, case("long_uneven"))], ids=str
)
def test_a_tasks_only_row_is_predicted_without_its_label(way: Way) -> None:
    check_lone_row(way.fit)
