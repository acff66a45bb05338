"""The verdict for tasks not seen yet: what serves them, by how many labels they bring.

`decide_new` is a pure function from evidence to an outcome for each number of labels and one for all; `conclude_new`
also says what to deploy and puts it on record. Where two curves cross is found by itself too:

>>> import numpy as np
>>> from functools import partial
>>> from sharewise.verdicts import difference
>>> from sharewise.verdicts.new_tasks import meetings
>>> gains = np.array([[0.2, 0.1, -0.1], [0.24, 0.1, -0.12], [0.16, 0.1, -0.08]])
>>> say = partial(difference, overlap=0.5, rope=0.01, confidence=0.95)
>>> [round(one.labels) for one in meetings([1, 4, 16], gains, level=0.0, summarise=say)]
[8]
"""

from sharewise.verdicts.new_tasks._conclude import NewConclusion, conclude_new
from sharewise.verdicts.new_tasks._decide import NewDecision, ShotFinding, decide_new
from sharewise.verdicts.new_tasks._evidence import NewEvidence
from sharewise.verdicts.new_tasks._meeting import Meeting, meetings
from sharewise.verdicts.new_tasks._serve import Serving, server_at, serving

__all__ = [
    "Meeting",
    "NewConclusion",
    "NewDecision",
    "NewEvidence",
    "Serving",
    "ShotFinding",
    "conclude_new",
    "decide_new",
    "meetings",
    "server_at",
    "serving",
]
