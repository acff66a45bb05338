"""The bundled sets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sharewise.datasets._bdf import bdf
from sharewise.datasets._sklearn import breast_cancer, digits, iris, linnerud, wine
from sharewise.errors import OptionError
from sharewise.problems import Problem

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A set: its name, what it is and whence, and the function that fetches it."""

    name: str
    about: str
    fetch: Callable[[], tuple[pd.DataFrame, dict[str, Any]]]


_SETS = {fetch.__name__: fetch for fetch in (bdf, breast_cancer, digits, iris, linnerud, wine)}


def names() -> tuple[str, ...]:
    """Names that `load` knows."""
    return tuple(sorted(_SETS))


def describe(name: str) -> Dataset:
    """What a set is and where it comes from.

    Raises:
        OptionError: There is no such set.
    """
    if name not in _SETS:
        raise OptionError(f"a dataset is one of {', '.join(names())}; got '{name}'.")
    fetch = _SETS[name]
    text = inspect.getdoc(inspect.getmodule(fetch) if fetch is bdf else fetch)
    return Dataset(name, text or "", fetch)


def frame(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table, and the arguments of `Problem.from_frame` that make a problem of it.

    Raises:
        OptionError: There is no such set.
        SharewiseError: It comes with a package that is not installed.
    """
    return describe(name).fetch()


def load(name: str) -> Problem:
    """The set as a problem.

    Raises:
        OptionError: There is no such set.
        SharewiseError: It comes with a package that is not installed.
    """
    table, arguments = frame(name)
    return Problem.from_frame(table, **arguments)
