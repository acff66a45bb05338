"""Whole groups into folds of equal content.

Symbols: ``n`` rows, ``S`` things to balance: the rows, the labels of each task, of each class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._problem import Problem
from sharewise.tasks import Classification

if TYPE_CHECKING:
    from scipy import sparse

SIZE_NOISE = 0.5
"""Spread (of the logarithm) by which group sizes are disturbed, so that seeds give other folds."""


def shares(problem: Problem, rows: NDArray[np.intp]) -> sparse.csr_array[np.float64]:
    """Sparse ``(n, S)``: for each thing to balance, each row's share of its total (columns sum to 1)."""
    from scipy import sparse

    labels = problem.labels[rows]
    columns: list[NDArray[np.intp]] = [np.zeros(len(rows), dtype=np.intp)]  # the rows themselves
    offset = 1
    level = np.zeros(len(rows), dtype=np.intp) if problem.level is None else problem.level[rows]
    for d, target in enumerate(problem.targets):
        known = ~np.isnan(labels[:, d])
        columns.append(np.where(known, offset + level, -1))
        offset += 1 if problem.levels is None else len(problem.levels)
        if isinstance(target.kind, Classification):
            columns.append(np.where(known, offset + np.nan_to_num(labels[:, d]).astype(np.intp), -1))
            offset += target.kind.width
    held = np.stack(columns, axis=1)
    row, _ = np.nonzero(held >= 0)
    column = held[held >= 0]
    totals = np.bincount(column, minlength=offset)
    return sparse.csr_array((1.0 / totals[column], (row, column)), shape=(len(rows), offset))


def packed(
    codes: NDArray[np.intp], shares: sparse.csr_array[np.float64], folds: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """The fold ``(n,)`` of each row, its whole group (``codes``) going where it is needed most.

    Groups come large first, in an order disturbed by the seed. Each goes to the fold where the sum
    of squared shares grows least, which drives all folds towards equal shares.
    """
    from scipy import sparse

    n_groups = int(codes.max()) + 1
    rows = np.arange(len(codes))
    belongs = sparse.csr_array((np.ones(len(codes)), (codes, rows)), shape=(n_groups, len(codes)))
    content = sparse.csr_array(belongs @ shares)
    sizes = np.bincount(codes) * np.exp(rng.normal(0.0, SIZE_NOISE, n_groups))
    held = np.zeros((folds, content.shape[1]))
    filled = np.zeros(folds, dtype=bool)
    fold_of = np.empty(n_groups, dtype=np.intp)
    names = rng.permutation(folds)
    for done, group in enumerate(np.argsort(-sizes, kind="stable")):
        part = slice(content.indptr[group], content.indptr[group + 1])
        where, amount = content.indices[part], content.data[part]
        cost = held[:, where] @ amount
        if n_groups - done <= int((~filled).sum()):
            cost[filled] = np.inf  # as many groups left as empty folds
        chosen = int(np.argmin(cost))
        held[chosen, where] += amount
        filled[chosen] = True
        fold_of[group] = names[chosen]
    return fold_of[codes]
