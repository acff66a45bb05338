"""A meta-learner's trained weights as plain arrays, and what it makes of a new task's few labels.

Symbols: ``n`` rows, ``k`` support rows, ``q`` query rows, ``W`` columns of a prediction, ``P`` the shape of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, StorageError
from sharewise.families import Part
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.strategies.new_tasks._learners import Option, make_learner
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._sample import Rows
from sharewise.tasks import Array

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sharewise.meta import MetaLearner

Job = tuple[Rows, Array, Rows]

MOST_ROWS = 4096
"""Rows of numbers that are predicted at once; of tensors an eighth."""
MOST_FLOATS = 2**24
"""About how many numbers the tasks of a chunk hold together, 64 MiB of them."""


@dataclass(frozen=True, eq=False)
class NetworkAdapter(Adapter):
    """A trained learner of `sharewise.meta`, rebuilt from its name and options when it is used.

    Attributes:
        learner, options: As `make_learner` takes them.
        inputs: From rows to what the learner reads.
        width: ``W``, the classes that it was built for, or 1 for numbers.
        mean, spread: Of the training tasks' numbers, by which targets are standardised; 0 and 1 for classes.
        weights: By parameter or buffer name.
        own: The user's encoder, for its structure; not stored.
    """

    learner: str
    options: dict[str, Option]
    inputs: NetworkInputs
    width: int
    mean: float
    spread: float
    weights: dict[str, NDArray[Any]]
    own: Any = field(init=False, default=None, repr=False)
    _built: dict[str, Any] = field(init=False, default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        trained: MetaLearner,
        learner: str,
        options: Mapping[str, Option],
        inputs: NetworkInputs,
        *,
        width: int,
        scale: tuple[float, float] = (0.0, 1.0),
        own_encoder: object | None = None,
    ) -> NetworkAdapter:
        """What ``make_learner(learner, options, …)`` gave, after training.

        Args:
            scale: Mean and spread of the training tasks' numbers.
            own_encoder: The module that it was built over, where inputs are tensors.
        """
        weights = {name: value.detach().cpu().numpy().copy() for name, value in trained.state_dict().items()}
        found = cls(learner, dict(options), inputs, width, *scale, weights)
        return found.with_encoder(own_encoder) if inputs.raw else found

    @property
    def built_by(self) -> tuple[str, str]:
        """Which entry point's learner it is."""
        return "sharewise.meta_learners", self.learner

    @property
    def needs_encoder(self) -> bool:
        """Whether the user's module is missing, as after loading."""
        return self.inputs.raw and self.own is None

    def with_encoder(self, encoder: object) -> NetworkAdapter:
        """This learner over a module built as the one it was trained with."""
        if not self.inputs.raw:
            return self
        found = replace(self)
        object.__setattr__(found, "own", encoder)  # frozen for everybody else
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_built": {}}

    def encode(self, table: Table) -> NDArray[Any]:
        """``(n, P)`` float32, or tensors as they are."""
        return self.inputs.transform(table)

    def rebuilt(self) -> MetaLearner:
        """The learner in its trained state; built once, and read only.

        Raises:
            NotFittedError: The user's encoder is missing.
            StorageError: The one given is another than in training.
        """
        if "learner" not in self._built:
            import torch

            fresh = make_learner(
                self.learner, self.options, shape=self.inputs.shape, width=self.width,
                own_encoder=self.own, dtype=self.inputs.dtype,
            )  # fmt: skip
            try:
                fresh.load_state_dict({name: torch.from_numpy(w.copy()) for name, w in self.weights.items()})
            except RuntimeError as error:
                raise StorageError(
                    "an encoder must have the parameters that the model was trained with; the one given differs. "
                    "Pass the same module as in training."
                ) from error
            self._built["learner"] = fresh.eval()
        learner: MetaLearner = self._built["learner"]
        return learner

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> NetworkPart:
        """A model of one task.

        Raises:
            DataError: The support cannot be adapted on: NaN, a single class, a class without rows.
        """
        adapted = self.rebuilt().adapt(as_tensor(X), self._labels(y, classes), ways=classes)
        state = {name: value.cpu().numpy() for name, value in adapted.state.items()}
        return NetworkPart(self, state, classes)

    def predict_each(self, X: NDArray[Any], jobs: Sequence[Job], classes: int | None) -> list[Array]:
        """Tasks with supports of one size are adapted and predicted together, as many as memory allows."""
        learner, rows = self._over_features(as_tensor(X))
        found: list[Array] = [np.empty(0)] * len(jobs)
        for places in self._chunks(jobs, rows, classes):
            parts = [jobs[place] for place in places]
            outputs = learner.predict(self._episodes(rows, parts, classes)).double().numpy()
            for place, job, values in zip(places, parts, outputs, strict=True):
                found[place] = self.said(values[: len(job[2])], classes)
        return found

    def said(self, outputs: Array, classes: int | None) -> Array:
        """A learner's outputs, log-probabilities ``(n, W)`` or numbers ``(n,)``, as predictions ``(n, W)``."""
        return np.exp(outputs) if classes is not None else outputs[:, None] * self.spread + self.mean

    def _labels(self, y: Array, classes: int | None) -> Tensor:
        import torch

        if classes is None:
            return torch.from_numpy(
                ((np.asarray(y, np.float64) - self.mean) / self.spread).astype(np.float32)
            )
        if not np.isfinite(y).all():
            raise DataError("Support labels are finite; some are NaN or infinity. Leave these rows out.")
        return torch.from_numpy(np.asarray(y).astype(np.int64))

    def _over_features(self, rows: Tensor) -> tuple[MetaLearner, Tensor]:
        """Where all that a learner reads of a row is its ``encoder``'s features, these are computed once for every
        row, however many tasks it is in, and the learner reads them instead."""
        import torch

        learner = self.rebuilt()
        encoder, light = self._split(learner)
        if encoder is None:
            return learner, rows
        step = most_rows(rows)
        with torch.no_grad():
            features = [encoder(rows[at : at + step]).flatten(1) for at in range(0, max(len(rows), 1), step)]
        return light, torch.cat(features)

    @staticmethod
    def _split(learner: MetaLearner) -> tuple[nn.Module | None, MetaLearner]:
        """What reads rows, and the learner over its features."""
        import torch

        from sharewise.strategies.new_tasks._encoders import Flat, LinearBeside

        split = learner.over_features()
        if split is not None:
            return split
        encoder = dict(learner.named_children()).get("encoder")
        if not isinstance(encoder, Flat | LinearBeside):
            return None, learner
        light = copy(learner)
        light._modules = {**learner._modules, "encoder": torch.nn.Identity()}
        return encoder, light

    def _chunks(self, jobs: Sequence[Job], rows: Tensor, classes: int | None) -> Iterator[list[int]]:
        """Places of jobs that are served together: supports of one size, few enough for `MOST_FLOATS`."""
        held = sum(weight.size for weight in self.weights.values())
        each = int(np.prod(rows.shape[1:])) + 4 * int(self.options.get("hidden", 64))
        sizes = np.array([(len(support), len(query)) for support, _, query in jobs]).reshape(-1, 2)
        for size in np.unique(sizes[:, 0]):
            own = np.flatnonzero(sizes[:, 0] == size)
            own = own[np.argsort(sizes[own, 1], kind="stable")]
            longest = int(sizes[own, 1].max())
            task = 3 * held + (size + longest) * each + size * size * ((classes or 1) + 1)
            most = max(1, int(MOST_FLOATS // task))
            for start in range(0, len(own), most):
                yield own[start : start + most].tolist()

    def _episodes(self, rows: Tensor, jobs: Sequence[Job], classes: int | None) -> Any:
        from sharewise.meta import Episodes

        supports = [(rows[s], self._labels(y, classes)) for s, y, _ in jobs]
        unknown = self._labels(np.zeros(max(len(q) for *_, q in jobs)), classes)
        queries = [(rows[q], unknown[: len(q)]) for *_, q in jobs]
        return Episodes.of(supports, queries, None if classes is None else [classes] * len(jobs))


@dataclass(frozen=True, eq=False)
class NetworkPart(Part):
    """A model of one task: its own few numbers beside the trunk that all tasks share.

    Attributes:
        adapter: The trunk, the same object for all tasks.
        state: Arrays by name, each ``(1, …)``: all that is this task's own.
        classes: Of the task; None for numbers.
    """

    adapter: NetworkAdapter
    state: dict[str, NDArray[Any]]
    classes: int | None

    def predict(self, X: NDArray[Any]) -> Array:
        """``(n, P) -> (n, W)``."""
        import torch

        from sharewise.meta import Adapted

        state = {name: torch.from_numpy(value.copy()) for name, value in self.state.items()}
        model = Adapted(self.adapter.rebuilt(), state, self.classes or 0)
        rows = as_tensor(X)
        step = most_rows(rows)
        parts = [model.predict(rows[start : start + step]) for start in range(0, max(len(rows), 1), step)]
        return self.adapter.said(torch.cat(parts).double().numpy(), self.classes)


def as_tensor(X: NDArray[Any]) -> Tensor:
    """Encoded rows as a learner takes them: float32, or tensors' own type."""
    import torch

    whole = X.astype(np.float32) if X.dtype == np.float64 else X
    return torch.from_numpy(np.ascontiguousarray(whole) if whole.flags.writeable else whole.copy())


def most_rows(rows: Tensor) -> int:
    """Rows that go through a network at once."""
    return MOST_ROWS if rows.ndim == 2 else MOST_ROWS // 8
