"""Which groups to train before anything is known of groups, and which to consider afterwards.

Symbols: ``T`` tasks, ``C`` candidates, ``n`` groups told. A group is ascending places of tasks; a set of groups
is a boolean matrix with one row a group, `members`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks import Array

Group = tuple[int, ...]
Members = NDArray[np.bool_]

LISTED_TASKS = 10
"""Up to so many tasks every group is a candidate; above, groups are drawn."""
FEWEST_TO_HALVE = 4
DRAWN = 256
"""Candidates drawn for one choice, fewer above 256 tasks."""
HALVINGS = 3
"""Times that many tasks are halved at the start."""


def first_groups(closeness: Array) -> list[Group]:
    """All tasks; of many tasks also halves of close ones, and halves of these, big groups that tell of many.

    Of few tasks the whole is enough: whether it helps decides whether to go on with big or small groups.

    Args:
        closeness: ``(T, T)``, symmetric; the larger, the more two tasks should have in common.
    """
    count = len(closeness)
    found = [tuple(range(count))]
    last = [np.arange(count)]
    for _ in range(HALVINGS if count > LISTED_TASKS else 0):
        last = [half for group in last if len(group) >= FEWEST_TO_HALVE for half in _halved(group, closeness)]
        found.extend(tuple(half.tolist()) for half in last)
    return found


def _halved(group: NDArray[np.intp], closeness: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Two equal parts along the main direction in which closeness varies (a spectral bisection)."""
    inside = closeness[np.ix_(group, group)]
    _, vectors = np.linalg.eigh(inside - inside.mean())
    order = np.argsort(vectors[:, -1], kind="stable")
    half = len(group) // 2
    return np.sort(group[order[:half]]), np.sort(group[order[half:]])


def candidates(hints: Sequence[Array], serving: Members, rng: np.random.Generator) -> list[Group]:
    """Groups worth predicting, without repeats: all there are of a few tasks, else some drawn around hints.

    Drawn are a task with those that a hint puts nearest to it, the groups that serve tasks now with a
    task added, left out or exchanged or joined with one another, and groups at random, of all sizes.

    Args:
        hints: Each ``(T, T)`` what a task (row) is thought to gain from another (column).
        serving: ``(B, T)`` the groups that serve some task best.
    """
    count = len(hints[0])
    if count <= LISTED_TASKS:
        return [group for size in range(2, count + 1) for group in combinations(range(count), size)]
    wanted = DRAWN if count <= 256 else DRAWN // 2
    parts = [_nearest(hint, wanted // (2 * len(hints)), rng) for hint in hints]
    parts.append(_random(count, wanted // 8, rng))
    if len(serving):
        parts.append(_changed(serving, wanted // 4, rng))
        parts.append(_joined(serving, wanted // 8, rng))
    everything = np.concatenate(parts)
    everything = np.unique(everything[everything.sum(axis=1) >= 2], axis=0)
    return [tuple(np.flatnonzero(row).tolist()) for row in everything]


def _sizes(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Sizes of groups ``(wanted,)`` from 2 to ``count``, small and big ones alike (log-uniform)."""
    drawn = np.exp(rng.uniform(np.log(2), np.log(count + 1), wanted))
    sizes: NDArray[np.intp] = drawn.astype(np.intp).clip(2, count)
    return sizes


def _nearest(hint: Array, wanted: int, rng: np.random.Generator) -> Members:
    count = len(hint)
    found = np.zeros((wanted, count), dtype=bool)
    centres = np.resize(rng.permutation(count), wanted)
    near = hint[centres] + hint[:, centres].T
    near[np.arange(wanted), centres] = np.inf
    order = np.argsort(-near, axis=1, kind="stable")
    for row, size in enumerate(_sizes(count, wanted, rng)):
        found[row, order[row, :size]] = True
    return found


def _random(count: int, wanted: int, rng: np.random.Generator) -> Members:
    rank = rng.random((wanted, count)).argsort(axis=1).argsort(axis=1)
    members: Members = rank < _sizes(count, wanted, rng)[:, None]
    return members


def _changed(serving: Members, wanted: int, rng: np.random.Generator) -> Members:
    """Each with one or two tasks flipped, or an eighth of them where there are many."""
    count = serving.shape[1]
    found = serving[rng.integers(len(serving), size=wanted)].copy()
    flips = rng.integers(1, max(2, count // 8) + 1, size=wanted)
    rank = rng.random(found.shape).argsort(axis=1).argsort(axis=1)
    changed: Members = found ^ (rank < flips[:, None])
    return changed


def _joined(serving: Members, wanted: int, rng: np.random.Generator) -> Members:
    """Unions, common parts and differences of two."""
    left, right = (serving[rng.integers(len(serving), size=wanted)] for _ in range(2))
    how = rng.integers(3, size=wanted)[:, None]
    joined: Members = np.where(how == 0, left | right, np.where(how == 1, left & right, left & ~right))
    return joined
