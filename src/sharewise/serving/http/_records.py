"""What the server answers, as its OpenAPI document says it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Error(BaseModel):
    """Why a request was not served."""

    error: str = Field(description="One sentence: the rule, what was found, the way out.")


class Predicted(BaseModel):
    """Predictions in the order of the rows."""

    predictions: list[dict[str, Any]] = Field(
        description="For each row an object: by task its class or number, null where it is not known."
    )
    probabilities: list[dict[str, dict[str, float | None]]] | None = Field(
        default=None, description="For each row by task and class; null unless they were asked for."
    )
    warnings: list[str] = Field(description="What is odd about the rows; they were predicted all the same.")


class Adapted(BaseModel):
    """A task that was adapted to; the server holds it until it stops."""

    task: str
    labels: int = Field(description="Labelled rows that it knows.")
    strategies: dict[str, str] = Field(description="By target, what serves it.")


class Task(BaseModel):
    """A task that is served."""

    name: str
    adapted: bool = Field(description="Whether it was adapted to since the model was fitted.")


class Target(BaseModel):
    """A column of predictions."""

    name: str
    kind: str
    metric: str
    classes: list[Any] | None = None


class RowField(BaseModel):
    """A field of a row."""

    name: str
    kind: Literal["number", "truth", "category", "text", "date", "task", "sentence", "tensor", "picture"]
    required: bool
    values: list[str] | None = Field(default=None, description="Words that it held when the model was made.")
    shape: list[int] | None = None


class Score(BaseModel):
    """How well a task is served, on rows that its model had not seen."""

    task: str
    metric: str | None
    labels: int | None
    served_by: str | None = Field(description="Strategy and family.")
    score: float | None = Field(description="In the metric.")
    constant: float | None = Field(description="The score of a constant guess.")
    removed: float | None = Field(description="Share of the constant guess's error that is taken away.")
    removed_interval: list[float | None] | None
    decision: str | None = Field(description="Whether sharing helps the task.")
    gain: float | None = Field(description="Share of the error that sharing takes away.")
    gain_interval: list[float | None] | None


class Tasks(BaseModel):
    """What is served."""

    tasks: list[Task]
    targets: list[Target]


class Card(BaseModel):
    """What the model is."""

    model_config = ConfigDict(protected_namespaces=())

    sentence: str | None = Field(description="The verdict.")
    outcome: str | None
    adapts: bool = Field(description="Whether new tasks can be adapted to.")
    pool: bool = Field(description="Whether every task has a model of its own, adapted to a few rows.")
    rows: int = Field(description="Rows that a request may hold.")
    body: int = Field(description="Bytes that a request may have.")
    scores: list[Score] = Field(description="A line a task, as the study measured them.")
    fields: list[RowField]
    targets: list[Target]
    tasks: list[Task]
    card: dict[str, Any] = Field(description="All that the model's folder says of it.")


class Health(BaseModel):
    """Whether the server answers."""

    live: bool
    ready: bool = Field(description="Whether the model answers and requests may wait for it.")
    waiting: int = Field(description="Requests that wait for the model.")
    version: str
