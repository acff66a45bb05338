"""A fair set of trials: the protocol, the budget, the ledger, and who runs what.

`conduct` runs a study's missing trials and assembles what competes, round by round. Choices are made on
inner folds; each round's outer test rows only measure.

>>> from sharewise.studies import parse_budget
>>> parse_budget("5min")
300.0
"""

from sharewise.studies._assemble import BEST, BLEND, Candidate, assemble
from sharewise.studies._bench import Bench
from sharewise.studies._budget import parse_budget
from sharewise.studies._conduct import check_same_study, conduct, refit_all
from sharewise.studies._curve import CurveRound, CurveRounds
from sharewise.studies._execution import Workers, default_workers, make_workers
from sharewise.studies._findings import Findings
from sharewise.studies._group_record import GroupsFound
from sharewise.studies._limits import FREE, Limits, in_bytes
from sharewise.studies._log import StudyLog, StudyLogger
from sharewise.studies._mlflow import MLflowStudy
from sharewise.studies._plan import Clock
from sharewise.studies._progress import Progress, make_progress
from sharewise.studies._protocol import (
    EFFORTS,
    INNER_FOLDS,
    Plan,
    Protocol,
    Round,
    make_round,
    rounds_at_most,
)
from sharewise.studies._race import ERROR_RATE, LOOKS, Left
from sharewise.studies._scores import Scores
from sharewise.studies._storage import TrialStore, ledger_line
from sharewise.studies._tensorboard import TensorBoardStudy
from sharewise.studies._trial import CONSTANT, Recipe, Result, Spec, run_trial, specs_for

__all__ = [
    "BEST",
    "BLEND",
    "CONSTANT",
    "EFFORTS",
    "ERROR_RATE",
    "FREE",
    "INNER_FOLDS",
    "LOOKS",
    "Bench",
    "Candidate",
    "Clock",
    "CurveRound",
    "CurveRounds",
    "Findings",
    "GroupsFound",
    "Left",
    "Limits",
    "MLflowStudy",
    "Plan",
    "Progress",
    "Protocol",
    "Recipe",
    "Result",
    "Round",
    "Scores",
    "Spec",
    "StudyLog",
    "StudyLogger",
    "TensorBoardStudy",
    "TrialStore",
    "Workers",
    "assemble",
    "check_same_study",
    "conduct",
    "default_workers",
    "in_bytes",
    "ledger_line",
    "make_progress",
    "make_round",
    "make_workers",
    "parse_budget",
    "refit_all",
    "rounds_at_most",
    "run_trial",
    "specs_for",
]
