"""The tuning stage: the same number of proposals for each strategy in each family still in the race."""

from __future__ import annotations

from sharewise.studies._course import Course
from sharewise.studies._trial import Recipe
from sharewise.studies._tuning import BATCH, propose

KEY = "proposals made"


def tune(course: Course, count: int) -> None:
    """Try ``count`` proposals a strategy and family on the first round; they join the race.

    How many were made before time was over is kept, so that the study can be walked again.
    """
    bench = course.bench
    kept = bench.store.get(KEY)
    wanted = count if kept is None else int(kept)
    pairs = list(dict.fromkeys((r.strategy, r.family) for r in course.entrants if course.space_of(r)))
    while course.proposals < wanted and pairs:
        size = min(BATCH, wanted - course.proposals)
        errors, tried = course.inner_errors(), [spec.recipe for spec in course.wanted[0]]
        fresh: list[Recipe] = []
        for strategy, family in pairs:
            own = [r.configuration for r in tried if (r.strategy, r.family) == (strategy, family)]
            seen = [(c, errors.get(Recipe(strategy, family, c))) for c in own]
            usual, further = course.space(strategy, family), course.further_space(strategy, family)
            # Half and half: what goes beyond the usual has to beat it under equal tuning.
            shares = (size - size // 2, size // 2) if further else (size, 0)
            for space, share, name in ((usual, shares[0], ""), (further, shares[1], "/further")):
                of = f"{strategy}/{family}{name}"
                found = propose(space, seen, share, bench.protocol.seed, of)
                fresh += [Recipe(strategy, family, configuration) for configuration in found]
        if not fresh or not course.try_out(fresh, "Tuning", course.reserve_for_rounds()):
            break
        course.proposals += size
        done = course.inner_errors()
        course.entrants += [recipe for recipe in fresh if recipe in done]
    for strategy, family in pairs:
        beaten = set(_beaten(course, strategy, family))
        course.entrants = [recipe for recipe in course.entrants if recipe not in beaten]
    if kept is None:
        bench.store.put(KEY, course.proposals)


def _beaten(course: Course, strategy: str, family: str) -> list[Recipe]:
    """Proposals from beyond the usual learners that stay in the first round: all but the best of a pair, and that
    one too unless it beats every usual one under equal tuning. They are the dearest, and many look alike."""
    errors = course.inner_errors()
    own = [r for r in course.entrants if (r.strategy, r.family) == (strategy, family) and r in errors]
    beyond = course.further_space(strategy, family)
    further = sorted((r for r in own if r.configuration.learner in beyond), key=lambda r: (errors[r], str(r)))
    usual = [errors[r] for r in own if r.configuration.learner not in beyond]
    first = 1 if further and errors[further[0]] < min(usual, default=float("inf")) else 0
    return further[first:]
