"""Statistics, the decision, and its words.

`decide` is a pure function from evidence to one of five outcomes; `conclude` also puts it on record. The
parts are usable by themselves:

>>> import numpy as np
>>> from sharewise.verdicts import difference
>>> found = difference(np.array([0.03, 0.05, 0.04, 0.06, 0.05]), overlap=0.25, rope=0.01, confidence=0.95)
>>> round(found.mean, 3), found.interval[0] > 0
(0.046, True)
"""

from sharewise.verdicts._conclude import Conclusion, conclude
from sharewise.verdicts._decide import Decision, TaskFinding, decide
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._insight import NOTHING, Insight
from sharewise.verdicts._insight_of import insight_of
from sharewise.verdicts._statistics import Difference, Need, difference, gains, holm, need
from sharewise.verdicts._verdict import OUTCOMES, Choice, Outcome, Verdict

__all__ = [
    "NOTHING",
    "OUTCOMES",
    "Choice",
    "Conclusion",
    "Decision",
    "Difference",
    "Evidence",
    "Insight",
    "Need",
    "Outcome",
    "TaskFinding",
    "Verdict",
    "conclude",
    "decide",
    "difference",
    "gains",
    "holm",
    "insight_of",
    "need",
]
