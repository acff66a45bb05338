"""The network of ``tagging.py`` and a plain loop that trains it for some CPU seconds."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sharewise.modalities.tokens import (
    ConvolutionEncoder,
    LexicalInputs,
    RecurrentEncoder,
    TokenEncoder,
    TokenInputs,
    pretrained,
    rows_by_length,
)
from sharewise.networks import HardSharing, LinearChainCRF, heads
from sharewise.problems import Sentences
from sharewise.tasks import TokenKind
from sharewise.tasks._token_loss import padded_codes, token_loss
from torch import Tensor, nn

SCRATCH = {"recurrent": RecurrentEncoder, "convolution": ConvolutionEncoder}
ENCODERS = (*SCRATCH, "minilm", "minilm-low-rank")
GENTLY = 0.1
"""Learning rate of weights that are pretrained, as a share of that of new ones."""
Tags = list[tuple[str, ...]]
State = dict[str, Tensor]


@dataclass
class Tagger:
    """Inputs, one network with a head a task, and a chain over the tags of some tasks."""

    kinds: dict[str, TokenKind]
    inputs: TokenInputs
    network: HardSharing
    chains: nn.ModuleDict
    half: bool

    @classmethod
    def start(
        cls,
        kinds: dict[str, TokenKind],
        sentences: Sequence[Sequence[str]],
        *,
        encoder: str,
        chained: Sequence[str],
        seed: int,
    ) -> Tagger:
        torch.manual_seed(seed)
        inputs, shared = _parts(encoder, sentences)
        network = HardSharing(
            shared, heads({task: kind.outputs for task, kind in kinds.items()}, shared.out_features)
        )
        chains = {
            task: LinearChainCRF(kind.outputs, kind.transitions())
            for task, kind in kinds.items()
            if task in chained
        }
        return cls(kinds, inputs, network, nn.ModuleDict(chains), half=encoder not in SCRATCH)

    @property
    def modules(self) -> nn.ModuleList:
        return nn.ModuleList([self.network, self.chains])

    @property
    def weights(self) -> int:
        return sum(parameter.numel() for parameter in self.modules.parameters())

    def scores(self, batch: Any, tasks: Sequence[str]) -> dict[str, Tensor]:
        """Heads' outputs; matrix products of a pretrained encoder in bfloat16."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            found: dict[str, Tensor] = self.network(batch, tuple(tasks))
        return {task: own.float() for task, own in found.items()}

    def groups(self, rate: float) -> list[dict[str, Any]]:
        """Parameters with their rates: pretrained ones learn slower where all of them learn."""
        named = [(n, p) for n, p in self.modules.named_parameters() if p.requires_grad]
        gentle = [p for n, p in named if ".encoder.model." in n and "parametrizations" not in n]
        kept = {id(p) for p in gentle}
        new = [p for _, p in named if id(p) not in kept]
        found: list[dict[str, Any]] = [{"params": new, "peak": rate}]
        return [*found, {"params": gentle, "peak": GENTLY * rate}] if gentle else found

    def loss(self, task: str, scores: Tensor, target: Tensor, batch: Any) -> Tensor:
        """Mean over labelled words."""
        if task not in self.chains:
            return token_loss(self.kinds[task], scores, target)
        total: Tensor = self.chains[task].log_loss(scores, target, batch.mask).sum()
        return total / (target >= 0).sum().clamp(min=1)

    @torch.no_grad()
    def predict(
        self, sentences: Sequence[Sequence[str]], states: Mapping[str, State] | None = None
    ) -> dict[str, Tags]:
        """Tags by task; each task with its own weights where some are given."""
        found: dict[str, Tags] = {task: [()] * len(sentences) for task in self.kinds}
        rounds = {None: tuple(self.kinds)} if states is None else {task: (task,) for task in self.kinds}
        self.modules.eval()
        for state, tasks in rounds.items():
            if state is not None and states is not None:
                self.modules.load_state_dict(states[state])
            for rows in rows_by_length([len(words) for words in sentences], 4000):
                batch = self.inputs.batch([sentences[row] for row in rows])
                for task, scores in self.scores(batch, tasks).items():
                    chained = task in self.chains
                    codes = self.chains[task].decode(scores, batch.mask) if chained else scores.argmax(dim=-1)
                    for row, tags in zip(rows, codes.numpy(), strict=True):
                        found[task][row] = self.kinds[task].tags_of(tags[: len(sentences[row])])
        self.modules.train()
        return found


@dataclass(frozen=True)
class Done:
    """A training: each task's best weights, CPU seconds, and how often each task's sentences were read."""

    best: dict[str, State]
    seconds: float
    epochs: dict[str, float]


@dataclass(frozen=True)
class Course:
    """How to train: every step reads a batch of each task; the losses are added.

    The rate rises over the first 5% of the time and falls along a cosine to nothing.
    """

    seconds: float
    seed: int
    rate: float = 3e-3
    places: int = 1200
    checks: int = 8

    def run(self, tagger: Tagger, sources: Mapping[str, Sentences], choose: Sentences) -> Done:
        optimizer = torch.optim.AdamW(tagger.groups(self.rate), lr=self.rate, weight_decay=1e-2, fused=True)
        random = np.random.default_rng(self.seed)
        streams = {
            task: _batches(tagger, task, source, self.places, random) for task, source in sources.items()
        }
        read = dict.fromkeys(sources, 0)
        best: dict[str, State] = {}
        scores = dict.fromkeys(sources, -math.inf)
        began, checked = time.process_time(), 0
        tagger.modules.train()
        while (share := (time.process_time() - began) / self.seconds) < 1.0:
            warm = min(1.0, share / 0.05)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * max(warm, 0.02) * 0.5 * (1 + math.cos(math.pi * share))
            optimizer.zero_grad(set_to_none=True)
            for task, stream in streams.items():
                batch, target = next(stream)
                tagger.loss(task, tagger.scores(batch, (task,))[task], target, batch).backward()
                read[task] += len(target)
            nn.utils.clip_grad_norm_(tagger.modules.parameters(), 1.0)
            optimizer.step()
            if int(share * self.checks) > checked:
                checked = int(share * self.checks)
                self._keep(tagger, choose, scores, best)
        self._keep(tagger, choose, scores, best)
        epochs = {task: read[task] / len(source) for task, source in sources.items()}
        return Done(best, time.process_time() - began, epochs)

    @staticmethod
    def _keep(tagger: Tagger, choose: Sentences, scores: dict[str, float], best: dict[str, State]) -> None:
        """Each task's weights where it did best on the sentences to choose on."""
        found = tagger.predict(choose.words)
        for task, kind in tagger.kinds.items():
            score = kind.metric()(choose.column(task), found[task])
            if score > scores[task]:
                scores[task] = score
                best[task] = copy.deepcopy(tagger.modules.state_dict())


def _batches(
    tagger: Tagger, task: str, source: Sentences, places: int, random: np.random.Generator
) -> Iterator[tuple[Any, Tensor]]:
    """Batches of a task's labelled sentences, shuffled anew each time through."""
    codes = tagger.kinds[task].encode(source.column(task), source.where)
    known = [row for row, labels in enumerate(codes) if labels is not None]
    lengths = np.array([len(source.words[row]) for row in known])
    # The smaller task has smaller batches, so that it is not read through far more often than the larger.
    places = min(places, max(200, round(0.02 * lengths.sum())))
    while True:
        for batch in rows_by_length(lengths, places, random=random):
            rows = [known[place] for place in batch]
            target = padded_codes([codes[row] for row in rows], lengths[batch])
            yield tagger.inputs.batch([source.words[row] for row in rows]), target


def _parts(encoder: str, sentences: Sequence[Sequence[str]]) -> tuple[TokenInputs, TokenEncoder]:
    if encoder in SCRATCH:
        inputs = LexicalInputs.fit(sentences)
        shared: TokenEncoder = SCRATCH[encoder](inputs.sizes)
        return inputs, shared
    return pretrained("minilm", tune="full" if encoder == "minilm" else "low_rank", shapes=32, dropout=0.0)
