"""One model per task, one for all, or something between: decided on your own data, with reasons.

A `Problem` is several tasks over examples; `compare` trains the alternatives under one fair
protocol and returns a `Study`, which holds the `Verdict`, the table of scores and the model.

>>> from sklearn.datasets import load_iris
>>> import sharewise as sw
>>> flowers = load_iris(as_frame=True).frame
>>> problem = sw.Problem.from_frame(flowers, targets=["petal length (cm)", "petal width (cm)"])
>>> [task.name for task in problem.tasks]
['petal length (cm)', 'petal width (cm)']

The rooms can be used by themselves: ``sw.networks``, ``sw.balancing``, ``sw.training`` and ``sw.meta`` work on
your own modules.
Nothing heavy is imported before it is used: this file names where things are and fetches them
when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sharewise.errors import SharewiseError

if TYPE_CHECKING:
    from sharewise import (
        balancing,
        datasets,
        distilling,
        estimators,
        families,
        meta,
        networks,
        problems,
        reports,
        serving,
        strategies,
        studies,
        tasks,
        training,
        verdicts,
    )
    from sharewise._compare import compare
    from sharewise._study import Study
    from sharewise.estimators import ShareClassifier, ShareRegressor
    from sharewise.problems import Problem
    from sharewise.serving import load
    from sharewise.studies.stream import replay
    from sharewise.verdicts import Verdict

__version__ = "0.1.0"

__all__ = [
    "Problem",
    "ShareClassifier",
    "ShareRegressor",
    "SharewiseError",
    "Study",
    "Verdict",
    "__version__",
    "balancing",
    "compare",
    "datasets",
    "distilling",
    "estimators",
    "families",
    "load",
    "meta",
    "networks",
    "problems",
    "replay",
    "reports",
    "serving",
    "strategies",
    "studies",
    "tasks",
    "training",
    "verdicts",
]

_HOMES = {
    "Problem": "problems",
    "ShareClassifier": "estimators",
    "ShareRegressor": "estimators",
    "Study": "_study",
    "Verdict": "verdicts",
    "compare": "_compare",
    "load": "serving",
    "replay": "studies.stream",
}
"""Public names and the module that each lives in; every other name in `__all__` is a room."""

if not TYPE_CHECKING:  # so that a type checker still reports a misspelt name

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _HOMES:
            found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        elif name in __all__:
            found = import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
