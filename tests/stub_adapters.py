"""Small adapters for tests of serving, and long tables and pools to adapt in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sharewise.families import Part
from sharewise.families._parts import ConstantPart, LinearPart
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem, Table
from sharewise.serving._known import KNOWN
from sharewise.strategies.new_tasks import Adapter
from sharewise.strategies.new_tasks._served import Ladder
from sharewise.tasks import Array, Multiclass, Regression


@dataclass(frozen=True)
class MeanAdapter(Adapter):
    """The mean of the labels, or smoothed class shares; rows do not matter."""

    def encode(self, table: Table) -> NDArray[Any]:
        return np.zeros((len(table), 1))

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        kind = Regression() if classes is None else Multiclass(classes)
        return ConstantPart(kind.constant(y))


@dataclass(frozen=True)
class RidgeAdapter(Adapter):
    """Ridge towards the mean of the labels, on the linear family's encoding; of one-hot labels for classes."""

    encoder: TabularEncoder
    penalty: float

    def encode(self, table: Table) -> NDArray[Any]:
        return self.encoder.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        Y = y[:, None] if classes is None else 4.0 * np.eye(classes)[y.astype(np.intp)]
        mean = Y.mean(axis=0)
        gram = X.T @ X + self.penalty * np.eye(X.shape[1])
        weights = np.linalg.solve(gram, X.T @ (Y - mean))
        return LinearPart(weights, mean, "identity" if classes is None else "softmax")


@dataclass(frozen=True, eq=False)
class ModuleAdapter(Adapter):
    """Class centroids of the user's encoder's features; the module is not stored."""

    own: Any = field(init=False, default=None, repr=False)

    @property
    def needs_encoder(self) -> bool:
        return self.own is None

    def with_encoder(self, encoder: object) -> ModuleAdapter:
        found = replace(self)
        object.__setattr__(found, "own", encoder)
        return found

    def encode(self, table: Table) -> NDArray[Any]:
        (column,) = table.columns
        return column.values

    def features(self, X: NDArray[Any]) -> Array:
        import torch

        with torch.no_grad():
            return self.own(torch.from_numpy(np.array(X))).double().numpy()

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        assert classes is not None
        features = self.features(X)
        return CentroidPart(self, np.stack([features[y == code].mean(axis=0) for code in range(classes)]))


@dataclass(frozen=True, eq=False)
class CentroidPart(Part):
    """Softmax of negative squared distances; the trunk is its adapter."""

    adapter: ModuleAdapter
    centroids: Array

    def predict(self, X: NDArray[Any]) -> Array:
        features = self.adapter.features(X)
        scores = -((features[:, None, :] - self.centroids) ** 2).sum(axis=2)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


STUBS = (MeanAdapter, RidgeAdapter, ModuleAdapter, CentroidPart)


def know_stubs(patch: pytest.MonkeyPatch) -> None:
    """Let folders hold them."""
    for stub in STUBS:
        patch.setitem(KNOWN, stub.__name__, stub)


def ladder(problem: Problem, least: int = 4) -> Ladder:
    """The mean below ``least`` labels, ridge from there on."""
    return ((1, MeanAdapter()), (least, RidgeAdapter(TabularEncoder.fit(problem.table, "linear"), 1.0)))


def schools(count: int = 6, rows: int = 20, *, columns: int = 4, seed: int = 0) -> pd.DataFrame:
    """A long table: schools ``1 …``, features ``x0 …`` and ``colour``, targets ``score`` (a number) and ``passed``."""
    rng = np.random.default_rng(seed)
    school = np.repeat(np.arange(1, count + 1), rows)
    x = rng.normal(size=(len(school), columns)).round(3)
    slope = rng.normal(size=count + 1)[school]
    score = (2.0 * school + slope * x[:, 0] + 0.1 * rng.normal(size=len(school))).round(3)
    frame = pd.DataFrame({f"x{i}": x[:, i] for i in range(columns)})
    frame["colour"] = rng.choice(["red", "green", "blue"], len(frame))
    return frame.assign(school=school, score=score, passed=np.where(x[:, 1] + 0.2 * x[:, 2] > 0, "yes", "no"))


def letters(classes: str = "abcdefgh", rows: int = 8, *, seed: int = 0) -> pd.DataFrame:
    """A pool: rows of some letters, the first feature tells them apart."""
    rng = np.random.default_rng(seed)
    letter = np.repeat(list(classes), rows)
    place = np.array([(ord(c) - ord("a")) % 8 for c in letter], dtype=float)
    x = rng.normal(size=(len(letter), 3)).round(3)
    return pd.DataFrame(
        {"x0": (3 * place + 0.3 * x[:, 0]).round(3), "x1": x[:, 1], "x2": x[:, 2], "letter": letter}
    )
