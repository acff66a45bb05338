"""The likelihood of numbers under a Gaussian for each query row.

Symbols: `E` episodes, `Q` query rows.
"""

from __future__ import annotations

import math

from torch import Tensor

from sharewise.meta._episodes import Episodes


def gaussian_losses(mean: Tensor, variance: Tensor, episodes: Episodes) -> Tensor:
    """(E,) mean over an episode's query rows of −log N(y | mean, variance), both (E, Q)."""
    there = episodes.query_mask
    # Padded labels may be anything; a NaN among them would reach the gradient through a mask of the losses alone.
    errors = episodes.query_y.masked_fill(~there, 0).to(mean.dtype) - mean
    losses = 0.5 * (errors.square() / variance + variance.log() + math.log(2 * math.pi))
    return losses.masked_fill(~there, 0).sum(1) / there.sum(1)
