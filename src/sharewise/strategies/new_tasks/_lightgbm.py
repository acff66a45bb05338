"""Boosting on rows of training tasks, stopped by rows of other tasks.

Symbols: ``n`` rows, ``P`` features, ``W`` columns of raw scores (1 for numbers and two classes).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from sharewise.families import Configuration, Run
from sharewise.families._booster_text import grown, predicted
from sharewise.families._boosting import booster_params
from sharewise.tasks import Array, Kind

MOST_ROUNDS = 600
PATIENCE = 30


def raw_scores(text: str, X: Array) -> Array:
    """``(n, W)`` sums of the trees of a model given as LightGBM's text."""
    return predicted(text, X, raw=True)


def grow_booster(
    train: tuple[Array, Array, Array | None],
    valid: tuple[Array, Array, Array | None],
    kind: Kind,
    categorical: Sequence[int],
    setting: Configuration,
    run: Run,
    until: float,
) -> str:
    """A booster's text at the round of least validation loss, the first at the earliest.

    Args:
        train, valid: Features ``(n, P)``, labels ``(n,)``, and raw scores ``(n, W)`` to start from, or None.
        until: CPU time of the process, in seconds, at which growing ends.
    """
    import lightgbm

    rows = len(train[1])
    params = booster_params(
        kind,
        setting,
        run,
        leaves=int(setting.get("leaves", 15)),
        least_rows=int(setting.get("least_rows", float(np.clip(rows // 100, 2, 20)))),
        features=0.8 if train[0].shape[1] > 4 else 1.0,
    )
    inside = lightgbm.Dataset(
        train[0], train[1], init_score=_flat(train[2]), categorical_feature=list(categorical), params=params
    )
    outside = lightgbm.Dataset(
        valid[0], valid[1], reference=inside, init_score=_flat(valid[2]), params=params
    )
    booster = lightgbm.Booster(params, inside)
    booster.add_valid(outside, "validation")
    least, best = np.inf, 0
    for round_ in range(MOST_ROUNDS):
        booster.update()
        loss = float(booster.eval_valid()[0][2])
        run.tick(steps=1)
        if loss < least:
            least, best = loss, round_ + 1
        if round_ + 1 - best >= PATIENCE or time.process_time() > until:
            break
    run.tick(fits=1)
    return grown(booster.model_to_string(num_iteration=max(best, 1)))


def _flat(scores: Array | None) -> Array | None:
    return None if scores is None else scores.ravel(order="F")
