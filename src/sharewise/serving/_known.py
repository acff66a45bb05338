"""Every class that a model file may name."""

from __future__ import annotations

from dataclasses import dataclass

from sharewise.errors import StorageError
from sharewise.families import FAMILY_STATE, Part
from sharewise.modalities import TABULAR_STATE
from sharewise.modalities.text import TEXT_STATE
from sharewise.problems import Column, Schema, Table, Target
from sharewise.strategies import STRATEGY_STATE
from sharewise.strategies.new_tasks import NEW_TASK_STATE
from sharewise.tasks import (
    Array,
    Binary,
    BoxRows,
    Detection,
    Kind,
    MaskRows,
    Multiclass,
    Ordinal,
    Regression,
    Segmentation,
    Spans,
    Tagging,
    TagRows,
)


@dataclass(frozen=True)
class StoredTarget:
    """A target as a file can hold it: its metric by name."""

    name: str
    kind: Kind
    metric: str

    @classmethod
    def of(cls, target: Target) -> StoredTarget:
        return cls(target.name, target.kind, target.metric.name)

    def target(self) -> Target:
        """The target again."""
        return Target(self.name, self.kind, self.kind.metric(self.metric))


@dataclass(frozen=True)
class StoredTask:
    """An adapted task as a file can hold it, beside the schema and the adapters that it shares with others.

    Attributes are those of `AdaptedModel` and of its `Support`.
    """

    level: str
    targets: tuple[StoredTarget, ...]
    parts: tuple[Part, ...]
    table: Table
    y: Array
    classes: tuple[tuple[str | int | float | bool, ...] | None, ...]

    def __post_init__(self) -> None:
        count = len(self.targets)
        level: object = self.level  # a file may hold anything
        table: object = self.table
        if (
            not isinstance(level, str)
            or not all(isinstance(target, StoredTarget) for target in self.targets)
            or not all(isinstance(part, Part) for part in self.parts)
            or not isinstance(table, Table)
            or len(self.parts) != count
            or len(self.classes) != count
            or self.y.shape != (len(self.table), count)
        ):
            raise StorageError(
                "a stored task has a part, labels and classes for each of its targets; this one is damaged. "
                "Save it again or restore a copy."
            )


KNOWN: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *FAMILY_STATE,
        *STRATEGY_STATE,
        *NEW_TASK_STATE,
        *TABULAR_STATE,
        *TEXT_STATE,
        Binary,
        BoxRows,
        Column,
        Detection,
        MaskRows,
        Multiclass,
        Ordinal,
        Regression,
        Schema,
        Segmentation,
        Spans,
        StoredTarget,
        StoredTask,
        TagRows,
        Table,
        Tagging,
    )
}
"""Nothing else is ever built from a file."""
