"""Networks that read columns of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families._architectures import Rates
from sharewise.families._base import Configuration, Dimension, Space, configuration
from sharewise.families._module_nets import ModuleNets
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Model, Predictions, Run, Sample
from sharewise.families.texts._inputs import TextInputs
from sharewise.families.texts._pretrained import is_installed
from sharewise.problems import Column, Problem, Table

BAG = configuration("bag", learning_rate=0.01, weight_decay=0.01, dropout=0.3)
CNN = configuration("cnn", learning_rate=0.002, weight_decay=0.01, dropout=0.5)
MINILM = configuration("minilm", learning_rate=0.003, weight_decay=0.1, dropout=0.3)
PRETRAINED = ("minilm",)
"""Learners whose text encoder is a pretrained one of that name, frozen."""
EPOCHS = {"bag": (12, 16, 20, 25), "cnn": (6, 8, 10, 12), "minilm": (15, 25, 40, 60)}
"""At most, by effort: texts are learnt in few passes, and every pass costs."""
RATES: Rates = {
    "dropout": Dimension(0.0, 0.6),
    "learning_rate": Dimension(0.001, 0.02, log=True),
    "weight_decay": Dimension(0.001, 0.3, log=True),
}


@final
@dataclass(frozen=True)
class TextNets(Model):
    """Final. Committees of networks over texts.

    Attributes:
        learner: Which encoder reads the texts.
        inputs: From tables to what it reads.
        nets: The committees; their encoder is built again when they predict.
    """

    learner: str
    inputs: TextInputs
    nets: ModuleNets

    needs_encoder: ClassVar[bool] = False

    def with_encoder(self, encoder: object) -> TextNets:
        """As it is: what reads the texts is known by name."""
        return self

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        from sharewise.families._module_train import seeded
        from sharewise.families.texts._encoder import build_encoder

        with seeded(0):  # weights are drawn, then overwritten; the process's randomness stays as it was
            encoder = build_encoder(self.learner, self.inputs, 0.0)
        return self.nets.with_encoder(encoder).predict(as_tensors(self.inputs.transform(table)), level)


def as_tensors(X: NDArray[np.float32]) -> Table:
    """Rows as a table of one column, which networks with an encoder of their own read."""
    return Table((Column("text", "tensor", np.ascontiguousarray(X)),), len(X))


@final
class TextNetworks(Reader):
    """Final. A head over frozen MiniLM features, a bag of words and pairs, or convolutions over words; other columns
    stand beside. Together all tasks share the encoder, with a head each.

    Perceptrons over latent dimensions of the texts compete too: on a few thousand texts they are ten times cheaper than
    the bag and no worse, so the bag and the convolutions join only where there is time. MiniLM reads 60 to 100 texts a
    second; it needs the extra ``text`` and is not offered without. It stays frozen: to tune it on one core would take
    hours a study.
    """

    learners: ClassVar[tuple[str, ...]] = ("bag", "cnn", "minilm")
    beside: ClassVar[bool] = True

    def reads(self, table: Table) -> bool:
        plain = not table.reads_tensors and not table.of_kind("sentence")
        return plain and bool(table.of_kind("text"))

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        found = [MINILM] if effort >= 1 and is_installed("minilm") else []
        if effort >= 2:
            found.append(BAG)
        if effort >= 3:
            found.append(CNN)
        return tuple(found)

    def space(self, problem: Problem, *, together: bool) -> Space:
        return dict.fromkeys(("minilm",) if is_installed("minilm") else (), RATES)

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        from sharewise.families._module_fit import fit_modules
        from sharewise.families._module_train import seeded
        from sharewise.families.texts._encoder import build_encoder

        learner = configuration.learner
        pretrained = learner if learner in PRETRAINED else ""
        inputs, X = TextInputs.fit(sample.table, run, pretrained=pretrained)
        run.tick()
        with seeded(run.seed % 2**31):
            encoder = build_encoder(learner, inputs, configuration.get("dropout", 0.3))
        fit = fit_modules(
            replace(sample, table=as_tensors(X)),
            Configuration("encoder", configuration.options),
            run,
            encoder=encoder,
            widths=(),
            epochs=EPOCHS[learner][run.effort],
            groups=groups,
        )
        assert isinstance(fit.model, ModuleNets)
        # The width of the longest training text is no rule for others.
        return Fit(TextNets(learner, inputs, fit.model), fit.held_out)
