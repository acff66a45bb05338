"""Which of a family's models follows a stream: chosen once, on rows held out, and fitted on any rows."""

from __future__ import annotations

import numpy as np

from sharewise.errors import DataError, OptionError
from sharewise.families import FAMILIES, Fit, Run, Sample
from sharewise.problems import Problem, split
from sharewise.strategies import STRATEGIES, row_losses
from sharewise.studies._protocol import derived_seed
from sharewise.studies._trial import Recipe, fit_recipes
from sharewise.studies.stream._past import Rows

FOLDS = 3
"""Inner folds, past before future, where a family chooses its penalty or its rounds."""
EFFORT = 1
"""Of the search space: a family's usual guesses, alone and together, without tuning."""


def choose_recipe(problem: Problem, rows: Rows, family: str, share: bool | None, seed: int) -> Recipe:
    """The family's configuration, alone or together, that loses least on rows held out, past before future.

    Args:
        rows: To learn on.
        share: Together only, or alone only; None for both. A problem of one task is always fitted alone.

    Raises:
        OptionError: The family has no configuration for the problem.
    """
    names = ("separate", "joint") if share is None else ("joint",) if share else ("separate",)
    if len(problem.tasks) == 1:
        names = ("separate",)
    recipes = [
        Recipe(name, family, configuration)
        for name in names
        for configuration in STRATEGIES[name].configurations(FAMILIES[family], problem, effort=EFFORT)
    ]
    if not recipes:
        raise OptionError(f"the {family} family does not serve this problem. Name another family.")
    if len(recipes) == 1:
        return recipes[0]
    rows = np.sort(rows)
    losses = [
        _held_out_loss(problem, rows, fit_rows(problem, rows, recipe, derived_seed(seed, 0)))
        for recipe in recipes
    ]
    return recipes[int(np.argmin(losses))]


def fit_rows(
    problem: Problem,
    rows: Rows,
    recipe: Recipe,
    seed: int,
    folds: tuple[tuple[Rows, Rows], ...] | None = None,
) -> Fit:
    """A recipe on some rows of a problem.

    Args:
        folds: Inner (training, validation) rows; without, forward in time.
    """
    rows = np.sort(rows)
    inner = forward_folds(problem, rows, seed) if folds is None else folds
    with np.errstate(
        invalid="ignore"
    ):  # ridge on a single row of a task, in a fold, gives its constant by way of 0 / 0
        return fit_recipes(Sample.of(problem, rows, inner), [recipe], Run(seed, effort=EFFORT))[0]


def forward_folds(problem: Problem, rows: Rows, seed: int) -> tuple[tuple[Rows, Rows], ...]:
    """Past before future; where the rows have too few different times, every other row, or none for a single one."""
    try:
        return split(problem, rows, folds=FOLDS, seed=seed)
    except DataError:
        return ((rows[::2], rows[1::2]), (rows[1::2], rows[::2])) if len(rows) > 1 else ()


def _held_out_loss(problem: Problem, rows: Rows, fit: Fit) -> float:
    """Mean over targets of the loss on held-out rows, each as a share of the labels' spread or entropy."""
    found = []
    for place, target in enumerate(problem.targets):
        y = problem.labels[rows, place]
        there = ~np.isnan(y) & ~np.isnan(fit.held_out[place]).any(axis=1)
        if there.any():
            own = y[there]
            constant = np.tile(target.kind.constant(own), (len(own), 1))
            least = max(float(row_losses(constant, own, target.kind).mean()), 1e-12)
            found.append(float(row_losses(fit.held_out[place][there], own, target.kind).mean()) / least)
    return float(np.mean(found)) if found else float("inf")
