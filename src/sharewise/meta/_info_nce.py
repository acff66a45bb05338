"""Contrastive losses: a row's other view is told from the views of other rows.

Symbols: `N` rows, `D` width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(anchors: Tensor, views: Tensor, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al. 2018, https://arxiv.org/abs/1807.03748, eq. 4) with cosines over a temperature.

    The mean over i of −log exp(s_ii) / Σ_k exp(s_ik); SCARF's algorithm 1 divides the sum by N, a constant apart.

    Args:
        anchors, views: (N, D); those of one place belong together.

    Returns:
        ().
    """
    similar = F.normalize(anchors, dim=1) @ F.normalize(views, dim=1).mT / temperature
    return F.cross_entropy(similar, torch.arange(len(similar), device=similar.device))


def nt_xent(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """SimCLR's loss (Chen et al. 2020, https://arxiv.org/abs/2002.05709, eq. 1): of all 2N − 1 other views, which is of
    the same row; the mean over all 2N.

    Args:
        one, other: (N, D), two views of the same rows.

    Returns:
        ().
    """
    both = F.normalize(torch.cat([one, other]), dim=1)
    similar = both @ both.mT / temperature
    similar = similar.masked_fill(torch.eye(len(both), dtype=torch.bool, device=both.device), -torch.inf)
    partners = torch.arange(len(both), device=both.device).roll(len(one))
    return F.cross_entropy(similar, partners)
