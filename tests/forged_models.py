"""Tampers with stored models, makes the checksums right again, loads and predicts: ``forged_models.py DIR SEED COUNT``.

A program of its own, since what it tries may end its interpreter. Each case is a line ``sort change outcome``; a case
that takes ten seconds, or more memory than it may, ends the program.
"""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, BYTES = 10, 6 << 30
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 3, 2**31, 2**62, 10**40, 0.5, -1e308, "x", "", "00000", [], [1], {}, "inf",
    {"$": "same", "n": 0}, {"$": "float", "v": "nan"}, {"$": "tuple", "v": []}, "../../etc/passwd",
)  # fmt: skip


def text_byte(folder: Path, rng: np.random.Generator) -> None:
    """A byte of a booster's text."""
    files = sorted((folder / "texts").glob("*.txt"))
    if not files:
        return array_bytes(folder, rng)
    place = files[rng.integers(len(files))]
    data = bytearray(place.read_bytes())
    at = int(rng.integers(len(data)))
    data[at] = int(rng.choice(list(b"0123456789"))) if rng.random() < 0.7 else int(rng.integers(256))
    place.write_bytes(data)


def text_number(folder: Path, rng: np.random.Generator) -> None:
    """A number of a booster's text becomes another."""
    files = sorted((folder / "texts").glob("*.txt"))
    if not files:
        return array_bytes(folder, rng)
    place = files[rng.integers(len(files))]
    lines = place.read_text().split("\n")
    keys = (
        "left_child",
        "right_child",
        "num_leaves",
        "split_feature",
        "decision_type",
        "tree_sizes",
        "num_cat",
    )
    keys += (
        "max_feature_idx",
        "num_class",
        "num_tree_per_iteration",
        "threshold",
        "cat_boundaries",
        "leaf_value",
    )
    chosen = f"{keys[rng.integers(len(keys))]}="
    own = [at for at, line in enumerate(lines) if line.startswith(chosen)]
    if own:
        at = own[rng.integers(len(own))]
        values = lines[at][len(chosen) :].split(" ")
        other = ("-1", "0", "1", "99", "2147483647", "-2147483648", "1e300", "nan", "", "7 7 7")
        values[rng.integers(len(values))] = other[rng.integers(len(other))]
        lines[at] = chosen + " ".join(values)
    place.write_text("\n".join(lines))


def array_bytes(folder: Path, rng: np.random.Generator) -> None:
    """Bytes of the arrays."""
    place = folder / "arrays.safetensors"
    data = bytearray(place.read_bytes())
    begin = 0 if rng.random() < 0.2 else 8 + int.from_bytes(data[:8], "little")
    for at in rng.integers(min(begin, len(data) - 1), len(data), 5):
        data[at] = int(rng.integers(256))
    place.write_bytes(data)


def tree_value(document: dict[str, Any], rng: np.random.Generator) -> None:
    """A value of the state becomes another, or one of another place."""
    node = document["tree"]
    picked = []
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        picked.append((node, key))
        if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.1:
            break
        node = node[key]
    other, place = picked[rng.integers(len(picked))]
    value = other[place] if rng.random() < 0.2 and other is not node else ODD[rng.integers(len(ODD))]
    node[key] = json.loads(json.dumps(value))


CHANGES: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "text byte": text_byte,
    "text number": text_number,
    "array bytes": array_bytes,
    "tree value": lambda folder, rng: None,
}


def run(folder: Path, seed: int, count: int) -> None:
    """Print a line a case."""
    import sharewise as sw
    from sharewise.errors import SharewiseError
    from stored_models import SORTS, reseal

    rng = np.random.default_rng(seed)
    rows = {sort: sw.problems.read_table(folder / f"{sort}.csv") for sort in SORTS}
    sound = {sort: sw.load(folder / sort).predict(rows[sort]).to_csv() for sort in SORTS}
    for turn in range(count):
        sort = SORTS[turn % len(SORTS)]
        change = list(CHANGES)[rng.integers(len(CHANGES))]
        case = Path(shutil.copytree(folder / sort, folder / f"case-{seed}", dirs_exist_ok=True))
        signal.alarm(SECONDS)
        CHANGES[change](case, rng)
        outcome = "same"
        try:
            reseal(
                case,
                (lambda document: tree_value(document, rng)) if change == "tree value" else lambda d: None,
            )
            model = sw.load(case)
        except SharewiseError as error:
            outcome = (
                "refused"
                if str(error).endswith(".") and "\n" not in str(error)
                else f"odd sentence: {error!r}"
            )
        else:
            try:
                found = model.predict(rows[sort]).to_csv()
                outcome = "same" if found == sound[sort] else "differs"
            except SharewiseError:
                outcome = "refused when predicting"
            except Exception as error:  # noqa: BLE001 - what comes of forged numbers is what is asked
                outcome = f"failed when predicting: {type(error).__name__} {str(error)[:60]!r}"
        signal.alarm(0)
        shutil.rmtree(case)
        sys.stdout.write(f"{sort}\t{change}\t{json.dumps(outcome)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
