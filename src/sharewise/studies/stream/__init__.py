"""A drifting stream: rows are replayed in time order, and each contender shows how fast it recovers from a change.

`replay` sends a frozen model, models refitted on everything or on the latest rows, and strategies for new tasks
(adapted to a task's last labels) through the same stream, test then train. The `Replay` it returns holds each row's
loss and each contender's recovery, as a table and as a sentence. `change_points` is the test by which changes are
found where none are given.

>>> import numpy as np
>>> from sharewise.problems import Problem
>>> from sharewise.studies.stream import replay
>>> rng = np.random.default_rng(0)
>>> x, day = rng.normal(size=300), np.arange(300)
>>> up, down = (np.where(day < 200, s * x, -s * x) + 0.1 * rng.normal(size=300) for s in (1, -1))
>>> frame = {"x": x, "day": day, "up": up, "down": down}
>>> problem = Problem.from_frame(frame, targets=["up", "down"], time="day")
>>> found = replay(problem, ["frozen", "window"], window=20, refit_every=1, changes=[200])
>>> [recovery.rows is not None for recovery in found.recoveries[0]]
[False, True]
"""

from sharewise.studies.stream._adapting import Adapting
from sharewise.studies.stream._changes import change_points
from sharewise.studies.stream._contender import Contender, Runner
from sharewise.studies.stream._fitted import Fitted
from sharewise.studies.stream._past import Past
from sharewise.studies.stream._record import Course, Recovery, Replay
from sharewise.studies.stream._replay import replay

__all__ = [
    "Adapting",
    "Contender",
    "Course",
    "Fitted",
    "Past",
    "Recovery",
    "Replay",
    "Runner",
    "change_points",
    "replay",
]
