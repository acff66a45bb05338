"""A problem from pictures: decoded once, their labels, masks and boxes checked and placed.

Symbols: ``N`` pictures, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.problems._frame import Frame
from sharewise.problems._labels import Labels
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._new_pictures import sources_of
from sharewise.problems._picture_answers import Answers, read_answers
from sharewise.problems._picture_labels import Given, Paths, check_tasks, one_each, read_labels
from sharewise.problems._problem import Problem, Target, Task
from sharewise.problems._pruning import prune
from sharewise.problems._same_pictures import joined
from sharewise.problems._schema import Schema
from sharewise.problems._structure import read_group
from sharewise.problems._table import Column, Table
from sharewise.problems._targets import describe
from sharewise.problems.pictures import Decoding, Fit, Pictures, decode, decoding_for, form_of
from sharewise.problems.pictures._sources import is_array, read_arrays, read_column
from sharewise.tasks import Array, Detection, Segmentation, cells

PICTURE = "picture"
"""Name of the one feature."""
MOST_BYTES = 4 * 2**30
"""What decoded pictures may take together. They are held in memory, by every worker process again."""


def build(
    pictures: object,
    tasks: object,
    *,
    size: object = None,
    group: object = None,
    metric: Mapping[str, str] | str | None = None,
    channels: object = None,
    fit: Fit = "stretch",
    root: str | Path = ".",
) -> Problem:
    """See `Problem.from_pictures`."""
    sources = _sources(pictures, root)
    paths = paths_of(sources)
    given = check_tasks(tasks, len(sources), paths)
    labelled = {name: read_labels(one) for name, one in given.items() if not one.dense}
    asked = _metrics(metric, given)
    dense = len(labelled) < len(given)
    notes: list[str] = []
    found = _decoded(pictures, sources, size, channels, fit, dense, notes)
    read: list[Labels | Answers] = [
        labelled[name] if name in labelled else _answers(one, found, Path(root))
        for name, one in given.items()
    ]
    known = found.known
    if not known.all():
        notes.append(f"{counted(int((~known).sum()), 'row')} without a picture left out.")
    flat = [_flat(one) for one in read]
    labels = np.where(known[:, None], np.stack([one.values for one in flat], axis=1), np.nan)
    notes += [note for one in flat for note in one.notes]
    pruned = prune(labels, flat, None, (), "")
    notes += pruned.notes
    rows = np.flatnonzero(~np.isnan(pruned.labels).all(axis=1))
    kept = np.flatnonzero(pruned.tasks[0])
    targets, codes = _described([read[t] for t in kept], pruned.labels[np.ix_(rows, kept)], asked)
    answers = tuple(one.cells[rows] if isinstance(one, Answers) else None for one in (read[t] for t in kept))
    pixels = found.pixels if len(rows) == len(found) else found.pixels[rows]
    return Problem(
        table=Table((Column(PICTURE, "tensor", pixels),), len(rows)),
        targets=targets,
        labels=codes,
        tasks=tuple(Task(target.name, d, None) for d, target in enumerate(targets)),
        group=joined(pixels, _groups(group, len(sources), paths, rows, notes), notes),
        notes=tuple(notes),
        schema=Schema(
            features=(PICTURE,),
            kinds=("tensor",),
            targets=tuple(target.name for target in targets),
            values=(None,),
            shape=found.decoding.shape,
            dtype="uint8",
            pictures=form_of(found.decoding),
        ),
        rows=rows,
        answers=answers if dense else (),
    )


def _sources(pictures: object, root: str | Path) -> Sequence[Any]:
    """Paths, arrays or gaps, a row each."""
    if isinstance(pictures, Pictures):
        return [None] * len(pictures)
    items = sources_of(pictures, PICTURE)
    if not items:
        raise DataError("a problem of pictures holds pictures; got none. Name them.")
    return read_arrays(items) if is_array(items[0]) else read_column(items, root)


def paths_of(sources: Sequence[Any]) -> list[Path | None] | None:
    """The files, where pictures are files."""
    return None if not any(isinstance(one, Path) for one in sources) else list(sources)


def _decoded(
    pictures: object,
    sources: Sequence[Any],
    size: object,
    channels: object,
    fit: Fit,
    dense: bool,
    notes: list[str],
) -> Pictures:
    if isinstance(pictures, Pictures):
        if size is not None or channels is not None:
            raise OptionError(
                "pictures that are decoded already have their size and channels; leave size and channels out."
            )
        return pictures
    decoding = decoding_for(sources, size=size, channels=channels, fit=fit, dense=dense)
    found = read_all(sources, decoding)
    if size is None:
        notes += resized(found)
    return found


def read_all(sources: Sequence[Any], decoding: Decoding) -> Pictures:
    """Every picture that a row names; rows without one stay unknown.

    Raises:
        DataError: One cannot be read; the first is named, once all have been tried. Or they do not fit the memory.
    """
    room = len(sources) * int(np.prod(decoding.shape))
    if room > MOST_BYTES:
        raise DataError(
            f"the pictures of a problem are held in memory and take at most {MOST_BYTES / 2**30:.0f} GiB; {len(sources):,} of "
            f"{decoding.width} × {decoding.height} pixels take {room / 2**30:.1f}. Ask for a smaller size."
        )
    found = decode(sources, decoding, bad="gap", memory=MOST_BYTES)
    named = np.array([source is not None for source in sources])
    broken = [row for row in sorted(found.broken) if named[row]]
    if broken:
        more = (
            f" ({len(broken) - 1} more of {len(sources)} cannot be read either.)" if len(broken) > 1 else ""
        )
        raise DataError(found.broken[broken[0]] + more)
    if not named.any():
        raise DataError(f"a problem of pictures holds pictures; got {len(sources)} gaps. Name files.")
    return found


def resized(pictures: Pictures) -> list[str]:
    """A note where pictures are mostly of another size than they are read at."""
    width, height = np.median(pictures.sizes[pictures.known], axis=0).astype(int).tolist()
    decoding = pictures.decoding
    if (width, height) == (decoding.width, decoding.height):
        return []
    return [
        f"Pictures of {width} × {height} pixels (the median) are read at {decoding.width} × {decoding.height}; "
        "size= asks for another size."
    ]


def _answers(given: Given, pictures: Pictures, root: Path) -> Answers:
    assert isinstance(given.kind, Segmentation | Detection)
    return read_answers(given.name, given.values, given.kind, pictures, root)


def _flat(read: Labels | Answers) -> Labels:
    """What counting labels needs of a task: 0 where there is an answer."""
    if isinstance(read, Labels):
        return read
    values = np.array([np.nan if cell is None else 0.0 for cell in read.cells])
    return Labels(read.name, read.kind.name, values)


def _described(
    read: Sequence[Labels | Answers], labels: Array, metrics: Mapping[str, str]
) -> tuple[tuple[Target, ...], Array]:
    """Targets in order, and labels recoded to the classes that are left."""
    plain = [place for place, one in enumerate(read) if isinstance(one, Labels)]
    described, codes = describe([_flat(read[place]) for place in plain], labels[:, plain], metrics)
    labels = labels.copy()
    labels[:, plain] = codes
    at = dict(zip(plain, described, strict=True))
    targets = tuple(
        at[place] if isinstance(one, Labels) else Target(one.name, one.kind, one.kind.metric(metrics.get(one.name)))
        for place, one in enumerate(read)
    )  # fmt: skip
    return targets, labels


def _metrics(metric: Any, given: Mapping[str, Given]) -> dict[str, str]:
    """The metric asked for of each task that one is asked for; one name alone is meant for all.

    Raises:
        OptionError: A task is unknown.
    """
    if metric is None:
        return {}
    if isinstance(metric, str):
        return dict.fromkeys(given, metric)
    if not isinstance(metric, Mapping):
        raise OptionError(
            f"metric must name tasks, as in {{'{next(iter(given))}': 'accuracy'}}; got {metric!r}."
        )
    for name in metric:
        if name not in given:
            raise OptionError(
                f"metric must name tasks; '{name}' is none.{nearest(str(name), given)} The tasks are {listed(list(given), 8)}."
            )
    return {str(name): str(asked) for name, asked in metric.items()}


def _groups(
    group: Any, count: int, paths: Paths, rows: NDArray[np.intp], notes: list[str]
) -> NDArray[np.intp] | None:
    """Codes ``(len(rows),)`` of the groups asked for, or None."""
    if group is None:
        return None
    values = one_each(group, count, paths, "group")
    frame = Frame(("group",), len(values), (cells(values),))
    return read_group(frame, "group", rows, None, notes)
