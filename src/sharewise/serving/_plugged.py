"""Models with parts of other packages: stored under the plug-in's name, read back only where the user names it too.

A folder names plug-ins, and whoever wrote the folder chose the names. Reading it therefore imports none of them: the user
says which may be used, as for an encoder of their own, and only what an installed package declares as an entry point is
ever imported. What is refused is refused before anything of the model is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, NoReturn, final

import numpy as np

from sharewise._plugins import Registry
from sharewise.errors import OptionError, StorageError
from sharewise.strategies import STRATEGIES, Strategy

VARIABLE: Final = "SHAREWISE_PLUGINS"
"""Names in the environment, with commas: for the command line and servers."""
LEAVES: Final = (str, int, float, np.ndarray)


def allowed(given: Iterable[str] | str) -> frozenset[str]:
    """The plug-ins that a user lets a folder use, named in the call and in the environment.

    Raises:
        OptionError: They are no names.
    """
    names = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(f"plugins are names, as in plugins=['mine']; got {given!r}. Correct them.")
    more = os.environ.get(VARIABLE, "").split(",")
    return frozenset(name.strip() for name in (*names, *more) if name.strip())


def to_write(known: Mapping[str, type]) -> dict[str, type]:
    """The classes that a folder may name, with those of the strategies of other packages that are in use here."""
    owners: dict[type, str] = {}
    # A class that several list is its first owner's, not that of a strategy that inherits from it.
    for name, strategy in sorted(STRATEGIES.loaded().items(), key=_inherits):
        for kind in strategy.state:
            owners.setdefault(kind, name)
    return {**known, **{f"{name}:{kind.__name__}": kind for kind, name in owners.items()}}


def _inherits(item: tuple[str, Strategy]) -> tuple[bool, str]:
    name, strategy = item
    return "state" not in vars(type(strategy)), name


@final
class Readable(Mapping[str, type]):
    """The classes that are built from a folder: sharewise's own, and as ``plug-in:Class`` those of plug-ins that the user
    allows.

    Asking for a class of another plug-in raises a `StorageError`.
    """

    def __init__(self, known: Mapping[str, type], names: frozenset[str]) -> None:
        self._known, self._names = known, names

    def __getitem__(self, name: str) -> type:
        if name in self._known:
            return self._known[name]
        plugin, colon, kind = name.partition(":")
        if not colon:
            raise KeyError(name)
        check(STRATEGIES, plugin, self._names)
        return {one.__name__: one for one in STRATEGIES[plugin].state}[kind]

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def check_content(content: object, names: frozenset[str]) -> None:
    """Refuse a model with a part that would be built again by a plug-in that the user does not allow.

    Such a part is sharewise's own dataclass, and says so by ``built_by``: the group of entry points and the name.

    Raises:
        StorageError: There is one.
    """
    for group, name in sorted(set(_built(content))):
        registry = _registry(group)
        if name not in registry.built_in:
            check(registry, name, names)


def check(registry: Registry[Any], name: str, names: frozenset[str]) -> None:
    """Refuse a plug-in that a folder asks for and the user does not, or that is not there."""
    shown = name[:40]
    try:
        plugin = registry.plugin(name)
    except OptionError as error:  # two packages have the name
        raise StorageError(str(error)) from error
    if plugin is None:
        _refuse(
            f"this model needs the plug-in '{shown}' ({registry.group}), which no installed package declares. Install "
            "the package that it was made with."
        )
    if name not in names:
        _refuse(
            f"loading runs no code that a folder names; this model needs {plugin}. If that is what you expect, allow it: "
            f"sw.load(folder, plugins=['{shown}']), or {VARIABLE}={shown} in the environment."
        )
    try:
        registry[name]
    except OptionError as error:
        raise StorageError(str(error)) from error


def _registry(group: str) -> Registry[Any]:
    if group == "sharewise.meta_learners":
        from sharewise.meta import META_LEARNERS

        return META_LEARNERS
    from sharewise.networks import ARCHITECTURES

    return ARCHITECTURES


def _built(part: object) -> Iterator[tuple[str, str]]:
    """What builds a model's parts again."""
    found = getattr(part, "built_by", None) if is_dataclass(part) else None
    if found is not None:
        yield found
    if isinstance(part, tuple | list):
        inside: Iterable[object] = part
    elif isinstance(part, dict):
        inside = part.values()
    elif is_dataclass(part) and not isinstance(part, type):
        inside = [getattr(part, f.name) for f in fields(part) if f.init]
    else:
        return
    for one in inside:
        if not isinstance(one, LEAVES):
            yield from _built(one)


def _refuse(sentence: str) -> NoReturn:
    raise StorageError(sentence)
