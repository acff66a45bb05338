"""Pretraining inside a problem: networks learn from features alone, then each task by itself from its labels.

Symbols: ``n`` rows, ``P`` inputs, ``H`` width, ``K`` inner folds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from sharewise.families._base import Configuration
from sharewise.families._network import Network
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families._two_stages import TwoStages
from sharewise.families._warm_start import Ready, Stage, Weights, go_on
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem, Table

if TYPE_CHECKING:
    from torch import Tensor

STACKED: Final = "mlp"
"""The learner that is pretrained: perceptrons over a table, which train as one program."""
STEPS: Final = (60, 200, 500, 1500)
"""Of pretraining a network, by effort."""
BATCH, RATE = 128, 1e-3
PATIENCE: Final = 16


class NetworkPretrained(TwoStages):
    """Masked features (VIME's self-supervised half, Yoon et al. 2020) teach both hidden layers on the training rows of
    an inner fold and on the rows that no task has labelled; then each task's network starts from them, with a head of
    its own. No task sees another's labels.
    """

    def configurations(self, problem: Problem, *, effort: int) -> tuple[Configuration, ...]:
        usual = Network().configurations(problem, effort=effort, together=False)
        if len(problem.table.columns) < 2:
            return ()
        return tuple(one for one in usual if one.learner == STACKED)[:1]

    def fit(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        import torch

        ready = Ready.of(sample, by_cell=True)
        width = int(configuration.get("width", 64))
        further = [] if sample.unlabelled is None else [_inputs(ready.encoder, sample.unlabelled)]
        trunks = [
            _trunk(torch.cat([ready.data.X[train], *further]), ready.encoder, width, fold, run)
            for fold, (train, _) in enumerate(sample.folds)
        ]
        cells = len(sample.targets) * sample.n_levels
        stage = Stage(
            width,
            learning_rate=configuration.get("learning_rate", 2e-3),
            weight_decay=configuration.get("weight_decay", 1e-2),
            dropout=configuration.get("dropout", 0.1),
            pull=(0.0, 0.0),
            patience=PATIENCE,
            whole=False,
        )
        starts = {(cell, fold): trunk for fold, trunk in enumerate(trunks) for cell in range(cells)}
        return go_on(sample, ready, starts, stage, run)


def _inputs(encoder: TabularEncoder, table: Table) -> Tensor:
    import torch

    return torch.from_numpy(encoder.transform(table).astype(np.float32))


def _trunk(X: Tensor, encoder: TabularEncoder, width: int, fold: int, run: Run) -> Weights:
    """Both hidden layers, taught by rows ``(n, P)`` without labels."""
    import torch

    from sharewise.meta import MaskedFeatures, pretrain
    from sharewise.networks import mlp

    seed = int(np.random.SeedSequence([run.seed, 2, fold]).generate_state(1)[0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = mlp(X.shape[1], (width, width))
        objective = MaskedFeatures(X.shape[1], width, columns=columns_of(encoder, X.shape[1]))
    if len(X) > 1:
        with torch.enable_grad():
            pretrain(
                trunk,
                objective,
                X,
                steps=STEPS[run.effort],
                batch=BATCH,
                rate=RATE,
                seed=seed % 2**31,
                progress=lambda *_: run.tick(steps=1),
            )
    run.tick(fits=1)
    first, second = (layer for layer in trunk.modules() if isinstance(layer, torch.nn.Linear))
    return {
        "first": first.weight.detach().T,
        "first_bias": first.bias.detach()[None],
        "second": second.weight.detach().T,
        "second_bias": second.bias.detach()[None],
    }


def columns_of(encoder: TabularEncoder, width: int) -> list[int]:
    """Of each of ``width`` coordinates the column that it came from, so that they are masked together: a number with
    the indicator of its gaps and its bins, a category's levels; a text's coordinates each for itself."""
    found: list[int] = []
    if encoder.numbers is not None:
        found += encoder.numbers.columns
    if encoder.bins is not None:
        found += encoder.bins.column.tolist()
    if encoder.categories is not None:
        first = max(found, default=-1) + 1
        found += [first + column for column in encoder.categories.columns]
    first = max(found, default=-1) + 1
    return [*found, *range(first, first + width - len(found))]
