"""What the learners by gradient descent have in common: an inner loop, a mode, a memory bound.

A method says what its meta-gradient is, for some of the tasks (`_part`), and, where it is not the whole network, what its
inner loop moves. Here the batch is cut, the mode chosen, gradients summed, and the sum tied to the learner's parameters.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Literal, final, get_args

import torch
from torch import Tensor, nn

from sharewise.errors import DataError, OptionError
from sharewise.meta._base import Kind, MetaLearner, State
from sharewise.meta._chunks import Need, measure, slices, tied
from sharewise.meta._compiled import Compiled
from sharewise.meta._episodes import Episodes, Support
from sharewise.meta._inner import (
    Pass,
    Rates,
    Rows,
    Weights,
    better_looped,
    descend,
    differentiable_twice,
    outputs_of,
    row_losses,
)
from sharewise.meta._norms import batch_norms, made_safe
from sharewise.meta._parts import Part

Mode = Literal["auto", "vectorised", "looped"]
CLASSES = ":classes"
"""Where a state keeps which classes its task has, (E, W) bool. No weight's path begins with a colon."""

SCALARS = 1024
"""Bytes set aside for sums of losses and masks of classes."""


class GradientLearner(MetaLearner):
    """Abstract. A learner whose tasks' own weights come of some steps of gradient descent.

    The network is copied, and layers that would give wrong gradients are replaced (`made_safe`). Batch normalisation
    takes the statistics of a task's support rows, and keeps them for its query rows; with ``transductive=True`` query
    rows are normalised by their own, in training and in `predict`, and scores say so.

    Args:
        network: (N, *P) to logits (N, W), or one number (N, 1).
        steps: Inner steps in training.
        rate: Their learning rate α.
        adapt_steps: Inner steps of `adapt` and `predict`; None for `steps`.
        mode: ``"vectorised"`` over tasks, ``"looped"``, or ``"auto"``, by the rule of `better_looped`.
        memory: Bytes that a meta-gradient may hold at a time, besides parameters and data: vectorised tasks are
            computed in parts that fit. None for all at once.
        compiled: Whether meta-gradients are compiled; the first of each shape takes seconds to minutes.
        transductive: Whether batch normalisation may take statistics over query rows.

    Raises:
        OptionError: An argument is off, or a layer can neither be used nor replaced.
    """

    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def __init__(
        self,
        network: nn.Module,
        *,
        steps: int = 5,
        rate: float = 0.01,
        adapt_steps: int | None = None,
        mode: Mode = "auto",
        memory: int | None = None,
        compiled: bool = False,
        transductive: bool = False,
    ) -> None:
        super().__init__()
        if steps < 1 or (adapt_steps is not None and adapt_steps < 1) or not rate > 0:
            raise OptionError(
                f"An inner loop takes one step or more at a rate above zero; got steps={steps}, "
                f"adapt_steps={adapt_steps} and rate={rate}. Correct them."
            )
        if mode not in get_args(Mode):
            raise OptionError(
                f"mode is one of 'auto', 'vectorised' and 'looped'; got {mode!r}. Leave it out for 'auto'."
            )
        self.network = made_safe(network)
        self.steps, self.rate, self.mode, self.memory = steps, float(rate), mode, memory
        self.adapt_steps = steps if adapt_steps is None else adapt_steps
        self.transductive = transductive and bool(batch_norms(self.network))
        self._needs: dict[object, Need] = {}
        self._compiled = Compiled(self._recorded) if compiled else None

    @abstractmethod
    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        """Sums over the part's tasks: of the loss to show, (), and of the meta-gradient, a tensor for each of
        `weights`, the learner's trainable parameters by path."""

    def _moved(self) -> str:
        """A hook: the path of the module whose weights the inner loop moves."""
        return "network"

    def _rates(self, weights: Weights) -> Rates:
        """A hook: the inner steps' lengths; one for all, or by path in the moved module."""
        return self.rate

    def _read(self, part: Part, weights: Weights) -> tuple[Part, State]:
        """A hook: the part with inputs as the moved module reads them, and what `_read_query` needs of it."""
        return part, {}

    def _read_query(self, state: State, x: Tensor, weights: Weights, tasks: int | None) -> Tensor:
        """A hook: query inputs as the moved module reads them."""
        return x

    @final
    def looped(self, device: torch.device) -> bool:
        """Whether tasks are computed one after another on `device`."""
        chosen = self.mode == "auto" and better_looped(self.get_submodule(self._moved()), device)
        return self.mode == "looped" or chosen

    # What methods build on

    @final
    def _pass(self, part: Part) -> Pass:
        return Pass(self.get_submodule(self._moved()), vectorised=part.tasks is not None)

    @final
    def _start(self, weights: Weights, tasks: int | None) -> Weights:
        """The moved module's trainable parameters by path in it, one copy a task (without cost)."""
        path = self._moved() + "."
        own = {name.removeprefix(path): weight for name, weight in weights.items() if name.startswith(path)}
        return own if tasks is None else {name: w.expand(tasks, *w.shape) for name, w in own.items()}

    @final
    def _adapted(self, part: Part, weights: Weights, *, graph: bool) -> tuple[Weights, Part]:
        """The tasks' weights after the inner steps on support rows, and the part as it was read."""
        read, _ = self._read(part, weights)
        start = self._start(weights, part.tasks)
        adapted, _ = descend(
            self._pass(part), start, self._rates(weights), [read.support] * self.steps, graph=graph
        )
        return adapted, read

    @final
    def _query_losses(self, adapted: Weights, read: Part) -> Tensor:
        """(E,) or (): losses of query rows under adapted weights."""
        run, x = self._pass(read), read.query.x
        if self.transductive:
            return row_losses(run.own(adapted, x, read.query.mask), read.query)
        return row_losses(
            run.kept({**adapted, **self._statistics(run, adapted, read.support)}, x), read.query
        )

    @final
    def _statistics(self, run: Pass, adapted: Weights, support: Rows) -> Weights:
        return run.with_statistics(adapted, support.x, support.mask)[1] if run.norms else {}

    # What the base asks for

    @final
    def _meta_loss(self, episodes: Episodes) -> Tensor:
        self._check_rows(episodes.support)
        whole = Part.of_episodes(episodes)
        weights = self._weights()
        if not torch.is_grad_enabled():
            with differentiable_twice():
                losses = [self._without_graph(part, weights).sum() for part in self._cut(whole, None)]
            return torch.stack(losses).sum().detach() / len(episodes)
        value: Tensor | None = None
        gradients = [torch.zeros_like(weight) for weight in weights.values()]
        for part in self._cut(whole, self._most(whole, weights)):
            found, more = self._gradients(part, weights)
            value = found if value is None else value + found
            torch._foreach_add_(gradients, more)
            del more
        torch._foreach_div_(gradients, len(episodes))
        assert value is not None  # there is a task at least
        return tied(value / len(episodes), list(weights.values()), gradients)

    @final
    def _fit(self, support: Support) -> State:
        self._check_rows(support)
        whole = Part.of_support(support)
        classes = whole.support.classes
        weights = {path: weight.detach() for path, weight in self._weights().items()}
        with differentiable_twice():
            states = [self._fit_part(part, weights) for part in self._cut(whole, None)]
        found = states[0]
        if self._alone(len(support.y), support.x.device):
            found = {name: torch.stack([state[name] for state in states]) for name in found}
        return found if classes is None else {**found, CLASSES: classes}

    @final
    def _answer(self, state: State, x: Tensor) -> Tensor:
        classes = state.get(CLASSES)
        rest = {name: value for name, value in state.items() if name != CLASSES}
        if self._alone(len(x), x.device):
            each = [{name: value[task] for name, value in rest.items()} for task in range(len(x))]
            raw = torch.stack([self._answer_part(own, x[task], None) for task, own in enumerate(each)])
        else:
            raw = self._answer_part(rest, x, len(x))
        return outputs_of(raw, classes)

    def _answer_part(self, state: State, x: Tensor, tasks: int | None) -> Tensor:
        run = Pass(self.get_submodule(self._moved()), vectorised=tasks is not None)
        own = {name: value for name, value in state.items() if not name.startswith(":")}
        with differentiable_twice(), torch.no_grad():
            x = self._read_query(state, x, self._weights(), tasks)
            return run.own(own, x, None) if self.transductive else run.kept(own, x)

    def _fit_part(self, part: Part, weights: Weights) -> State:
        read, kept = self._read(part, weights)
        run, start = self._pass(part), self._start(weights, part.tasks)
        rows = [read.support] * self.adapt_steps
        adapted, _ = descend(run, start, self._rates(weights), rows, graph=False)
        state = {**adapted, **kept}
        if not self.transductive:
            state |= self._statistics(run, adapted, read.support)
        return {name: value.detach() for name, value in state.items()}

    def _without_graph(self, part: Part, weights: Weights) -> Tensor:
        adapted, read = self._adapted(part, weights, graph=False)
        return self._query_losses(adapted, read).detach()

    # Parts, modes and memory

    def _weights(self) -> Weights:
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def _alone(self, tasks: int, device: torch.device) -> bool:
        return tasks == 1 or self.looped(device)

    def _cut(self, whole: Part, most: int | None) -> Iterator[Part]:
        if self._alone(whole.count, whole.support.x.device):
            return (whole.task(place) for place in range(whole.count))
        return (whole.only(which) for which in slices(whole.count, most or whole.count))

    def _most(self, whole: Part, weights: Weights) -> int | None:
        """Tasks of a part, by the memory bound; None for as many as there are."""
        if self.memory is None:
            return None
        tensors = whole.tensors()
        key = (
            self.training,
            tuple(None if part is None else (*part.shape[1:], part.dtype) for part in tensors),
        )
        alone = self._alone(whole.count, whole.support.x.device)
        if key not in self._needs:
            known = [*(part for part in tensors if part is not None), *self.parameters(), *self.buffers()]

            def run(tasks: int) -> object:
                return self._eager(whole.task(0) if alone else whole.only(slice(0, tasks)), weights)

            need = measure(run, known, together=not alone and whole.count > 1)
            # Sums of gradients live beside the part at hand, and a few scalars.
            sums = sum(weight.nbytes for weight in weights.values()) + SCALARS
            self._needs[key] = Need(need.fixed + sums, need.task)
        return self._needs[key].tasks(self.memory)

    def _gradients(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        if self._compiled is None:
            return self._eager(part, weights)
        return self._compiled(part.tensors(), weights, self.training)

    def _eager(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        with differentiable_twice():
            value, gradients = self._part(part, leaves)
        return value.detach(), [gradient.detach() for gradient in gradients]

    def _recorded(
        self, tensors: Sequence[Tensor | None], weights: Mapping[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        return self._eager(Part.of_tensors(tensors), dict(weights))

    def _check_rows(self, support: Support) -> None:
        rows = support.mask.sum(1)
        if batch_norms(self.network) and int(rows.min()) < 2:
            raise DataError(
                f"Batch normalisation in adaptation takes statistics over two support rows or more; episode "
                f"{int(rows.argmin())} has {int(rows.min())}. Add rows, or use GroupNorm or LayerNorm."
            )
