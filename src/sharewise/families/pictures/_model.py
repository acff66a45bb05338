"""Fitted networks for pictures as plain arrays, and what they say of new pictures.

Symbols: ``n`` pictures, ``K`` inner folds, ``D`` targets, ``L`` levels; cells as in `_design`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.families._module_nets import Snapshot
from sharewise.families._sample import Model, Predictions, blank
from sharewise.families.pictures._design import Design, picture_shape
from sharewise.problems import Table
from sharewise.tasks import Array, RaggedKind


@dataclass(frozen=True)
class PictureNets(Model):
    """Committees of networks, one an inner fold; several cells may be served by one network.

    Attributes:
        common: The backbone's weights where it is frozen, which all networks read through; empty else.
        snapshots: The other weights of every network that serves some cell.
        serves: ``(D·L, K)`` the snapshots put together for each cell, -1 for none.
        mean, spread: ``(D·L, K)`` by which each network's numbers were standardised.
        constant: By target what is said where no network serves: ``(L, W)``, or the template of a ragged kind.
    """

    design: Design
    common: dict[str, NDArray[Any]]
    snapshots: tuple[Snapshot, ...]
    serves: NDArray[np.int64]
    mean: Array
    spread: Array
    constant: tuple[NDArray[Any], ...]
    built: Any = field(init=False, default=None, repr=False, compare=False)

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        """As `Model.predict`.

        Raises:
            DataError: These are no pictures of the shape that the networks learnt from.
        """
        shape = picture_shape(table)
        if shape != self.design.shape:
            want = " × ".join(map(str, self.design.shape))
            got = "no pictures" if shape is None else " × ".join(map(str, shape))
            raise DataError(
                f"pictures have the channels, height and width that the model learnt from, {want}; got {got}. Decode "
                "them as those were."
            )
        from sharewise.families.pictures._predict import predicted

        code = np.zeros(len(table), dtype=np.intp) if level is None else level
        found = [self._floor(target, code) for target in range(len(self.design.kinds))]
        predicted(self, table, code, found)
        return found

    def _floor(self, target: int, code: NDArray[np.intp]) -> NDArray[Any]:
        kind = self.design.kinds[target]
        if isinstance(kind, RaggedKind):
            return kind.spread(self.constant[target], [1] * len(code))
        if not len(code):
            return blank(kind, 0)
        values: NDArray[Any] = self.constant[target][code].copy()
        return values
