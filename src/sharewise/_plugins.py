"""Methods that other packages bring: names that they declare as entry points, imported when they are asked for.

A package that has these lines in its ``pyproject.toml`` has its class under the name ``mine``, beside sharewise's own:

    [project.entry-points."sharewise.balancers"]
    mine = "its_package:Mine"

Installed packages are listed without importing any. What cannot be used (it does not import, it is of the wrong kind, its
name is taken) is one sentence that names the package: an error for who asks for it by name, a warning for who lists.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from typing import Final, Generic, TypeVar, final

from sharewise.errors import OptionError, SharewiseWarning

T = TypeVar("T")

GROUPS: Final = (
    "sharewise.strategies",
    "sharewise.architectures",
    "sharewise.balancers",
    "sharewise.meta_learners",
)
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
"""Names stand in lists with commas, in keys with slashes, and in files."""


@dataclass(frozen=True)
class Plugin:
    """A name that an installed package declares.

    Attributes:
        group: One of `GROUPS`.
        package, version: Of the distribution.
    """

    group: str
    name: str
    package: str
    version: str
    entry: EntryPoint = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"'{self.name}' of the package {self.package} {self.version} ({self.group})"


def declared(group: str) -> tuple[Plugin, ...]:
    """What installed packages declare in a group, by name and package; nothing is imported."""
    return _scan(tuple(sys.path)).get(group, ())


@lru_cache(maxsize=4)
def _scan(path: tuple[str, ...]) -> dict[str, tuple[Plugin, ...]]:
    """By group; the search path is what installed packages are found on."""
    found: dict[str, list[Plugin]] = {}
    everything = entry_points()
    for group in GROUPS:
        for entry in everything.select(group=group):
            package, version = ("?", "?") if entry.dist is None else (entry.dist.name, entry.dist.version)
            found.setdefault(group, []).append(Plugin(group, entry.name, package, version, entry))
    return {group: tuple(sorted(own, key=lambda p: (p.name, p.package))) for group, own in found.items()}


@final
class Registry(Mapping[str, T], Generic[T]):
    """Methods of one room by name: sharewise's own, then those of installed packages.

    Looking a name up imports the package that declares it; iterating imports all, and leaves out with a warning what
    cannot be used. `names` and ``in`` import nothing.

    Args:
        group: Of the entry points.
        noun: One of them, as messages say it.
        built_in: sharewise's own.
        read: From what an entry point names to a method; TypeError says what is wrong with it.
        reserved: Names that mean something else already.
    """

    def __init__(
        self,
        group: str,
        noun: str,
        built_in: Mapping[str, T],
        read: Callable[[object], T],
        *,
        reserved: Iterable[str] = (),
    ) -> None:
        self.group, self.noun, self.built_in = group, noun, dict(built_in)
        self._read, self._reserved = read, frozenset(reserved)
        self._loaded: dict[Plugin, T | OptionError] = {}
        self._told: set[str] = set()

    def __getitem__(self, name: str) -> T:
        """The method of that name.

        Raises:
            KeyError: There is none.
            OptionError: A package declares it, and it cannot be used.
        """
        if name in self.built_in:
            return self.built_in[name]
        found = self._load(self._of(name))
        if isinstance(found, OptionError):
            raise OptionError(*found.args)
        return found

    def __iter__(self) -> Iterator[str]:
        yield from self.built_in
        yield from (name for name in self._plugged() if self._works(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{self.group}: {', '.join((*self.built_in, *self._plugged()))}>"

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self._plugged()

    def names(self) -> tuple[str, ...]:
        """All names, of plug-ins as they are declared; a warning of each that is taken already."""
        for plugin in self.declared():
            if self._taken(plugin.name):
                self._tell(self._clash(plugin))
        return (*self.built_in, *self._plugged())

    def declared(self) -> tuple[Plugin, ...]:
        """All plug-ins of installed packages, usable or not."""
        return declared(self.group)

    def check(self, plugin: Plugin) -> None:
        """Import a plug-in.

        Raises:
            OptionError: It cannot be used.
        """
        if self._taken(plugin.name):
            raise OptionError(self._clash(plugin))
        self[plugin.name]

    def named(self, name: object) -> T:
        """The method that a user names.

        Raises:
            OptionError: There is none, or it cannot be used.
        """
        if not isinstance(name, str) or name not in self:
            raise OptionError(
                f"{_article(self.noun)} {self.noun} is one of {', '.join(sorted(self.names()))}; got {name!r}. "
                "Correct the name, or install the package that has it."
            )
        return self[name]

    def among(self, names: Iterable[str]) -> Iterator[tuple[str, T]]:
        """Those of the names that there are, in the registry's order; others are not imported."""
        asked = set(names)
        order = (*self.built_in, *(self._plugged() if asked - self.built_in.keys() else ()))
        return ((name, self[name]) for name in order if name in asked)

    def plugin(self, name: str) -> Plugin | None:
        """Who declares a name that is not sharewise's own; None for other names."""
        if name in self.built_in or name not in self._plugged():
            return None
        return self._of(name)

    def plugins(self) -> dict[str, Plugin]:
        """The plug-ins that can be used, by name; a warning of each that cannot."""
        self.names()
        return {name: self._of(name) for name in self._plugged() if self._works(name)}

    def leave_out(self, name: str, error: Exception) -> None:
        """Tell that a plug-in fails where it is used, and that the work goes on without it."""
        told = " ".join(f"{type(error).__name__}: {error}".split())
        self._tell(f"left out: {self._of(name)} fails here ({told}). Mend or uninstall that package.")

    def loaded(self) -> dict[str, T]:
        """The plug-ins that were asked for in this process so far."""
        return {p.name: found for p, found in self._loaded.items() if not isinstance(found, OptionError)}

    def _plugged(self) -> list[str]:
        return list(dict.fromkeys(p.name for p in self.declared() if not self._taken(p.name)))

    def _taken(self, name: str) -> bool:
        return name in self.built_in or name in self._reserved

    def _clash(self, plugin: Plugin) -> str:
        return (
            f"a plug-in needs a name of its own; {plugin} is called as something of sharewise's own, which is used. "
            "Rename it, or uninstall the package."
        )

    def _of(self, name: str) -> Plugin:
        """Who declares a name."""
        own = [plugin for plugin in self.declared() if plugin.name == name]
        if not own or name in self._reserved:
            raise KeyError(f"no {self.noun} is called {name!r}; there are {', '.join(self.names())}")
        if len(own) > 1:
            raise OptionError(
                f"a plug-in needs a name of its own; {own[0]} is also {_article(self.noun)} {self.noun} of "
                f"{own[1].package} {own[1].version}. Uninstall one of the packages."
            )
        return own[0]

    def _works(self, name: str) -> bool:
        try:
            return self[name] is not None
        except OptionError as error:
            self._tell(f"left out: {error}")
            return False

    def _load(self, plugin: Plugin) -> T | OptionError:
        """What a plug-in names, imported once; or why it cannot be used."""
        if plugin not in self._loaded:
            try:
                self._loaded[plugin] = self._checked(plugin)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a package of others may fail in any way
                told = " ".join(f"{type(error).__name__}: {error}".split())
                self._loaded[plugin] = OptionError(
                    f"a plug-in must import and be {_article(self.noun)} {self.noun}; {plugin} is not usable "
                    f"({told}). Mend or uninstall that package."
                )
        return self._loaded[plugin]

    def _checked(self, plugin: Plugin) -> T:
        if not NAME.fullmatch(plugin.name):
            raise ValueError("a name is made of small letters, digits and - _ . between them")
        found = self._read(plugin.entry.load())
        called = getattr(found, "name", plugin.name)
        if called != plugin.name:
            raise ValueError(f"it calls itself {called!r}; entry point and class have one name")
        return found

    def _tell(self, sentence: str) -> None:
        """Once a process."""
        if sentence not in self._told:
            self._told.add(sentence)
            warnings.warn(sentence, SharewiseWarning, stacklevel=4)


def subclass_of(base: type[T]) -> Callable[[object], type[T]]:
    """Reads entry points that name a concrete subclass."""

    def read(found: object) -> type[T]:
        if not isinstance(found, type) or not issubclass(found, base):
            raise TypeError(
                f"a subclass of {base.__module__.partition('._')[0]}.{base.__name__} is asked for"
            )
        if isabstract(found):
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
            raise TypeError(f"it does not say {missing}")
        return found

    return read


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
