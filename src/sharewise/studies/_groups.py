"""The search stage: which tasks should learn together, by real trainings on the first round."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Sample
from sharewise.strategies import (
    STRATEGIES,
    GroupSearch,
    affinity,
    cell_codes,
    of_group,
    pick_for_all,
)
from sharewise.studies._course import Course
from sharewise.studies._group_record import GroupsFound
from sharewise.studies._held_out import HeldOut
from sharewise.studies._protocol import derived_seed, make_round
from sharewise.studies._trial import Recipe
from sharewise.tasks import Array

KEY = "groups trained"
BATCH = 4
"""Groups asked for at once, whatever the number of workers."""


def search_groups(course: Course, count: int) -> None:
    """Train up to ``count`` groups with the best joint recipe; those that serve some task join the race."""
    bench, problem = course.bench, course.bench.problem
    base = course.base_of_groups() if count > 0 else None
    if base is None:
        return
    kept = bench.store.get(KEY)
    wanted = count if kept is None else int(kept)
    name = next(n for n in bench.protocol.strategies if n in STRATEGIES and STRATEGIES[n].partial)
    codes, tasks = cell_codes(problem), len(problem.tasks)
    whole = tuple(range(tasks))
    gains = _Gains(course, base)
    seed = derived_seed(bench.protocol.seed, zlib.crc32(name.encode()))
    search = GroupSearch(tasks, prior=gains.hints(codes), seed=seed)
    search.tell(whole, *gains.of(base))
    recipes: dict[tuple[int, ...], Recipe] = {whole: base}
    while len(recipes) - 1 < wanted:
        asked = search.ask(min(BATCH, wanted - len(recipes) + 1))
        fresh = {g: Recipe(name, base.family, of_group(base.configuration, codes[list(g)])) for g in asked}
        if not fresh or not course.try_out(list(fresh.values()), "Groups", course.reserve_for_rounds()):
            break
        recipes |= fresh
        for group in asked:
            search.tell(group, *gains.of(fresh[group]))
    if kept is None:
        bench.store.put(KEY, len(recipes) - 1)
    _conclude(course, search, recipes, gains, name)


def _conclude(
    course: Course, search: GroupSearch, recipes: dict[tuple[int, ...], Recipe], gains: _Gains, name: str
) -> None:
    served: dict[tuple[int, ...], list[int]] = {}
    picked, shrunk = [], []
    for task, one in enumerate(search.assignment()):
        served.setdefault(one.group, []).append(task)
        picked.append(one.gain)
        shrunk.append(one.shrunk)
    groups = tuple((group, tuple(own)) for group, own in served.items())
    course.entrants += [
        recipes[group] for group in served if group in recipes and recipes[group] not in course.entrants
    ]
    base = next(iter(recipes.values()))
    course.groups = GroupsFound(
        name, base.family, len(recipes), groups, float(np.mean(picked)), float(np.mean(shrunk)),
        gains.effects(recipes),
    )  # fmt: skip


class _Gains:
    """Gains of groups over the tasks' own models of the same family, on the first round's inner folds."""

    def __init__(self, course: Course, base: Recipe) -> None:
        self.course, self.base = course, base
        evidence = course.evidence(0)
        ratios, _ = evidence.ratios(np.arange(evidence.n_folds))
        self.own = None
        alone = [
            place
            for place, result in enumerate(evidence.results)
            if result.spec.family == base.family
            and result.spec.strategy in STRATEGIES
            and not STRATEGIES[result.spec.strategy].shares
        ]
        if alone:
            self.own = evidence.results[alone[pick_for_all(ratios[:, alone])]].spec.recipe

    def hints(self, codes: NDArray[np.intp]) -> Array | None:
        """Affinities of the tasks ``(T, T)`` by the tasks' own models."""
        bench, evidence = self.course.bench, self.course.evidence(0)
        own = next((r for r in evidence.results if r.spec.recipe == self.own), None)
        if own is None:
            return None
        around = make_round(bench.problem, bench.protocol, self.course.plan, 0)
        sample = Sample.of(bench.problem, around.train, around.folds)
        return affinity(sample, own.held_out, codes.tolist())

    def _errors(self, evidence: HeldOut, recipe: Recipe) -> Array:
        """``(K, T)``."""
        place = next((p for p, r in enumerate(evidence.results) if r.spec.recipe == recipe), None)
        if place is None:
            return np.full(evidence.counts.shape, np.nan)
        errors: Array = evidence.errors[:, :, place]
        return errors

    def of(self, recipe: Recipe) -> tuple[Array, Array]:
        """Gain of each task ``(T,)`` and its standard error over inner folds, whose training rows overlap."""
        evidence = self.course.evidence(0)
        own, errors = self._errors(evidence, self.own or self.base), self._errors(evidence, recipe)
        weight = np.where(np.isnan(errors) | np.isnan(own), 0.0, evidence.counts)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = weight / weight.sum(axis=0)
            level = np.where(weight > 0, own * share, 0.0).sum(axis=0)
            by_fold = (own - errors) / level
            gain = np.where(weight > 0, by_fold * share, 0.0).sum(axis=0)
            gain[(weight > 0).sum(axis=0) == 0] = np.nan
            spread = np.nansum(share * (by_fold - gain) ** 2, axis=0)
        folds = len(errors)
        error = np.sqrt(spread * folds / max(folds - 1, 1) * (1 / folds + 1 / max(folds - 1, 1)))
        return gain, np.where(np.isnan(gain), np.nan, error)

    def effects(self, recipes: dict[tuple[int, ...], Recipe]) -> Array:
        """What having a task in the joint model does to the others, from groups of all but one."""
        evidence = self.course.evidence(0)
        tasks = len(evidence.rows)
        found = np.full((tasks, tasks, evidence.n_folds), np.nan)
        joint = self._errors(evidence, self.base)
        for group, recipe in recipes.items():
            missing = set(range(tasks)) - set(group)
            if len(missing) != 1:
                continue
            without = self._errors(evidence, recipe)
            both = ~np.isnan(joint) & ~np.isnan(without)
            with np.errstate(invalid="ignore", divide="ignore"):
                level = np.where(both, without, 0.0).sum(axis=0) / both.sum(axis=0)
                effect = (without - joint) / level
            found[missing.pop()] = effect.T
        return found
