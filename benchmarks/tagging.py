"""Parts of speech and entities: one network with two heads beside one network each.

    python benchmarks/tagging.py                                   # from scratch, about 5 CPU-minutes a seed
    python benchmarks/tagging.py --seconds 30                      # a look
    python benchmarks/tagging.py --encoder minilm --seconds 1100   # a pretrained encoder, fine-tuned whole
    python benchmarks/tagging.py --seeds 3 --peer                  # three seeds, and spaCy's own taggers beside

English Web Treebank (Universal Dependencies) and Universal NER, read from ``ud_ewt_pos_ner`` in SHAREWISE_DATA or
``../shared/data``. Parts of speech learn from the treebank's training sentences, entities from 85% of its development
texts (their training file is not there), both choose their best weights on the other 15%, whole texts, and both are
scored on the test sentences, which nothing has seen. Vocabularies are of the sentences that a network learns from.

Equal time: the joint network may learn for as many CPU seconds (``--seconds``) as both separate ones together (2/3 of
them parts of speech, 1/3 entities); so may the peer, spaCy's ``tagger`` and ``ner`` from blank English, its tokens given.
Nothing is tuned on the way; encoder and rates are the same for all. Scores are means over seeds, each of which also draws
the texts to choose on; intervals are 95% bootstrap over test sentences (of all seeds' counts), so they say nothing of
seeds, whose lowest and highest score stand beside.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sharewise.problems import Sentences, read_conllu, read_iob2
from sharewise.tasks import Spans, Tagging, TokenKind, TokenMetric

from tagging_model import ENCODERS, SCRATCH, Course, Tagger

DATA = (
    Path(os.environ.get("SHAREWISE_DATA") or Path(__file__).parents[2] / "shared" / "data") / "ud_ewt_pos_ner"
)
POS, ENTITIES = "pos", "entities"
SHARES = {(POS,): 2 / 3, (ENTITIES,): 1 / 3, (POS, ENTITIES): 1.0}
"""Of the joint network's time, by what a network learns."""
DRAWS = 2000
Counts = dict[tuple[str, str], list[np.ndarray]]
"""By way and task the counts ``(S, C)`` of each seed."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=ENCODERS, default="recurrent")
    parser.add_argument("--seconds", type=float, default=140.0, help="of the joint network, CPU time")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument(
        "--tasks", choices=("pos", "entities", "both"), default="both", help="one separate network alone"
    )
    parser.add_argument("--no-crf", action="store_true", help="tag entities word by word")
    parser.add_argument("--peer", action="store_true", help="spaCy's taggers beside (pip install spacy)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(width=124)
    counts: Counts = defaultdict(list)
    table = Table(
        "seed", "network", "POS accuracy", "entity F1", "weights", "CPU s", "epochs", "words/s predicted"
    )
    kinds: dict[str, TokenKind] = {}
    for seed in range(asked.seed, asked.seed + asked.seeds):
        train, teach, choose, test = _sentences(seed)
        kinds = {POS: Tagging.of(train.column(POS)), ENTITIES: Spans.of(teach.column(ENTITIES))}
        sources = {POS: train, ENTITIES: teach}
        if seed == asked.seed:
            for name, part in (("POS", train), ("entities", teach), ("choosing", choose), ("test", test)):
                console.print(f"{name}: {len(part):,} sentences, {part.tokens:,} words")
        for tasks, share in SHARES.items():
            if asked.tasks != "both" and tasks != (asked.tasks,):
                continue
            tagger = Tagger.start(
                {task: kinds[task] for task in tasks},
                [words for task in tasks for words in sources[task].words],
                encoder=asked.encoder,
                chained=() if asked.no_crf else (ENTITIES,),
                seed=seed,
            )
            course = Course(seconds=share * asked.seconds, seed=seed, **_pace(asked.encoder))
            done = course.run(tagger, {task: sources[task] for task in tasks}, choose)
            way = "joint" if len(tasks) > 1 else "separate"
            began = time.process_time()
            found = tagger.predict(test.words, done.best)
            pace = test.tokens / (time.process_time() - began)
            epochs = ", ".join(f"{done.epochs[task]:.1f}" for task in tasks)
            shown = _noted(counts, kinds, way, test, {task: found[task] for task in tasks})
            size = f"{tagger.weights:,}"
            table.add_row(
                str(seed),
                f"{way} ({' + '.join(tasks)})",
                *shown,
                size,
                f"{done.seconds:.0f}",
                epochs,
                f"{pace:,.0f}",
            )
        if asked.peer:
            from tagging_peer import train_and_tag

            for task in (POS, ENTITIES) if asked.tasks == "both" else (asked.tasks,):
                seconds = SHARES[(task,)] * asked.seconds
                peer = train_and_tag(kinds[task], sources[task], choose, test, task, seconds, seed)
                shown = _noted(counts, kinds, "spaCy", test, {task: peer.tags})
                row = (f"{peer.weights:,}", f"{peer.seconds:.0f}", f"{peer.epochs:.1f}", f"{peer.pace:,.0f}")
                table.add_row(str(seed), f"spaCy ({task})", *shown, *row)
    console.print(table)
    _tell(console, counts, kinds)


def _pace(encoder: str) -> dict[str, float | int]:
    """Rate and batches: new weights learn fast, and ten times as fast as pretrained ones beside them."""
    return {} if encoder in SCRATCH else {"rate": 3e-3, "places": 1000, "checks": 4}


def _noted(
    counts: Counts, kinds: dict[str, TokenKind], way: str, test: Sentences, found: dict[str, list]
) -> list[str]:
    """Notes the counts of a prediction; its scores as cells of the table."""
    shown = dict.fromkeys((POS, ENTITIES), "")
    for task, tags in found.items():
        metric = kinds[task].metric()
        counts[way, task].append(metric.counts(test.column(task), tags))
        shown[task] = f"{100 * float(metric.value(counts[way, task][-1].sum(axis=0))):.2f}"
    return list(shown.values())


def _tell(console: Console, counts: Counts, kinds: dict[str, TokenKind]) -> None:
    """Means over seeds with their intervals, and what sharing changed."""
    for (way, task), each in counts.items():
        metric = kinds[task].metric()
        scores = [100 * float(metric.value(one.sum(axis=0))) for one in each]
        low, high = metric.interval(np.sum(each, axis=0), draws=DRAWS)
        console.print(
            f"{task}, {way}: {np.mean(scores):.2f} [{100 * low:.2f}, {100 * high:.2f}], "
            f"{len(each)} seed(s) from {min(scores):.2f} to {max(scores):.2f}"
        )
    for one, other in (("joint", "separate"), ("separate", "spaCy"), ("joint", "spaCy")):
        for task in (POS, ENTITIES):
            if (one, task) not in counts or (other, task) not in counts:
                continue
            pair = np.sum(counts[other, task], axis=0), np.sum(counts[one, task], axis=0)
            gain, low, high = _gain(kinds[task].metric(), *pair)
            console.print(
                f"{task}: {one} minus {other} {100 * gain:+.2f} points, 95% interval "
                f"[{100 * low:+.2f}, {100 * high:+.2f}], same sentences"
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


def _gain(metric: TokenMetric, before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Difference of scores with a paired bootstrap interval over sentences."""
    random = np.random.default_rng(0)
    picks = random.multinomial(len(after), np.full(len(after), 1 / len(after)), size=DRAWS)
    low, high = np.quantile(metric.value(picks @ after) - metric.value(picks @ before), [0.025, 0.975])
    return float(metric.value(after.sum(0)) - metric.value(before.sum(0))), float(low), float(high)


if __name__ == "__main__":
    main()
