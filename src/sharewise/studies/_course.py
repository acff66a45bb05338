"""The way of a study after its plan: who is still in the race, and what each round has to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sharewise.families import FAMILIES, Space
from sharewise.strategies import STRATEGIES
from sharewise.studies._bench import Bench
from sharewise.studies._group_record import GroupsFound, most_groups
from sharewise.studies._held_out import HeldOut
from sharewise.studies._plan import FINISH
from sharewise.studies._protocol import Plan, make_round
from sharewise.studies._race import Left, Side, composite_leaves, leavers
from sharewise.studies._spend import FEWEST_ROUNDS, HEAVIER, Costs
from sharewise.studies._trial import CONSTANT, Recipe, Result, Spec, specs_for
from sharewise.tasks import Array

TUNING_GAIN = 0.05
"""Share of its loss that an entrant is trusted to lose by tuning: one further behind leaves before."""
FURTHER_EFFORT = 2
"""Effort from which learners beyond the configurations' own are proposed."""
FURTHER_SECONDS = 8.0
"""Seconds of such a proposal, as a multiple of the configurations' own: measured 2 on 1,000 rows of 8 tasks, above 10
on 100 rows of 3."""
AFFORDED = "proposals left in the first round"
CURVE_SHARE = 0.9
"""Seconds of a learning curve, in rounds of two rows' trials."""
DECIDING, MOST_DECIDING = 0.03, 5.0
"""Share of the budget, and seconds at most, that deciding takes beyond `FINISH`."""
WINNER_SHARE = 0.9
"""Share of the entrants' seconds that fitting the winner takes, as an ensemble of the most needed."""
GROUP_SECONDS = 0.7
"""Seconds of a group's training, as a share of those of all tasks together."""


@dataclass
class Course:
    """A study under way; everything here follows from the plan and the kept trials.

    Attributes:
        bench, plan: As in the study.
        expected: Seconds of a round, as the plan estimated them.
        entrants: Recipes still in the race, the constant first.
        wanted: Trials of each round that was begun; those of the first include all proposals and groups.
        finished: Rounds in which all wanted trials ended.
        planned: Rounds that are to be run.
        left: Who left.
        proposals: Proposals made for each strategy and family.
        groups: What the search over task groups found, for the record.
        going: Seconds of a round of those who would go on without tuning, once `costs` has measured them.
        curve: Shares and rounds of the learning curve that were run, with its trials.
    """

    bench: Bench
    plan: Plan
    expected: float
    entrants: list[Recipe] = field(default_factory=list)
    wanted: list[list[Spec]] = field(default_factory=list)
    finished: int = 0
    planned: int = 0
    left: list[Left] = field(default_factory=list)
    proposals: int = 0
    groups: GroupsFound | None = None
    going: float | None = None
    curve: dict[tuple[int, int], list[Spec]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.planned = self.plan.rounds
        first = specs_for(self.bench.problem, self.bench.protocol, self.plan, 0)
        self.entrants = [spec.recipe for spec in first]
        self._evidence: dict[int, tuple[int, HeldOut]] = {}

    # --- running ---------------------------------------------------------------------------------------

    def specs(self, recipes: Sequence[Recipe], index: int, cap: int | None = None) -> list[Spec]:
        """The recipes' trials on a round."""
        rows = self.plan.cap if cap is None else cap
        return [Spec(index, self.plan.effort, rows, r.strategy, r.family, r.configuration) for r in recipes]

    def run_rounds(self, start: int, stop: int) -> bool:
        """Run the entrants on some rounds; whether all ended."""
        rounds = [self.specs(self.entrants, index) for index in range(start, stop)]
        self.wanted[start:stop] = rounds
        text = f"Round {start + 1}" if stop == start + 1 else f"Rounds {start + 1} to {stop}"
        done = self.bench.run([spec for specs in rounds for spec in specs], text, self.reserve())
        if done:
            self.finished = stop
            self._drop_failed(start)
        return done

    def try_out(self, recipes: Sequence[Recipe], phase: str, reserve: float) -> bool:
        """Run recipes that nobody asked for yet on the first round; whether all ended."""
        specs = self.specs(recipes, 0)
        if not self.bench.run(specs, phase, reserve):
            return False
        self.wanted[0] = [*self.wanted[0], *specs]
        return True

    def _drop_failed(self, index: int) -> None:
        failed = {result.spec.recipe for result in self.results(index) if result.status == "failed"}
        self.entrants = [recipe for recipe in self.entrants if recipe not in failed]

    # --- what is known ---------------------------------------------------------------------------------

    def results(self, index: int) -> list[Result]:
        """Kept results of the trials wanted of a round, in their order."""
        order = {spec.key: place for place, spec in enumerate(self.wanted[index])}
        found = [r for r in self.bench.store.results(index=index) if r.spec.key in order]
        return sorted(found, key=lambda result: order[result.spec.key])

    def evidence(self, index: int) -> HeldOut:
        """What the done trials of a finished round say."""
        size = len(self.wanted[index])
        kept = self._evidence.get(index)
        if kept is None or kept[0] != size:
            around = make_round(self.bench.problem, self.bench.protocol, self.plan, index)
            done = [result for result in self.results(index) if result.status == "done"]
            kept = self._evidence[index] = size, HeldOut(self.bench.problem, around, done)
        return kept[1]

    def inner_errors(self, index: int = 0) -> dict[Recipe, float]:
        """Mean over tasks of each trial's error on a round's inner folds, as a share of the constant's;
        trials that serve some tasks only are left out."""
        evidence = self.evidence(index)
        ratios, _ = evidence.ratios(np.arange(evidence.n_folds))
        with np.errstate(invalid="ignore"):
            means: Array = np.nanmean(ratios, axis=0)
        whole = np.flatnonzero(evidence.serves.all(axis=0))
        return {evidence.results[place].spec.recipe: float(means[place]) for place in whole.tolist()}

    def seconds(self) -> dict[Recipe, float]:
        """What each trial of the first round took."""
        return {result.spec.recipe: result.seconds for result in self.evidence(0).results}

    # --- the race --------------------------------------------------------------------------------------

    def race(self, rounds: int, *, tuning: bool = False) -> None:
        """Send home who can no longer win, after some rounds."""
        for one in self._leaving(rounds, TUNING_GAIN if tuning else 0.0):
            self.entrants.remove(one.recipe)
            self.left.append(one)

    def _leaving(self, rounds: int, gain: float) -> list[Left]:
        evidence = [self.evidence(index) for index in range(rounds)]
        tolerance = self.bench.protocol.rope
        slack = dict.fromkeys([r for r in self.entrants if self.space_of(r)], gain)
        kept = self._counterparts()
        floor = tuple(r for r in self.entrants if r.strategy == CONSTANT)
        whole = [r for r in self.entrants if r.strategy != CONSTANT and not STRATEGIES[r.strategy].partial]
        apart = tuple(r for r in whole if not STRATEGIES[r.strategy].shares)
        together = tuple(r for r in whole if STRATEGIES[r.strategy].shares)
        found = leavers(evidence, Side(apart, floor), tolerance=tolerance, slack=slack, kept=kept)
        gone = {one.recipe for one in found}
        stay = (*floor, *(recipe for recipe in apart if recipe not in gone))
        found += leavers(evidence, Side(together, stay), tolerance=tolerance, slack=slack, kept=kept)
        parts = tuple(r for r in self.entrants if r.strategy != CONSTANT and STRATEGIES[r.strategy].partial)
        if parts:
            gone = {one.recipe for one in found}
            stay = tuple(r for r in (*floor, *whole) if r not in gone)
            found += composite_leaves(evidence, parts, stay, tolerance=tolerance)
        return found

    def _counterparts(self) -> frozenset[Recipe]:
        """In the families that lead either side, the best of both sides: without it nothing tells what
        sharing does from what the family does."""
        errors = self.inner_errors()
        inside = [r for r in self.entrants if r.strategy in STRATEGIES and r in errors]
        sides = [[r for r in inside if STRATEGIES[r.strategy].shares is shares] for shares in (False, True)]
        leading = {min(side, key=lambda r: errors[r]).family for side in sides if side}
        kept = [
            min(own, key=lambda r: errors[r])
            for side in sides
            for family in leading
            if (own := [r for r in side if r.family == family])
        ]
        return frozenset(kept)

    def space_of(self, recipe: Recipe) -> bool:
        """Whether the recipe's family has anything to tune under its strategy."""
        return bool(self.space(recipe.strategy, recipe.family))

    def space(self, strategy: str, family: str) -> Space:
        """The search space of a strategy in a family."""
        if strategy not in STRATEGIES or STRATEGIES[strategy].partial:
            return {}
        together = STRATEGIES[strategy].direct == "together"
        return FAMILIES[family].space(self.bench.problem, together=together)

    def further_space(self, strategy: str, family: str) -> Space:
        """Other learners, such as architectures beyond hard sharing; none with little effort, as a handful of
        proposals would leave both them and the usual ones untuned."""
        if self.plan.effort < FURTHER_EFFORT or STRATEGIES[strategy].direct != "together":
            return {}
        return FAMILIES[family].further_space(self.bench.problem)

    # --- seconds ---------------------------------------------------------------------------------------

    def reserve(self) -> float:
        """Seconds for what comes after the trials: the winner is made of entrants, fitted on all rows."""
        each = self.expected if not self.finished else self._round_seconds(self.entrants)
        return self._deciding() + each * self._refit_share()

    def _deciding(self) -> float:
        """Seconds for assembling the rounds and writing: more rounds and curves in larger budgets."""
        return FINISH + min(DECIDING * (self.bench.clock.budget or 0.0), MOST_DECIDING)

    def reserve_for_rounds(self) -> float:
        """Seconds for one repeat of outer folds and what comes after it."""
        rounds = min(self.plan.rounds, FEWEST_ROUNDS) - 1
        each = self._round_seconds(self.entrants) if self.going is None else self.going
        return self._deciding() + HEAVIER * each * (self._refit_share() + rounds)

    def _refit_share(self) -> float:
        rows = len(self.bench.problem) if self.plan.refit is None else self.plan.refit
        return WINNER_SHARE * rows / self.bench.round_rows(self.plan)

    def afford(self) -> None:
        """Leave proposals in the first round until one repeat of outer folds fits into what is left of the budget:
        those furthest behind the best of their strategy and family first, never that best one.

        Proposals may take many times the seconds of the defaults that the division of the budget was made by, and
        one round has no interval, however well tuned. Decided once, by the clock, and kept.
        """
        bench = self.bench
        kept = bench.store.get(AFFORDED)
        if kept is None:
            left = bench.clock.left(reserve=self._deciding())
            kept = [] if left is None else [spec.key for spec in self.specs(self._unaffordable(left), 0)]
            bench.store.put(AFFORDED, kept)
        gone = {spec.recipe for spec in self.wanted[0] if spec.key in set(kept)}
        self.entrants = [recipe for recipe in self.entrants if recipe not in gone]

    def _unaffordable(self, left: float) -> list[Recipe]:
        errors = self.inner_errors()
        usual = {spec.recipe for spec in specs_for(self.bench.problem, self.bench.protocol, self.plan, 0)}
        best: dict[tuple[str, str], float] = {}
        for recipe in self.entrants:
            pair = recipe.strategy, recipe.family
            best[pair] = min(best.get(pair, np.inf), errors.get(recipe, np.inf))
        behind = {r: errors[r] / max(best[r.strategy, r.family], 1e-12) for r in self.entrants if r in errors}
        proposals = [r for r in behind if r not in usual and behind[r] > 1.0]
        staying, gone = list(self.entrants), []
        more = min(self.plan.rounds, FEWEST_ROUNDS) - 1 + self._refit_share()
        for recipe in sorted(proposals, key=lambda r: (-behind[r], str(r))):
            if self._round_seconds(staying) * more <= left:
                break
            staying.remove(recipe)
            gone.append(recipe)
        return gone

    def _round_seconds(self, recipes: Sequence[Recipe]) -> float:
        """Wall-clock seconds of a round of these recipes, as the first round measured them."""
        seconds = self.seconds()
        each = [seconds[recipe] for recipe in recipes if recipe in seconds]
        return max(sum(each) / self.bench.workers.count, max(each, default=0.0))

    def costs(self) -> Costs:
        """What the first round says the rest costs."""
        seconds, count = self.seconds(), self.bench.workers.count
        gone = {one.recipe for one in self._leaving(1, 0.0)}
        going = [recipe for recipe in self.entrants if recipe not in gone]
        each = self.going = self._round_seconds(going)
        tunable: dict[tuple[str, str], list[float]] = {}
        for recipe in self.entrants:
            if self.space_of(recipe) and recipe in seconds:
                dear = (
                    (1 + FURTHER_SECONDS) / 2 if self.further_space(recipe.strategy, recipe.family) else 1.0
                )
                tunable.setdefault((recipe.strategy, recipe.family), []).append(dear * seconds[recipe])
        proposal = sum(float(np.mean(own)) for own in tunable.values()) / count
        base = self.base_of_groups()
        group = 0.0 if base is None else max(GROUP_SECONDS * seconds[base], 1e-3) / count
        alone = [r for r in seconds if r.strategy in STRATEGIES and not STRATEGIES[r.strategy].shares]
        pot = sum(seconds[recipe] for recipe in alone) / count
        most = most_groups(len(self.bench.problem.tasks))
        curve = CURVE_SHARE * 2 * each
        return Costs(each, proposal, group, most, pot, curve, each * self._refit_share())

    def base_of_groups(self) -> Recipe | None:
        """The joint recipe that groups are trained with: the best so far; None where none is sought."""
        protocol, problem = self.bench.protocol, self.bench.problem
        sought = [
            name
            for name in protocol.strategies
            if name in STRATEGIES and STRATEGIES[name].partial and STRATEGIES[name].refusal(problem) is None
        ]
        errors = self.inner_errors()
        whole = [
            r for r in errors if r.strategy in STRATEGIES and STRATEGIES[r.strategy].direct == "together"
        ]
        return min(whole, key=lambda r: (errors[r], str(r))) if sought and whole else None
