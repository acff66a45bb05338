"""Systems of a ridge form, solved on the smaller side.

Symbols: `E` tasks, `S` rows, `D` features, `C` right-hand sides.
"""

from __future__ import annotations

import torch
from torch import Tensor


def solve_ridge(rows: Tensor, penalty: Tensor, right: Tensor) -> Tensor:
    """(X'X + λI)⁻¹ B, shape (E, D, C), for X (E, S, D), λ > 0 (E,) or () and B (E, D, C).

    Where S < D, by Woodbury's identity with an S×S system: (B − X'(XX' + λI)⁻¹XB) / λ.
    """
    lam = penalty.expand(len(rows))[:, None, None]
    if rows.shape[1] >= rows.shape[2]:
        return _solve(rows.mT @ rows, lam, right)
    return (right - rows.mT @ _solve(rows @ rows.mT, lam, rows @ right)) / lam


def fit_ridge(rows: Tensor, penalty: Tensor, targets: Tensor) -> Tensor:
    """The w (E, D, C) with the least |Xw − Y|² + λ|w|², for targets Y (E, S, C).

    Where S < D this is X'(XX' + λI)⁻¹Y, an S×S system (R2-D2, eq. 5). Rows of zeros with targets zero do not matter.
    """
    lam = penalty.expand(len(rows))[:, None, None]
    if rows.shape[1] >= rows.shape[2]:
        return _solve(rows.mT @ rows, lam, rows.mT @ targets)
    return rows.mT @ _solve(rows @ rows.mT, lam, targets)


def _solve(gram: Tensor, lam: Tensor, right: Tensor) -> Tensor:
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    # No check of positive definiteness, which λ > 0 gives: a check would wait for the device at each step.
    factor, _ = torch.linalg.cholesky_ex(gram + lam * eye)
    return torch.cholesky_solve(right, factor)
