"""The network family's way with pictures: one trunk for tasks that say a number or a class, masks and boxes.

Alone, every task has networks of its own; together, one network an inner fold has a head for each task. Where tasks are
dense, heads read a feature pyramid over the backbone (`sharewise.modalities.images.FeaturePyramid`); numbers and classes
are read from the mean of its coarsest map. Training pictures are shifted and recoloured, and mirrored where nothing but
masks and boxes is learnt; masks and boxes move with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from sharewise.families._base import Choice, Configuration, Dimension, Space, configuration
from sharewise.families._reader import Reader
from sharewise.families._sample import Fit, Run, Sample
from sharewise.families.pictures._design import (
    PRETRAINED,
    RESNET,
    WORTH_PRETRAINING,
    Design,
    picture_shape,
    pretrained_is_there,
)
from sharewise.problems import Problem, Table
from sharewise.tasks import BoxRows, MaskRows

EPOCHS = (16, 20, 26, 60)
"""At most, by effort, of a network from scratch that has one task. Inner and outer folds multiply them; with the inner
folds' numbers the cost rises about as plans of studies take it to (`sharewise.studies`)."""
TUNED_SHARE = 0.3
"""Of these epochs, for a pretrained backbone that learns on: each costs ten times as much, and fewer are needed."""
MORE_TOGETHER = 2
"""Times these epochs at most for a network of several tasks: it has the steps of all to learn them in."""
PATIENCE = 12

SCRATCH = configuration(RESNET, learning_rate=0.003, weight_decay=0.05)
FROZEN = configuration(PRETRAINED, backbone="frozen", learning_rate=0.002, weight_decay=0.05)
TUNED = configuration(PRETRAINED, backbone="tuned", backbone_rate=0.3, learning_rate=0.001, weight_decay=0.05)

RATES = {
    "learning_rate": Dimension(0.0005, 0.01, log=True),
    "weight_decay": Dimension(0.005, 0.3, log=True),
}


@final
class PictureNetwork(Reader):
    """Small residual networks from scratch; EfficientNet-Lite0, pretrained, frozen or learning on, where its weights are
    installed and pictures are of some size."""

    learners: ClassVar[tuple[str, ...]] = (RESNET, PRETRAINED)

    def reads(self, table: Table) -> bool:
        return picture_shape(table) is not None

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        if not _takes(problem):
            return ()
        if not _pretrained_helps(problem):
            return (SCRATCH,)
        return (FROZEN, SCRATCH, TUNED)[
            : max(1, effort)
        ]  # what learns its backbone costs several times as much

    def space(self, problem: Problem, *, together: bool) -> Space:
        if not _takes(problem):
            return {}
        found: dict[str, dict[str, Dimension | Choice]] = {RESNET: dict(RATES)}
        if _pretrained_helps(problem):
            found[PRETRAINED] = {**RATES, "backbone": Choice(("frozen",))}
        return found

    def fit(
        self, sample: Sample, configuration: Configuration, groups: Sequence[tuple[int, ...]], run: Run
    ) -> Fit:
        from sharewise.families.pictures._fit import fit_pictures

        shape = picture_shape(sample.table)
        assert shape is not None
        frozen = configuration.learner == PRETRAINED and configuration.word("backbone", "frozen") == "frozen"
        kinds = tuple(target.kind for target in sample.targets)
        epochs = EPOCHS[run.effort]
        if configuration.learner == PRETRAINED and not frozen:
            epochs = round(TUNED_SHARE * epochs)
        return fit_pictures(
            sample,
            Design(configuration.learner, frozen, shape, kinds, sample.n_levels),
            configuration,
            groups,
            run,
            epochs=epochs,
            more_together=MORE_TOGETHER,
            patience=PATIENCE,
        )


def _takes(problem: Problem) -> bool:
    """Whether there is a head for every target."""
    return all(not t.kind.ragged or isinstance(t.kind, MaskRows | BoxRows) for t in problem.targets)


def _pretrained_helps(problem: Problem) -> bool:
    shape = picture_shape(problem.table)
    return shape is not None and min(shape[1:]) >= WORTH_PRETRAINING and pretrained_is_there()
