"""What an ONNX file costs beside the model it was made of: parity, size, latency.

    python benchmarks/exported.py                 # wine, iris, linnerud; also breast_cancer, digits, bdf
    python benchmarks/exported.py --tables wine --effort 0

Fits every family alone and together on each table, exports it, and prints the largest difference on held-out and drawn
rows, bytes, and milliseconds for one row (p50, p99) and for a thousand, of ONNX Runtime on one thread and of
`DeployedModel.predict`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import sharewise as sw
from rich.console import Console
from rich.table import Table
from sharewise.families import FAMILIES, Run, Sample
from sharewise.problems import split
from sharewise.serving import DeployedModel
from sharewise.serving.onnx import export_onnx
from sharewise.serving.onnx._check import open_session
from sharewise.serving.onnx._rows import feed

FORMS = ("alone", "together")
MANY = 1000


def problems(names: list[str]) -> dict[str, tuple[sw.Problem, pd.DataFrame]]:
    """Each table's problem of four fifths of its rows, and the other rows."""
    found = {}
    rng = np.random.default_rng(0)
    for name in names:
        frame, told = sw.datasets.frame(name)
        held = rng.random(len(frame)) < 0.2
        taught = frame[~held]
        problem = sw.Problem.from_frame(taught, **told)
        if problem.levels is not None:  # a school of few pupils is no task
            held &= frame[told["task"]].astype(str).isin(problem.levels).to_numpy()
        found[name] = problem, frame[held]
    return found


def milliseconds(call: Callable[[], object], times: int) -> tuple[float, float]:
    """p50 and p99 of a call, warmed up."""
    call()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - started))
    return float(np.quantile(taken, 0.5)), float(np.quantile(taken, 0.99))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", default="wine,iris,linnerud")
    parser.add_argument("--effort", type=int, default=0)
    parser.add_argument("--times", type=int, default=100)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    shown = Table(
        "table", "family", "learner", "difference", "kB", "1 row p50", "p99", "own", "1,000 rows", "own"
    )
    with TemporaryDirectory() as folder:
        for name, (problem, held) in problems(given.tables.split(",")).items():
            rows = np.arange(len(problem))
            sample = Sample.of(problem, rows, split(problem, rows, folds=3, seed=0))
            for family in FAMILIES.values():
                for form in FORMS:
                    wanted = family.configurations(problem, effort=given.effort, together=form == "together")[
                        0
                    ]
                    fit = getattr(family, form)(sample, wanted, Run(0, effort=given.effort))
                    model = DeployedModel.of(problem, fit.model, {})
                    place = Path(folder) / "model.onnx"
                    report = export_onnx(model, place, held)
                    session = open_session(place.read_bytes())
                    own = [held.iloc[:1], held.sample(MANY, replace=True, random_state=0)]
                    fed = [feed(model.schema, *model.schema.read(frame)[:2]) for frame in own]
                    first = milliseconds(lambda s=session, f=fed: s.run(None, f[0]), given.times)
                    many = milliseconds(lambda s=session, f=fed: s.run(None, f[1]), 10)
                    ours = [milliseconds(lambda m=model, f=frame: m.predict(f), 10)[0] for frame in own]
                    shown.add_row(
                        name, family.name, f"{form}: {wanted.learner}", f"{report.largest:.1e}",
                        f"{report.size_bytes / 1e3:,.0f}", f"{first[0]:.2f}", f"{first[1]:.2f}", f"{ours[0]:.1f}",
                        f"{many[0]:.1f}", f"{ours[1]:.1f}",
                    )  # fmt: skip
    Console(width=130).print(shown)


if __name__ == "__main__":
    main()
