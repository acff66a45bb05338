"""Where numbers of a run go besides the record: anything with ``log(step, values)``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from sharewise.errors import OptionError


@runtime_checkable
class Logger(Protocol):
    """What `fit` calls after every epoch, in the first process only."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Finite numbers by name ("validation/loss/price"), after so many updates."""


class TensorBoardLogger:
    """Event files for TensorBoard (the extra ``tensorboard``).

    Args:
        folder: Of this run.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        writer = fetch("torch.utils.tensorboard", "tensorboard", "tensorboard").SummaryWriter
        self._writer: Any = writer(log_dir=os.fspath(folder))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Writes them, and flushes."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Ends the event file."""
        self._writer.close()


class MLflowLogger:
    """A run in MLflow (the extra ``mlflow``).

    Args:
        experiment: Its name; made where there is none.
        uri: Of the tracking server or store, or None for MLflow's own choice.
        run: Name of the run.
    """

    def __init__(self, experiment: str, *, uri: str | None = None, run: str | None = None) -> None:
        client = fetch("mlflow.tracking", "mlflow-skinny", "mlflow").MlflowClient
        self._client: Any = client(tracking_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else self._client.create_experiment(experiment)
        self.run_id: str = self._client.create_run(number, run_name=run).info.run_id

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Writes them."""
        for name, value in values.items():
            self._client.log_metric(self.run_id, plain_name(name), value, step=step)

    def close(self) -> None:
        """Ends the run."""
        self._client.set_terminated(self.run_id)


def plain_name(name: str) -> str:
    """A metric's name with letters, digits and ``_-. /``, as MLflow asks."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)


def fetch(module: str, package: str, extra: str) -> Any:
    """A module of an extra.

    Raises:
        OptionError: The extra is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise OptionError(
            f"this logger needs {package}, which is not installed. Run: pip install 'sharewise[{extra}]'."
        ) from error
