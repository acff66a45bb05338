"""What is left after the first round, divided: proposals, groups, rounds, learning curve.

The first round has measured what everything costs here. The division is made once, kept with the trials, and
the same for all strategies.
"""

from __future__ import annotations

from dataclasses import dataclass

PROPOSALS = (0, 4, 12, 24)
"""Proposals for a strategy in a family at most, by effort."""
FEWEST_PROPOSALS = 2
"""Fewer are not worth a stage of their own."""
FEWEST_ROUNDS = 5
"""One repeat of the outer folds comes before anything else."""
TUNING_SHARE = 0.35
GROUP_SHARE = 0.3
"""Of what is free beyond those rounds, at most."""
GROUPS_OF_SEPARATE = 0.6
"""Of the seconds of all trials without sharing, at most: the groups that did well run in later rounds too, and
sharing in all its forms is to cost about as much as not sharing."""
FEW_GROUPS = 6
"""They are tried in any case where there is time: all there are of three tasks, and a start with more."""
HEAVIER = 1.35
"""Times the seconds of a round once proposals or groups that did well have joined it."""


@dataclass(frozen=True)
class Costs:
    """Seconds of wall clock, as the first round measured them.

    Attributes:
        round: All entrants that go on, on one outer fold.
        proposal: One proposal for each strategy and family in the race; 0 where nothing can be tuned.
        group: One training of a group; 0 where groups are not sought.
        most_groups: Trainings beyond which the search is not expected to find more.
        separate: All trials without sharing: the search gets a share of theirs at most.
        curve: The learning curve.
        refit: Fitting the winner on everything.
    """

    round: float
    proposal: float
    group: float
    most_groups: int
    separate: float
    curve: float
    refit: float


@dataclass(frozen=True)
class Spend:
    """How the rest of the budget is used.

    Attributes:
        proposals: For each strategy in each family.
        groups: Trainings of the search over task groups.
        rounds: Outer folds, the first included.
        curve: Whether a learning curve is drawn.
    """

    proposals: int
    groups: int
    rounds: int
    curve: bool


def choose_spend(costs: Costs, left: float | None, *, effort: int, rounds: int, most_rounds: int) -> Spend:
    """First one repeat of outer folds, then tuning and groups, then more rounds and the learning curve.

    Args:
        left: Seconds, or None for no bound.
        rounds: That the plan hoped for.
        most_rounds: That the data and the effort allow.
    """
    proposals = PROPOSALS[effort] if costs.proposal > 0 else 0
    groups = costs.most_groups if costs.group > 0 else 0
    if left is None:
        return Spend(proposals, groups, most_rounds, True)
    left -= costs.refit
    fewest = min(rounds, FEWEST_ROUNDS)
    free = left - costs.round * (fewest - 1)
    if free <= 0:
        affordable = 1 + int(max(left, 0.0) / max(costs.round, 1e-9))
        return Spend(0, 0, max(min(affordable, rounds), min(2, rounds)), False)
    tuning, search = TUNING_SHARE * free, GROUP_SHARE * free
    proposals = min(proposals, int(tuning / costs.proposal)) if proposals else 0
    if proposals < FEWEST_PROPOSALS:
        proposals = 0
    if groups:
        cheap = max(FEW_GROUPS, int(GROUPS_OF_SEPARATE * costs.separate / costs.group))
        groups = min(groups, int(search / costs.group), cheap)
    free -= proposals * costs.proposal + groups * costs.group
    each = costs.round * (HEAVIER if proposals or groups else 1.0)
    free -= (each - costs.round) * (fewest - 1)
    curve = fewest >= min(FEWEST_ROUNDS, most_rounds) and free >= costs.curve
    free -= costs.curve if curve else 0.0
    steps = {most_rounds, rounds, *range(fewest, min(FEWEST_ROUNDS, most_rounds) + 1)}
    more = next((n for n in sorted(steps, reverse=True) if free >= each * (n - fewest)), fewest)
    return Spend(proposals, groups, max(more, fewest), curve)
