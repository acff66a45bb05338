"""Refusals of what no balancer can take, one sentence each. `T` tasks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.errors import DataError

Array = NDArray[np.float64]

SYMMETRY = 1e-5
"""Largest |G_ij - G_ji| as a share of the largest entry; float32 products stay below."""


def loss_tensor(losses: Tensor, name: str, *, positive: bool) -> None:
    """Refuse what is not a vector (T,) of finite numbers.

    Raises:
        DataError: naming the first loss that is off.
    """
    if losses.ndim != 1 or len(losses) == 0 or not losses.is_floating_point():
        raise DataError(
            f"A balancer takes one loss a task as a vector of floats; got shape {tuple(losses.shape)} of "
            f"{losses.dtype}. Use torch.stack on the tasks' scalar losses."
        )
    _refuse_non_finite(losses.detach(), torch.isfinite(losses.detach()))
    if positive and bool((losses.detach() < 0).any()):
        place = int(losses.detach().argmin())
        raise DataError(
            f"{name} takes logarithms of losses, so none may be negative; loss {place} is {float(losses[place]):g}. "
            "Shift it above zero or choose another balancer."
        )


def loss_array(losses: Array | None, tasks: int, name: str, *, needed: bool) -> Array | None:
    """`losses` as float64 (T,), or None where they were neither given nor needed.

    Raises:
        DataError: if they are missing, of another length or not finite.
    """
    if losses is None:
        if needed:
            raise DataError(
                f"{name} weighs tasks by their losses too; got none. Pass losses=, one number a task."
            )
        return None
    found = np.asarray(losses, dtype=np.float64)
    if found.shape != (tasks,):
        raise DataError(
            f"A Gramian of {tasks} tasks goes with {tasks} losses; got shape {found.shape}. Pass one number a task."
        )
    _refuse_non_finite(found, np.isfinite(found))
    return found


def gramian(gramian: Array) -> Array:
    """`gramian` as float64 (T, T).

    Raises:
        DataError: if it is not square, symmetric, finite and of squared lengths on its diagonal.
    """
    found = np.asarray(gramian, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != found.shape[1] or len(found) == 0:
        raise DataError(
            f"A Gramian has one row and one column a task; got shape {found.shape}. "
            "Pass J @ J.T, where J holds a gradient a row."
        )
    finite = np.isfinite(found)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"Gradients must be finite to be balanced; the Gramian holds {found[row, column]} at tasks ({row}, "
            f"{column}). Skip this step, or lower the learning rate."
        )
    largest = np.abs(found).max()
    if np.abs(found - found.T).max() > SYMMETRY * largest or found.diagonal().min() < -SYMMETRY * largest:
        raise DataError(
            "A Gramian is symmetric with squared lengths on its diagonal; this matrix is not. "
            "Pass J @ J.T, where J holds a gradient a row."
        )
    return found


def positions(present: NDArray[np.bool_] | None, rows: int) -> tuple[NDArray[np.int64], int]:
    """Where the `rows` tasks of a step stand among all tasks (T',), and how many those are.

    Raises:
        DataError: if `present` does not mark as many tasks as there are rows.
    """
    if present is None:
        return np.arange(rows), rows
    places = np.flatnonzero(present)
    if len(places) != rows:
        raise DataError(
            f"present marks the tasks of a step, as many as it has losses; it marks {len(places)} beside {rows} losses."
        )
    return places, len(present)


def _refuse_non_finite(losses: Tensor | Array, finite: Tensor | NDArray[np.bool_]) -> None:
    if bool(finite.all()):
        return
    place = finite.tolist().index(False)
    raise DataError(
        f"Losses must be finite to be balanced; loss {place} is {float(losses[place])}. "
        "Skip this step, or lower the learning rate."
    )
