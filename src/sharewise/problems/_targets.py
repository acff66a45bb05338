"""Target columns after pruning: their kinds with the classes still there, and how they are scored.

Symbols: ``N`` rows, ``D`` targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sharewise.errors import OptionError
from sharewise.problems._cells import Value
from sharewise.problems._labels import Labels
from sharewise.problems._problem import Target
from sharewise.tasks import Array, Binary, Classification, Kind, Metric, Multiclass, Ordinal, Regression

CLASSES: Mapping[str, Callable[[tuple[Value, ...]], Classification]] = {
    kind.name: kind for kind in (Binary, Multiclass, Ordinal)
}


def describe(
    read: Sequence[Labels], labels: Array, metrics: Mapping[str, str]
) -> tuple[tuple[Target, ...], Array]:
    """The ``D`` targets, and labels ``(N, D)`` recoded to the classes that are left.

    Raises:
        OptionError: A metric does not fit its target's kind.
    """
    labels = labels.copy()
    found = []
    for d, target in enumerate(read):
        kind: Kind = Regression()
        if target.kind != "regression":
            known = ~np.isnan(labels[:, d])
            codes, places = np.unique(labels[known, d].astype(np.intp), return_inverse=True)
            labels[known, d] = places
            classes = tuple(target.classes[code] for code in codes)
            kind = CLASSES[target.kind](classes)
        found.append(Target(target.name, kind, _metric(kind, target.name, metrics)))
    return tuple(found), labels


def _metric(kind: Kind, target: str, asked: Mapping[str, str]) -> Metric:
    try:
        return kind.metric(asked.get(target))
    except OptionError as error:
        raise OptionError(f"metric of '{target}': {error}") from error
