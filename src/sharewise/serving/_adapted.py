"""A small model of one new task: what its few labels say, over a trunk that all tasks share.

Symbols: ``n`` labelled rows, ``D`` targets of the task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.families import Part, Predictions
from sharewise.problems import Schema, Table, Target
from sharewise.problems._frame import open_frame
from sharewise.serving._card_text import card_text
from sharewise.serving._equip import equipped
from sharewise.serving._folder import write_folder
from sharewise.serving._known import KNOWN, StoredTarget, StoredTask
from sharewise.serving._naming import shown
from sharewise.serving._rows import check_classes, framed, predictions, probabilities, read_rows
from sharewise.serving._support import Support, check_task, described, merged, read_support
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._served import Ladder, rung_for
from sharewise.tasks import Array, Classification


@dataclass(frozen=True, eq=False)
class AdaptedModel:
    """Predictions of one task.

    Nothing of it changes: `update` gives another one. Trunks are those of the study's model, by reference.

    Attributes:
        task: Its name, as in ``school 132``.
        level: Its value of the task column; in a pool of classes its name too.
        schema: How to read a table.
        targets: What is predicted; in a pool with the task's own classes.
        card: What the study's model is, and how the task is served. JSON-plain.
        ladders: Each target's adapters by the least number of labels that they are for.
        parts: Each target's predictor, over rows that its adapter encoded.
        support: The task's labelled rows, kept so that further ones can join them.
    """

    task: str
    level: str
    schema: Schema = field(repr=False)
    targets: tuple[Target, ...]
    card: dict[str, Any] = field(repr=False)
    ladders: tuple[Ladder, ...] = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    support: Support = field(repr=False)

    @classmethod
    def of(
        cls, level: str, schema: Schema, ladders: Mapping[str, Ladder], support: Support, card: dict[str, Any]
    ) -> AdaptedModel:
        """Adapt to labelled rows.

        Args:
            level: The task's value of the task column.
            schema: Of the study.
            ladders: By target.
            support: The rows.
            card: Of the study's model.

        Raises:
            DataError: The rows are of one class, or nothing finite comes of them.
        """
        targets = described(support, own=schema.level_name is None)
        own = tuple(ladders[target.name] for target in targets)
        rungs = _rungs(own, targets, support.y, schema)
        parts = tuple(
            _part(ladder[rung][1], target, support.table, y)
            for ladder, rung, target, y in zip(own, rungs, targets, support.y.T, strict=True)
        )
        return cls(shown(level, schema), level, schema, targets, card, own, parts, support)

    @classmethod
    def restored(
        cls, stored: StoredTask, schema: Schema, ladders: Mapping[str, Ladder], card: dict[str, Any]
    ) -> AdaptedModel:
        """What `stored` gave, over the ladders of its targets by name."""
        targets = tuple(target.target() for target in stored.targets)
        support = Support(stored.table, targets, stored.y, stored.classes)
        own = tuple(ladders[target.name] for target in targets)
        name = shown(stored.level, schema)
        return cls(name, stored.level, schema, targets, card, own, stored.parts, support)

    @property
    def labels(self) -> int:
        """Labelled rows that it was adapted to."""
        return len(self.support.table)

    @property
    def strategies(self) -> dict[str, str]:
        """By target the name of what serves it: as the card has it, or in the words of the adapter's class."""
        told = self.card.get("served_by", {})
        names = {least: _strategy(*rest) for least, *rest in self.card.get("serve", ())}
        return {
            target.name: told.get(target.name) or names.get(ladder[rung][0]) or _spoken(ladder[rung][1])
            for target, ladder, rung in zip(self.targets, self.ladders, self._used, strict=True)
        }

    @property
    def _used(self) -> tuple[int, ...]:
        return _rungs(self.ladders, self.targets, self.support.y, self.schema)

    def predict(self, frame: object) -> Any:
        """Predictions for rows of this task, a column a target, in the row order and kind of ``frame``.

        Raises:
            DataError: Feature columns are missing, or the task column names another task.
        """
        return framed(predictions(self.targets, self._values(frame)), frame, self.schema)

    def predict_proba(self, frame: object) -> Any:
        """Class probabilities, a column ``target=class`` a class of each classification target.

        Raises:
            OptionError: No target is a class.
            DataError: As for `predict`.
        """
        check_classes(self.targets)
        return framed(probabilities(self.targets, self._values(frame)), frame, self.schema)

    def values(self, table: Table) -> Predictions:
        """What `predict` is made of, for rows that were read: ``(n, W)`` a target."""
        return [
            part.predict(ladder[rung][1].encode(table))
            for part, ladder, rung in zip(self.parts, self.ladders, self._used, strict=True)
        ]

    def update(self, frame: object) -> AdaptedModel:
        """The model of all labelled rows so far and these, as if all had come at once.

        The adapter is chosen anew, by the number of labels that there are now. In a pool new classes may come.

        Raises:
            DataError: The rows break a rule of labelled rows; the message says which.
        """
        further = read_support(self.schema, self.targets, frame, task=self.level)
        ladders = {target.name: ladder for target, ladder in zip(self.targets, self.ladders, strict=True)}
        return AdaptedModel.of(self.level, self.schema, ladders, merged(self.support, further), self.card)

    def with_encoder(self, encoder: object) -> AdaptedModel:
        """This model with the user's module."""
        ladders, parts = equipped((self.ladders, self.parts), encoder)
        return replace(self, ladders=ladders, parts=parts)

    def save(self, folder: str | Path) -> None:
        """Write a model folder that works alone: it holds the adapters in use, which later updates keep to.

        Raises:
            StorageError: The folder cannot be written.
        """
        ladders = tuple((ladder[rung],) for ladder, rung in zip(self.ladders, self._used, strict=True))
        labels = dict(zip(self.strategies, (~np.isnan(self.support.y)).sum(axis=0).tolist(), strict=True))
        card = {**self.card, "task": self.task, "labels": labels, "served_by": self.strategies}
        text = card_text(card, self.schema, self.targets)
        write_folder(Path(folder), (self.schema, ladders, self.stored()), known=KNOWN, card=card, text=text)

    def stored(self) -> StoredTask:
        """All but what it shares with others."""
        targets = tuple(map(StoredTarget.of, self.targets))
        return StoredTask(
            self.level, targets, self.parts, self.support.table, self.support.y, self.support.classes
        )

    def _values(self, frame: object) -> Predictions:
        source = frame
        if self.schema.shape is None:
            source = open_frame(frame)
            check_task(self.schema, source, self.level)
        table, _ = read_rows(self.schema, source, with_levels=False, depth=5)
        return self.values(table)


def _rungs(ladders: Sequence[Ladder], targets: Sequence[Target], y: Array, schema: Schema) -> tuple[int, ...]:
    """The place in each target's ladder, by its labels; in a pool by those of the class that has fewest."""
    found = []
    for ladder, target, own in zip(ladders, targets, y.T, strict=True):
        known = own[~np.isnan(own)]
        count = len(known)
        if schema.level_name is None:
            count = int(np.bincount(known.astype(np.intp), minlength=target.kind.width).min())
        found.append(rung_for(ladder, count))
    return tuple(found)


def _part(adapter: Adapter, target: Target, table: Table, y: Array) -> Part:
    rows = np.flatnonzero(~np.isnan(y))
    X = adapter.encode(table if len(rows) == len(table) else table.take(rows))
    part = adapter.adapt(X, y[rows], target.kind.width if isinstance(target.kind, Classification) else None)
    if not np.isfinite(part.predict(X)).all():
        raise DataError(
            f"labels must tell enough to predict '{target.name}'; of {len(rows)} came nothing finite. "
            "Bring further rows, of each class where it has classes."
        )
    return part


def _strategy(strategy: str, family: str = "none", *_: object) -> str:
    return strategy if family == "none" else f"{strategy} {family}"


def _spoken(adapter: Adapter) -> str:
    """An adapter's class in words: ``RidgeAdapter`` is ridge."""
    name = type(adapter).__name__.removesuffix("Adapter") or "Adapter"
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)).lower() or name
