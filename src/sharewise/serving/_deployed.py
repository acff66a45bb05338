"""The winner, fitted on everything, ready to predict and to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError, SharewiseWarning, StorageError
from sharewise.families import FAMILY_STATE, Model
from sharewise.modalities import PiecewiseLinear, TabularEncoder
from sharewise.problems import Problem, Schema, Table, Target, check_encoder_form
from sharewise.serving._equip import equipped, needs_encoder
from sharewise.serving._folder import read_folder, write_folder
from sharewise.strategies import STRATEGY_STATE
from sharewise.tasks import METRICS, Array, Binary, Classification, Kind, Multiclass, Regression


@dataclass(frozen=True)
class StoredTarget:
    """A target as a file can hold it: its metric by name."""

    name: str
    kind: Kind
    metric: str


KNOWN: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        *FAMILY_STATE,
        *STRATEGY_STATE,
        Binary,
        Multiclass,
        Regression,
        PiecewiseLinear,
        TabularEncoder,
        Schema,
        StoredTarget,
    )
}
"""Every class a model file may name; nothing else is ever built from one."""


@dataclass(frozen=True)
class DeployedModel:
    """All tasks' predictions from rows like the study's.

    Attributes:
        model: The fitted model, routed task by task where the verdict said so.
        schema: How to read a table.
        targets: What is predicted.
        card: What the model is: verdict, versions, data profile. JSON-plain.
    """

    model: Model = field(repr=False)
    schema: Schema = field(repr=False)
    targets: tuple[Target, ...]
    card: dict[str, Any] = field(repr=False)

    @classmethod
    def of(cls, problem: Problem, model: Model, card: dict[str, Any]) -> DeployedModel:
        """A model of a problem's tasks."""
        return cls(model, problem.schema, problem.targets, card)

    def predict(self, frame: object) -> Any:
        """Predictions, a column a target, in the row order of ``frame`` and as a frame of its kind
        (pandas for NumPy input).

        In a long problem the task column must be there; each row is predicted for its own task. A model of
        datasets reads an array or tensor ``(N, *shape)``, or a dataset of ``x`` or ``(x, y)``.

        Raises:
            DataError: Feature columns are missing, a row's task is unknown, or inputs are of another shape or type.
        """
        columns = {
            target.name: target.kind.decode(values)
            for target, values in zip(self.targets, self._values(frame), strict=True)
        }
        return self._framed(columns, frame)

    def predict_proba(self, frame: object) -> Any:
        """Class probabilities, a column ``target=class`` a class of each classification target.

        Raises:
            OptionError: No target is a class.
        """
        classes = [t for t in self.targets if isinstance(t.kind, Classification)]
        if not classes:
            raise OptionError("predict_proba needs a classification target; all are numbers. Use predict.")
        columns: dict[str, NDArray[Any]] = {}
        for target, values in zip(self.targets, self._values(frame), strict=True):
            if isinstance(target.kind, Classification):
                for place, label in enumerate(target.kind.classes):
                    name = f"{target.name}={label}"
                    if name in columns:
                        raise OptionError(
                            f"columns of probabilities must have different names; two are '{name}'. "
                            "Use predict, or rename the target or its class and compare again."
                        )
                    columns[name] = values[:, place]
        return self._framed(columns, frame)

    def with_encoder(self, encoder: object) -> DeployedModel:
        """This model with the module that its weights belong to, which no file holds.

        Raises:
            OptionError: It needs none, or the encoder's parameters are not those it was made with.
        """
        if self.schema.encoder is None:
            raise OptionError("a model of a table reads it itself and takes no encoder. Leave encoder out.")
        check_encoder_form(encoder, self.schema.encoder)
        return replace(self, model=equipped(self.model, encoder))

    def _framed(self, columns: Mapping[str, NDArray[Any]], like: object) -> Any:
        if self.schema.shape is None:
            return _framed(columns, like)
        import pandas

        return pandas.DataFrame(dict(columns))

    def _values(self, frame: object) -> list[Array]:
        import warnings

        table, level, notes = self.schema.read(frame)
        for note in notes:
            warnings.warn(note, SharewiseWarning, stacklevel=3)
        self._warn_unseen(table)
        return self.model.predict(table, level)

    def _warn_unseen(self, table: Table) -> None:
        import warnings

        for column in table.of_kind("category"):
            known = self.schema.seen(column.name)
            if known is None:
                continue
            new = sorted({str(cell) for cell in column.values if cell is not None} - known)
            if new:
                shown = ", ".join(f"'{cell}'" for cell in new[:3]) + (" and more" if len(new) > 3 else "")
                text = f"column '{column.name}' holds values never seen in training ({shown}); they count as unknown."
                warnings.warn(text, SharewiseWarning, stacklevel=4)

    def save(self, folder: str | Path) -> None:
        """Write a model folder: JSON, safetensors and LightGBM's own text; nothing pickled.

        Raises:
            StorageError: The folder cannot be written.
        """
        targets = tuple(StoredTarget(t.name, t.kind, t.metric.name) for t in self.targets)
        write_folder(Path(folder), (self.model, self.schema, targets), known=KNOWN, card=self.card)


def load(folder: str | Path, encoder: object = None) -> DeployedModel:
    """Read a model folder, or a study's ``--out`` folder that holds one. Executes nothing from it.

    Args:
        folder: Where it is.
        encoder: For a model of datasets the module it was made with, or one built the same way: its weights are
            stored, your code is not. They are put into a copy.

    Raises:
        StorageError: The folder is missing, damaged, foreign, or of a newer format.
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
    content, card = read_folder(path, known=KNOWN)
    try:
        model, schema, stored = content
        targets = tuple(Target(t.name, t.kind, METRICS[t.metric]) for t in stored)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise StorageError(
            f"a model folder holds a model, its schema and its targets; {path} does not."
        ) from error
    if not isinstance(model, Model) or not isinstance(schema, Schema):
        raise StorageError(f"a model folder holds a model and its schema; {path} holds something else.")
    deployed = DeployedModel(model, schema, targets, card)
    if encoder is not None:
        return deployed.with_encoder(encoder)
    if needs_encoder(model):
        raise OptionError(
            f"a saved model holds the weights of your own encoder and not its code; '{path}' is one. "
            "Load it with sw.load(folder, encoder=my_module)."
        )
    return deployed


def _framed(columns: Mapping[str, NDArray[Any]], like: object) -> Any:
    """Columns as a frame of the kind of ``like``, with its index where it has one."""
    if isinstance(like, np.ndarray | Mapping):
        import pandas

        return pandas.DataFrame(dict(columns))
    frame = nw.from_native(cast("Any", like), eager_only=True)
    backend = nw.get_native_namespace(frame)
    plain = {name: values.tolist() if values.dtype == object else values for name, values in columns.items()}
    made = nw.from_dict(plain, backend=backend).to_native()
    index = getattr(like, "index", None)
    if index is not None and hasattr(made, "set_axis"):
        made = made.set_axis(index, axis=0)
    return made
