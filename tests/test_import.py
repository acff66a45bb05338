"""The public door: light to open, and every name behind it is there."""

import subprocess
import sys

import pytest

import sharewise

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
