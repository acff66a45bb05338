"""A family's model: fitted once, or again and again on everything or on the latest rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from sharewise.families import Model, Predictions
from sharewise.studies._protocol import derived_seed
from sharewise.studies.stream._choice import choose_recipe, fit_rows
from sharewise.studies.stream._contender import Contender, Runner
from sharewise.studies.stream._past import Past, Rows


@final
@dataclass(frozen=True)
class Fitted(Contender):
    """A family's model, its configuration chosen once, on the learning rows held out.

    Attributes:
        label: Its name.
        family: Of `FAMILIES`.
        share: One model of all tasks, or one a task; None: what loses least.
        every: Refitted when this many more rows are known; None: never.
        window: Refitted on this many latest rows; None: on all.
    """

    label: str
    family: str = "linear"
    share: bool | None = None
    every: int | None = None
    window: int | None = None

    @property
    def name(self) -> str:
        return self.label

    @property
    def fixed(self) -> bool:
        return self.every is None

    def start(self, past: Past, seed: int) -> Runner:
        return _FittedRunner(self, past, seed)


@final
class _FittedRunner(Runner):
    def __init__(self, contender: Fitted, past: Past, seed: int) -> None:
        self.contender, self.past, self.seed = contender, past, seed
        self.waiting = self.fits = 0
        self.recipe = choose_recipe(past.problem, past.rows, contender.family, contender.share, seed)
        self.model = self._fit()

    def predict(self, rows: Rows) -> Predictions:
        problem = self.past.problem
        level = None if problem.level is None else problem.level[rows]
        return self.model.predict(problem.table.take(rows), level)

    def update(self, rows: Rows) -> int:
        self.waiting += len(rows)
        if self.contender.every is None or self.waiting < self.contender.every:
            return 0
        self.waiting = 0
        self.model = self._fit()
        return 1

    def _fit(self) -> Model:
        rows = self.past.rows
        if self.contender.window is not None:
            rows = rows[-self.contender.window :]
        self.fits += 1
        return fit_rows(self.past.problem, rows, self.recipe, derived_seed(self.seed, self.fits)).model
