"""Training loops as an engineer writes them by hand for one problem: tensors made beforehand, then plain PyTorch.

Nothing to run; `throughput.py` times them. Each trains one network an inner fold, looks at the rows held out after every
epoch, copies the weights whenever these rows like them better, and in the end predicts them with the best. What a
study's loop does beyond that is left out: best weights for each task, chosen by the other folds' rows; steps that are
not finite; deadlines; plain data to store.

Symbols: ``n`` rows, ``B`` of them in a batch, ``L`` words of the longest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sharewise.modalities.images import ResNet, recoloured
from sharewise.modalities.images._augment import moved
from sharewise.modalities.text import TextCNN
from sharewise.modalities.tokens import LexicalInputs, RecurrentEncoder, rows_by_length
from sharewise.modalities.tokens._lexical_inputs import LexicalBatch
from sharewise.networks import LinearChainCRF
from torch import Tensor, nn
from torch.nn import functional as F

Rows = NDArray[np.intp]
GAP = -100


@dataclass(frozen=True)
class Work:
    """What both sides are to do.

    Attributes:
        folds: Inner (train, validation) rows.
        epochs: Of every fold's network.
        batch: Rows, or places of sentences.
    """

    folds: tuple[tuple[Rows, Rows], ...]
    epochs: int
    batch: int


class Best:
    """The weights of the lowest loss so far."""

    def __init__(self, network: nn.Module) -> None:
        self.network, self.loss = network, float("inf")
        self.weights: dict[str, Tensor] = {}

    def look(self, loss: float) -> None:
        if loss < self.loss:
            self.loss = loss
            self.weights = {name: value.clone() for name, value in self.network.state_dict().items()}


def classes(
    network: nn.Module,
    read: Callable[[Tensor, bool], Tensor],
    y: Mapping[str, Tensor],
    fold: tuple[Rows, Rows],
    work: Work,
    *,
    rates: tuple[float, float],
    part: int,
    schedule: Callable[[float], float] | None = None,
    clip: float | None = None,
) -> None:
    """Classes of rows: a network from batches to logits by task.

    Args:
        read: Rows (B,) to a batch, changed at random where it is learnt from.
        y: Codes (n,) by task; `GAP` where missing.
        rates: Learning rate and weight decay of AdamW.
        part: Rows that are looked at together where nothing is learnt.
        schedule: From the share of steps done to a factor of the rate.
    """
    train, valid = map(torch.from_numpy, fold)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rates[0], weight_decay=rates[1], fused=True)
    steps, step, best = work.epochs * -(-len(train) // work.batch), 0, Best(network)
    for _ in range(work.epochs):
        network.train()
        for rows in train[torch.randperm(len(train))].split(work.batch):
            if schedule is not None:
                optimizer.param_groups[0]["lr"] = rates[0] * schedule(step / steps)
            said = network(read(rows, True))
            loss = sum(
                F.cross_entropy(said[task], codes[rows], ignore_index=GAP) for task, codes in y.items()
            )
            optimizer.zero_grad()
            loss.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(network.parameters(), clip)
            optimizer.step()
            step += 1
        network.eval()
        with torch.no_grad():
            total = 0.0
            for rows in valid.split(part):
                said = network(read(rows, False))
                total += sum(
                    float(F.cross_entropy(said[task], codes[rows], ignore_index=GAP, reduction="sum"))
                    for task, codes in y.items()
                )
        best.look(total)
    network.load_state_dict(best.weights)
    network.eval()
    with torch.no_grad():
        for rows in valid.split(part):
            _ = {task: logits.softmax(1).numpy() for task, logits in network(read(rows, False)).items()}


class Heads(nn.Module):
    """A linear head a task over an encoder's vectors."""

    def __init__(self, encoder: nn.Module, width: int, outputs: Mapping[str, int]) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict({task: nn.Linear(width, count) for task, count in outputs.items()})

    def forward(self, x: object) -> dict[str, Tensor]:
        features = self.encoder(x)
        if isinstance(features, tuple):  # maps of a backbone, fine to coarse
            features = features[-1].mean((2, 3))
        return {task: head(features) for task, head in self.heads.items()}


def texts(ids: Tensor, lengths: Tensor, y: Mapping[str, Tensor], size: int, work: Work) -> None:
    """Convolutions over words; ids (n, L), cut to the longest of every batch."""
    outputs = {task: int(codes.max()) + 1 for task, codes in y.items()}
    for fold in work.folds:
        encoder = TextCNN(size, width=64, channels=64, dropout=0.5)
        classes(
            Heads(encoder, encoder.out_features, outputs),
            lambda rows, _: ids[rows, : int(lengths[rows].max())],
            y, fold, work, rates=(0.002, 0.01), part=1024,
        )  # fmt: skip


def pictures(pixels: Tensor, y: Mapping[str, Tensor], work: Work) -> None:
    """A small ResNet; pictures (n, C, H, W) are shifted and recoloured while it learns."""
    reach = round(min(pixels.shape[2:]) / 16)
    outputs = {task: int(codes.max()) + 1 for task, codes in y.items()}
    generator = torch.Generator().manual_seed(0)

    def read(rows: Tensor, learn: bool) -> Tensor:
        x = pixels[rows].float().div_(255)
        if not learn:
            return x
        shift = torch.randint(-reach, reach + 1, (2, len(rows)), generator=generator)
        return recoloured(moved(x, torch.zeros(len(rows), dtype=torch.bool), shift), 0.2, generator)

    def pace(done: float) -> float:
        return min(1.0, (done + 1e-3) / 0.05) * (1 + float(np.cos(np.pi * done))) / 2

    for fold in work.folds:
        encoder = ResNet(pixels.shape[1], (16, 32, 64, 128))
        classes(
            Heads(encoder, 128, outputs), read, y, fold, work,
            rates=(0.003, 0.05), part=32, schedule=pace, clip=10.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Tagged:
    """Sentences as a hand-written loop prepares them, once.

    Attributes:
        spelled: (n, L) the row of each word's spelling, 0 beyond a sentence's end.
        words, affixes, letters: (V,), (V, F), (V, C) of every different spelling.
        lengths: (n,) words.
        y: By task codes (n, L), `GAP` where missing.
        chained: The task whose tags form a chain, its allowed transitions.
        score: From rows and by task what is said of each (L, K), the mean error by the tasks' metrics.
    """

    spelled: NDArray[np.int64]
    words: NDArray[np.int64]
    affixes: NDArray[np.int64]
    letters: NDArray[np.int64]
    lengths: NDArray[np.int64]
    y: Mapping[str, NDArray[np.int64]]
    outputs: Mapping[str, int]
    chained: Mapping[str, object]
    inputs: LexicalInputs
    score: Callable[[Rows, Mapping[str, list[Any]]], float]

    def batch(self, rows: Rows) -> tuple[LexicalBatch, int]:
        longest = int(self.lengths[rows].max())
        spelled = self.spelled[rows, :longest]
        different, place = np.unique(np.append(spelled.ravel(), 0), return_inverse=True)
        letters = self.letters[different]
        letters = letters[:, : int((letters > 0).sum(1).max())]
        parts = (
            self.words[spelled], self.affixes[different], letters, place[:-1].reshape(spelled.shape), spelled > 0
        )  # fmt: skip
        return LexicalBatch(*map(torch.from_numpy, parts)), longest


def sentences(data: Tagged, work: Work) -> None:
    """A recurrent tagger with a chain over the entities' tags."""
    for train, valid in work.folds:
        _tagger(data, train, valid, work)


def _tagger(data: Tagged, train: Rows, valid: Rows, work: Work) -> None:
    encoder = RecurrentEncoder(data.inputs.sizes, 64, dropout=0.3)
    network = Heads(encoder, encoder.out_features, data.outputs)
    network.chains = nn.ModuleDict(
        {task: LinearChainCRF(data.outputs[task], allowed) for task, allowed in data.chained.items()}
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01, fused=True)
    random, best = np.random.default_rng(0), Best(network)
    looked = rows_by_length(data.lengths[valid], 4000)
    for epoch in range(work.epochs):
        network.train()
        batches = rows_by_length(data.lengths[train], work.batch, random=random)
        for step, places in enumerate(batches):
            done = (epoch + step / len(batches)) / work.epochs
            optimizer.param_groups[0]["lr"] = 0.01 * min(1.0, done / 0.05 + 0.05) * (1 - 0.9 * done)
            rows = train[places]
            batch, longest = data.batch(rows)
            loss = torch.zeros(())
            for task, scores in network(batch).items():
                codes = torch.from_numpy(data.y[task][rows, :longest])
                if task in data.chained:
                    loss = loss + network.chains[task].log_loss(scores, codes, batch.mask).sum() / work.batch
                else:
                    loss = loss + F.cross_entropy(scores.flatten(0, 1), codes.flatten(), ignore_index=GAP)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        network.eval()
        total, held_out = 0.0, {task: [np.empty(0)] * len(valid) for task in data.outputs}
        with torch.no_grad():
            for places in looked:
                rows = valid[places]
                batch, longest = data.batch(rows)
                for task, scores in network(batch).items():
                    chain = network.chains[task] if task in data.chained else None
                    shares = scores.softmax(-1) if chain is None else chain.marginals(scores, batch.mask)
                    for place, own, length in zip(places, shares.numpy(), data.lengths[rows], strict=True):
                        held_out[task][place] = own[:length].copy()
                    codes = torch.from_numpy(data.y[task][rows, :longest])
                    known = codes >= 0
                    picked = shares[known].gather(1, codes[known][:, None])
                    total -= float(picked.clamp_min(1e-15).log().sum())
        best.look(data.score(valid, held_out) + 0.01 * total / len(valid))
    # What is said of the rows held out was kept as the last look's shares; nothing is predicted again.
