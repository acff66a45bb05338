"""A model and what it is asked: rows are checked here, and predicted here, many requests at once.

`Served.ask` runs where requests arrive and is cheap; `Served.answer` and `Served.adapt` run in the model's own thread, one at
a time, since adapting changes the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from sharewise.errors import SharewiseError, SharewiseWarning
from sharewise.problems import Target
from sharewise.problems._names import counted, listed, nearest
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._deployed import DeployedModel
from sharewise.serving._rows import predictions, probabilities
from sharewise.serving.http._answers import cells_of, rows_of, shares_of
from sharewise.serving.http._asks import Answer, Ask, Columns, table_of
from sharewise.serving.http._fields import JsonRow, fields_of, label_of, size_of
from sharewise.serving.http._limits import Limits
from sharewise.serving.http._refusal import Refusal, brief
from sharewise.tasks import Classification

_COMPARED = 500
"""Names that one is compared with at most, to find which was meant: it takes time, and a row may hold any number."""


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
        self._kept: dict[str, int] = {}  # bytes of labelled rows by adapted task
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

    def warm(self) -> None:
        """Predict a blank row: what a first prediction imports and builds is there before anybody waits for it.

        A blank row may be none that the model can answer; whatever it says of that is for real rows to say.
        """
        if not self.is_pool:
            columns = {field.name: field.blank() for field in self.fields if field.required}
            with suppress(Exception):
                self.answer([Ask(columns, 1, tuple(target.name for target in self.targets))])

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

    def adapt(self, task: str, rows: Sequence[JsonRow], existing: str, limits: Limits) -> AdaptedModel:
        """Adapt to labelled rows: a new task, further rows of one, or one anew.

        Args:
            task: Its name.
            rows: With labels of some targets.
            existing: What becomes of a task of that name: ``refuse``, ``update`` or ``replace``.
            limits: How many tasks may be adapted to, and how much of their rows is kept.

        Raises:
            Refusal: 409 for what the model does not do, 422 for rows that do not fit.
        """
        if not isinstance(self.model, DeployedModel):
            raise Refusal(
                409,
                f"this model is of the one task '{self.model.task}' and adapts to no other. Serve the study's model.",
            )
        columns = self._labelled(rows)
        size = sum(map(size_of, columns.values()))
        if sum(self._kept.values()) + size > limits.kept:
            raise Refusal(
                409, f"this server keeps {limits.kept:,} bytes of labelled rows at most. Start another one."
            )
        frame = self._support(columns)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SharewiseWarning)
                if existing == "update":
                    found = self.model.update(frame, task=task)
                    size += self._kept.get(found.task, 0)
                elif len(self.model.adapted) >= limits.tasks:
                    raise Refusal(
                        409, f"this server holds {limits.tasks} adapted tasks at most. Start another one."
                    )
                else:
                    found = self.model.adapt(frame, task=task, replace=existing == "replace")
        except SharewiseError as error:
            raise Refusal.of(error) from error
        self._kept[found.task] = size
        return found

    def _labelled(self, rows: Sequence[JsonRow]) -> Any:
        columns = self._columns(rows, level=False)
        for field in map(label_of, self.targets):
            if any(field.name in row for row in rows):
                columns[field.name] = field.column([row.get(field.name) for row in rows])
        return columns

    def _support(self, columns: Columns) -> Any:
        """Labelled rows as the library takes them: pairs where a row is a tensor, else a table."""
        (first, *rest) = self.fields
        if rest or first.kind != "tensor":
            return table_of(columns)
        name = self.targets[0].name
        if name not in columns:
            raise Refusal(422, f"labelled rows hold their label as '{name}'; these hold none. Add it.")
        return list(zip(columns[first.name], columns[name], strict=True))

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
        unused = [name for name in rows[place] if name not in self._known and len(name) <= 200]
        hint = nearest(missing[0], unused[:_COMPARED])
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
            hint = nearest(unknown[0][:200], known) or f" Known are {listed(known, 5)}."
            raise Refusal(
                422,
                f"a row's task must be one the model was made for; '{name}' holds {_listed(unknown)}.{hint} "
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
                        f"column '{field.name}' holds values never seen in training ({_listed(new, 3)}); "
                        "they count as unknown."
                    )
        extra = sorted(
            {name for row in rows if row.keys() - self._known for name in row.keys() - self._known}
        )
        if extra:
            found.append(f"{counted(len(extra), 'column')} not known to the model ignored: {_listed(extra)}.")
        return list(map(brief, found))

    def _wanted(self, tasks: Sequence[str] | None) -> tuple[tuple[str, ...], str | None]:
        names = tuple(target.name for target in self.targets)
        if self.is_pool:
            return names, self._pool_task(tasks)
        for task in tasks or ():
            if task not in names:
                hint = nearest(task[:200], names) or f" It answers {listed(names)}."
                own = self.model.schema.level_name
                where = "" if own is None else f" A row names its own task in the column '{own}'."
                raise Refusal(
                    404,
                    f"a task to predict is one that the model answers; '{task[:200]}' is none.{hint}{where}",
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
                f"a task to predict is one that was adapted to; '{tasks[0][:200]}' is none."
                f"{nearest(tasks[0][:200], self.adapted)} "
                "Adapt to some labelled rows first.",
            )
        return tasks[0]

    def _predict(self, asks: Sequence[Ask], by: str | None, *, shares: bool) -> list[Answer]:
        model = self.model if by is None else self.adapted[by]
        frame = self._frame(asks)
        # What predict and predict_proba make frames of: a frame a request would take longer than predicting.
        values = model._values(frame)
        predicted = cells_of(predictions(model.targets, values))
        probable = cells_of(probabilities(model.targets, values)) if shares else None
        ends = np.cumsum([ask.rows for ask in asks]).tolist()
        answers = []
        for ask, end in zip(asks, ends, strict=True):
            part = slice(end - ask.rows, end)
            rows = rows_of(predicted, ask.tasks, part)
            targets = [target for target in model.targets if target.name in ask.tasks]
            answers.append(Answer(rows, None if probable is None else shares_of(probable, targets, part)))
        return answers

    def _frame(self, asks: Sequence[Ask]) -> Any:
        """Rows of all requests as the library takes them."""
        names = [field.name for field in self.fields if all(field.name in ask.columns for ask in asks)]
        joined = {name: np.concatenate([ask.columns[name] for ask in asks]) for name in names}
        (first, *rest) = self.fields
        if rest or first.kind not in ("tensor", "picture", "sentence"):
            return table_of(joined)
        return joined[first.name] if first.kind != "sentence" else joined[first.name].tolist()


def _listed(names: Sequence[str], limit: int = 5) -> str:
    """`listed`, each name cut where it is long."""
    return listed([name[:100] for name in names], limit)
