"""MovieLens: the ratings of each of some people are a task. Nothing to run; `tables.load` gives it by name."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tables_base import Loaded, data_folder, make


def movielens(users: int = 30, per_user: int = 50, seed: int = 0) -> Loaded:
    """Stars that a person gives a film, a person a task, from its genres, year, and what others gave it.

    The others' mean and number of ratings leave out all people who are tasks, so that no label is a
    feature of another row.
    """
    folder = data_folder() / "ml_latest_small"
    ratings, films = pd.read_csv(folder / "ratings.csv"), pd.read_csv(folder / "movies.csv")
    active = ratings["userId"].value_counts()
    able = np.sort(active.index[active >= 2 * per_user].to_numpy())
    chosen = np.random.default_rng(seed).permutation(able)[:users]
    own = ratings[ratings["userId"].isin(chosen)].groupby("userId").sample(per_user, random_state=seed)
    others = ratings[~ratings["userId"].isin(chosen)].groupby("movieId")["rating"]
    known = pd.DataFrame({"others_mean": others.mean(), "others_count": others.size()})
    films["year"] = films["title"].str.extract(r"\((\d{4})\)\s*$")[0].astype(float)
    genres = films["genres"].str.get_dummies().drop(columns="(no genres listed)", errors="ignore")
    films = pd.concat([films[["movieId", "year"]], genres], axis=1).join(known, on="movieId")
    frame = own.merge(films, on="movieId").drop(columns=["movieId", "timestamp"])
    frame["others_count"] = frame["others_count"].fillna(0.0)
    return make(frame.rename(columns={"userId": "person"}), ["rating"], task="person")
