"""The winner, fitted on everything, ready to predict, to adapt and to be stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sharewise.errors import OptionError, StorageError
from sharewise.families import Model, Predictions
from sharewise.problems import Problem, Schema, Target, check_encoder_form
from sharewise.problems._names import counted, listed
from sharewise.serving._adapted import AdaptedModel
from sharewise.serving._card_text import card_text
from sharewise.serving._equip import equipped, needs_encoder
from sharewise.serving._folder import read_folder, write_folder
from sharewise.serving._known import KNOWN, StoredTarget, StoredTask
from sharewise.serving._naming import adapted_name, new_name, shown
from sharewise.serving._plugged import Readable, allowed, check_content, to_write
from sharewise.serving._rows import check_classes, framed, predictions, probabilities, read_rows
from sharewise.serving._support import read_support
from sharewise.serving._warm import warm
from sharewise.strategies.new_tasks._served import Ladder, check_ladders

if TYPE_CHECKING:
    from sharewise.serving.onnx import Report


@dataclass(frozen=True)
class DeployedModel:
    """All tasks' predictions from rows like the study's, and those of new tasks from a few labels.

    Attributes:
        model: The fitted model of the study's tasks, routed task by task where the verdict said so; None in a pool of
            classes, whose tasks are all yet to come.
        schema: How to read a table.
        targets: What is predicted.
        card: What the model is: verdict, versions, data profile. JSON-plain. Under ``serve`` it may name the
            adapters: least number of labels, strategy, family.
        adapters: Each target's adapters by the least number of labels that they are for; none where nothing was
            learnt for new tasks.
        adapted: The tasks adapted to, by name. The one thing that changes: `adapt`, `update` and `forget` do.
    """

    model: Model | None = field(repr=False)
    schema: Schema = field(repr=False)
    targets: tuple[Target, ...]
    card: dict[str, Any] = field(repr=False)
    adapters: tuple[Ladder, ...] = field(default=(), repr=False)
    adapted: dict[str, AdaptedModel] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        """What a notebook shows: the tasks that it serves."""
        tasks = self.tasks()
        return (
            f"DeployedModel({counted(len(tasks), 'task')}: {listed(tasks)})"
            if tasks
            else "DeployedModel(no task yet)"
        )

    def __post_init__(self) -> None:
        if self.adapters or self.model is None:
            check_ladders(self.adapters, len(self.targets))

    @classmethod
    def of(
        cls, problem: Problem, model: Model | None, card: dict[str, Any], adapters: Sequence[Ladder] = ()
    ) -> DeployedModel:
        """A model of a problem's tasks, and of tasks to come where there are adapters.

        Raises:
            OptionError: The adapters are not a rising ladder for each target.
        """
        return cls(model, problem.schema, problem.targets, card, tuple(adapters))

    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that it serves: the study's, then those adapted to."""
        known = tuple(target.name for target in self.targets)
        if self.schema.levels is not None:
            known = tuple(shown(level, self.schema) for level in self.schema.levels)
        return (*(() if self.model is None else known), *self.adapted)

    def predict(self, frame: object) -> Any:
        """Predictions, a column a target, in the row order of ``frame`` and as a frame of its kind
        (pandas for NumPy input).

        In a long problem the task column must be there; each row is predicted for its own task, which may be one that
        was adapted to. Where that has no labels of a target, the cell is empty. A model of datasets reads an array or
        tensor ``(N, *shape)``, or a dataset of ``x`` or ``(x, y)``.

        Raises:
            DataError: Feature columns are missing, a row's task is unknown, or inputs are of another shape or type.
            OptionError: It is the model of a pool of classes.
        """
        return framed(predictions(self.targets, self._values(frame)), frame, self.schema)

    def predict_proba(self, frame: object) -> Any:
        """Class probabilities, a column ``target=class`` a class of each classification target.

        Raises:
            OptionError: No target is a class, or it is the model of a pool of classes.
            DataError: As for `predict`.
        """
        check_classes(self.targets)
        return framed(probabilities(self.targets, self._values(frame)), frame, self.schema)

    def adapt(self, frame: object, *, task: str, replace: bool = False) -> AdaptedModel:
        """A small model of a new task from a few labelled rows; from now on `predict` serves it too.

        Nothing is retrained, and no other task's prediction changes. In a pool of classes the task's classes are those
        of the rows.

        Args:
            frame: Labelled rows of the task, with some of the target columns; the task column may be missing. For a
                model of datasets a dataset of ``(x, y)``.
            task: Its name: the value of the task column (``132``), or as it is shown (``school 132``).
            replace: Whether a task of that name that was adapted to before is replaced.

        Raises:
            DataError: The rows are none that can be adapted to; the message says why.
            OptionError: The name is none, or taken; or the model learnt nothing for new tasks.
        """
        self._refuse_without_adapters()
        level = new_name(task, self.schema)
        name = shown(level, self.schema)
        if name in self.adapted and not replace:
            raise OptionError(
                f"a task is adapted to once; '{name}' was already. Give it further rows with update, or say "
                "replace=True."
            )
        support = read_support(self.schema, self.targets, frame, task=level)
        ladders = {target.name: ladder for target, ladder in zip(self.targets, self.adapters, strict=True)}
        found = AdaptedModel.of(level, self.schema, ladders, support, self.card)
        self.adapted[name] = found
        return found

    def update(self, frame: object, *, task: str) -> AdaptedModel:
        """Adapt a task to further labelled rows beside those it has; see `AdaptedModel.update`.

        Raises:
            DataError: The rows are none that can be adapted to.
            OptionError: The task is none that was adapted to; the message names the nearest.
        """
        name = adapted_name(task, self.schema, self.adapted)
        self.adapted[name] = self.adapted[name].update(frame)
        return self.adapted[name]

    def forget(self, task: str) -> None:
        """Serve a task no longer that was adapted to.

        Raises:
            OptionError: The task is none that was adapted to; the message names the nearest.
        """
        del self.adapted[adapted_name(task, self.schema, self.adapted)]

    def with_encoder(self, encoder: object) -> DeployedModel:
        """This model with the module that its weights belong to, which no file holds.

        Raises:
            OptionError: It needs none, or the encoder's parameters are not those it was made with.
        """
        _check_encoder(self.schema, encoder)
        held = {name: (own.ladders, own.parts) for name, own in self.adapted.items()}
        model, adapters, held = equipped((self.model, self.adapters, held), encoder)
        adapted = {
            name: replace(self.adapted[name], ladders=ladders, parts=parts)
            for name, (ladders, parts) in held.items()
        }
        return replace(self, model=model, adapters=adapters, adapted=adapted)

    def save(self, folder: str | Path) -> None:
        """Write a model folder with all adapted tasks: JSON, safetensors and LightGBM's own text; nothing pickled.

        Raises:
            StorageError: The folder cannot be written.
        """
        content: tuple[object, ...] = (self.model, self.schema, tuple(map(StoredTarget.of, self.targets)))
        if self.adapters:
            content = (*content, self.adapters, tuple(own.stored() for own in self.adapted.values()))
        text = card_text(self.card, self.schema, self.targets)
        write_folder(Path(folder), content, known=to_write(KNOWN), card=self.card, text=text)

    def export(self, path: str | Path, rows: object = None) -> Report:
        """Write one ONNX file, raw rows in, checked beside this model; see `sharewise.serving.onnx.export_onnx`. Of a
        name that ends in ``.pt2`` a PyTorch program, encoded tensors in; see `sharewise.serving._program`.

        Args:
            path: Of the file.
            rows: A table to check it on too, beside rows drawn from what the model knows of its columns.

        Raises:
            OptionError: It is a model that such a file cannot hold, or the extra is missing.
            StorageError: The file cannot be written.
        """
        if Path(path).suffix.lower() == ".pt2":
            from sharewise.serving._program import export_program

            return export_program(self, path, rows)
        from sharewise.serving.onnx import export_onnx

        return export_onnx(self, path, rows)

    def _values(self, frame: object) -> Predictions:
        if self.model is None:
            raise OptionError(
                "a model of a pool of classes serves no task before it has seen labels of its classes; adapt it to some: "
                "model.adapt(rows, task='a name').predict(frame)."
            )
        served = {own.level: own for own in self.adapted.values()}
        levels = self.schema.levels
        if not served or levels is None:
            return self.model.predict(*read_rows(self.schema, frame))
        table, level = read_rows(replace(self.schema, levels=(*levels, *served)), frame)
        assert level is not None
        known = np.flatnonzero(level < len(levels))
        if len(known) == len(table):
            return self.model.predict(table, level)
        found = [np.full((len(table), target.kind.width), np.nan) for target in self.targets]
        if len(known):
            for out, values in zip(found, self.model.predict(table.take(known), level[known]), strict=True):
                out[known] = values
        places = {target.name: place for place, target in enumerate(self.targets)}
        for code, own in enumerate(served.values(), len(levels)):
            rows = np.flatnonzero(level == code)
            if len(rows):
                for target, values in zip(own.targets, own.values(table.take(rows)), strict=True):
                    found[places[target.name]][rows] = values
        return found

    def _refuse_without_adapters(self) -> None:
        if self.adapters:
            return
        if self.schema.level_name is None:
            raise OptionError(
                "a model adapts to new tasks where tasks are values of a task column, or classes of a pool; the tasks of "
                f"this one are its {len(self.targets)} targets. Compare a long table with task=, or one target of many "
                "classes, with question='new'."
            )
        raise OptionError(
            "a model adapts with what was learnt across tasks; this one was stored without. Compare again, with "
            "question='new' where new tasks are what it is for."
        )


def load(
    folder: str | Path, encoder: object = None, *, plugins: Iterable[str] | str = ()
) -> DeployedModel | AdaptedModel:
    """Read a model folder, or a study's ``--out`` folder that holds one. Executes nothing from it.

    Args:
        folder: Where it is; that of an adapted task gives its `AdaptedModel`.
        encoder: For a model of datasets the module it was made with, or one built the same way: its weights are
            stored, your code is not. They are put into a copy.
        plugins: Names of other packages' methods that the model may be built with, beside those that the environment
            names in SHAREWISE_PLUGINS: a folder by itself makes nothing of yours run.

    Raises:
        StorageError: The folder is missing, damaged, foreign, or of a newer format; or it needs a plug-in that you do
            not name, or that is not installed.
        OptionError: An encoder is missing, not needed, or has other parameters.
    """
    path = Path(folder)
    try:
        if not (path / "model.json").exists() and (path / "model" / "model.json").exists():
            path = path / "model"
    except OSError as error:  # a name too long, a folder that may not be entered
        raise StorageError(
            f"a model is a folder with a model.json; '{path}' cannot be opened ({error.strerror}). Check the path."
        ) from error
    names = allowed(plugins)
    content, card = read_folder(path, known=Readable(KNOWN, names))
    check_content(content, names)
    try:
        made = _made(content, card)
    except StorageError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise StorageError(
            f"a model folder holds a model, its schema and its targets; {path} does not."
        ) from error
    if encoder is not None:
        _check_encoder(made.schema, encoder)
        made = made.with_encoder(encoder)
    elif needs_encoder(content):
        raise OptionError(
            f"a saved model holds the weights of your own encoder and not its code; '{path}' is one. "
            "Load it with sw.load(folder, encoder=my_module)."
        )
    if isinstance(made, DeployedModel) and made.adapters:
        warm(made.schema, made.targets, made.adapters)
    return made


def _made(content: Any, card: dict[str, Any]) -> DeployedModel | AdaptedModel:
    """The model that a folder's content is of."""
    if len(content) == 3 and isinstance(content[0], Schema):
        schema, adapters, stored = content
        targets = _some(_typed(stored, StoredTask).targets)
        check_ladders(adapters, len(targets))
        ladders = {target.name: ladder for target, ladder in zip(targets, adapters, strict=True)}
        return AdaptedModel.restored(stored, schema, ladders, card)
    model, schema, targets, adapters, tasks = content if len(content) == 5 else (*content, (), ())
    found = DeployedModel(
        None if model is None else _typed(model, Model),
        _typed(schema, Schema),
        tuple(_typed(target, StoredTarget).target() for target in _some(targets)),
        card,
        tuple(adapters),
    )
    ladders = {target.name: ladder for target, ladder in zip(found.targets, found.adapters, strict=False)}
    for task in tasks:
        own = AdaptedModel.restored(_typed(task, StoredTask), schema, ladders, card)
        found.adapted[own.task] = own
    return found


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected, not a {type(value).__name__}")
    return value


def _some(values: Any) -> Any:
    if not values:
        raise ValueError("a model predicts something")
    return values


def _check_encoder(schema: Schema, encoder: object) -> None:
    if schema.encoder is None:
        raise OptionError("a model of a table reads it itself and takes no encoder. Leave encoder out.")
    check_encoder_form(encoder, schema.encoder)
