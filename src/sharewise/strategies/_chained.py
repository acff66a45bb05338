"""A chain: each task reads the predictions for the tasks before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Family, Fit, Model, Predictions, Run, Sample
from sharewise.problems import Problem, Table
from sharewise.strategies._base import Strategy
from sharewise.tasks import Array, Binary, Kind


@dataclass(frozen=True)
class ChainedModel(Model):
    """Links in the order they are computed.

    Attributes:
        order: Place of each link's target.
        names, kinds: Of all targets, by place.
        links: A model of one target each, over the features and the predictions before it.
    """

    order: tuple[int, ...]
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    links: tuple[Model, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        found: dict[int, Array] = {}
        for place, link in zip(self.order, self.links, strict=True):
            found[place] = link.predict(table, level)[0]
            table = table.with_numbers(*as_features(self.names[place], self.kinds[place], found[place]))
        return [found[place] for place in range(len(self.order))]


def as_features(name: str, kind: Kind, prediction: Array) -> tuple[list[str], Array]:
    """A link's prediction ``(n, W)`` as number columns; two classes need only one."""
    columns = prediction[:, 1:] if isinstance(kind, Binary) else prediction
    return [f"{name} (predicted {place})" for place in range(columns.shape[1])], columns


class Chained(Strategy):
    """Regressor and classifier chains (Read et al. 2011; Spyromitros-Xioufis et al. 2016, whose
    corrected form this is: links learn from out-of-fold predictions, as they will be at prediction).

    Targets with more labels come first; equal ones keep the user's order.
    """

    name: ClassVar[str] = "chained"
    shares: ClassVar[bool] = True
    choice: ClassVar[Literal["task", "problem", "group"]] = "problem"
    direct: ClassVar[Literal["alone", "together"] | None] = None
    partial: ClassVar[bool] = False

    def refusal(self, problem: Problem) -> str | None:
        if problem.answers:
            return "a chain reads predictions that are numbers or classes"
        if problem.table.reads_tensors:
            return "a chain reads predictions beside columns of numbers, not beside tensors"
        return None if problem.is_wide else "a chain runs over several targets of the same rows"

    def configurations(self, family: Family, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        return family.configurations(problem, effort=effort, together=False)

    def fit(self, sample: Sample, family: Family, configuration: Configuration, run: Run) -> Fit:
        counts = (~np.isnan(sample.labels)).sum(axis=0)
        order = tuple(int(place) for place in np.argsort(-counts, kind="stable"))
        names = tuple(target.name for target in sample.targets)
        kinds = tuple(target.kind for target in sample.targets)
        held_out = sample.blank()
        links: list[Model] = []
        table = sample.table
        for place in order:
            link = replace(
                sample, table=table, targets=(sample.targets[place],), labels=sample.labels[:, [place]]
            )
            fit = family.alone(link, configuration, run)
            links.append(fit.model)
            held_out[place] = fit.held_out[0]
            # Rows without this label never taught the link, so its plain prediction is held out too.
            features = fit.held_out[0].copy()
            unseen = ~link.known(0)
            if unseen.any():
                rows = np.flatnonzero(unseen)
                features[rows] = fit.model.predict(table.take(rows), None)[0]
            table = table.with_numbers(*as_features(names[place], kinds[place], features))
        return Fit(ChainedModel(order, names, kinds, tuple(links)), held_out)
