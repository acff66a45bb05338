"""Several tasks over examples: what a table says, in one shape for every form it comes in.

A *wide* table has a column a task, with gaps; a *long* one has a column that names each row's task;
both at once is allowed. `Problem.from_frame` finds out which cells are features and which labels,
refuses what cannot be compared fairly (a feature that is the target, a task without rows), and says
in `Problem.notes` what it changed. `Problem.from_datasets` does the same for datasets of tensors, one a
task, that an encoder of the user's own reads. `split` divides the rows, `profile` describes them, `fingerprint`
tells one set of data from another, and `Schema` reads the next table the same way. `Sentences` hold words with a tag
each, from CoNLL-U, CoNLL columns and IOB2 files.

>>> import numpy as np
>>> from sharewise.problems import Problem, split
>>> x = np.arange(30.0) % 7
>>> frame = {"hours": x, "mark": 2 * x + np.arange(30) % 3, "passed": x + np.arange(30) % 2 > 3}
>>> problem = Problem.from_frame(frame, targets=["mark", "passed"])
>>> [(task.name, problem.targets[task.target].kind.name) for task in problem.tasks]
[('mark', 'regression'), ('passed', 'binary')]
>>> [len(test) for train, test in split(problem, np.arange(30), folds=3, seed=0)]
[10, 10, 10]
"""

from sharewise.problems._build import one_task
from sharewise.problems._conll_columns import read_conll, read_iob2
from sharewise.problems._conllu import read_conllu
from sharewise.problems._description import read_problem
from sharewise.problems._encoder import check_form as check_encoder_form
from sharewise.problems._encoder import encoder_digest
from sharewise.problems._fingerprint import fingerprint
from sharewise.problems._leaks import Leak
from sharewise.problems._names import nearest
from sharewise.problems._picture_column import rooted
from sharewise.problems._problem import Problem, Target, Task
from sharewise.problems._profile import Profile, profile
from sharewise.problems._readers import read_table
from sharewise.problems._schema import Schema
from sharewise.problems._sentences import Sentences
from sharewise.problems._splits import Fold, outer_folds, split
from sharewise.problems._table import Column, ColumnKind, Table

__all__ = [
    "Column",
    "ColumnKind",
    "Fold",
    "Leak",
    "Problem",
    "Profile",
    "Schema",
    "Sentences",
    "Table",
    "Target",
    "Task",
    "check_encoder_form",
    "encoder_digest",
    "fingerprint",
    "nearest",
    "one_task",
    "outer_folds",
    "profile",
    "read_conll",
    "read_conllu",
    "read_iob2",
    "read_problem",
    "read_table",
    "rooted",
    "split",
]
