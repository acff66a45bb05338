"""Real data to try things on, without a download.

>>> from sharewise import datasets
>>> datasets.names()
('bdf', 'breast_cancer', 'digits', 'iris', 'linnerud', 'wine')
>>> problem = datasets.load("linnerud")
>>> len(problem), [task.name for task in problem.tasks]
(20, ['Weight', 'Waist', 'Pulse'])
"""

from sharewise.datasets._load import Dataset, describe, frame, load, names

__all__ = ["Dataset", "describe", "frame", "load", "names"]
