"""Studies of tasks not seen yet: whole tasks are held out, and every strategy adapts to them from a few labels."""

from sharewise.studies.new_tasks._apart import check_apart
from sharewise.studies.new_tasks._conduct import conduct_new, plan_of, specs_of
from sharewise.studies.new_tasks._findings import Entry, NewFindings, NewRound
from sharewise.studies.new_tasks._plan import NewPlan
from sharewise.studies.new_tasks._refit import FALLBACK, fallback_adapters, refit_new
from sharewise.studies.new_tasks._tasks import (
    check_form,
    folds_of,
    is_pool,
    make_task_round,
    units_of,
    ways_of,
)

__all__ = [
    "FALLBACK",
    "Entry",
    "NewFindings",
    "NewPlan",
    "NewRound",
    "check_apart",
    "check_form",
    "conduct_new",
    "fallback_adapters",
    "folds_of",
    "is_pool",
    "make_task_round",
    "plan_of",
    "refit_new",
    "specs_of",
    "units_of",
    "ways_of",
]
