"""An answer to tasks not seen yet: learn across the tasks at hand, then adapt to a new one from a few labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run
from sharewise.problems import Table
from sharewise.strategies.new_tasks._sample import Rows, TaskSample
from sharewise.tasks import Array


class Adapter(ABC):
    """What was learnt from other tasks; turns a few labelled rows into a model of their task.

    A concrete adapter is a frozen dataclass of plain data (numbers, texts, arrays, encoders), so that it can be stored.
    Adapting changes nothing of it.
    """

    @abstractmethod
    def encode(self, table: Table) -> NDArray[Any]:
        """``n`` rows as the adapter reads them, ``(n, …)``."""

    @abstractmethod
    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        """A model of one task; a plain dataclass too.

        Args:
            X: ``(k, …)`` encoded support rows.
            y: ``(k,)`` numbers, or places ``0 … classes−1``.
            classes: Of the task; None for numbers.
        """

    def predict_each(
        self, X: NDArray[Any], jobs: Sequence[tuple[Rows, Array, Rows]], classes: int | None
    ) -> list[Array]:
        """Many tasks one after another; an adapter that can serve them together does so.

        Args:
            X: Encoded rows of all of them.
            jobs: Support rows (places in ``X``), their labels, and query rows.

        Returns:
            Of each job the query rows' predictions ``(q, W)``: numbers, or probabilities of the classes.
        """
        return [self.adapt(X[support], y, classes).predict(X[query]) for support, y, query in jobs]


class NewTaskStrategy(ABC):
    """How tasks not seen yet are served.

    A new one implements the methods below and joins `NEW_TASK_STRATEGIES`; the study, the verdict and the report take
    it from there.

    Attributes:
        name: As users write it.
        shares: Whether a new task is served with what other tasks taught.
    """

    name: ClassVar[str]
    shares: ClassVar[bool]

    @abstractmethod
    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        """What competes under this name in a family (``linear``, ``trees``, ``network`` or ``none``), best guess
        first; empty where it has no meaning."""

    @abstractmethod
    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        """Learn across the sample's training tasks.

        Args:
            run: Randomness and the deadline; `Run.tick` is called as work is done.
            seconds: CPU seconds that learning may take, the same for every configuration. What needs less takes less.

        Raises:
            OutOfTime: The run's deadline has passed.
        """
