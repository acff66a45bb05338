"""Parts of speech and entities, trained from scratch: one network with two heads beside one network each.

    python benchmarks/tagging.py                # about 5 CPU-minutes
    python benchmarks/tagging.py --seconds 30   # a look

English Web Treebank (Universal Dependencies) and Universal NER, read from ``ud_ewt_pos_ner`` in SHAREWISE_DATA or
``../shared/data``. Parts of speech learn from the treebank's training sentences, entities from 85% of its development
texts (their training file is not there), both choose their best weights on the other 15%, whole texts, and both are
scored on the test sentences, which nothing has seen. Vocabularies are of the sentences that a network learns from.

Equal time: the joint network may learn for as many CPU seconds (``--seconds``) as both separate ones together (2/3 of
them parts of speech, 1/3 entities). Nothing is tuned on the way; encoder and rates are the same for all. Intervals are
95% bootstrap over test sentences of one training seed, so they say nothing of other seeds.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sharewise.problems import Sentences, read_conllu, read_iob2
from sharewise.tasks import Spans, Tagging, TokenKind, TokenMetric

from tagging_model import Course, Tagger

DATA = (
    Path(os.environ.get("SHAREWISE_DATA") or Path(__file__).parents[2] / "shared" / "data") / "ud_ewt_pos_ner"
)
POS, ENTITIES = "pos", "entities"
DRAWS = 2000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=("recurrent", "convolution"), default="recurrent")
    parser.add_argument("--seconds", type=float, default=140.0, help="of the joint network, CPU time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-crf", action="store_true", help="tag entities word by word")
    asked = parser.parse_args()
    torch.set_num_threads(1)

    train, teach, choose, test = _sentences(asked.seed)
    kinds: dict[str, TokenKind] = {
        POS: Tagging.of(train.column(POS)),
        ENTITIES: Spans.of(teach.column(ENTITIES)),
    }
    sources = {POS: train, ENTITIES: teach}
    console = Console(width=118)
    for name, part in (("POS", train), ("entities", teach), ("choosing", choose), ("test", test)):
        console.print(f"{name}: {len(part):,} sentences, {part.tokens:,} words")

    table = Table("network", "POS accuracy", "entity F1", "weights", "CPU s", "epochs", "words/s predicted")
    counts: dict[tuple[str, str], np.ndarray] = {}
    for tasks, share in (((POS,), 2 / 3), ((ENTITIES,), 1 / 3), ((POS, ENTITIES), 1.0)):
        tagger = Tagger.start(
            {task: kinds[task] for task in tasks},
            [words for task in tasks for words in sources[task].words],
            encoder=asked.encoder,
            chained=() if asked.no_crf else (ENTITIES,),
            seed=asked.seed,
        )
        course = Course(seconds=share * asked.seconds, seed=asked.seed)
        done = course.run(tagger, {task: sources[task] for task in tasks}, choose)
        way = "joint" if len(tasks) > 1 else "separate"
        shown = dict.fromkeys((POS, ENTITIES), "")
        began = time.process_time()
        found = tagger.predict(test.words, done.best)
        pace = test.tokens / (time.process_time() - began)
        for task in tasks:
            metric = kinds[task].metric()
            counts[way, task] = metric.counts(test.column(task), found[task])
            low, high = metric.interval(counts[way, task], draws=DRAWS)
            score = float(metric.value(counts[way, task].sum(axis=0)))
            shown[task] = f"{100 * score:.2f} [{100 * low:.2f}, {100 * high:.2f}]"
        epochs = ", ".join(f"{done.epochs[task]:.1f}" for task in tasks)
        table.add_row(
            f"{way} ({' + '.join(tasks)})",
            shown[POS],
            shown[ENTITIES],
            f"{tagger.weights:,}",
            f"{done.seconds:.0f}",
            epochs,
            f"{pace:,.0f}",
        )
    console.print(table)
    for task in (POS, ENTITIES):
        gain, low, high = _gain(kinds[task].metric(), counts["separate", task], counts["joint", task])
        console.print(
            f"{task}: joint minus separate {100 * gain:+.2f} points, 95% interval [{100 * low:+.2f}, {100 * high:+.2f}], "
            "same sentences"
        )


def _sentences(seed: int) -> tuple[Sentences, Sentences, Sentences, Sentences]:
    """For parts of speech, for entities, to choose weights on, to score."""
    train = read_conllu(DATA / "en_ewt-ud-train.rebuilt.conllu.gz", {POS: "upos"})
    parts = []
    for part in ("dev", "test"):
        words = read_conllu(DATA / f"en_ewt-ud-{part}.conllu", {POS: "upos"})
        # Three sentences a file were cut into other words since; they have no entities here.
        parts.append(
            words.with_tags(read_iob2(DATA / f"uner_en_ewt-ud-{part}.iob2", ENTITIES), unlike="leave")
        )
    dev, test = parts
    texts = sorted({text for text in dev.documents if text is not None})
    held = set(np.random.default_rng(seed).permutation(texts)[: round(0.15 * len(texts))])
    inside = [text in held for text in dev.documents]
    teach = dev.take(row for row, held_out in enumerate(inside) if not held_out)
    return train, teach, dev.take(row for row, held_out in enumerate(inside) if held_out), test


def _gain(metric: TokenMetric, separate: np.ndarray, joint: np.ndarray) -> tuple[float, float, float]:
    """Difference of scores with a paired bootstrap interval over sentences."""
    random = np.random.default_rng(0)
    picks = random.multinomial(len(joint), np.full(len(joint), 1 / len(joint)), size=DRAWS)
    low, high = np.quantile(metric.value(picks @ joint) - metric.value(picks @ separate), [0.025, 0.975])
    return float(metric.value(joint.sum(0)) - metric.value(separate.sum(0))), float(low), float(high)


if __name__ == "__main__":
    main()
