"""Sequential transfer: learn source tasks by plain supervised training, then fine-tune to each new task."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._base import Kind, MetaLearner, State, encode, query_losses, refuse_batch_statistics
from sharewise.meta._episodes import Episodes, Support
from sharewise.meta._fine_tune import RULES, TUNES, Names, Pull, Schedule, blocks_of, fine_tune
from sharewise.meta._inner import Pass, Weights, better_looped, differentiable_twice
from sharewise.meta._parts import Part
from sharewise.meta._task_heads import CosineHead, LinearHead, PooledHead, TaskHead

LOGITS = ("cosine", "linear")
STARTS = ("means", "zeros")
MODES = ("auto", "vectorised", "looped")


@final
class Transfer(MetaLearner):
    """Fine-tuning from one start (the plain transfer that Chen et al. 2019, https://arxiv.org/abs/1904.04232, call
    Baseline and, with cosines, Baseline++).

    `transfer_train` learns encoder and head on the source's rows. A new task then takes `steps` full-batch steps of
    Adam or of plain descent on its support, from there:

    - ``"whole"``: encoder and head;
    - ``"head"``: the head alone, over features that are computed once;
    - ``"gradual"``: the head, then with it one block of the encoder more at a time, the last first (Howard & Ruder
      2018, https://arxiv.org/abs/1801.06146);
    - ``"l2-sp"``: all, held near the start by a penalty (Li et al. 2018, https://arxiv.org/abs/1802.01483).

    Classes that no source task had get a head of their own, which starts at the class means of their support; with
    ``outputs`` all tasks have one head in common, where each starts. No dropout and no batch statistics are at work
    while a task is fine-tuned: batch normalisation reads the running statistics of the source.

    Trained on episodes instead (`meta_train`), it lowers the query loss of the start, before any step.

    Args:
        encoder: (N, *P) to features, flattened to (N, D); not copied.
        features: D.
        outputs: Of a head that tasks have in common, 1 for numbers; None for new classes in each task.
        tune: As above.
        steps: Of fine-tuning; with 0 a task is served by the start.
        rate: Length of a step.
        optimizer: ``"adam"`` or ``"sgd"``.
        logits: Of new classes, ``"cosine"`` or ``"linear"``.
        start: Of a linear head of new classes, ``"means"`` or ``"zeros"``.
        scale: Of logits of new classes, where its learning starts.
        pull: L2-SP's α, towards the start.
        decay: L2-SP's β, of a head of new classes towards zero.
        mode: Tasks ``"vectorised"``, ``"looped"`` one after another, or ``"auto"`` by `better_looped`.

    Raises:
        OptionError: An argument is off, or the encoder's normalisation would read other rows of a task.
    """

    name: ClassVar[str] = "transfer"
    serves: ClassVar[frozenset[Kind]] = frozenset({"classification", "regression"})

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        *,
        outputs: int | None = None,
        tune: Literal["whole", "head", "gradual", "l2-sp"] = "whole",
        steps: int = 20,
        rate: float = 1e-3,
        optimizer: Literal["adam", "sgd"] = "adam",
        logits: Literal["cosine", "linear"] = "cosine",
        start: Literal["means", "zeros"] = "means",
        scale: float = 10.0,
        pull: float = 0.1,
        decay: float = 0.01,
        mode: Literal["auto", "vectorised", "looped"] = "auto",
    ) -> None:
        super().__init__()
        one_of(tune=(tune, TUNES), optimizer=(optimizer, RULES), logits=(logits, LOGITS))
        one_of(start=(start, STARTS), mode=(mode, MODES))
        if logits == "cosine" and start == "zeros":
            raise OptionError("A cosine head starts at class means; got start='zeros'. Pass logits='linear'.")
        if features < 1 or (outputs is not None and outputs < 1) or steps < 0:
            raise OptionError(
                "A transferred network has features and outputs, and takes no fewer than 0 steps; got "
                f"features={features}, outputs={outputs} and steps={steps}. Correct them."
            )
        if not min(rate, scale) > 0 or not min(pull, decay) >= 0:
            raise OptionError(
                "A rate and a scale are above zero, penalties not below; got "
                f"rate={rate}, scale={scale}, pull={pull} and decay={decay}. Correct them."
            )
        last: TaskHead
        if outputs is not None:
            last = PooledHead(features, outputs)
        elif logits == "cosine":
            last = CosineHead(features, scale)
        else:
            last = LinearHead(features, scale, zeros=start == "zeros")
        self.network = nn.Sequential(
            OrderedDict(encoder=refuse_batch_statistics(encoder), flat=nn.Flatten(), head=last)
        )
        self.tune, self.steps, self.rate, self.optimizer = tune, steps, rate, optimizer
        self.pull, self.decay, self.mode = pull, decay, mode

    @property
    def encoder(self) -> nn.Module:
        """(N, *P) to features."""
        return self.network.get_submodule("encoder")

    @property
    def head(self) -> TaskHead:
        """From features to outputs."""
        return self.network.get_submodule("head")  # type: ignore[return-value]

    @property
    def moves_encoder(self) -> bool:
        """Whether a task may get an encoder of its own; else all that is read of a row is its features."""
        blocks = blocks_of(self.encoder)
        moving = TUNES[self.tune].schedule(frozenset(), blocks, len(blocks) + 1)
        return any(moving)

    def over_features(self) -> tuple[nn.Module, MetaLearner] | None:
        if self.moves_encoder:
            return None
        light = copy(self)
        light._modules = {"network": nn.Sequential(OrderedDict(encoder=nn.Identity(), head=self.head))}
        return self.encoder.eval(), light

    @property
    def device(self) -> torch.device:
        """Where weights are."""
        return next(self.head.parameters()).device

    def schedule(self, head: Names) -> Schedule:
        """Of each step of fine-tuning, what moves: paths in `network`. `head` names the head's own."""
        return TUNES[self.tune].schedule(head, blocks_of(self.encoder, "encoder."), self.steps)

    def _meta_loss(self, episodes: Episodes) -> Tensor:
        features = encode(self.encoder, episodes.support_x)
        start = self._head_start(features, episodes.support)
        query = encode(self.encoder, episodes.query_x)
        raw = self.head.outputs(query, start)
        if episodes.ways is None:
            return query_losses(raw[..., 0], episodes).mean()
        beyond = torch.arange(raw.shape[-1], device=raw.device) >= episodes.ways[:, None]
        return query_losses(raw.masked_fill(beyond[:, None], -torch.inf), episodes).mean()

    def _fit(self, support: Support) -> State:
        features = encode(self.encoder, support.x)
        own = self._head_start(features, support)
        schedule = self.schedule(frozenset(f"head.{name}" for name in own))
        moving = frozenset[str]().union(*schedule)
        if not any(name.startswith("encoder.") for name in moving):
            head = frozenset(own)
            return _named("head.", self._tuned(self.head, own, support, features, (head,) * len(schedule)))
        shared = dict(self.network.named_parameters())
        count = len(support.y)
        start = {
            name: shared[name].expand(count, *shared[name].shape)
            for name in sorted(moving)
            if name in shared and name.startswith("encoder.")
        }
        return self._tuned(self.network, {**start, **_named("head.", own)}, support, support.x, schedule)

    def _answer(self, state: State, x: Tensor) -> Tensor:
        if not any(name.startswith("encoder.") for name in state):
            own = {name.removeprefix("head."): value for name, value in state.items()}
            outputs = self.head.outputs(encode(self.encoder, x), own)
        elif self._alone(self.network, len(x), x.device):
            run = Pass(self.network, vectorised=False)
            outputs = torch.stack([run.kept(_of(state, task), rows) for task, rows in enumerate(x)])
        else:
            with differentiable_twice(), torch.no_grad():
                outputs = Pass(self.network, vectorised=True).kept(state, x)
        return outputs[..., 0] if outputs.shape[-1] == 1 else outputs

    def _head_start(self, features: Tensor, support: Support) -> Weights:
        if support.ways is None and not self.head.transferred:
            raise OptionError(
                "Numbers are predicted by a head that tasks have in common; this learner has none. Pass outputs=1."
            )
        return self.head.start(features, support)

    def _tuned(
        self, network: nn.Module, start: Weights, support: Support, x: Tensor, schedule: Schedule
    ) -> Weights:
        """Weights (E, …) of `network` after its steps on inputs `x` (E, S, …)."""
        whole = Part.of_support(support).support.of(x)
        new = frozenset(name for name in start if not name.startswith("encoder."))
        pull = Pull(self.pull, self.decay, frozenset() if self.head.transferred else new)
        held = pull if TUNES[self.tune].pulled else None
        with differentiable_twice():
            if not self._alone(network, len(x), x.device):
                rule = RULES[self.optimizer](self.rate)
                return fine_tune(Pass(network, vectorised=True), start, whole, schedule, rule, held)
            run = Pass(network, vectorised=False)
            each = [
                fine_tune(
                    run, _of(start, task), whole.task(task), schedule, RULES[self.optimizer](self.rate), held
                )
                for task in range(len(x))
            ]
        return {name: torch.stack([one[name] for one in each]) for name in each[0]}

    def _alone(self, network: nn.Module, tasks: int, device: torch.device) -> bool:
        if self.mode != "auto":
            return self.mode == "looped"
        return tasks == 1 or better_looped(network, device)


def one_of(**given: tuple[str, object]) -> None:
    """Refuses a word that is none of its options.

    Raises:
        OptionError: It is not.
    """
    for name, (word, options) in given.items():
        known = list(options)  # type: ignore[call-overload]
        if word not in known:
            raise OptionError(f"{name} is one of {', '.join(known)}; got {word!r}. Choose one of them.")


def _named(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: weight for name, weight in weights.items()}


def _of(weights: Weights, task: int) -> Weights:
    return {name: weight[task] for name, weight in weights.items()}
