"""The public door: light to open, and every name behind it is there."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sharewise
from sharewise.families import FAMILIES, Run, Sample, configuration
from sharewise.serving import DeployedModel
from sharewise.strategies import STRATEGIES, BlendModel

TASKS = 20

HEAVY = ("lightgbm", "matplotlib", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "torch")


def heavy_modules_after(statement: str) -> set[str]:
    """Runs `statement` in a fresh interpreter; which heavy libraries it loaded."""
    code = f"import sys; {statement}; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_sharewise_loads_nothing_heavy() -> None:
    assert heavy_modules_after("import sharewise; dir(sharewise); sharewise.__version__") == set()


def test_stating_a_problem_needs_no_torch() -> None:
    assert "torch" not in heavy_modules_after("import sharewise; sharewise.Problem")


@pytest.mark.parametrize("name", sharewise.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sharewise, name) is not None
    assert name in dir(sharewise)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = sharewise.nonsense
    assert not hasattr(sharewise, "nonsense")


def test_the_installed_version_is_the_stated_one() -> None:
    from importlib.metadata import version

    assert version("sharewise") == sharewise.__version__


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``stored("linear")``: a saved model of twenty tasks by a family, or of all families together."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(word=rng.choice(["red", "blue"], 120))
    frame.loc[:9, "a"] = np.nan
    labels = x @ rng.normal(size=(3, TASKS)) + rng.normal(size=(120, TASKS))
    names = [f"y{task}" for task in range(TASKS)]
    problem = sharewise.Problem.from_frame(
        pd.concat([frame, pd.DataFrame(labels, columns=names)], axis=1), targets=names
    )
    rows = np.arange(120)
    sample = Sample.of(problem, rows, ((rows[:60], rows[60:]), (rows[60:], rows[:60])))
    learners = {"linear": "ridge", "trees": "boosting", "network": "mlp"}
    models = {
        name: STRATEGIES["joint" if name == "network" else "separate"]
        .fit(sample, FAMILIES[name], configuration(learner), Run(0, effort=0))
        .model
        for name, learner in learners.items()
    }
    models["blend"] = BlendModel(tuple(models.values()), np.full((TASKS, 1, 3), 1 / 3))
    folder = tmp_path_factory.mktemp("stored")
    for name, model in models.items():
        DeployedModel.of(problem, model, {}).save(folder / name)
    frame.head(3).to_csv(folder / "rows.csv", index=False)
    return lambda name: folder / name


LOADED = {"linear": set(), "trees": {"lightgbm"}, "network": set(), "blend": {"lightgbm"}}
"""By family what predicting needs beside NumPy."""


@pytest.mark.parametrize("name", LOADED)
def test_loading_imports_what_predicting_needs_and_only_then(
    name: str, stored: Callable[[str], Path]
) -> None:
    loads = f"import sharewise as sw; m = sw.load({str(stored(name))!r})"
    assert heavy_modules_after(loads) == {"numpy"}
    predicts = f"{loads}; import pandas; f = pandas.read_csv({str(stored('rows.csv'))!r}); m.predict(f)"
    found = heavy_modules_after(predicts) - {"numpy", "pandas", "pyarrow"}  # pandas brings pyarrow
    # LightGBM brings scikit-learn.
    assert found == LOADED[name] | ({"scipy", "sklearn"} if LOADED[name] else set())
