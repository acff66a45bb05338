"""Small tasks as tensors: what a learner adapts on (support) and what it is judged on (query).

Symbols: `E` episodes in a batch, `S` support rows, `Q` query rows, `W` ways (the most classes of an episode),
`P` the shape of a row's inputs. Episodes of uneven sizes are padded; masks say which rows are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from sharewise.errors import DataError


@dataclass(frozen=True, eq=False)
class Support:
    """The labelled rows of E tasks.

    Attributes:
        x: (E, S, *P) inputs; padded rows hold anything finite.
        y: (E, S) class places as int64, or numbers.
        mask: (E, S) bool, which rows are there.
        ways: (E,) int64 number of classes of each task, or None for regression.
        width: W, the most classes; 0 for regression. An adapted model gives this many log-probabilities a row.
    """

    x: Tensor
    y: Tensor
    mask: Tensor
    ways: Tensor | None
    width: int

    @property
    def one_hot(self) -> Tensor:
        """(E, S, W) as numbers of the inputs' precision: a row's class; zero in padded rows."""
        places = torch.arange(self.width, device=self.y.device)
        dtype = self.x.dtype if self.x.is_floating_point() else torch.get_default_dtype()
        return ((self.y[..., None] == places) & self.mask[..., None]).to(dtype)


@dataclass(frozen=True, eq=False)
class Episodes:
    """E tasks with support and query rows.

    Attributes:
        support_x: (E, S, *P) inputs.
        support_y: (E, S) class places 0 … W−1 as int64, or numbers for regression.
        support_mask: (E, S) bool, which support rows are there.
        query_x: (E, Q, *P) inputs.
        query_y: (E, Q) like `support_y`.
        query_mask: (E, Q) bool.
        ways: (E,) int64, or None for regression.
    """

    support_x: Tensor
    support_y: Tensor
    support_mask: Tensor
    query_x: Tensor
    query_y: Tensor
    query_mask: Tensor
    ways: Tensor | None = None

    def __len__(self) -> int:
        return len(self.support_y)

    def __getitem__(self, which: slice) -> Episodes:
        """Some of the episodes."""
        ways = None if self.ways is None else self.ways[which]
        parts = {field.name: getattr(self, field.name)[which] for field in fields(self)[:-1]}
        return Episodes(**parts, ways=ways)

    @property
    def width(self) -> int:
        """W, the most classes of an episode; 0 for regression."""
        return 0 if self.ways is None else int(self.ways.max())

    @property
    def support(self) -> Support:
        """What a learner may adapt on."""
        return Support(self.support_x, self.support_y, self.support_mask, self.ways, self.width)

    def to(self, target: torch.device | torch.dtype | str) -> Episodes:
        """On another device, or with inputs (and numbers to predict) of another precision."""
        if not isinstance(target, torch.dtype):
            parts = {f.name: getattr(self, f.name).to(target) for f in fields(self)[:-1]}
            return Episodes(**parts, ways=None if self.ways is None else self.ways.to(target))
        cast = replace(self, support_x=self.support_x.to(target), query_x=self.query_x.to(target))
        if self.ways is not None:
            return cast
        return replace(cast, support_y=self.support_y.to(target), query_y=self.query_y.to(target))

    @staticmethod
    def of(
        supports: Sequence[tuple[Tensor, Tensor]],
        queries: Sequence[tuple[Tensor, Tensor]],
        ways: Sequence[int] | None = None,
    ) -> Episodes:
        """Tasks of uneven sizes, padded with zeros to one batch.

        Args:
            supports: Of each task inputs (S_e, *P) and labels (S_e,).
            queries: Likewise (Q_e, *P) and (Q_e,).
            ways: Number of classes of each task; None for regression.

        Raises:
            DataError: There is no task, or a task lacks support or query rows.
        """
        if not supports or len(supports) != len(queries):
            raise DataError(
                "A batch holds one or more tasks, each with support and query rows; got "
                f"{len(supports)} supports and {len(queries)} queries. Pass both for each task."
            )
        for place, (support, query) in enumerate(zip(supports, queries, strict=True)):
            if not len(support[1]):
                raise no_rows("support", place)
            if not len(query[1]):
                raise no_rows("query", place)
        return Episodes(
            *_padded(supports), *_padded(queries), None if ways is None else torch.as_tensor(ways).long()
        )


def no_rows(side: str, place: int) -> DataError:
    """The error of a task without support or query rows."""
    return DataError(
        f"A task needs at least one {side} row; episode {place} has none. Leave the task out, or give it more rows."
    )


def check_support(support: Support) -> None:
    """Refuses what no learner can adapt on.

    Raises:
        DataError: A task has no rows, values that are not finite, one class only, more ways than classes with
            rows, or a label that is not among its classes.
    """
    there, y, ways = support.mask, support.y, support.ways
    empty = ~there.any(1)
    if bool(empty.any()):
        raise no_rows("support", int(empty.nonzero()[0, 0]))
    if support.x.is_floating_point() and not bool(support.x.isfinite().all()):
        bad = ~support.x.isfinite().flatten(2).all(2)
        raise DataError(
            f"Support inputs are finite; episode {int(bad.nonzero()[0, 0])} holds NaN or infinity in "
            f"{int(bad[bad.any(1)][0].sum())} of its rows. Fill the gaps or leave these rows out."
        )
    if ways is None:
        if not bool((y.isfinite() | ~there).all()):
            place = int((~y.isfinite() & there).nonzero()[0, 0])
            raise DataError(
                f"Support labels are finite; episode {place} holds NaN or infinity. Leave these rows out."
            )
        return
    _check_places(y, there, ways, "support")
    if int(ways.min()) < 2:
        place = int(ways.argmin())
        raise DataError(
            f"A support set holds at least two classes; that of episode {place} holds one. "
            "Add a labelled row of another class."
        )
    counts = (support.one_hot.sum(1) > 0).sum(1)
    short = counts < ways
    if bool(short.any()):
        place = int(short.nonzero()[0, 0])
        found, wanted = int(counts[place]), int(ways[place])
        if found == 1:
            raise DataError(
                f"A support set holds at least two classes; that of episode {place} holds one of {wanted}. "
                "Add a labelled row of another class."
            )
        raise DataError(
            f"Each way has a support row; episode {place} has {wanted} ways but rows of {found} classes. "
            "Lower the ways or add a labelled row of each missing class."
        )


def check_query(episodes: Episodes) -> None:
    """Refuses query rows that nothing can be judged on.

    Raises:
        DataError: A task has no query rows, or a query label that is not among its classes.
    """
    empty = ~episodes.query_mask.any(1)
    if bool(empty.any()):
        raise no_rows("query", int(empty.nonzero()[0, 0]))
    if episodes.ways is not None:
        _check_places(episodes.query_y, episodes.query_mask, episodes.ways, "query")


def _check_places(y: Tensor, there: Tensor, ways: Tensor, side: str) -> None:
    if y.is_floating_point():
        raise DataError(
            f"Classes are whole numbers; {side} labels are {y.dtype}. Pass int64 class places, or no ways for regression."
        )
    strange = ((y < 0) | (y >= ways[:, None])) & there
    if bool(strange.any()):
        place, row = (int(number) for number in strange.nonzero()[0])
        raise DataError(
            f"A label is one of its task's classes, 0 to {int(ways[place]) - 1}; episode {place} holds "
            f"{int(y[place, row])} in its {side}. Correct the label, or adapt with more ways."
        )


def _padded(rows: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (E, R, *P), labels (E, R) and mask (E, R), R the most rows of a task."""
    longest = max(len(y) for _, y in rows)
    x = rows[0][0].new_zeros(len(rows), longest, *rows[0][0].shape[1:])
    y = rows[0][1].new_zeros(len(rows), longest)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool, device=x.device)
    for place, (own_x, own_y) in enumerate(rows):
        x[place, : len(own_y)], y[place, : len(own_y)], mask[place, : len(own_y)] = own_x, own_y, True
    return x, y, mask
