"""Real tasks of which new ones arrive: schools, people with tastes, intents, faces. Nothing to run.

`new_tasks.py` uses it. Each function gives a problem whose tasks are whole: a study holds them out one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy.io import loadmat
from sharewise import Problem, datasets
from sharewise.networks import small_cnn
from sharewise.tasks import Multiclass
from torch.utils.data import TensorDataset

import faces_data
from tables_base import data_folder

Load = Callable[[], Problem]


def school_ilea() -> Problem:
    """Exam scores of 15,362 pupils; a task is one of 139 London schools (22 to 251 pupils)."""
    held = loadmat(data_folder() / "school_ilea" / "school.mat")
    parts = []
    for school, (x, y) in enumerate(zip(held["X"].ravel(), held["Y"].ravel(), strict=True)):
        values = np.asarray(x.todense() if hasattr(x, "todense") else x, np.float64)
        part = pd.DataFrame(values, columns=[f"x{place}" for place in range(values.shape[1])])
        parts.append(part.assign(score=np.asarray(y).ravel(), school=f"{school:03d}"))
    frame = pd.concat(parts, ignore_index=True)
    return Problem.from_frame(frame, targets=["score"], task="school", kinds={"score": "regression"})


def bdf() -> Problem:
    """Language scores of 2,287 pupils; a task is one of 131 Dutch schools (4 to 35 pupils)."""
    frame, given = datasets.frame("bdf")
    return Problem.from_frame(frame, targets=["langPOST"], task="schoolNR", drop=[*given["drop"], "aritPOST"])


def movielens(describers: int = 200, seed: int = 0) -> Problem:
    """Stars that a person gives films; a task is one of 410 people (20 to 2,700 ratings).

    A film's mean stars and number of ratings come from 200 other people, who are no tasks: no label of a task is a
    feature of any row.
    """
    folder = data_folder() / "ml_latest_small"
    ratings, films = pd.read_csv(folder / "ratings.csv"), pd.read_csv(folder / "movies.csv")
    people = np.random.default_rng(seed).permutation(np.sort(ratings["userId"].unique()))
    describe = ratings["userId"].isin(people[:describers])
    others = ratings[describe].groupby("movieId")["rating"]
    known = pd.DataFrame({"others_mean": others.mean(), "others_count": others.size()})
    films["year"] = films["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(float)
    genres = films["genres"].str.get_dummies().drop(columns="(no genres listed)", errors="ignore")
    films = pd.concat([films[["movieId", "year"]], genres], axis=1).join(known, on="movieId")
    frame = ratings[~describe].merge(films, on="movieId").drop(columns=["movieId", "timestamp"])
    # Some people rated thousands of films: what is drawn of them is at most 150.
    frame = frame.groupby("userId", group_keys=False).sample(frac=1.0, random_state=seed)
    frame = frame[frame.groupby("userId").cumcount() < 150]
    frame["others_count"] = np.log1p(frame["others_count"].fillna(0.0))
    return Problem.from_frame(frame, targets=["rating"], task="userId", kinds={"rating": "regression"})


def clinc150(per_intent: int = 80, seed: int = 0) -> Problem:
    """What people ask an assistant: a pool of 150 intents, of which new ones are to be told apart by the text."""
    held = json.loads((data_folder() / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    rows = [row for part in ("train", "val", "test") for row in held[part]]
    frame = pd.DataFrame(rows, columns=["utterance", "intent"]).drop_duplicates("utterance")
    frame = frame.groupby("intent").sample(n=per_intent, random_state=seed).reset_index(drop=True)
    return Problem.from_frame(frame, targets=["intent"], kinds={"intent": "multiclass"})


def cmu_faces(seed: int = 0) -> Problem:
    """624 photographs: a pool of 20 people, of whom new ones are to be told apart; an encoder of our own."""
    faces = faces_data.load()
    torch.manual_seed(seed)
    person = (TensorDataset(faces.x, faces.y["identity"]), Multiclass(tuple(range(20))))
    return Problem.from_datasets({"person": person}, encoder=small_cnn(1, (16, 32, 64)))


DATA: dict[str, Load] = {load.__name__: load for load in (school_ilea, bdf, movielens, clinc150, cmu_faces)}
