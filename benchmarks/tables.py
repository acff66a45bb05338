"""Real tables for the benchmarks, each as a frame and the arguments of ``sharewise.Problem.from_frame``.

Look at what is there (from the repository root; data in ``$SHAREWISE_DATA``, else ``../shared/data``)::

    python benchmarks/tables.py            # one line a table, then one a problem of benchmarks/verdict.py
    python benchmarks/tables.py slump bdf  # only these

In code::

    frame, kwargs = tables.load("school", per_school=15, seed=0)
    problem = sharewise.Problem.from_frame(frame, **kwargs)

Nothing is imputed, scaled or encoded here: what a fold must learn it learns from its own training rows.
The exception are texts and pictures, squeezed to a few dozen numbers (``tables_squeeze.py``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import tables_numbers as numbers
import tables_packaged as packaged
import tables_pictures as pictures
import tables_ratings as ratings
import tables_text as text
from tables_base import Array, Loaded, Rows, data_folder, folds, make

__all__ = ["NAMES", "Array", "Loaded", "Rows", "data_folder", "describe", "folds", "load", "make"]


def _loaders() -> Iterator[tuple[str, Callable[..., Loaded]]]:
    for name in numbers.MULTITARGET:
        yield name, partial(numbers.multitarget, name)
    for name in ("emotions", "scene"):
        yield name, partial(numbers.multilabel, name)
    for course in ("math", "portuguese"):
        yield f"student_{course}", partial(numbers.student, course)
    for loader in (
        numbers.energy_efficiency, numbers.student_long, numbers.sarcos, numbers.school, numbers.tox21,
        numbers.bdf, numbers.linnerud, numbers.permuted_noise, text.clinc_scope, text.clinc_intents,
        text.sms_spam, text.airline_wide, text.airline_long, text.vader, text.words, pictures.faces,
        pictures.omniglot, pictures.pedestrians, ratings.movielens,
    ):  # fmt: skip
        yield loader.__name__, loader
    yield from packaged.TABLES.items()


_LOADERS: Final[dict[str, Callable[..., Loaded]]] = dict(_loaders())

NAMES: Final[list[str]] = list(_LOADERS)


def load(name: str, **options: Any) -> Loaded:
    """A table by name; ``options`` are those of its loader (``per_school``, ``rows``, ``seed`` …).

    Raises:
        KeyError: When the name is not in `NAMES`.
    """
    if name not in _LOADERS:
        raise KeyError(f"a table must be one of {', '.join(NAMES)}; got {name!r}.")
    return _LOADERS[name](**options)


def describe(name: str, loaded: Loaded) -> str:
    """One line: rows, features, targets, tasks of a long table, gaps, rows that stand there twice."""
    gaps = int(loaded.frame[loaded.targets].isna().to_numpy().sum())
    tasks = "" if loaded.task is None else f", {loaded.frame[loaded.task].nunique()} x {loaded.task}"
    group = "" if loaded.group is None else f", kept together by {loaded.group}"
    copies = int(loaded.frame.drop(columns=loaded.kwargs.get("drop", [])).duplicated().sum())
    return (
        f"{name:18} {len(loaded.frame):6} rows {loaded.features.shape[1]:4} features "
        f"{len(loaded.targets):3} targets{tasks}, {gaps} gaps, {copies} repeated rows{group}"
    )


def main() -> None:
    import problems

    parser = argparse.ArgumentParser(description="Rows, features and targets of each table and problem.")
    parser.add_argument("names", nargs="*", default=[])
    wanted = parser.parse_args().names
    print("Tables")
    for name in wanted or NAMES:
        if name in NAMES:
            print(describe(name, load(name)), flush=True)
    print("Problems of benchmarks/verdict.py: as the reference draws from them, and rows of a study")
    for name in wanted or problems.NAMES:
        if name in problems.NAMES:
            rows = len(problems.load(name).frame)
            print(f"{describe(name, problems.large(name))}; study {rows} rows", flush=True)


if __name__ == "__main__":
    main()
