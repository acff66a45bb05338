"""The plug-ins of a study: which take part, and whether they answer at all."""

from __future__ import annotations

from typing import Any

from sharewise._plugins import Plugin, Registry
from sharewise.errors import OptionError, SharewiseError
from sharewise.families import FAMILIES
from sharewise.problems import Problem
from sharewise.strategies import STRATEGIES
from sharewise.studies import Protocol

NETWORK = "network"
"""The family whose search space installed architectures, balancers and learners join."""


def taking_part(protocol: Protocol) -> tuple[Plugin, ...]:
    """The strategies of other packages that were asked for, and what of them the search space may hold."""
    found: list[Plugin] = []
    if protocol.question == "known":
        found += [p for name in protocol.strategies if (p := STRATEGIES.plugin(name)) is not None]
    if NETWORK in protocol.families:
        for registry in _joining(protocol.question):
            found += registry.plugins().values()
    return tuple(found)


def packages_of(protocol: Protocol) -> dict[str, str]:
    """Versions of the packages that plug-ins of a study come from, by name."""
    return {plugin.package: plugin.version for plugin in taking_part(protocol)}


def check_plugins(problem: Problem, protocol: Protocol) -> None:
    """Ask every strategy of another package what a study will ask first, before anything is written.

    Raises:
        OptionError: It cannot be imported, or fails; the message names its package.
    """
    if protocol.question != "known":
        return
    for name in protocol.strategies:
        plugin = STRATEGIES.plugin(name)
        if plugin is None:
            continue
        strategy = STRATEGIES[name]
        try:
            if strategy.refusal(problem) is None:
                for family in protocol.families:
                    strategy.configurations(FAMILIES[family], problem, effort=0)
        except SharewiseError:
            raise
        except Exception as error:
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise OptionError(
                f"a strategy must say what it would try; {plugin} fails ({told}). Take it out of --strategies, or mend "
                "that package."
            ) from error


def _joining(question: str) -> tuple[Registry[Any], ...]:
    """What studies of a question try without being asked."""
    if question == "new":
        from sharewise.meta import META_LEARNERS

        return (META_LEARNERS,)
    from sharewise.balancing import BALANCERS
    from sharewise.networks import ARCHITECTURES

    return (ARCHITECTURES, BALANCERS)
