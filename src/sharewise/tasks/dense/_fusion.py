"""One set of boxes out of several networks' sets for the same picture.

Symbols: ``M`` networks, ``n`` boxes as (x1, y1, x2, y2, class, score), in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sharewise.tasks.dense._boxes import overlaps

Found = NDArray[np.float32]


def fused(sets: Sequence[Found], *, overlap: float = 0.55) -> Found:
    """Weighted boxes fusion (Solovyev et al. 2021, https://arxiv.org/abs/1910.13302, section 3): of the ``M`` sets
    ``(n, 6)`` each, one ``(m, 6)``, surest first.

    Boxes of a class that overlap by more than ``overlap`` are one thing, whose corners are their mean by scores
    (eq. 2 and 3). Its score is their sum over ``M`` (eq. 1 and 5 put together), each network counting once, so that what
    one network alone saw is less sure. Unlike the paper's, a cluster stays around its surest box: boxes are looked at in
    order and none moves what came before.
    """
    if len(sets) == 1:
        return sets[0]
    boxes = np.concatenate([np.zeros((0, 6), np.float32), *sets]).astype(np.float32)
    owner = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    order = np.argsort(-boxes[:, 5], kind="stable")
    boxes, owner = boxes[order], owner[order]
    corners = torch.from_numpy(boxes[:, :4])
    near = overlaps(corners, corners).numpy() > overlap
    near &= boxes[:, None, 4] == boxes[None, :, 4]
    np.fill_diagonal(near, True)  # an empty box overlaps nothing, not even itself
    free = np.ones(len(boxes), dtype=bool)
    found = []
    for place in range(len(boxes)):
        if not free[place]:
            continue
        own = np.flatnonzero(near[place] & free)
        free[own] = False
        _, first = np.unique(owner[own], return_index=True)  # each network's surest
        own = own[first]
        score = boxes[own, 5]
        mean = (boxes[own, :4] * score[:, None]).sum(axis=0) / max(float(score.sum()), 1e-9)
        found.append([*mean, boxes[place, 4], score.sum() / len(sets)])
    result = np.array(found, dtype=np.float32).reshape(-1, 6)
    return result[np.argsort(-result[:, 5], kind="stable")]
