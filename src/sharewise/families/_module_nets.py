"""Fitted torch networks as plain arrays: rebuilt from their configuration when they predict.

Symbols: ``n`` rows, ``K`` inner folds, ``D`` targets, ``L`` levels (1 in a wide problem); a *cell* is one
(target, level), its code ``target * L + level``.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import NotFittedError, StorageError
from sharewise.families._architectures import PLAIN, build_network
from sharewise.families._base import Configuration
from sharewise.families._parts import softmax
from sharewise.families._sample import Model, Predictions
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.tasks import Array, Classification, Kind

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sharewise.networks import MultiTaskNetwork

MOST_ROWS = 4096
"""Rows predicted at once."""


@dataclass(frozen=True)
class Snapshot:
    """One network's weights.

    Attributes:
        cells: The cells that its heads serve, in their order.
        weights: By parameter or buffer name.
    """

    cells: tuple[int, ...]
    weights: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class ModuleNets(Model):
    """Committees of networks, one network an inner fold.

    Attributes:
        learner: The architecture, as `Configuration` names it.
        widths: Of the perceptron's hidden layers; empty where the encoder is the user's own.
        encoder: Of tables; None for a column of tensors, which the user's own encoder reads.
        shape, dtype: Of one row's inputs.
        features: Numbers that the network's encoder gives a row.
        kinds: Of the ``D`` targets.
        snapshots: All networks' weights that serve some cell.
        serves: ``(D·L, K)`` the snapshots averaged for each cell, -1 for none.
        mean, spread: ``(D·L, K)`` scale of what each network says of a cell.
        constant: ``D`` arrays ``(L, W)``: the prediction where no network serves.
        own: The user's encoder, for its structure; not stored.
    """

    learner: str
    widths: tuple[int, ...]
    encoder: TabularEncoder | None
    shape: tuple[int, ...]
    dtype: str
    features: int
    kinds: tuple[Kind, ...]
    snapshots: tuple[Snapshot, ...]
    serves: NDArray[np.int64]
    mean: Array
    spread: Array
    constant: tuple[Array, ...]
    own: Any = field(init=False, default=None, repr=False, compare=False)

    @property
    def levels(self) -> int:
        return len(self.serves) // len(self.kinds)

    @property
    def built_by(self) -> tuple[str, str] | None:
        """Which entry point's architecture it is; None for plain hard sharing, which is none of them."""
        return None if self.learner in PLAIN else ("sharewise.architectures", self.learner)

    @property
    def needs_encoder(self) -> bool:
        """Whether the user's module is missing, as after loading."""
        return self.encoder is None and self.own is None

    def with_encoder(self, encoder: object) -> ModuleNets:
        """These networks over a module built as the one they were trained with."""
        if self.encoder is not None:
            return self
        found = replace(self)
        object.__setattr__(found, "own", encoder)  # frozen for everybody else
        return found

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = as_inputs(table, self.encoder)
        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        found = [self.constant[d][code].copy() for d in range(len(self.kinds))]
        served = self.serves >= 0
        sums = [np.zeros_like(values) for values in found]
        for place, network in enumerate(self._networks()):
            outputs = outputs_of(network, X)
            for cell, fold in np.argwhere(self.serves == place).tolist():
                target, at = divmod(cell, self.levels)
                rows = np.flatnonzero(code == at)
                scale = float(self.mean[cell, fold]), float(self.spread[cell, fold])
                sums[target][rows] += as_said(outputs[name_of(cell)][rows], self.kinds[target], *scale)
        for target in range(len(self.kinds)):
            counts = served[target * self.levels + code].sum(axis=1)
            rows = np.flatnonzero(counts)
            found[target][rows] = sums[target][rows] / counts[rows, None]
        return found

    def _networks(self) -> Iterator[MultiTaskNetwork]:
        import torch

        for snapshot in self.snapshots:
            network = rebuilt(self, snapshot.cells)
            kept = {name: torch.from_numpy(value.copy()) for name, value in snapshot.weights.items()}
            try:
                network.load_state_dict(kept)
            except RuntimeError as error:
                raise StorageError(
                    "an encoder must have the parameters that the model was trained with; the one given differs. "
                    "Pass the same module as in training."
                ) from error
            yield network.eval()


def name_of(cell: int) -> str:
    """A cell's task, as networks name it."""
    return f"t{cell}"


def as_said(raw: Array, kind: Kind, mean: float, spread: float) -> Array:
    """Outputs ``(n, W)`` as probabilities, or as numbers in the target's own units."""
    return softmax(raw) if isinstance(kind, Classification) else raw * spread + mean


def as_inputs(table: Table, encoder: TabularEncoder | None) -> Tensor:
    """Rows as networks take them: encoded columns ``(n, P)``, or the column of tensors ``(n, …)``."""
    import torch

    if encoder is not None:
        return torch.from_numpy(encoder.transform(table).astype(np.float32))
    (column,) = table.of_kind("tensor")
    return torch.from_numpy(np.ascontiguousarray(column.values))


def perceptron(inputs: int, widths: tuple[int, ...], dropout: float) -> nn.Module:
    """The encoder of a table's rows."""
    from sharewise.networks import mlp

    return mlp(inputs, widths, dropout=dropout)


def rebuilt(nets: ModuleNets, cells: tuple[int, ...]) -> MultiTaskNetwork:
    """A network of some cells, its weights not yet set."""
    import torch

    if nets.needs_encoder:
        raise NotFittedError(
            "a model with an encoder of your own predicts through it, and files hold no code. Pass the module: "
            "sharewise.load(folder, encoder=module)."
        )
    with torch.random.fork_rng(devices=[]):
        own = nets.encoder is None
        encoder = deepcopy(nets.own) if own else perceptron(nets.shape[0], nets.widths, 0.0)
        outputs = {name_of(cell): nets.kinds[cell // nets.levels].outputs for cell in cells}
        example = torch.from_numpy(np.zeros((2, *nets.shape), dtype=nets.dtype))
        return build_network(Configuration(nets.learner), encoder, outputs, nets.features, example)


def outputs_of(network: MultiTaskNetwork, X: Tensor) -> dict[str, Array]:
    """Every task's outputs ``(n, W)`` in float64."""
    import torch

    with torch.inference_mode():
        parts = [network(X[start : start + MOST_ROWS]) for start in range(0, max(len(X), 1), MOST_ROWS)]
    return {task: torch.cat([part[task] for part in parts]).double().numpy() for task in network.tasks}
