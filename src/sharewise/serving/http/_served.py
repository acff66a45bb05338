"""A model and what it is asked: rows are checked here, and predicted here, many requests at once.

`Served.ask` runs where requests arrive and is cheap; `Served.answer` and `Served.adapt` run in the model's own thread, one at
a time, since adapting changes the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import SharewiseError, SharewiseWarning
from sharewise.problems import Target
from sharewise.problems._names import counted, listed, nearest
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._deployed import DeployedModel
from sharewise.serving.http._answers import rows_of, shares_of
from sharewise.serving.http._fields import JsonRow, fields_of, label_of
from sharewise.serving.http._refusal import Refusal
from sharewise.tasks import Classification

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Ask:
    """One request to predict, checked.

    Attributes:
        columns: Cells by field, each in the form of its kind.
        rows: How many.
        tasks: Names of the targets to answer.
        by: Name of the adapted task whose own model answers, in a pool of classes.
        shares: Whether probabilities are wanted.
        warnings: What is odd about the rows.
    """

    columns: Columns
    rows: int
    tasks: tuple[str, ...]
    by: str | None = None
    shares: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is said of the rows, in their order."""

    predictions: list[dict[str, Any]]
    shares: list[dict[str, dict[str, Any]]] | None = None


class Served:
    """Final. A `DeployedModel`, or an `AdaptedModel` of one task.

    Attributes:
        model: What answers.
        fields: Of a row.
    """

    def __init__(self, model: DeployedModel | AdaptedModel) -> None:
        self.model = model
        self.fields = fields_of(model.schema, levels=isinstance(model, DeployedModel))
        self._known = {
            *(field.name for field in self.fields),
            *model.schema.targets,
            *(target.name for target in model.targets),
            *model.schema.others,
        }
        self._seen = {field.name: frozenset(field.values or ()) for field in self.fields}

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is predicted."""
        return self.model.targets

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that it serves."""
        return self.model.tasks() if isinstance(self.model, DeployedModel) else (self.model.task,)

    @property
    def levels(self) -> tuple[str, ...]:
        """Values that the task column may hold."""
        return (*(self.model.schema.levels or ()), *(own.level for own in self.adapted.values()))

    @property
    def is_pool(self) -> bool:
        """Whether each task has classes of its own, and a model of its own."""
        return isinstance(self.model, DeployedModel) and self.model.model is None

    @property
    def adapts(self) -> bool:
        """Whether it learnt how to adapt to new tasks."""
        return isinstance(self.model, DeployedModel) and bool(self.model.adapters)

    @property
    def adapted(self) -> dict[str, AdaptedModel]:
        """The tasks adapted to, by name."""
        return dict(self.model.adapted) if isinstance(self.model, DeployedModel) else {}

    def ask(
        self, rows: Sequence[JsonRow], tasks: Sequence[str] | None = None, *, shares: bool = False
    ) -> Ask:
        """A request, checked by itself.

        Raises:
            Refusal: 404 for an unknown task, 409 for what the model does not do, 422 for rows that do not fit.
        """
        wanted, by = self._wanted(tasks)
        if shares and not any(isinstance(target.kind, Classification) for target in self.targets):
            raise Refusal(
                409, "probabilities are of classes; all tasks of this model are numbers. Leave them out."
            )
        columns = self._columns(rows)
        self._check_levels(columns)
        return Ask(columns, len(rows), wanted, by, shares, tuple(self._warnings(rows, columns)))

    def answer(self, asks: Sequence[Ask]) -> list[Answer]:
        """Answers to several requests, from as few calls of the model as they allow."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SharewiseWarning)  # each request has its own from `ask`
            return self._answer(asks)

    def _answer(self, asks: Sequence[Ask]) -> list[Answer]:
        found: dict[int, Answer] = {}
        for by, shares in dict.fromkeys((ask.by, ask.shares) for ask in asks):
            places = [place for place, ask in enumerate(asks) if (ask.by, ask.shares) == (by, shares)]
            together = self._predict([asks[place] for place in places], by, shares=shares)
            found |= dict(zip(places, together, strict=True))
        return [found[place] for place in range(len(asks))]

    def adapt(self, task: str, rows: Sequence[JsonRow], existing: str, most: int) -> AdaptedModel:
        """Adapt to labelled rows: a new task, further rows of one, or one anew.

        Args:
            task: Its name.
            rows: With labels of some targets.
            existing: What becomes of a task of that name: ``refuse``, ``update`` or ``replace``.
            most: Tasks that may be adapted to.

        Raises:
            Refusal: 409 for what the model does not do, 422 for rows that do not fit.
        """
        if not isinstance(self.model, DeployedModel):
            raise Refusal(
                409,
                f"this model is of the one task '{self.model.task}' and adapts to no other. Serve the study's model.",
            )
        frame = self._labelled(rows)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SharewiseWarning)
                if existing == "update":
                    return self.model.update(frame, task=task)
                if len(self.model.adapted) >= most:
                    raise Refusal(409, f"this server holds {most} adapted tasks at most. Start another one.")
                return self.model.adapt(frame, task=task, replace=existing == "replace")
        except SharewiseError as error:
            raise Refusal.of(error) from error

    def _labelled(self, rows: Sequence[JsonRow]) -> Any:
        columns = self._columns(rows, level=False)
        for field in map(label_of, self.targets):
            if any(field.name in row for row in rows):
                columns[field.name] = field.column([row.get(field.name) for row in rows])
        return columns

    def _columns(self, rows: Sequence[JsonRow], *, level: bool = True) -> Columns:
        found: Columns = {}
        lacking: list[str] = []
        for field in self.fields:
            try:
                found[field.name] = field.column([row[field.name] for row in rows])
            except KeyError:
                needed = field.required and (level or field.kind != "task")
                if needed or any(field.name in row for row in rows):
                    lacking.append(field.name)
        if lacking:
            self._refuse_lacking(rows, lacking)
        return found

    def _refuse_lacking(self, rows: Sequence[JsonRow], lacking: Sequence[str]) -> None:
        """In the library's own words where all rows lack the same."""
        place = next(place for place, row in enumerate(rows) if any(name not in row for name in lacking))
        missing = [name for name in lacking if name not in rows[place]]
        hint = nearest(missing[0], [name for name in rows[place] if name not in self._known])
        where = "it" if all(name not in row for row in rows for name in missing) else f"row {place + 1}"
        raise Refusal(
            422,
            f"a table to predict must hold every feature; {where} lacks {listed(missing, 20)}.{hint} "
            f"Add {'it' if len(missing) == 1 else 'them'}, with null if unknown.",
        )

    def _check_levels(self, columns: Columns) -> None:
        """Before the row waits with others: tasks are known, or were adapted to."""
        name = self.model.schema.level_name
        if name is None or not isinstance(self.model, DeployedModel):
            return
        known = self.levels
        unknown = sorted(set(columns[name].tolist()) - set(known))
        if unknown:
            hint = nearest(unknown[0], known) or f" Known are {listed(known, 5)}."
            raise Refusal(
                422,
                f"a row's task must be one the model was made for; '{name}' holds {listed(unknown)}.{hint} "
                "A new task needs a few labels: POST /adapt.",
            )

    def _warnings(self, rows: Sequence[JsonRow], columns: Columns) -> list[str]:
        found = []
        for field in self.fields:
            if field.kind == "category" and field.values is not None:
                new = sorted(
                    {cell for cell in columns[field.name] if cell is not None} - self._seen[field.name]
                )
                if new:
                    found.append(
                        f"column '{field.name}' holds values never seen in training ({listed(new, 3)}); "
                        "they count as unknown."
                    )
        extra = sorted(
            {name for row in rows if row.keys() - self._known for name in row.keys() - self._known}
        )
        if extra:
            found.append(f"{counted(len(extra), 'column')} not known to the model ignored: {listed(extra)}.")
        return found

    def _wanted(self, tasks: Sequence[str] | None) -> tuple[tuple[str, ...], str | None]:
        names = tuple(target.name for target in self.targets)
        if self.is_pool:
            return names, self._pool_task(tasks)
        for task in tasks or ():
            if task not in names:
                hint = nearest(task, names) or f" It answers {listed(names)}."
                own = self.model.schema.level_name
                where = "" if own is None else f" A row names its own task in the column '{own}'."
                raise Refusal(
                    404, f"a task to predict is one that the model answers; '{task}' is none.{hint}{where}"
                )
        return (names if tasks is None else tuple(dict.fromkeys(tasks))), None

    def _pool_task(self, tasks: Sequence[str] | None) -> str:
        if tasks is None or len(tasks) != 1:
            raise Refusal(
                409,
                'each task of a pool of classes has a model of its own; name one adapted task, as in "tasks": ["a name"].',
            )
        if tasks[0] not in self.adapted:
            raise Refusal(
                404,
                f"a task to predict is one that was adapted to; '{tasks[0]}' is none.{nearest(tasks[0], self.adapted)} "
                "Adapt to some labelled rows first.",
            )
        return tasks[0]

    def _predict(self, asks: Sequence[Ask], by: str | None, *, shares: bool) -> list[Answer]:
        model = self.model if by is None else self.adapted[by]
        frame = self._frame(asks)
        predicted = model.predict(frame)
        probable = model.predict_proba(frame) if shares else None
        ends = np.cumsum([ask.rows for ask in asks]).tolist()
        answers = []
        for ask, end in zip(asks, ends, strict=True):
            part = slice(end - ask.rows, end)
            rows = rows_of(predicted.iloc[part], ask.tasks)
            targets = [target for target in model.targets if target.name in ask.tasks]
            answers.append(
                Answer(rows, None if probable is None else shares_of(probable.iloc[part], targets))
            )
        return answers

    def _frame(self, asks: Sequence[Ask]) -> Any:
        """Rows of all requests as the library takes them."""
        names = [field.name for field in self.fields if all(field.name in ask.columns for ask in asks)]
        joined = {name: np.concatenate([ask.columns[name] for ask in asks]) for name in names}
        (first, *rest) = self.fields
        if rest or first.kind not in ("tensor", "sentence"):
            return joined
        if first.kind == "tensor":
            return joined[first.name]
        import pandas

        return pandas.DataFrame(joined)
