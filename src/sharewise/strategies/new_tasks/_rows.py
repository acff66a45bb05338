"""Rows as plain numbers for whoever learns from few labels without a network.

Symbols: ``n`` rows, ``P`` numbers of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.errors import DataError
from sharewise.problems import Table
from sharewise.strategies.new_tasks._network_inputs import NetworkInputs
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.tasks import Array

TEXT_WIDTH = 24
"""Latent dimensions of a text column in a long table, as in the families."""
POOL_TEXT_WIDTH = 1024
"""In a pool of classes, which often differ in nothing but their words; the same for networks."""


def readable(table: Table) -> bool:
    """Whether rows hold numbers in the sense of this module: codes of tokens are none."""
    if not table.columns:
        return False
    return all(column.values.dtype.kind in "fu" for column in table.of_kind("tensor"))


@dataclass(frozen=True)
class RowReader:
    """A fitted map from ``n`` rows to ``(n, P)`` standardised numbers; no label is looked at.

    Gaps are filled, categories are indicators, text is latent dimensions, tensors are laid flat.

    Attributes:
        inputs: The map of columns.
        centre, scale: Of all numbers together where rows are tensors; 0 and 1 else.
    """

    inputs: NetworkInputs
    centre: float
    scale: float

    @classmethod
    def fit(cls, sample: TaskSample) -> RowReader:
        """Learn medians, scales, categories and vocabularies from the training tasks' rows.

        Raises:
            DataError: Rows hold codes.
        """
        if not readable(sample.table):
            raise DataError(
                "rows are read as numbers where columns hold numbers, categories, text or tensors of measurements; "
                f"got {', '.join(column.name for column in sample.table) or 'no column'}. Use the network family."
            )
        table = sample.table.take(np.flatnonzero(sample.train))
        width = TEXT_WIDTH if sample.ways is None else POOL_TEXT_WIDTH
        inputs = NetworkInputs.fit(table, text_width=width)
        if not inputs.raw:
            return cls(inputs, 0.0, 1.0)
        values = inputs.transform(table).astype(np.float64)
        return cls(inputs, float(values.mean()), max(float(values.std()), 1e-12))

    def transform(self, table: Table) -> Array:
        values = self.inputs.transform(table).reshape(len(table), -1).astype(np.float64)
        return (values - self.centre) / self.scale if self.inputs.raw else values
