"""What neural processes have in common: labels go in beside features, a prediction comes out of one pass.

Symbols: `E` episodes, `S` support rows, `Q` query rows, `W` ways, `D` features, `P` the shape of a row's inputs.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError
from sharewise.meta._base import Kind, MetaLearner, State, masked_ways, query_losses, refuse_batch_statistics
from sharewise.meta._episodes import Episodes, Support, check_query
from sharewise.meta._features import check_sizes, features_of
from sharewise.meta._gaussian import gaussian_losses

WIDTH = ":ways"
"""Where a state keeps how many classes its batch has, as the length of (E, W)."""


class NeuralProcess(MetaLearner):
    """Abstract. Adapts by reading the support, without a step of descent; all of it is learnt across tasks.

    A learner is built for numbers, or for up to so many classes. Numbers are told as a Gaussian for each row, trained by
    its likelihood and answered by its mean; they are best standardised beforehand. Classes are one-hot by their
    *places*: which class stands at which place matters to the outcome. That suits classes which are the same for all
    tasks; for classes drawn anew for each task places mean nothing, and `shuffle` keeps training from giving them any.

    Args:
        features: D, how many features a row has after the encoder.
        ways: W, the most classes of a task; None for numbers.
        encoder: (N, *P) to features, flattened to (N, D); None for the inputs as they are.
        shuffle: Whether training deals out class places at random in each task at each step.
        floor: Least standard deviation told, in units of the labels: it keeps the likelihood bounded.

    Raises:
        OptionError: An argument is off.
    """

    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def __init__(
        self,
        features: int,
        ways: int | None = None,
        *,
        encoder: nn.Module | None = None,
        shuffle: bool = False,
        floor: float = 0.02,
    ) -> None:
        super().__init__()
        check_sizes(features=features)
        if ways is not None and ways < 2:
            raise OptionError(f"Classes are two or more; got ways={ways}. Leave it out for numbers.")
        if shuffle and ways is None:
            raise OptionError("Numbers have no class places; got shuffle=True without ways. Leave it out.")
        if floor <= 0:
            raise OptionError(f"A standard deviation is above zero; got floor={floor}. Pass 0.02, say.")
        self.encoder = refuse_batch_statistics(encoder or nn.Identity())
        self.features, self.ways, self.shuffle, self.floor = features, ways, shuffle, floor

    @property
    def outputs(self) -> int:
        """Of a query row: W logits, or mean and raw deviation."""
        return 2 if self.ways is None else self.ways

    @property
    def row_width(self) -> int:
        """Of a support row: D features, and its label as a number or one-hot."""
        return self.features + (1 if self.ways is None else self.ways)

    @abstractmethod
    def _read(self, rows: Tensor, mask: Tensor) -> State:
        """The tasks' own numbers, from features and labels (E, S, row_width) of rows that are there, (E, S) bool."""

    @abstractmethod
    def _decode(self, state: State, features: Tensor) -> Tensor:
        """Raw outputs (E, Q, outputs) of features (E, Q, D); each row by itself."""

    @final
    def distribution(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Mean and variance, each (E, Q), of the Gaussians told for query numbers; differentiable.

        Raises:
            DataError: As for `predict`, or the episodes are of classes.
        """
        if episodes.ways is not None:
            raise DataError("A Gaussian is told for numbers; got episodes of classes. Use predict.")
        self._check(episodes.support)
        check_query(episodes)
        return self._gaussian(episodes)

    @final
    def _fit(self, support: Support) -> State:
        labels = self._labels(support)
        features = features_of(self.encoder, support.x, self.features)
        state = self._read(torch.cat([features, labels.to(features.dtype)], -1), support.mask)
        return state if support.ways is None else {**state, WIDTH: support.one_hot.any(1)}

    @final
    def _answer(self, state: State, x: Tensor) -> Tensor:
        raw = self._decode(state, features_of(self.encoder, x, self.features))
        return raw[..., 0] if self.ways is None else raw[..., : state[WIDTH].shape[-1]]

    @final
    def _meta_loss(self, episodes: Episodes) -> Tensor:
        if episodes.ways is None:
            return gaussian_losses(*self._gaussian(episodes), episodes).mean()
        dealt = shuffled(episodes) if self.shuffle and self.training else episodes
        return query_losses(self._outputs(dealt), dealt).mean()

    def _gaussian(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        state = self._fit(episodes.support)
        raw = self._decode(state, features_of(self.encoder, episodes.query_x, self.features))
        return raw[..., 0], (self.floor + F.softplus(raw[..., 1])).square()

    def _labels(self, support: Support) -> Tensor:
        """(E, S, 1) numbers, or (E, S, W) one-hot; zero in padded rows."""
        if (support.ways is None) != (self.ways is None):
            built, got = ("numbers", "classes") if self.ways is None else ("classes", "numbers")
            raise OptionError(
                f"This {self.name} was built for {built}; got labels of {got}. "
                + ("Pass ways to serve classes." if self.ways is None else "Leave ways out to serve numbers.")
            )
        if self.ways is None:
            return support.y.masked_fill(~support.mask, 0)[..., None]
        if support.width > self.ways:
            raise OptionError(
                f"This {self.name} was built for {self.ways} ways; got a task with {support.width}. Build it for more."
            )
        return F.pad(support.one_hot, (0, self.ways - support.width))


def shuffled(episodes: Episodes) -> Episodes:
    """The episodes with each one's classes dealt out to its places at random, by torch's generator.

    Raises:
        DataError: The episodes are of numbers.
    """
    if episodes.ways is None:
        raise DataError("Class places are shuffled among classes; got episodes of numbers.")
    chances = masked_ways(
        torch.rand(len(episodes), 1, episodes.width, device=episodes.ways.device), episodes.ways
    )
    # Ways that an episode has not come last in the order, so no class is dealt to them.
    places = chances[:, 0].argsort(-1, descending=True)

    def dealt(y: Tensor, mask: Tensor) -> Tensor:
        return places.gather(1, y.masked_fill(~mask, 0))

    return replace(
        episodes,
        support_y=dealt(episodes.support_y, episodes.support_mask),
        query_y=dealt(episodes.query_y, episodes.query_mask),
    )
