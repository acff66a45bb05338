"""What all tests share: one thread a process, and the way to real data."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser_pipe import Tab, tab

# Before the first import of NumPy, SciPy, LightGBM or torch, which read these once.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

ROOT = Path(__file__).parents[1]


def data_folder() -> Path:
    """Where real data sets lie: SHAREWISE_DATA, else ``shared/data`` beside the checkout."""
    return Path(os.environ.get("SHAREWISE_DATA") or ROOT.parent / "shared" / "data")


def find_dataset(name: str) -> Path:
    """The path of the real data set `name`, a folder or a file in it; without it the test is skipped.

    With SHAREWISE_REQUIRE_DATA=1, as in CI, a missing set is a failure.
    """
    path = data_folder() / name
    if path.exists():
        return path
    reason = (
        f"needs the data set '{name}', which is not in {data_folder()}; SHAREWISE_DATA names another folder"
    )
    if os.environ.get("SHAREWISE_REQUIRE_DATA") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets, for tests that read several."""
    return find_dataset(".")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A page of a real browser, for the tests of a file."""
    with tab(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def dataset() -> Callable[[str], Path]:
    """``dataset("school_ilea")``: the path of one real data set, or a skip with its reason."""
    return find_dataset


@pytest.fixture(autouse=True)
def _one_torch_thread() -> None:
    """Holds torch to one thread once something has imported it; imports nothing itself."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)
