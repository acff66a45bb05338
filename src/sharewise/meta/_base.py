"""What every meta-learner is: something that turns a few labelled rows of a new task into a model of it.

Symbols: `E` episodes in a batch, `S` support rows, `Q` query rows, `W` ways, `P` the shape of a row's inputs.

A learner says two things: `_fit`, from support to the numbers that the task's own model consists of, and `_answer`,
from these and query inputs to outputs. The base checks, masks, and makes the loss and predictions of them.
Query labels reach neither, and by default no statistic runs over query rows (the learner is *inductive*): a row's
prediction is the same whichever other rows are asked for. A learner that does otherwise says so (`transductive`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sharewise.errors import DataError, OptionError
from sharewise.meta._episodes import Episodes, Support, check_query, check_support

State = dict[str, Tensor]
"""What a task's own model consists of: tensors by name, each with E first."""
Kind = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Adapted:
    """A model of one task: its own few numbers, beside a trunk that all tasks share and none changes.

    Attributes:
        learner: What was adapted; its weights are shared, not copied.
        state: Tensors by name, each (1, …): all that is this task's own.
        ways: W, or 0 for regression.
    """

    learner: MetaLearner
    state: State
    ways: int

    def predict(self, x: Tensor) -> Tensor:
        """From inputs (Q, *P) to log-probabilities (Q, W), or numbers (Q,)."""
        with self.learner._at_rest():
            outputs = self.learner._answer(self.state, x[None])[0]
        return outputs[:, : self.ways].log_softmax(-1) if self.ways else outputs


class MetaLearner(nn.Module, ABC):
    """Abstract. A final class names itself and implements `_fit` and `_answer` for batches of tasks.

    Attributes:
        name: The key in `META_LEARNERS`.
        serves: Kinds of tasks that it takes.
        transductive: Whether a query row's prediction depends on the other query rows.
        exact: Whether the gradient of `meta_loss` is that of its value (not so for first-order methods).
    """

    name: ClassVar[str]
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification"})
    transductive: bool = False
    exact: ClassVar[bool] = True

    @final
    def adapt(
        self,
        support_x: Tensor,
        support_y: Tensor,
        support_mask: Tensor | None = None,
        *,
        ways: int | None = None,
    ) -> Adapted:
        """A model of one task from its labelled rows; nothing of the learner changes.

        Args:
            support_x: (S, *P) inputs.
            support_y: (S,) class places as integers, or numbers for regression.
            support_mask: (S,) bool, which rows are there; None for all.
            ways: Number of classes; None for as many as the labels name.

        Raises:
            DataError: The rows are none that can be adapted on (see `check_support`), or of a kind of task
                that the learner does not serve.
        """
        there = torch.ones_like(support_y, dtype=torch.bool) if support_mask is None else support_mask
        if not bool(there.any()):
            raise DataError("A task needs at least one support row; this one has none. Pass labelled rows.")
        counts: Tensor | None = None
        if not support_y.is_floating_point():
            classes = int(support_y[there].max()) + 1 if ways is None else ways
            counts = torch.tensor([classes], device=support_y.device)
        width = 0 if counts is None else int(counts)
        support = Support(support_x[None], support_y[None], there[None], counts, width)
        self._check(support)
        with self._at_rest():
            state = {name: value.detach() for name, value in self._fit(support).items()}
        return Adapted(self, state, width)

    @final
    def meta_loss(self, episodes: Episodes) -> Tensor:
        """What training lowers, (), differentiable: by default the mean query loss over episodes.

        Raises:
            DataError: As for `predict`.
        """
        self._check(episodes.support)
        check_query(episodes)
        return self._meta_loss(episodes)

    @final
    def predict(self, episodes: Episodes) -> Tensor:
        """Log-probabilities (E, Q, W), −inf for ways that an episode has not; or numbers (E, Q). No gradient.

        Raises:
            DataError: An episode cannot be adapted on, or has no query rows (`check_support`, `check_query`).
        """
        self._check(episodes.support)
        check_query(episodes)
        if self.transductive and not bool(episodes.query_mask.all()):
            raise DataError(
                "a transductive learner reads an episode's query rows together, so all episodes of a batch have as "
                "many; these have not. Draw query sets of one size, or predict episode by episode."
            )
        with self._at_rest():
            outputs = self._outputs(episodes)
            return outputs if episodes.ways is None else outputs.log_softmax(-1)

    @abstractmethod
    def _fit(self, support: Support) -> State:
        """The E tasks' own numbers. Differentiable by the learner's parameters where these are learnt through it.
        Padded rows must not matter, nor the order of rows."""

    @abstractmethod
    def _answer(self, state: State, x: Tensor) -> Tensor:
        """From the tasks' own numbers and inputs (E, Q, *P) to logits (E, Q, W), or numbers (E, Q)."""

    def over_features(self) -> tuple[nn.Module, MetaLearner] | None:
        """A hook: the module through which alone rows are read and that adapting leaves as it is, and a light copy of
        this learner that reads its features (N, D) instead; None where there is no such module. Whoever serves many
        tasks over the same rows computes their features once."""
        return None

    def _meta_loss(self, episodes: Episodes) -> Tensor:
        """A hook: what training lowers, for a learner whose meta-gradient is not that of the mean query loss, or
        that computes it in parts."""
        return query_losses(self._outputs(episodes), episodes).mean()

    @final
    def _outputs(self, episodes: Episodes) -> Tensor:
        """Logits (E, Q, W) with −inf for ways that an episode has not, or numbers (E, Q)."""
        return masked_ways(self._answer(self._fit(episodes.support), episodes.query_x), episodes.ways)

    @final
    def _check(self, support: Support) -> None:
        kind: Kind = "regression" if support.ways is None else "classification"
        if kind not in self.serves:
            raise DataError(
                f"{self.name} serves {' and '.join(sorted(self.serves))}; got labels for {kind}. "
                "Choose another learner, or pass integer class places for classes and floats for numbers."
            )
        check_support(support)

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """In evaluation mode, without gradients; afterwards each module is in the mode that it was in. An inner
        loop asks for the gradients that it needs itself (``torch.enable_grad``, or ``torch.func.grad``)."""
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module, training in modes:
                module.training = training


def masked_ways(logits: Tensor, ways: Tensor | None) -> Tensor:
    """Logits (E, Q, W) with −inf beyond an episode's ways; numbers stay as they are."""
    if ways is None:
        return logits
    beyond = torch.arange(logits.shape[-1], device=logits.device) >= ways[:, None]
    return logits.masked_fill(beyond[:, None, :], -torch.inf)


def query_losses(outputs: Tensor, episodes: Episodes) -> Tensor:
    """(E,) mean over an episode's query rows of cross-entropy, or of squared error."""
    there = episodes.query_mask
    if episodes.ways is None:
        losses = (outputs - episodes.query_y).square()
    else:
        labels = episodes.query_y.masked_fill(~there, 0)
        losses = -outputs.log_softmax(-1).gather(-1, labels[..., None]).squeeze(-1)
    return losses.masked_fill(~there, 0.0).sum(1) / there.sum(1)


def encode(encoder: nn.Module, x: Tensor) -> Tensor:
    """Features (E, R, D) of inputs (E, R, *P), all rows in one pass."""
    return encoder(x.flatten(0, 1)).flatten(1).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]


def refuse_batch_statistics(encoder: nn.Module) -> nn.Module:
    """The encoder, unless its predictions would read statistics of the query rows.

    Raises:
        OptionError: It has batch normalisation that keeps no running statistics.
    """
    for name, module in encoder.named_modules():
        if isinstance(module, _BatchNorm) and not module.track_running_stats:
            raise OptionError(
                f"An inductive learner takes no statistics over query rows; '{name or 'the encoder'}' is a batch "
                "normalisation without running statistics. Use GroupNorm, or let it track running statistics."
            )
    return encoder
