"""Several objectives for their own sake: one network a preference, and the front of what they reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sharewise.balancing import Balancer, ParetoFront, aims_of, preference_lattice
from sharewise.errors import OptionError
from sharewise.networks._base import MultiTaskNetwork
from sharewise.tasks import Kind
from sharewise.training._feed import Loader
from sharewise.training._fit import fit
from sharewise.training._fitted import Fitted


@dataclass(frozen=True, eq=False)
class Front:
    """Networks from preference to preference.

    Attributes:
        points: Preferences ``(K, T)``, validation losses ``(K, T)``, and who is on the front. A run that diverged
            has no point.
        runs: The ``K`` runs in the same order; ``run.network`` is the network.
        failed: Runs that diverged.
    """

    points: ParetoFront
    runs: tuple[Fitted, ...]
    failed: tuple[Fitted, ...]

    def pick(self, preference: Sequence[float]) -> Fitted:
        """The run on the front that suits a preference ``(T,)`` best (the least weighted worst loss)."""
        return self.runs[self.points.nearest(preference)]


def fit_front(
    make_network: Callable[[], MultiTaskNetwork],
    loaders: Loader | Mapping[str, Loader],
    tasks: Mapping[str, Kind],
    *,
    validation: Loader | Mapping[str, Loader],
    preferences: ArrayLike | None = None,
    parts: int = 4,
    make: Callable[[tuple[float, ...]], Balancer] | None = None,
    **options: Any,
) -> Front:
    """Train a network for every preference; what they reach on the validation rows is the front.

    By default smooth Tchebycheff scalarisation (`sharewise.balancing.STCH`), which can reach the bends of a front
    that weighted sums cannot. Each network is judged at one epoch for all tasks, so that a point is one network.

    Args:
        make_network: Gives a fresh network, the same each time for a fair comparison.
        loaders, tasks, validation: As for `fit`.
        preferences: ``(K, T)`` in the order of ``tasks``; a lattice over the simplex with ``parts`` steps an edge
            where none are given.
        make: From a preference to a balancer, in place of `STCH`.
        options: Further arguments of `fit`.

    Raises:
        OptionError: Fewer than two tasks, an option that the front decides itself, or every run diverged.
    """
    if taken := {"balancer", "keep"} & set(options):
        raise OptionError(
            f"a front chooses balancer and keep itself; got {', '.join(sorted(taken))}. Leave them out; make= gives "
            "another balancer."
        )
    aims = aims_of(preference_lattice(len(tasks), parts) if preferences is None else preferences, make)
    runs = [
        fit(
            make_network(),
            loaders,
            tasks,
            validation=validation,
            balancer=aim.balancer,
            keep="best",
            **options,
        )
        for aim in aims
    ]
    reached = {place: _losses(run, tasks) for place, run in enumerate(runs) if run.status != "diverged"}
    if not reached:
        raise OptionError(
            f"a front needs a run that ends; all {len(runs)} diverged ({runs[0].because}) Lower the learning rate."
        )
    places = list(reached)
    points = ParetoFront.of(
        tuple(tasks), [aims[place].preference for place in places], [reached[place] for place in places]
    )
    failed = tuple(run for place, run in enumerate(runs) if place not in reached)
    return Front(points, tuple(runs[place] for place in places), failed)


def _losses(run: Fitted, tasks: Mapping[str, Kind]) -> list[float]:
    """Validation losses ``(T,)`` of the kept epoch."""
    return [float(np.asarray(run.curve(task, "validation_loss"))[run.best[task]]) for task in tasks]
