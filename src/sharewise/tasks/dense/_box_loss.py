"""What a box head learns by: focal loss, GIoU, centreness (FCOS, https://arxiv.org/abs/1904.01355, eq. 2 and section 3.3).

Symbols: `B` pictures, `P` places, `K` classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sharewise.tasks.dense._box_head import corners
from sharewise.tasks.dense._boxes import generalised_overlap
from sharewise.tasks.dense._places import Places, Targets


def box_loss(outputs: Tensor, places: Places, targets: Sequence[Targets]) -> Tensor:
    """The loss () of a batch (B, P, 5 + K), a mean over the places that have a box.

    Distances are weighted by centreness, as in the authors' code, since places at a box's border see little of it.
    Without any box the focal loss alone remains.
    """
    labels = torch.stack([target.labels for target in targets])
    inside = labels >= 0
    count = inside.sum().clamp(min=1)
    hot = F.one_hot(labels.clamp(min=0), outputs.shape[2] - 5).to(outputs) * inside[..., None]
    total = focal(outputs[..., 5:], hot).sum() / count
    if not bool(inside.any()):
        return total
    centre = torch.stack([target.centreness for target in targets])[inside]
    wanted = corners(places, torch.stack([target.distances for target in targets]))[inside]
    found = corners(places, outputs[..., :4])[inside]
    apart = 1 - generalised_overlap(found, wanted)
    total = total + (apart * centre).sum() / centre.sum().clamp(min=1e-6)
    return total + F.binary_cross_entropy_with_logits(outputs[..., 4][inside], centre)


def focal(logits: Tensor, wanted: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """−α_t (1 − p_t)^γ log p_t, element by element (Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 5): what is
    already right counts little, so that the many places without a box do not drown the few with one."""
    cross = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    chance = logits.sigmoid()
    right = chance * wanted + (1 - chance) * (1 - wanted)
    weight = alpha * wanted + (1 - alpha) * (1 - wanted)
    return weight * (1 - right) ** gamma * cross
