"""From raw inputs to the numbers a family computes with.

One encoder a modality; each is fitted on training rows and then maps any rows. Tables are the first:

>>> import numpy as np
>>> from sharewise.problems import Column, Table
>>> from sharewise.modalities import TabularEncoder
>>> table = Table((Column("age", "number", np.array([1.0, np.nan, 3.0])),), 3)
>>> TabularEncoder.fit(table, "linear").transform(table).shape   # the value and its gap indicator
(3, 2)
"""

from sharewise.modalities._piecewise import PiecewiseLinear
from sharewise.modalities._scaling import Scaling
from sharewise.modalities._tabular import Style, TabularEncoder
from sharewise.modalities._word_columns import WordColumns

TABULAR_STATE: tuple[type, ...] = (PiecewiseLinear, Scaling, TabularEncoder, WordColumns)
"""The classes that a fitted encoder of tables is made of, for whoever stores it."""

__all__ = ["TABULAR_STATE", "PiecewiseLinear", "Style", "TabularEncoder"]
