"""How fast studies learn from texts, sentences and pictures, beside loops written by hand.

    python benchmarks/throughput.py                 # all three; one thread, a few minutes
    python benchmarks/throughput.py texts --repeats 5

What is timed of sharewise is the whole fit that a study asks a reader for: its tokenising, its training of a network an
inner fold, its choice of epochs, its predictions of rows held out. The loop by hand (`throughput_plain.py`) has the same
modules, data, batches, optimiser and epochs, and tensors that were made before its clock starts. Both take turns in one
process; a ratio is the loop's time over sharewise's, whole and without the making of tensors, which the loop is spared.
The last columns are the seconds that making tensors takes within sharewise's fit, once for all its epochs, as a share of
the fit and of a single epoch, and what reading the files takes once for a problem. Seconds are the process's own on one
thread, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import sharewise as sw
import torch
from rich.console import Console
from rich.table import Table as Shown
from sharewise.families import Configuration, Run, Sample
from sharewise.families._cells import as_one
from sharewise.families._module_train import batch_size
from sharewise.families._reader import Reader
from sharewise.families.pictures import _network as of_pictures
from sharewise.families.sentences._network import RECURRENT, SentenceNetworks
from sharewise.families.sentences._student import Student
from sharewise.families.texts import _inputs
from sharewise.families.texts._networks import CNN, TextNetworks
from sharewise.modalities.tokens import LexicalInputs
from sharewise.problems import read_conllu, read_iob2
from sharewise.tasks import cells

import throughput_plain as plain
from tables_base import data_folder
from throughput_plain import GAP, Tagged, Work

EFFORT = 0
FOLDS = 2


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        loading: Seconds of reading, decoding or tagging files into a problem, once.
        batches: Of one epoch of all folds, from rows.
        loop: The hand-written loop of a number of epochs.
        tokenising: Functions ``(owner, name)`` that make tensors within the fit.
        before: Called before every fit of sharewise's.
    """

    reader: Reader
    configuration: Configuration
    sample: Sample
    loading: float
    steps: int
    loop: Callable[[int], None]
    tokenising: tuple[tuple[Any, str], ...]
    before: Callable[[], None] = lambda: None


class Clock:
    """Seconds spent in some functions."""

    def __init__(self) -> None:
        self.seconds, self._deep = 0.0, 0

    @contextmanager
    def watching(self, functions: tuple[tuple[Any, str], ...]) -> Iterator[None]:
        with ExitStack() as stack:
            for owner, name in functions:
                found = owner.__dict__[name]
                own = found.__func__ if isinstance(found, classmethod) else found
                timed = self._timed(own)
                stack.enter_context(
                    patch.object(owner, name, classmethod(timed) if isinstance(found, classmethod) else timed)
                )
            yield

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **more: Any) -> Any:
            start, self._deep = time.process_time(), self._deep + 1
            try:
                return function(*args, **more)
            finally:
                self._deep -= 1
                self.seconds += 0.0 if self._deep else time.process_time() - start

        return timed


def sampled(problem: sw.Problem, rows: int) -> Sample:
    """The first rows after a shuffle, every second one held out in turn."""
    chosen = np.random.default_rng(0).permutation(len(problem))[:rows]
    return Sample.of(problem, chosen, tuple((chosen[k::FOLDS], chosen[1 - k :: FOLDS]) for k in range(FOLDS)))


def coded(sample: Sample) -> dict[str, torch.Tensor]:
    """Classes (n,) by task."""
    labels = np.where(np.isnan(sample.labels), GAP, sample.labels).astype(np.int64)
    return {f"t{d}": torch.from_numpy(labels[:, d].copy()) for d in range(labels.shape[1])}


def steps_of(sample: Sample, batch: int) -> int:
    return sum(-(-len(train) // batch) for train, _ in sample.folds)


def texts(rows: int) -> Case:
    """Tweets: sentiment and the reason."""
    start = time.process_time()
    found = pd.read_csv(data_folder() / "twitter_airline" / "Tweets.csv").drop_duplicates("text")
    frame = found[["text", "airline_sentiment", "negativereason"]].reset_index(drop=True)
    problem = sw.Problem.from_frame(frame, targets=["airline_sentiment", "negativereason"])
    loading = time.process_time() - start
    sample = sampled(problem, rows)
    inputs, X = _inputs.TextInputs.fit(sample.table, Run(0))
    assert inputs.vocabulary is not None
    ids, size = torch.from_numpy(X).long(), inputs.vocabulary.size
    lengths, y, batch = (ids > 0).sum(1), coded(sample), batch_size(rows // FOLDS)
    return Case(
        TextNetworks(), CNN, sample, loading, steps_of(sample, batch),
        lambda epochs: plain.texts(ids, lengths, y, size, Work(sample.folds, epochs, batch)),
        ((_inputs.TextInputs, "fit"),), _inputs._FITTED.clear,
    )  # fmt: skip


def sentences(rows: int) -> Case:
    """English Web Treebank: parts of speech and entities."""
    folder = data_folder() / "ud_ewt_pos_ner"
    start = time.process_time()
    words = read_conllu(folder / "en_ewt-ud-dev.conllu", {"pos": "upos"})
    given = words.with_tags(read_iob2(folder / "uner_en_ewt-ud-dev.iob2", "entities"), unlike="leave")
    problem = sw.Problem.from_sentences(given)
    loading = time.process_time() - start
    sample = sampled(problem, rows)
    lines = list(sample.table.columns[0].values)
    lengths = np.array([len(line) for line in lines])
    train = sample.folds[0][0]
    places = int(np.clip(lengths[train].sum() // 10, 120, 1000))
    different = len({word for row in train for word in lines[row]})
    inputs = LexicalInputs.fit(
        [lines[row] for row in train], buckets=int(np.clip(2 * different, 500, 10_000))
    )
    forms = list(dict.fromkeys(word for line in lines for word in line))
    whole = inputs.batch([forms])
    place = {form: at for at, form in enumerate(forms, 1)}
    spelled = np.zeros((len(lines), lengths.max()), dtype=np.int64)
    y = {f"t{d}": np.full(spelled.shape, GAP) for d in range(len(sample.targets))}
    for row, line in enumerate(lines):
        spelled[row, : len(line)] = [place[word] for word in line]
        for d, codes in enumerate(sample.answers):
            if codes is not None and codes[row] is not None:
                y[f"t{d}"][row, : len(line)] = codes[row]
    kinds = {f"t{d}": target.kind.of for d, target in enumerate(sample.targets)}

    def score(valid: plain.Rows, said: dict[str, list[Any]]) -> float:
        errors = []
        for d, target in enumerate(sample.targets):
            known = sample.known(d)[valid]
            shares = cells([own for own, there in zip(said[f"t{d}"], known, strict=True) if there])
            errors.append(target.metric.error(target.metric(sample.truths(d, valid[known]), shares[:, None])))
        return float(np.mean(errors))

    data = Tagged(
        spelled, np.append(0, whole.words[0].numpy()), whole.affixes.numpy(), whole.letters.numpy(), lengths, y,
        {task: kind.outputs for task, kind in kinds.items()},
        {t: k.transitions() for t, k in kinds.items() if not k.transitions().next.all()}, inputs, score,
    )  # fmt: skip
    return Case(
        SentenceNetworks(), RECURRENT, sample, loading, 0,
        lambda epochs: plain.sentences(data, Work(sample.folds, epochs, places)),
        ((LexicalInputs, "fit"), (LexicalInputs, "_batch"), (Student, "_targets")),
    )  # fmt: skip


def pictures(rows: int) -> Case:
    """Photographs of 32 by 30 pixels: who, which way, what mood, what eyes."""
    files = sorted((data_folder() / "cmu_faces").glob("*/*_4.pgm"))
    names = [file.stem.split("_") for file in files]
    start = time.process_time()
    problem = sw.Problem.from_pictures(
        files, {f"t{d}": ([one[d] for one in names], "multiclass") for d in range(3)}
    )
    loading = time.process_time() - start
    sample = sampled(problem, min(rows, len(files)))
    pixels = torch.from_numpy(np.ascontiguousarray(sample.table.columns[0].values))
    batch = int(np.clip(len(sample) // FOLDS // 12, 8, 64))
    y = coded(sample)
    return Case(
        of_pictures.PictureNetwork(), of_pictures.SCRATCH, sample, loading, steps_of(sample, batch),
        lambda epochs: plain.pictures(pixels, y, Work(sample.folds, epochs, batch)), (),
    )  # fmt: skip


CASES: dict[str, tuple[Callable[[int], Case], int]] = {
    "texts": (texts, 1000),
    "sentences": (sentences, 600),
    "pictures": (pictures, 200),
}
EPOCHS_OF_PICTURES = 3
"""In a study at least 16, for one task; several have twice as many."""
EPOCHS_OF_SENTENCES = 6
"""At effort 0; their steps differ by how lengths fall into batches, so epochs are not read off them."""


def measured(case: Case, repeats: int) -> tuple[list[float], list[float], list[float], int]:
    """Seconds of sharewise's fits, of the loop's, of making tensors in the former; and epochs."""
    ours, theirs, tokens, epochs = [], [], [], 0
    for turn in range(repeats + 1):
        case.before()
        clock, run = Clock(), Run(0, effort=EFFORT)
        with clock.watching(case.tokenising), patch.object(of_pictures, "EPOCHS", (EPOCHS_OF_PICTURES,) * 4):
            start = time.process_time()
            case.reader.fit(case.sample, case.configuration, as_one(case.sample), run)
            mine = time.process_time() - start
        epochs = round(run.steps / case.steps) if case.steps else EPOCHS_OF_SENTENCES
        start = time.process_time()
        case.loop(epochs)
        if turn:  # the first turn warms both up
            ours.append(mine)
            theirs.append(time.process_time() - start)
            tokens.append(clock.seconds)
    return ours, theirs, tokens, epochs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all without")
    parser.add_argument("--repeats", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    shown = Shown("rows", "epochs", "ours /s", "by hand /s", "ratio (from, to)", "without tensors", "tensors: of fit",
                  "of one epoch", "reading: s once", "in epochs")  # fmt: skip
    for name in given.cases or CASES:
        make, rows = CASES[name]
        case = make(rows)
        ours, theirs, tokens, epochs = measured(case, given.repeats)
        ratios = np.array(theirs) / np.array(ours)
        bare = np.array(theirs) / (np.array(ours) - np.array(tokens))
        seen = epochs * sum(len(train) for train, _ in case.sample.folds)
        mine, token = float(np.median(ours)), float(np.median(tokens))
        shown.add_row(
            f"{name} {len(case.sample)}", str(epochs), f"{seen / mine:.0f}", f"{seen / np.median(theirs):.0f}",
            f"{np.median(ratios):.3f} ({ratios.min():.3f}, {ratios.max():.3f})", f"{np.median(bare):.3f}",
            f"{token / mine:.1%}", f"{token / (mine / epochs):.1%}", f"{case.loading:.2f}",
            f"{case.loading / (mine / epochs):.2f}",
        )  # fmt: skip
    Console(width=170).print(shown)


if __name__ == "__main__":
    main()
