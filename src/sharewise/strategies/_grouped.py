"""Some tasks learn together, the others are left out: one candidate of the search over groups.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels (1 in a wide problem), ``T`` tasks. A *cell* is one
(target, level); its code is ``target * L + level``, so it is the target's place in a wide problem and the
level's in a long one with one target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.families import Configuration, Family, Fit, Model, Predictions, Run, Sample
from sharewise.problems import Problem, Table
from sharewise.strategies._base import Strategy

GROUP_OPTION = "tasks"
"""The option of a configuration that names its group."""
FEWEST_TASKS = 3
"""Two tasks have but one group, which is all of them."""
Group = tuple[int, ...]
"""Codes of cells, ascending."""


@dataclass(frozen=True)
class GroupModel(Model):
    """A model of some cells; silent (NaN) about all others.

    Attributes:
        model: Of the group's targets and levels alone, both recoded to 0, 1, …
        targets: Place of each of the model's targets among all ``D``.
        widths: ``D`` widths of the predictions.
        levels: ``(L,)`` the model's code of each level, -1 outside the group; None in a wide problem.
        members: ``(D, L)`` whether the cell belongs to the group.
    """

    model: Model
    targets: tuple[int, ...]
    widths: tuple[int, ...]
    levels: NDArray[np.intp] | None
    members: NDArray[np.bool_]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        if self.levels is None or level is None:
            rows = np.arange(len(table))
            own = self.model.predict(table, None)
            code = np.zeros(len(table), dtype=np.intp)
        else:
            rows = np.flatnonzero(self.levels[level] >= 0)
            code = level[rows]
            own = self.model.predict(table.take(rows), self.levels[code]) if len(rows) else []
        return _spread(own, self.targets, self.widths, self.members, rows, code, len(table))


def _spread(
    own: Predictions,
    targets: tuple[int, ...],
    widths: tuple[int, ...],
    members: NDArray[np.bool_],
    rows: NDArray[np.intp],
    code: NDArray[np.intp],
    count: int,
) -> Predictions:
    """Predictions of the group's targets on ``rows`` as those of all targets on ``count`` rows.

    Args:
        own: One array ``(len(rows), W_d)`` a target of the group.
        code: ``(len(rows),)`` levels of the rows.
    """
    found = [np.full((count, width), np.nan) for width in widths]
    for place, values in zip(targets, own, strict=False):  # no rows, no predictions
        inside = members[place, code]
        found[place][rows[inside]] = values[inside]
    return found


def fit_group(sample: Sample, family: Family, configuration: Configuration, group: Group, run: Run) -> Fit:
    """Fit the cells of a group together, in the family's own way, on their own labels only.

    A wide problem keeps the group's targets and the rows labelled for one of them; a long one keeps the
    rows of the group's levels. Inner folds are cut down to these rows, and one that loses its training or
    its validation rows is left out.

    Args:
        configuration: Of the family's side ``together``.
        group: Codes of at least two cells.

    Returns:
        A `GroupModel`, and held-out predictions in the sample's shape, both NaN outside the group.

    Raises:
        DataError: No inner fold keeps rows of the group on both sides.
    """
    targets, levels, members = _places(sample, group)
    widths = tuple(target.kind.width for target in sample.targets)
    if members.all():
        rows, part = np.arange(len(sample)), sample
    else:
        rows, part = _restricted(sample, targets, levels, members)
    if not part.folds:
        raise DataError(
            f"a group must have labelled rows in both parts of an inner fold; that of cells "
            f"{written(group)} has none in {len(sample)} rows. Leave these tasks to their own models."
        )
    fit = family.together(part, configuration, run)
    recoded = None
    if sample.level is not None:
        recoded = np.full(sample.n_levels, -1, dtype=np.intp)
        recoded[levels] = np.arange(len(levels))
    model = GroupModel(fit.model, tuple(targets.tolist()), widths, recoded, members)
    code = np.zeros(len(rows), dtype=np.intp) if sample.level is None else sample.level[rows]
    return Fit(model, _spread(fit.held_out, model.targets, widths, members, rows, code, len(sample)))


def _places(sample: Sample, group: Group) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """The group's targets, its levels (both ascending), and which cells ``(D, L)`` are in it."""
    members = np.zeros((len(sample.targets), sample.n_levels), dtype=bool)
    codes = np.unique(np.asarray(group, dtype=np.intp))
    if len(codes) < 2 or codes[0] < 0 or codes[-1] >= members.size:
        raise OptionError(
            f"a group names at least two of {members.size} cells by their codes; got '{written(group)}'. "
            "Take them from `cell_codes`."
        )
    members.flat[codes] = True
    return np.flatnonzero(members.any(axis=1)), np.flatnonzero(members.any(axis=0)), members


def _restricted(
    sample: Sample, targets: NDArray[np.intp], levels: NDArray[np.intp], members: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], Sample]:
    """The rows with a label of the group, and the sample of these rows, targets, levels and labels."""
    labels = sample.labels[:, targets]
    code = np.zeros(len(sample), dtype=np.intp) if sample.level is None else sample.level
    labels = np.where(members[targets][:, code].T, labels, np.nan)
    rows = np.flatnonzero((~np.isnan(labels)).any(axis=1))
    part = replace(
        sample,
        table=sample.table.take(rows),
        targets=tuple(sample.targets[place] for place in targets),
        labels=labels[rows],
        level=None if sample.level is None else np.searchsorted(levels, sample.level[rows]),
        n_levels=len(levels),
        folds=sample.folds_within(rows),
    )
    return rows, part


def cell_codes(problem: Problem) -> NDArray[np.intp]:
    """Each task's cell ``(T,)``: how `GROUP_OPTION` names it."""
    count = 1 if problem.levels is None else len(problem.levels)
    return np.array([task.target * count + (task.level or 0) for task in problem.tasks], dtype=np.intp)


def written(group: Iterable[int]) -> str:
    """Codes as an option holds them: ``(0, 1, 2, 7)`` is ``"0-2,7"``."""
    runs: list[list[int]] = []
    for code in sorted(set(group)):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def read(text: str) -> Group:
    """The codes that `written` wrote.

    Raises:
        OptionError: The text is something else.
    """
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        last = last if dash else first
        if not first.isdecimal() or not last.isdecimal():
            raise OptionError(f"a group is written like '0-2,7'; got '{text}'. Take it from `written`.")
        found.extend(range(int(first), int(last) + 1))
    return tuple(found)


def of_group(configuration: Configuration, group: Iterable[int]) -> Configuration:
    """The configuration of a family with the group in its options."""
    options = {**dict(configuration.options), GROUP_OPTION: written(group)}
    return replace(configuration, options=tuple(sorted(options.items())))


def parted(configuration: Configuration) -> tuple[Configuration, Group]:
    """The family's own configuration, and the group.

    Raises:
        OptionError: It names no group.
    """
    options = dict(configuration.options)
    named = options.pop(GROUP_OPTION, None)
    if named is None:
        raise OptionError(f"a grouped configuration names its '{GROUP_OPTION}'; got {configuration}.")
    return replace(configuration, options=tuple(sorted(options.items()))), read(str(named))


class Grouped(Strategy):
    """Each task is served by the group of tasks it learns best with (Standley et al. 2020).

    A configuration is one group in one of the family's settings; which groups to try is for `GroupSearch`
    to say, trial by trial, so there is no search space to list beforehand.
    """

    name: ClassVar[str] = "grouped"
    shares: ClassVar[bool] = True
    choice: ClassVar[Literal["task", "problem", "group"]] = "group"
    direct: ClassVar[Literal["alone", "together"] | None] = None
    partial: ClassVar[bool] = True

    def refusal(self, problem: Problem) -> str | None:
        if problem.answers:
            return "groups are sought among tasks whose answers are numbers or classes"
        if len(problem.tasks) >= FEWEST_TASKS:
            return None
        return f"groups are sought among at least {FEWEST_TASKS} tasks"

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        return ()

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        own, group = parted(configuration)
        return fit_group(sample, family, own, group, run)
