"""Fitted taggers as plain data: rebuilt from their configuration when they predict.

Symbols: ``n`` sentences, ``F`` inner folds, ``D`` targets, ``K`` labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families._base import Configuration, Options
from sharewise.families._sample import Model, Predictions
from sharewise.families.sentences._cells import sentences_of
from sharewise.problems import Table
from sharewise.tasks import TagRows, cells

if TYPE_CHECKING:
    from sharewise.families.sentences._tagger import Tagger


@dataclass(frozen=True)
class Lexicon:
    """What a network reads words by.

    Attributes:
        words, letters: Those with a vector of their own.
        buckets: Of hashed affixes and shapes.
    """

    words: tuple[str, ...]
    letters: tuple[str, ...]
    buckets: int


@dataclass(frozen=True)
class SentenceNet:
    """One network.

    Attributes:
        targets: Those that its heads serve, in their order.
        lexicon: What its inputs know.
        weights: By name; of a pretrained encoder only what was trained.
    """

    targets: tuple[int, ...]
    lexicon: Lexicon
    weights: dict[str, NDArray[Any]]


@dataclass(frozen=True)
class SentenceNets(Model):
    """Committees of taggers, one network an inner fold, that average their probabilities.

    Attributes:
        learner, options: The configuration.
        kinds: Of the ``D`` targets.
        nets: All networks that serve some target.
        serves: ``(D, F)`` the network of each fold; -1 for none.
        constants: Of each target ``(K,)``, where no network serves.
        built: The networks once they were asked; not stored.
    """

    learner: str
    options: Options
    kinds: tuple[TagRows, ...]
    nets: tuple[SentenceNet, ...]
    serves: NDArray[np.int64]
    constants: tuple[NDArray[Any], ...]
    built: tuple[Tagger, ...] | None = field(init=False, default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Networks are built anew where it is unpacked."""
        return {**self.__dict__, "built": None}

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        sentences = sentences_of(table)
        sums: list[list[Any]] = [[0.0] * len(sentences) for _ in self.kinds]
        if self.built is None:
            object.__setattr__(self, "built", tuple(self._taggers()))  # frozen for everybody else
        for place, tagger in enumerate(self.built or ()):
            served = [target for target in self.nets[place].targets if (self.serves[target] == place).any()]
            said = tagger.probabilities(sentences)
            for target in served:
                for row, shares in enumerate(said[target]):
                    sums[target][row] = sums[target][row] + shares
        found: Predictions = []
        for target, kind in enumerate(self.kinds):
            members = np.float32((self.serves[target] >= 0).sum())
            if members:
                found.append(cells([total / members for total in sums[target]])[:, None])
            else:
                found.append(kind.spread(self.constants[target], table.lengths))
        return found

    def _taggers(self) -> Iterator[Tagger]:
        import torch

        from sharewise.families.sentences._tagger import Tagger

        for net in self.nets:
            with torch.random.fork_rng(devices=[]):
                kinds = {target: self.kinds[target].of for target in net.targets}
                tagger = Tagger.of(Configuration(self.learner, self.options), kinds, net.lexicon)
            tagger.take(net.weights)
            yield tagger
