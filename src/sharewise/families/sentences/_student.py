"""One network on its way: an epoch of learning, then a look at the sentences held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sharewise.families._base import Configuration
from sharewise.families._sample import Run, Sample
from sharewise.families.sentences._cells import Words
from sharewise.families.sentences._tagger import Tagger
from sharewise.modalities.tokens import rows_by_length
from sharewise.tasks import TagRows, cells
from sharewise.tasks._token_loss import padded_codes

BATCHES = 10
"""Batches an epoch, within these numbers of places."""
SMALLEST_BATCH, LARGEST_BATCH = 120, 1000
STILL_MATTERS = 0.01
"""Weight of the log loss beside the metric's error: it decides where the metric stands still."""
SLOWER = 0.1
"""Learning rate of pretrained weights, as a share of that of new ones, where all of them learn."""
WARM = 0.05
"""Share of the steps over which the rate rises."""


@dataclass(frozen=True)
class Lesson:
    """What a network learns from and is judged on.

    Attributes:
        sample: All sentences.
        sentences: Their words.
        taught: By target its labelled training rows.
        valid: Rows held out.
        epochs: At most; the rate falls over them.
    """

    sample: Sample
    sentences: list[Words]
    taught: Mapping[int, NDArray[np.intp]]
    valid: NDArray[np.intp]
    epochs: int


class Student:
    """A network, its optimizer, and randomness of its own.

    Attributes:
        targets: Those it learns.
        held_out: By target what it said of the held-out sentences when last judged.
    """

    def __init__(self, configuration: Configuration, lesson: Lesson, seed: int) -> None:
        self.lesson = lesson
        self.targets = tuple(lesson.taught)
        self.held_out: dict[int, list[NDArray[np.float32]]] = {}
        sample = lesson.sample
        self.rows = np.unique(np.concatenate(list(lesson.taught.values())))
        self.lengths = np.array([len(lesson.sentences[row]) for row in self.rows])
        self.places = int(np.clip(self.lengths.sum() // BATCHES, SMALLEST_BATCH, LARGEST_BATCH))
        kinds = {target: _kind(sample, target).of for target in self.targets}
        self.random = np.random.default_rng(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.tagger = Tagger.start(configuration, kinds, [lesson.sentences[row] for row in self.rows])
            self.state = torch.get_rng_state()
        self.optimizer = _optimizer(self.tagger, configuration)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def learn(self, epoch: int, run: Run) -> None:
        """One time through the sentences.

        A task's loss is summed over the labelled words of a batch and divided by those that a batch has on average:
        over an epoch every task weighs the same, however few its labels, and no batch with one label shouts.

        Raises:
            OutOfTime: The run's deadline has passed.
        """
        batches = rows_by_length(self.lengths, self.places, random=self.random)
        usual = {
            target: self.lengths[np.isin(self.rows, rows)].sum() / len(batches)
            for target, rows in self.lesson.taught.items()
        }
        network = self.tagger.network.train()
        learnt = [p for p in network.parameters() if p.requires_grad]
        with self._randomness():
            for step, places in enumerate(batches):
                self._set_rate((epoch + step / len(batches)) / self.lesson.epochs)
                rows = self.rows[places]
                batch = self.tagger.inputs.batch([self.lesson.sentences[row] for row in rows])
                sums = network.losses(batch, self._targets(rows, self.lengths[places]))
                loss = torch.stack([total / float(usual[target]) for target, total in sums.items()]).sum()
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(learnt, 1.0)
                self.optimizer.step()
                run.tick(steps=1)
        self.optimizer.zero_grad(set_to_none=True)  # networks of other folds take their turn in memory

    def judge(self, run: Run) -> dict[int, float]:
        """Each task's error on the held-out sentences; infinite where none is labelled."""
        valid, sample = self.lesson.valid, self.lesson.sample
        self.held_out = self.tagger.probabilities([self.lesson.sentences[row] for row in valid])
        run.tick()
        errors = {}
        for target in self.targets:
            known = sample.known(target)[valid]
            said: Any = cells(self.held_out[target])[known]
            truths: Any = sample.truths(target, valid[known])
            errors[target] = float("inf")
            if len(truths):
                metric, kind = sample.targets[target].metric, _kind(sample, target)
                error = metric.error(metric(truths, said[:, None]))
                errors[target] = error + STILL_MATTERS * float(kind.losses(truths, said).mean())
        return errors

    def _targets(self, rows: NDArray[np.intp], lengths: NDArray[np.intp]) -> dict[int, torch.Tensor]:
        """By target codes ``(B, L)``, negative where a sentence does not teach it."""
        found = {}
        for target in self.targets:
            known = self.lesson.sample.known(target)[rows]
            truths: Any = self.lesson.sample.answers[target]
            found[target] = padded_codes(
                [truths[row] if there else None for row, there in zip(rows, known, strict=True)], lengths
            )
        return found

    def _set_rate(self, share: float) -> None:
        """A short rise, then a straight fall to a tenth."""
        factor = min(1.0, share / WARM + 0.05) * (1.0 - 0.9 * share)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor

    @contextmanager
    def _randomness(self) -> Iterator[None]:
        """Torch's randomness as it was left at the last epoch, whoever drew in between."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.state)
            yield
            self.state = torch.get_rng_state()


def _kind(sample: Sample, target: int) -> TagRows:
    kind = sample.targets[target].kind
    assert isinstance(kind, TagRows)  # the reader's rows have no others
    return kind


def _optimizer(tagger: Tagger, configuration: Configuration) -> torch.optim.Optimizer:
    rate, decay = configuration.get("learning_rate", 3e-3), configuration.get("weight_decay", 1e-2)
    named = [(name, value) for name, value in tagger.network.named_parameters() if value.requires_grad]
    # Only where all of a pretrained encoder learns are there weights worth being gentle with.
    gentle = configuration.word("tune", "frozen") == "full"
    known = [value for name, value in named if gentle and ".model." in name]
    new = [value for name, value in named if not (gentle and ".model." in name)]
    groups: list[dict[str, Any]] = [{"params": new, "lr": rate}]
    if known:
        groups.append({"params": known, "lr": SLOWER * rate})
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)
