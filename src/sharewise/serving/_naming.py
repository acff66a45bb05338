"""What a task is called: ``132`` in the task column, ``school 132`` to people; both are understood."""

from __future__ import annotations

from collections.abc import Collection

from sharewise.errors import OptionError
from sharewise.problems import Schema
from sharewise.problems._names import listed, nearest
from sharewise.problems._words import word


def value_of(task: object, schema: Schema) -> str:
    """The name as it stands in the task column; without such a column as it is given.

    Raises:
        OptionError: It is no name.
    """
    name = word(task) if isinstance(task, str | int | float) and not isinstance(task, bool) else None
    if name is None:
        raise OptionError(
            f"a task has a name of its own, as in task='school 132'; got {_told(task)}. Give it one."
        )
    if schema.level_name is None or name in (schema.levels or ()):
        return name
    prefix = f"{schema.level_name} "
    rest = name.removeprefix(prefix)
    # Where the column's own values begin like that ("school 7" in the column "school"), the name is one of them.
    whole = any(level.startswith(prefix) for level in schema.levels or ()) and not rest.startswith(prefix)
    return name if whole or not rest.strip() else rest


def shown(value: str, schema: Schema) -> str:
    """The name for people, as `sharewise.problems.Task` has it."""
    return value if schema.level_name is None else f"{schema.level_name} {value}"


def new_name(task: object, schema: Schema) -> str:
    """`value_of` a task that the study does not have.

    Raises:
        OptionError: It has it.
    """
    value = value_of(task, schema)
    if value in (schema.levels or ()):
        raise OptionError(
            f"a new task needs a name that the study does not know; '{shown(value, schema)}' is one of its tasks and "
            "served already. Name another, or call predict."
        )
    return value


def adapted_name(task: object, schema: Schema, adapted: Collection[str]) -> str:
    """The name for people of a task that was adapted to.

    Raises:
        OptionError: It is none of ``adapted``; the message names the nearest.
    """
    value = value_of(task, schema)
    name = shown(value, schema)
    if name in adapted:
        return name
    if value in (schema.levels or ()):
        raise OptionError(
            f"only adapted tasks are updated or forgotten; '{name}' is one of the study's own, which its model "
            "serves. Compare again with further rows."
        )
    known = list(adapted)
    hint = nearest(name, known) or (f" Adapted are {listed(known)}." if known else " None is adapted yet.")
    raise OptionError(f"a task to update or forget is one that was adapted to; '{name}' is none.{hint}")


def _told(task: object) -> str:
    return repr(task) if task is None or isinstance(task, str | bool | float) else f"a {type(task).__name__}"
