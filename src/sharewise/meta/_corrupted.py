"""Rows of a table of which some columns' values are those of other rows.

Symbols: `N` rows, `P` coordinates, `G` columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sharewise.errors import OptionError
from sharewise.meta._objective import uniform


def column_places(width: int, columns: Sequence[int] | None) -> Tensor:
    """(P,) places of the coordinates' columns, 0 … G−1; each coordinate is its own where nothing is said.

    Raises:
        OptionError: Not as many are named as there are coordinates.
    """
    if columns is None:
        return torch.arange(width)
    if len(columns) != width:
        raise OptionError(
            f"Each coordinate belongs to a column; got {len(columns)} columns for {width} coordinates. Name one a coordinate."
        )
    return torch.unique(torch.tensor(columns), return_inverse=True)[1]  # type: ignore[no-any-return]


def corrupt(
    batch: Tensor, columns: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The batch with some of its cells replaced, and which coordinates these are, (N, P) bool.

    Each row's cell in each column is replaced with probability `share`, by that of a row of the batch drawn for it: a
    draw from the column's marginal distribution, as the batch itself was drawn from all rows. Coordinates of one column
    (one-hot levels, bins of a number) go together.

    Args:
        batch: (N, P).
        columns: (P,) places of columns, as `column_places` gives them.
    """
    count = len(batch)
    shape = (count, int(columns.max()) + 1)
    chosen = (uniform(shape, generator, batch) < share)[:, columns]
    donors = torch.randint(count, shape, generator=generator).to(batch.device)[:, columns]
    return torch.where(chosen, batch.gather(0, donors), batch), chosen


def check_share(share: float) -> None:
    """Refuses a share of nothing or all.

    Raises:
        OptionError: It is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise OptionError(f"A share of cells lies between 0 and 1; got {share}. Pass 0.3, say.")
