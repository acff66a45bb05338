"""One network of all training tasks' rows; a new task's labels change nothing."""

from __future__ import annotations

from sharewise.families import Configuration, Run, configuration
from sharewise.strategies.new_tasks._network_adapter import NetworkAdapter
from sharewise.strategies.new_tasks._network_training import fit_learner
from sharewise.strategies.new_tasks._sample import TaskSample

POOLED_NETWORK = configuration("pooled", hidden=64)


def pooled_network_configurations(sample: TaskSample) -> tuple[Configuration, ...]:
    """One; none in a pool, whose tasks have no classes in common."""
    if sample.ways is not None:
        return ()
    return (configuration("pooled"),) if sample.table.reads_tensors else (POOLED_NETWORK,)


def fit_pooled_network(
    sample: TaskSample, configuration: Configuration, run: Run, seconds: float
) -> NetworkAdapter:
    """A network that is transferred and then takes no step.

    Raises:
        OutOfTime: The run's deadline has passed.
    """
    still = {**dict(configuration.options), "steps": 0, "outputs": sample.width}
    return fit_learner(sample, Configuration("transfer", tuple(sorted(still.items()))), run, seconds)
