"""Several tasks over examples, in one shape for wide tables, long tables, and both at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._schema import Schema
from sharewise.problems._table import Table
from sharewise.tasks import Array, Kind, Metric

SHOWN = 5
"""Targets named where a problem is shown."""


@dataclass(frozen=True)
class Target:
    """One target column: wide problems have several, long ones at least one."""

    name: str
    kind: Kind
    metric: Metric


@dataclass(frozen=True)
class Task:
    """One thing to predict: a target, in a long problem for one level of the task column.

    Attributes:
        name: Unique: the target's name (wide), ``"school 12"`` (long),
            ``"lang · school 12"`` (both).
        target: Place in `Problem.targets`.
        level: Place in `Problem.levels`; None in a wide problem.
    """

    name: str
    target: int
    level: int | None


@dataclass(frozen=True)
class Problem:
    """Rows, what is known of each, and what is to be predicted.

    Symbols: ``N`` rows, ``D`` target columns, ``L`` levels of the task column, ``T`` tasks
    (``D`` in a wide problem, at most ``D·L`` else).

    Attributes:
        table: The features, ``N`` rows.
        targets: The ``D`` target columns.
        labels: ``(N, D)`` float64; class codes for classification; NaN where a label is missing.
        tasks: The ``T`` tasks.
        levels: Names of the task column's values, or None in a wide problem.
        level: ``(N,)`` place in ``levels`` of each row, or None.
        level_name: The task column's name, or None.
        group: ``(N,)`` codes of rows to be kept together, or None.
        time: ``(N,)`` float64 to split by, or None.
        notes: Warnings found while reading, one sentence each.
        schema: How to read another table the same way.
        rows: ``(N,)`` each row's place in the user's table, or None where there was none.
        encoder: The user's `torch.nn.Module` that turns a batch of the tensor column, as it is stored, into
            features ``(B, D)``; None in a problem without one. It is never trained itself: who trains takes a copy.
        answers: Of each target whose kind is ragged the truths ``(N,)``, an array a row, None at gaps; None for the
            other targets, and empty where no target is. ``labels`` are then 0 where there is an answer.
        unlabelled: Features of the table's rows without any label, or None where each has one; for pretraining only.
    """

    table: Table
    targets: tuple[Target, ...]
    labels: Array
    tasks: tuple[Task, ...]
    levels: tuple[str, ...] | None = None
    level: NDArray[np.intp] | None = None
    level_name: str | None = None
    group: NDArray[np.intp] | None = None
    time: Array | None = None
    notes: tuple[str, ...] = ()
    schema: Schema = field(default_factory=Schema)
    rows: NDArray[np.intp] | None = None
    encoder: object | None = field(default=None, compare=False, repr=False)
    unlabelled: Table | None = None
    answers: tuple[NDArray[np.object_] | None, ...] = ()

    def __repr__(self) -> str:
        """What a notebook shows: size and targets, none of the data."""
        targets = [f"{target.name} ({target.kind.name})" for target in self.targets[:SHOWN]]
        more = len(self.targets) - len(targets)
        told = ", ".join(targets) + (f" and {more} more" if more else "")
        of = "" if self.levels is None else f"; {len(self.tasks)} tasks by {self.level_name}"
        return f"Problem({len(self):,} rows, {len(tuple(self.table))} features; {told}{of})"

    @classmethod
    def from_frame(
        cls,
        frame: object,
        *,
        targets: str | int | Sequence[str | int],
        task: str | int | None = None,
        group: str | int | None = None,
        time: str | int | None = None,
        drop: str | int | Sequence[str | int] = (),
        kinds: Mapping[str, str] | None = None,
        metric: Mapping[str, str] | str | None = None,
        pictures: str | int | None = None,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        root: str | Path = ".",
    ) -> Problem:
        """A problem from a pandas, polars or pyarrow table, a dataset of Hugging Face, or a 2-D NumPy array.

        A single target with three classes or more, and no task column, is a pool of classes: for
        ``question="new"``, where tasks are draws of some of them.

        Args:
            frame: The table. A NumPy array's columns go by position (``3``) or as ``"x3"``.
            targets: The column or columns to predict; gaps are rows not labelled.
            task: Long form: the column that names each row's task.
            group: The column whose equal values stay on one side of every split.
            time: The column to split by, past before future.
            drop: Columns left out.
            kinds: ``regression``, ``binary``, ``multiclass``, ``ordinal`` (classes in an order) or ``multilabel`` (several
                labels a cell) by target, where the guess is wrong.
            metric: By target, or one name for all.
            pictures: The column that names picture files. Without it a feature whose cells all end as such files do is
                taken, where files of it are there. Other features are then not read.
            size, channels: What pictures are decoded to, as in `from_pictures`.
            root: Where relative paths of pictures begin.

        Raises:
            DataError: The table breaks a rule; the message says which, and the way out.
            OptionError: A kind or metric is unknown or does not fit.
        """
        from sharewise.problems._build import build

        return build(
            frame, targets=targets, task=task, group=group, time=time, drop=drop, kinds=kinds, metric=metric,
            pictures=pictures, size=size, channels=channels, root=root,
        )  # fmt: skip

    @classmethod
    def from_datasets(
        cls,
        tasks: Mapping[str, tuple[Any, Kind]],
        encoder: object,
        *,
        groups: Mapping[str, Sequence[Any]] | None = None,
        metric: Mapping[str, str] | str | None = None,
    ) -> Problem:
        """A wide problem from PyTorch datasets of ``(x, y)``, one a task, and a module of your own.

        Every dataset has a length and gives item ``i`` as ``dataset[i]``; ``x`` is a tensor or array of one
        shape in all of them, kept as float32, uint8 or int64 and handed to the encoder so. Items are read once
        and held in memory, 4 GiB at most (keep pictures as bytes and turn them into numbers in the encoder).

        An ``x`` that stands in several datasets, byte for byte, is *one* row with several labels, so that no
        example is on both sides of a split; the tasks that say nothing of a row have a gap there. Within a
        dataset a repeated item counts once; one with another label counts, and stays on the side of the first.

        Args:
            tasks: By name a dataset and its kind, as ``(digits, sw.tasks.Multiclass(10))``. A label is a class or
                its place, or a number; None, NaN and negative places (-1, -100) are gaps.
            encoder: A `torch.nn.Module` that turns a batch into features ``(B, D)``. Its weights are where every
                training starts, and part of the study: seed PyTorch before building it, or the same call in
                another process is another study. Other code or weights need another ``out`` folder.
            groups: By task a value an item, such as the person in each photograph; equal values stay on one
                side of every split, in all tasks. Items and tasks without one are groups of their own.
            metric: By task, or one name for all.

        Raises:
            DataError: The datasets break a rule; the message says which item, and the way out.
            OptionError: A kind, metric or group does not fit, or the encoder does not take the inputs.

        >>> import torch
        >>> from sharewise.tasks import Binary, Regression
        >>> x = torch.arange(90.0).reshape(30, 3)
        >>> tall = torch.utils.data.TensorDataset(x[:20], x[:20, 0] > 30)
        >>> height = torch.utils.data.TensorDataset(x[10:], x[10:, 1])
        >>> tasks = {"tall": (tall, Binary((False, True))), "height": (height, Regression())}
        >>> problem = Problem.from_datasets(tasks, encoder=torch.nn.Linear(3, 8))
        >>> problem.labels.shape, [len(problem.rows_of(task)) for task in problem.tasks]
        ((30, 2), [20, 20])
        """
        from sharewise.problems._build_tensors import build

        return build(tasks, encoder=encoder, groups=groups, metric=metric)

    @classmethod
    def from_sentences(
        cls,
        sentences: object,
        *,
        kinds: Mapping[str, Any] | None = None,
        group: str | Sequence[Any] | None = "document",
        metric: Mapping[str, str] | str | None = None,
    ) -> Problem:
        """A wide problem from sentences with tags: a task a column of tags.

        Args:
            sentences: `Sentences`, as `read_conllu`, `read_conll` and `read_iob2` give them; or a dataset of Hugging
                Face with a column of words and columns of tags.
            kinds: ``tagging`` (a tag a word) or ``spans`` (IOB2) by column, for the columns to be tasks; None for all
                columns, those in IOB2 being spans.
            group: ``document`` keeps sentences of one text on one side of every split where they name their text;
                or a value a sentence; None splits sentence by sentence.
            metric: By task, or one name for all.

        Raises:
            DataError: The sentences break a rule; the message says where, and the way out.
            OptionError: A kind or metric is unknown or does not fit.
        """
        from sharewise.problems._build_sentences import build

        return build(sentences, kinds=kinds, group=group, metric=metric)

    @classmethod
    def from_pictures(
        cls,
        pictures: object,
        tasks: Mapping[str, tuple[Any, Any]],
        *,
        size: int | tuple[int, int] | None = None,
        channels: int | None = None,
        group: Sequence[Any] | Callable[[Path], Any] | None = None,
        metric: Mapping[str, str] | str | None = None,
        root: str | Path = ".",
    ) -> Problem:
        """A wide problem from pictures: attributes, masks and boxes of each.

        Args:
            pictures: Paths or arrays, one a row; a folder, in the order of `read_folder`; or decoded `Pictures`. Equal
                pictures, byte for byte once decoded, stay on one side of every split.
            tasks: By name the answers, one a picture, and their kind: ``multiclass``, ``binary``, ``regression``,
                ``ordinal``, a kind of `sharewise.tasks`,
                `Segmentation` (masks: paths or arrays of class codes of the picture's size) or `Detection` (boxes a
                picture: ``(n, 5)`` x1, y1, x2, y2 in the picture's own pixels and the class's code, a pair of corners
                and labels, or `Boxes`). None is a gap. Labels may be a function of the picture's path.
            size: Width and height that pictures are decoded to, or one number for both. Without it the median size,
                shrunk to 96 pixels on the longer side (128 with masks or boxes), at least 32, in multiples of 8: on
                one core the packaged backbone takes 4, 8 and 13 ms for a picture of 64, 96 and 128 pixels a side.
            channels: 1 or 3; without it 1 where all pictures looked at are grey.
            group: A value a picture, or a function of its path; equal values stay on one side of every split.
            metric: By task, or one name for all.
            root: Where relative paths begin.

        Raises:
            DataError: A picture, mask or box breaks a rule; the message names the file or row, and the way out.
            OptionError: A kind or metric is unknown or does not fit, or an extra is missing.
        """
        from sharewise.problems._build_pictures import build

        return build(pictures, tasks, size=size, channels=channels, group=group, metric=metric, root=root)

    def __getstate__(self) -> dict[str, Any]:
        """The encoder travels with its class, also one that a script or notebook defined."""
        state = dict(self.__dict__)
        if self.encoder is not None:
            from sharewise.problems._encoder import packed_encoder

            state["encoder"] = packed_encoder(self.encoder)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["encoder"] is not None:
            state = {**state, "encoder": pickle.loads(state["encoder"])}
        self.__dict__.update(state)

    @property
    def is_wide(self) -> bool:
        return self.level is None

    def __len__(self) -> int:
        return len(self.table)

    def truths(self, target: int, rows: NDArray[np.intp]) -> NDArray[Any]:
        """What a target's metric takes for truth of labelled rows: numbers and codes, or cells of a ragged kind."""
        cells = self.answers[target] if self.answers else None
        return self.labels[rows, target] if cells is None else cells[rows]

    def rows_of(self, task: Task) -> NDArray[np.intp]:
        """The labelled rows of a task, ascending."""
        known = ~np.isnan(self.labels[:, task.target])
        if self.level is not None and task.level is not None:
            known &= self.level == task.level
        return np.flatnonzero(known)
