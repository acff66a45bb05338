"""Masked feature modelling for tables: which values were replaced, and what stood there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._corrupted import check_share, column_places, corrupt
from sharewise.meta._objective import Objective


@final
class MaskedFeatures(Objective):
    """VIME's self-supervised half (Yoon et al. 2020, https://proceedings.neurips.cc/paper/2020/hash/
    7d97667a3e056acab9aaf653807b4a03-Abstract.html).

    Some of a row's values are replaced by those of other rows (eq. 3). From the features of what results, one head says
    which (cross-entropy, eq. 5), and another the row as it was (squared error, eq. 6); the loss is the sum, the second
    weighed by α (eq. 4). A value that was replaced by its like counts as not replaced.

    Args:
        inputs: P, coordinates of a row.
        width: D, of the encoder's features.
        share: p, of the values that are replaced.
        weight: α.
        columns: Of each coordinate its column; coordinates of one column are replaced together. None for one each.
    """

    name: ClassVar[str] = "masked"
    axes: ClassVar[int] = 2
    columns: Tensor

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        share: float = 0.3,
        weight: float = 2.0,
        columns: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_share(share)
        if weight < 0:
            raise OptionError(f"The weight of reconstruction is not negative; got {weight}. Raise it.")
        self.share, self.weight = share, weight
        self.register_buffer("columns", column_places(inputs, columns))
        self.which, self.what = nn.Linear(width, inputs), nn.Linear(width, inputs)

    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        corrupted, _ = corrupt(batch, self.columns, self.share, generator)
        replaced = (corrupted != batch).to(batch.dtype)
        features = encoder(corrupted).flatten(1)
        found = F.binary_cross_entropy_with_logits(self.which(features), replaced)
        return found + self.weight * F.mse_loss(self.what(features), batch)
