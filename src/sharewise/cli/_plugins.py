"""``sharewise plugins``: what installed packages bring, and whether it can be used."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sharewise._plugins import Plugin, Registry
from sharewise.errors import OptionError


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    commands.add_parser(
        "plugins",
        help="list the methods that installed packages bring",
        description="Packages declare them as entry points: sharewise.strategies, sharewise.architectures, "
        "sharewise.balancers, sharewise.meta_learners.",
    )


def plugins(given: argparse.Namespace) -> None:
    """A line a plug-in; below, why some cannot be used."""
    from sharewise.balancing import BALANCERS
    from sharewise.meta import META_LEARNERS
    from sharewise.networks import ARCHITECTURES
    from sharewise.strategies import STRATEGIES

    registries: tuple[Registry[Any], ...] = (STRATEGIES, ARCHITECTURES, BALANCERS, META_LEARNERS)
    rows, reasons = [], []
    for registry in registries:
        for plugin in registry.declared():
            reason = _reason(registry, plugin)
            state = "ready" if reason is None else "not usable"
            rows.append((plugin.name, registry.noun, plugin.package, plugin.version, state))
            reasons += [] if reason is None else [reason]
    if not rows:
        sys.stdout.write("No installed package brings methods; CONTRIBUTING.md says how one does.\n")
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.writelines(f"{reason}\n" for reason in dict.fromkeys(reasons))


def _reason(registry: Registry[Any], plugin: Plugin) -> str | None:
    """Why a plug-in cannot be used."""
    try:
        registry.check(plugin)
    except OptionError as error:
        return str(error)
    return None
