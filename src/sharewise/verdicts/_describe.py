"""What a row of the table is, for people: strategies, families, groups, settings."""

from __future__ import annotations

from collections.abc import Sequence

from sharewise.families import Configuration
from sharewise.studies import BEST, BLEND, Candidate
from sharewise.verdicts._phrases import NAMED, listed

FAMILY_WORDS = {"linear": "linear models", "trees": "trees", "network": "networks"}


def describe(candidate: Candidate, groups: Sequence[Sequence[str]] = ()) -> str:
    """What a row of the table is, for people.

    Args:
        groups: Names of the tasks of each group that learns together, where it is known.
    """
    family = FAMILY_WORDS.get(candidate.family, candidate.family)
    if candidate.family == BLEND:
        own = "each task's own models" if not candidate.shares else "separate and shared models"
        return f"an ensemble of {own} over all families"
    if candidate.family == BEST:
        return "a model of its own for each task, each in its best family"
    return {
        "separate": f"a model of its own for each task ({family})",
        "joint": f"one joint model for all tasks ({family})",
        "chained": f"a chain in which each task reads the predictions before it ({family})",
        "grouped": f"tasks that learn in groups ({family}){in_groups(groups)}",
        "transfer": f"a model of its own for each task that goes on from one of all tasks ({family})",
        "pretrained": f"a model of its own for each task that begins with features learnt without labels ({family})",
        "constant": "a constant",
    }.get(candidate.strategy, f"{candidate.strategy} ({family})")


def in_groups(groups: Sequence[Sequence[str]]) -> str:
    """``: {a, b}, {c, d} and 2 more``; empty without groups."""
    if not groups:
        return ""
    written = []
    for names in groups:
        more = f", … {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        written.append("{" + ", ".join(names[:NAMED]) + more + "}")
    return f": {listed(written)}"


def settings(configuration: Configuration, hidden: Sequence[str] = ()) -> str:
    """``boosting (depth 6, learning rate 0.0317)``.

    Args:
        hidden: Options that are no settings of the learner, such as a group's tasks.
    """
    inside = [
        f"{key.replace('_', ' ')} {value:.3g}"
        if isinstance(value, float)
        else f"{key.replace('_', ' ')} {value}"
        for key, value in configuration.options
        if key not in hidden
    ]
    return f"{configuration.learner} ({', '.join(inside)})" if inside else configuration.learner
