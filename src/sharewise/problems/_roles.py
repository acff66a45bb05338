"""Which column is what: targets, task, group, time, left out, or a feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sharewise.errors import DataError, OptionError
from sharewise.problems._frame import Frame
from sharewise.problems._names import as_names, listed, nearest
from sharewise.tasks import KINDS, METRICS


@dataclass(frozen=True)
class Roles:
    """Column names by the part they play; every name exists, none plays two parts."""

    targets: tuple[str, ...]
    task: str | None
    group: str | None
    time: str | None
    drop: tuple[str, ...]
    features: tuple[str, ...]


def assign_roles(
    frame: Frame, *, targets: object, task: object, group: object, time: object, drop: object
) -> Roles:
    """The part of each column.

    Raises:
        DataError: The table is empty, a name is unknown or plays two parts, targets are too few,
            or no feature is left.
    """
    if frame.n_rows == 0:
        raise DataError("a table must hold rows; got none. Check how it was read or filtered.")
    if len(frame.names) < 2:
        raise DataError(
            f"a table must hold targets and features; got {listed(frame.names) or 'no column'} alone. "
            "Check the separator it was read with."
        )
    found = _resolved(frame, targets, "targets")
    single = {
        role: _resolved(frame, name, role)[0]
        for role, name in (("task", task), ("group", group), ("time", time))
        if name is not None
    }
    left_out = tuple(dict.fromkeys(_resolved(frame, drop, "drop")))
    _refuse_two_parts(found, single, left_out)
    if not found:
        raise DataError("targets must hold a column; got none. Name some with targets= or --targets.")
    taken = {*found, *single.values(), *left_out}
    features = tuple(name for name in frame.names if name not in taken)
    if not features:
        raise DataError(
            f"a table must hold features beside its targets; all {len(frame.names)} columns have "
            "another part. Name fewer under --targets or --drop."
        )
    return Roles(found, single.get("task"), single.get("group"), single.get("time"), left_out, features)


def _resolved(frame: Frame, given: object, role: str) -> tuple[str, ...]:
    names = as_names(given)
    if isinstance(given, str) and given not in frame and "," in given:
        names = tuple(part.strip() for part in given.split(","))
    found = tuple(_position(frame, name) if frame.positional else name for name in names)
    unknown = [name for name in found if name not in frame]
    if unknown:
        flag = "" if role == "drop" else f" (--{role})"
        raise DataError(
            f"{role}{flag} must name columns of the table; there is no {listed(unknown)}."
            f"{nearest(unknown[0], frame.names) or f' The columns are {listed(frame.names, 8)}.'}"
        )
    return found


def _position(frame: Frame, name: str) -> str:
    """A NumPy column by its place: ``3``, ``-1``, ``"3"`` or ``"x3"``."""
    try:
        place = int(name)
    except ValueError:
        return name
    return frame.names[place] if -len(frame.names) <= place < len(frame.names) else name


def _refuse_two_parts(targets: tuple[str, ...], single: dict[str, str], drop: tuple[str, ...]) -> None:
    twice = [name for i, name in enumerate(targets) if name in targets[:i]]
    if twice:
        raise DataError(f"targets must name a column once; '{twice[0]}' came twice. Name it once.")
    parts = [("targets", name) for name in targets] + list(single.items()) + [("drop", n) for n in drop]
    seen: dict[str, str] = {}
    for role, name in parts:
        if name in seen:
            raise DataError(
                f"a column plays one part; '{name}' is named under {seen[name]} and under {role}. "
                f"Take it out of one of the two (--{seen[name]}, --{role})."
            )
        seen[name] = role


def check_kinds(kinds: Mapping[str, str] | None, roles: Roles, frame: Frame) -> dict[str, str]:
    """The kind asked for of each target that one is asked for.

    Raises:
        OptionError: A kind or a target is unknown.
    """
    asked = _by_target(kinds, roles, frame, "kinds", "multiclass")
    for target, kind in asked.items():
        if kind not in KINDS:
            raise OptionError(
                f"a kind is one of {', '.join(KINDS)}; got '{kind}' for '{target}'.{nearest(kind, KINDS)}"
            )
    return asked


def check_metrics(metric: Mapping[str, str] | str | None, roles: Roles, frame: Frame) -> dict[str, str]:
    """The metric asked for of each target; one name alone is meant for all.

    Raises:
        OptionError: A metric or a target is unknown.
    """
    if isinstance(metric, str):
        metric = dict.fromkeys(roles.targets, metric)
    asked = _by_target(metric, roles, frame, "metric", "mae")
    for target, name in asked.items():
        if name not in METRICS:
            raise OptionError(
                f"a metric is one of {', '.join(METRICS)}; got '{name}' for '{target}'."
                f"{nearest(name, METRICS)}"
            )
    return asked


def _by_target(
    given: Mapping[str, str] | None, roles: Roles, frame: Frame, option: str, example: str
) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise OptionError(
            f"{option} must name targets, as in {{'{roles.targets[0]}': '{example}'}} "
            f"(--{option} {roles.targets[0]}={example}); got {given!r}."
        )
    asked: dict[str, str] = {}
    for key, value in given.items():
        target = _position(frame, str(key)) if frame.positional else str(key)
        if target not in roles.targets:
            raise OptionError(
                f"{option} must name targets; '{target}' is none.{nearest(target, roles.targets)}"
                f" The targets are {listed(roles.targets, 8)}."
            )
        asked[target] = str(value)
    return asked
