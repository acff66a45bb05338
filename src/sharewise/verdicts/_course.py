"""How the study went, in words: who left the race and why, what tuning cost, which tasks learn together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sharewise.verdicts._describe import FAMILY_WORDS, in_groups
from sharewise.verdicts._phrases import listed, percent, plural


def race_sentence(race: Mapping[str, Any]) -> str:
    """Who left early, in the order of leaving, and by which rule."""
    left = sorted(race["left"], key=lambda entry: entry["after_round"])
    rule = f"{race['rule']} (error rate {percent(race['error_rate'])})"
    if not left:
        return f"Nobody left the race early; the rule: {rule}."
    who = listed([_leaver(entry) for entry in left])
    return f"{plural(len(left), 'contender')} left the race early: {who}; the rule: {rule}."


def left_note(entry: Mapping[str, Any]) -> str:
    """Beside a row of the table that left: ``left after round 2: 8.3% behind the leader of its side``."""
    return f"left after round {entry['after_round']}: {_behind(entry)}"


def _leaver(entry: Mapping[str, Any]) -> str:
    """With the learner's name, without its settings: the record holds them."""
    learner = str(entry.get("configuration") or "").partition("(")[0].strip()
    who = f"{entry['strategy']}/{entry['family']}" + (f" {learner}" if learner else "")
    return f"{who} after round {entry['after_round']}, {_behind(entry)}"


def _behind(entry: Mapping[str, Any]) -> str:
    return f"{percent(float(entry['behind']))} behind the leader of its side"


def tuning_sentence(tuning: Mapping[str, Any]) -> str:
    """The effort each strategy got."""
    trials, seconds = tuning["trials"], tuning["seconds"]
    each = [
        f"{strategy} {plural(trials[strategy], 'trial')}"
        + (f" in {seconds[strategy]:.1f} s" if strategy in seconds else "")
        for strategy in trials
    ]
    told = f": {listed(each, 6)}" if each else ""
    if not tuning["proposals"]:
        return f"Only the settings that are good by default were tried{told}."
    proposals = plural(tuning["proposals"], "proposal")
    return f"Tuning tried {proposals} for each strategy in each family{told}."


def groups_sentence(groups: Mapping[str, Any]) -> str:
    """Which tasks learn together, and what that promises once the luck of the pick is taken off."""
    together = [entry["tasks"] for entry in groups["groups"] if len(entry["tasks"]) > 1]
    family = FAMILY_WORDS.get(groups["family"], groups["family"])
    picked = f"picked among {plural(groups['trained'], 'trained group')}"
    if not together:
        return f"No group of tasks that learns together was worth keeping ({family}, {picked})."
    shown, shrunk = percent(groups["gain_picked"]), percent(groups["gain_shrunk"])
    promise = f"inner folds show a gain of {shown}, {shrunk} after shrinking for having picked the best"
    return f"The best groups found ({family}, {picked}){in_groups(together)}; {promise}."
