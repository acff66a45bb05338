"""A problem from datasets of tensors: gathered, pruned as a table's labels are, described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharewise.errors import OptionError
from sharewise.problems._datasets import check_tasks, gather
from sharewise.problems._encoder import as_module, check_encoder, form_of
from sharewise.problems._labels import Labels
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._problem import Problem, Task
from sharewise.problems._pruning import prune
from sharewise.problems._schema import INPUT, Schema
from sharewise.problems._table import Column, Table
from sharewise.problems._targets import describe
from sharewise.tasks import METRICS, Array, Classification, Kind


def build(
    tasks: object,
    *,
    encoder: object,
    groups: object,
    metric: Mapping[str, str] | str | None,
) -> Problem:
    """See `Problem.from_datasets`."""
    given = check_tasks(tasks)
    as_module(encoder)  # before minutes of reading
    asked = _metrics(metric, {name: kind for name, (_, kind) in given.items()})
    gathered = gather(given, groups)
    notes = list(gathered.notes)
    read = [_labels(name, kind, gathered.labels[:, t]) for t, (name, (_, kind)) in enumerate(given.items())]
    notes += [note for labels in read for note in labels.notes]
    pruned = prune(gathered.labels, read, None, (), "")
    notes += pruned.notes
    rows = np.flatnonzero(~np.isnan(pruned.labels).all(axis=1))
    kept = np.flatnonzero(pruned.tasks[0])
    targets, labels = describe([read[t] for t in kept], pruned.labels[np.ix_(rows, kept)], asked)
    whole = len(rows) == len(gathered.inputs)  # no second copy in memory where nothing went
    inputs = gathered.inputs if whole else gathered.inputs[rows]
    check_encoder(encoder, inputs)
    return Problem(
        table=Table((Column(INPUT, "tensor", inputs),), len(rows)),
        targets=targets,
        labels=labels,
        tasks=tuple(Task(target.name, d, None) for d, target in enumerate(targets)),
        group=None if gathered.group is None else np.unique(gathered.group[rows], return_inverse=True)[1],
        notes=tuple(notes),
        schema=Schema(
            features=(INPUT,),
            kinds=("tensor",),
            targets=tuple(target.name for target in targets),
            values=(None,),
            shape=inputs.shape[1:],
            dtype=inputs.dtype.name,
            encoder=form_of(encoder),
        ),
        encoder=encoder,
    )


def _labels(name: str, kind: Kind, values: Array) -> Labels:
    """A task's labels as a target column is read; classes that never come up are told."""
    if not isinstance(kind, Classification):
        return Labels(name, kind.name, values)
    seen = set(values[~np.isnan(values)].tolist())
    absent = [str(c) for place, c in enumerate(kind.classes) if place not in seen]
    notes: tuple[str, ...] = ()
    if absent and seen:
        noun = counted(len(absent), "class") if len(absent) == 1 else f"{len(absent)} classes"
        notes = (f"Target '{name}': {noun} on no row left out: {listed(absent)}.",)
    return Labels(name, kind.name, values, kind.classes, notes)


def _metrics(metric: Any, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """The metric asked for of each task that one is asked for; one name alone is meant for all.

    Raises:
        OptionError: A metric or a task is unknown, or they do not fit.
    """
    if metric is None:
        return {}
    if isinstance(metric, str):
        metric = dict.fromkeys(kinds, metric)
    if not isinstance(metric, Mapping):
        raise OptionError(
            f"metric must name tasks, as in {{'{next(iter(kinds))}': 'accuracy'}}; got {metric!r}."
        )
    for name, asked in metric.items():
        if name not in kinds:
            raise OptionError(
                f"metric must name tasks; '{name}' is none.{nearest(str(name), kinds)}"
                f" The tasks are {listed(list(kinds), 8)}."
            )
        if asked not in METRICS:
            raise OptionError(f"a metric is one of {', '.join(METRICS)}; got '{asked}' for '{name}'.")
        try:
            kinds[name].metric(asked)
        except OptionError as error:
            raise OptionError(f"metric of '{name}': {error}") from error
    return dict(metric)
